"""Decides what is refused: hazards, a wrong format, two formats in one file, too large a disk. Inspectors report only.

What the image was declared to be never decides what is looked for: every inspector saw every byte.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stillage.errors import ContentRejected, DiskTooLarge
from stillage.formats import foreign, luks
from stillage.formats.base import Facts, Hazard, Rule
from stillage.formats.ploop import inspect as ploop
from stillage.formats.stream import Findings

GIB = 1 << 30

MISMATCH = Rule("format.mismatch", "The bytes are of another format than the image's disk_format says.")
AMBIGUOUS = Rule(
    "format.ambiguous",
    "The file is valid as two formats at once, so two programs would see two different disks.",
    "qemu-img convert -f FORMAT -O raw IN OUT",
)
ABSURD_SIZE = Rule("virtual-size.absurd", "The disk inside claims to be larger than max_virtual_size allows.")
EMPTY = Rule("format.empty", "There are no bytes; only a raw image may be empty.")
MIN_DISK = Rule("virtual-size.min-disk", "The disk inside is larger than the image's min_disk, where that is binding.")
RULES = (MISMATCH, AMBIGUOUS, ABSURD_SIZE, EMPTY, MIN_DISK)

# Declarations that other formats satisfy too. The Amazon kinds have no signature of their own, and Glance takes for
# ploop what is on a ploop as well as the ploop: raw bytes.
# An ISO 9660 image on a raw disk (isohybrid) is an ordinary raw disk.
SATISFIED_BY: Mapping[str, frozenset[str]] = {
    "raw": frozenset({"raw", "iso"}),
    "ami": frozenset({"raw"}),
    "ari": frozenset({"raw"}),
    "aki": frozenset({"raw"}),
    "ploop": frozenset({"raw", "ploop"}),
}

FOREIGN = frozenset(rule.id for rule in foreign.RULES)
# What speaks only where no format claims the file: in a fixed VHD these are the guest's bytes.
BARE = FOREIGN - foreign.DISKS | {luks.ENCRYPTED.id}
# Foreign files that a declaration asks for: Amazon's kernels and ramdisks are ELF, gzip, cpio … and no disks at all.
WELCOME: Mapping[str, frozenset[str]] = {
    "ami": FOREIGN,
    "ari": FOREIGN,
    "aki": FOREIGN,
}
# A disk may begin with a page of text, or be one: a label, a script for the guest, a test.
POSSIBLY_RAW = frozenset({foreign.TEXT.id})

# Formats that end where the guest's disk does.
ENDS_WITH_THE_DISK = frozenset({"iso"})
# Formats whose first sector belongs to the guest: what may stand there without being a second disk.
FIRST_SECTOR: Mapping[tuple[str, str], frozenset[str]] = {
    # QEMU, if it is not told the format, takes a fixed VHD of a LUKS container for the container.
    ("vhd", "fixed"): frozenset({"mbr", "gpt"}),
    ("iso", ""): frozenset({"mbr", "gpt"}),
    ("iso", "udf"): frozenset({"mbr", "gpt"}),
}

# What a hazard reaches for, as the second part of its rule's id: these are named before any other reason.
REACHES_OUT = frozenset(
    {
        "backing-file",
        "data-file",
        "delta",
        "differencing",
        "extent-path",
        "external-extent",
        "external-file",
        "parent",
    }
)


@dataclass(frozen=True, slots=True)
class Policy:
    """What a deployment allows.

    Attributes:
        require_format_match: Refuse bytes of another format than the declared one.
        max_virtual_size: Largest disk inside an image, in bytes.
        allowed: Ids of rules that do not refuse an image here, unless the inspection ended there.
        text_as_raw: Accept as raw what is plain text from its first byte.
        interchangeable: Formats that any image may hold, whatever it is declared to be.
        min_disk_binds: Refuse a disk that is larger than the image's ``min_disk``.
    """

    require_format_match: bool = True
    max_virtual_size: int = 64 << 40
    allowed: frozenset[str] = frozenset()
    text_as_raw: bool = True
    interchangeable: frozenset[str] = frozenset()
    min_disk_binds: bool = False


@dataclass(frozen=True, slots=True)
class Declaration:
    """What an image's record says of its bytes.

    Attributes:
        disk_format: None accepts any one format.
        wrapped: The bytes are a package (OVA, a compressed file …) in which the disk is, and not the disk itself.
        min_disk: GiB; 0 says nothing.
    """

    disk_format: str | None = None
    wrapped: bool = False
    min_disk: int = 0


def refusal(findings: Findings, declaration: Declaration, policy: Policy) -> ContentRejected | None:
    """Return why this image is refused, None while nothing speaks against it.

    Asked after every block, so that a bad image ends as soon as its bytes show it; `Findings.complete` makes it final.

    Args:
        findings: Of all inspectors, so far.
        declaration: Of the image.
        policy: The deployment's.
    """
    return next(refusals(findings, declaration, policy), None)


def refusals(findings: Findings, declaration: Declaration, policy: Policy) -> Iterator[ContentRejected]:
    """Yield everything for which this image is refused, the most telling first. Arguments as `refusal`."""
    matched = [facts for facts in findings.matched if facts.format != "raw"]
    for broken in _hazards(findings, matched, declaration, policy):
        if broken.final or broken.rule.id not in policy.allowed:
            kind = DiskTooLarge if broken.rule is MIN_DISK else ContentRejected
            yield kind(
                broken.message,
                rule=broken.rule.id,
                offset=broken.offset,
                found=_found(findings, matched, broken),
                declared=declaration.disk_format,
                fix=broken.rule.fix,
            )


def format_found(findings: Findings) -> Facts:
    """The one format of a complete stream that `refusal` did not refuse."""
    others = [facts for facts in findings.matched if facts.format != "raw"]
    return others[0] if others else next(facts for facts in findings.matched if facts.format == "raw")


def _found(findings: Findings, matched: list[Facts], broken: Hazard) -> str | None:
    if matched:
        return matched[0].format
    if broken.rule.id in FOREIGN:
        return broken.rule.id.partition(".")[2]
    return "raw" if findings.complete else None


def _hazards(findings: Findings, matched: list[Facts], declaration: Declaration, policy: Policy) -> list[Hazard]:
    """Everything that speaks against the image, the most telling first.

    What reaches out of the image comes before two formats in one file, which explains much of what is broken in
    either. That the declaration is wrong comes last: it can be corrected, and the rest would remain.
    """
    reported = [hazard for hazard in findings.hazards if _counts_always(hazard, matched, declaration)]
    hazards = [
        *(hazard for hazard in reported if _reaches_out(hazard.rule)),
        *_ambiguous(findings, matched),
        *(hazard for hazard in reported if not _reaches_out(hazard.rule)),
        *_absurd_sizes(matched, policy),
        *_empty(findings, declaration.disk_format),
    ]
    if declaration.wrapped:
        # A package is an archive, or compressed, and never of the disk's own format.
        return hazards
    return [
        *hazards,
        *_bare(findings, matched, declaration.disk_format, policy),
        *_min_disk(findings, matched, declaration, policy),
        *_mismatch(findings, matched, declaration.disk_format, policy),
    ]


def _counts_always(hazard: Hazard, matched: list[Facts], declaration: Declaration) -> bool:
    """Whether *hazard* speaks against the image whatever else was found, and so at once."""
    if hazard.rule is foreign.PARALLELS:
        return declaration.disk_format != ploop.FORMAT
    if hazard.rule is foreign.LIKE_QCOW:
        return not declaration.wrapped  # the name of an archive's first file may begin with the three letters
    if hazard.rule is luks.ENCRYPTED:
        return declaration.wrapped  # no package begins as a container does
    if hazard.rule is foreign.DMG:
        # The end of most formats is the guest's.
        return all(facts.format in ENDS_WITH_THE_DISK for facts in matched)
    return hazard.rule.id not in BARE


def _reaches_out(rule: Rule) -> bool:
    return rule.id.partition(".")[2] in REACHES_OUT


def _ambiguous(findings: Findings, matched: list[Facts]) -> Iterator[Hazard]:
    if len(matched) > 1:
        names = " and ".join(facts.format for facts in matched)
        yield Hazard(AMBIGUOUS, None, f"the file is {names} at once; convert it to one of them")
        return
    # A header and a partition table in the same first sector: raw to one program, something else to the other.
    first = next((facts.subformat for facts in findings.matched if facts.format == "raw"), "")
    for facts in matched:
        if first and first not in FIRST_SECTOR.get((facts.format, facts.subformat), frozenset()):
            message = f"the file is {facts.format} and a raw disk ({first}) at once; convert it to one of them"
            yield Hazard(AMBIGUOUS, 0, message)


def _absurd_sizes(matched: list[Facts], policy: Policy) -> Iterator[Hazard]:
    limit = policy.max_virtual_size
    for facts in matched:
        if facts.virtual_size is not None and facts.virtual_size > limit:
            message = f"the {facts.format} disk inside claims {facts.virtual_size} bytes; {limit} are allowed"
            yield Hazard(ABSURD_SIZE, None, message)


def _min_disk(findings: Findings, matched: list[Facts], declaration: Declaration, policy: Policy) -> Iterator[Hazard]:
    limit = declaration.min_disk * GIB
    if not limit or not policy.min_disk_binds:
        return
    # Raw is what remains when the stream has ended and nothing else has matched.
    disks = matched or [facts for facts in findings.matched if findings.complete]
    for facts in disks:
        size = facts.virtual_size or 0
        if facts.format == "raw":
            # A LUKS header says where its disk begins; to a reader that is told "raw" the whole file is the disk.
            size = max(size, findings.seen)
        if size > limit:
            message = (
                f"the disk inside has {size} bytes and min_disk allows {limit}; "
                f"set min_disk to {-(-size // GIB)} or more"
            )
            yield Hazard(MIN_DISK, None, message)


def _empty(findings: Findings, declared: str | None) -> Iterator[Hazard]:
    if findings.complete and not findings.seen and declared not in (None, *SATISFIED_BY):
        yield Hazard(EMPTY, None, f"the body is empty; a {declared} image has at least a header")


def _bare(findings: Findings, matched: list[Facts], declared: str | None, policy: Policy) -> Iterator[Hazard]:
    """What the bytes are when no format claims them, and none that would be accepted can still do so."""
    accepted = _satisfying(declared, policy) if declared is not None else findings.undecided - {foreign.FORMAT}
    if matched or accepted & findings.undecided:
        return
    welcome = WELCOME.get(declared or "", frozenset())
    if policy.text_as_raw and (declared is None or "raw" in accepted):
        welcome |= POSSIBLY_RAW
    yield from (hazard for hazard in findings.hazards if hazard.rule.id in BARE - welcome)


def _mismatch(findings: Findings, matched: list[Facts], declared: str | None, policy: Policy) -> Iterator[Hazard]:
    if declared is None or not policy.require_format_match:
        return
    satisfying = _satisfying(declared, policy)
    for facts in matched:
        if facts.format not in satisfying:
            message = (
                f"the image is declared {declared}, the bytes are {facts.format}; set disk_format to {facts.format}"
            )
            yield Hazard(MISMATCH, 0, message)
            return
    if not (matched or "raw" in satisfying or not findings.seen or satisfying & findings.undecided):
        yield Hazard(MISMATCH, 0, f"the image is declared {declared} and the bytes are not {declared}")


def _satisfying(declared: str, policy: Policy) -> frozenset[str]:
    return SATISFIED_BY.get(declared, frozenset({declared})) | policy.interchangeable
