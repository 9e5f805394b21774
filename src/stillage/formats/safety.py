"""What we refuse. Inspectors report; this decides.

What the image was declared to be never decides what is looked for: every inspector saw every byte.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from stillage.errors import ContentRejected
from stillage.formats.base import Facts, Hazard, Rule
from stillage.formats.stream import Findings

MISMATCH = Rule("format.mismatch", "The bytes are of another format than the image's disk_format says.")
AMBIGUOUS = Rule(
    "format.ambiguous",
    "The file is valid as two formats at once, so two programs would see two different disks.",
    "qemu-img convert -f FORMAT -O raw IN OUT",
)
ABSURD_SIZE = Rule("virtual-size.absurd", "The disk inside claims to be larger than max_virtual_size allows.")
EMPTY = Rule("format.empty", "There are no bytes; only a raw image may be empty.")
RULES = (MISMATCH, AMBIGUOUS, ABSURD_SIZE, EMPTY)

# Declarations that other formats satisfy too. The Amazon kinds and ploop have no signature of their own: raw bytes.
# An ISO 9660 image on a raw disk (isohybrid) is an ordinary raw disk.
SATISFIED_BY: Mapping[str, frozenset[str]] = {
    "raw": frozenset({"raw", "iso"}),
    "ami": frozenset({"raw"}),
    "ari": frozenset({"raw"}),
    "aki": frozenset({"raw"}),
    "ploop": frozenset({"raw"}),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """What a deployment allows.

    Attributes:
        require_format_match: Refuse bytes of another format than the declared one.
        max_virtual_size: Largest disk inside an image, in bytes.
        allowed: Ids of rules that do not refuse an image here.
    """

    require_format_match: bool = True
    max_virtual_size: int = 64 << 40
    allowed: frozenset[str] = frozenset()


def refusal(findings: Findings, declared: str | None, policy: Policy) -> ContentRejected | None:
    """Return why this image is refused, None while nothing speaks against it.

    Asked after every block, so that a bad image ends as soon as its bytes show it; `Findings.complete` makes it final.

    Args:
        findings: Of all inspectors, so far.
        declared: The image's ``disk_format``; None accepts any one format.
        policy: The deployment's.
    """
    matched = [facts for facts in findings.matched if facts.format != "raw"]
    found = matched[0].format if matched else ("raw" if findings.complete else None)
    for broken in _hazards(findings, matched, declared, policy):
        if broken.rule.id not in policy.allowed:
            return ContentRejected(
                broken.message,
                rule=broken.rule.id,
                offset=broken.offset,
                found=found,
                declared=declared,
                mend=broken.rule.mend,
            )
    return None


def format_found(findings: Findings) -> Facts:
    """The one format of a complete stream that `refusal` did not refuse."""
    others = [facts for facts in findings.matched if facts.format != "raw"]
    return others[0] if others else next(facts for facts in findings.matched if facts.format == "raw")


def _hazards(findings: Findings, matched: list[Facts], declared: str | None, policy: Policy) -> list[Hazard]:
    hazards = list(findings.hazards)
    if len(matched) > 1:
        names = " and ".join(facts.format for facts in matched)
        hazards.append(Hazard(AMBIGUOUS, None, f"the file is {names} at once; convert it to one of them"))
    hazards += [
        Hazard(
            ABSURD_SIZE,
            None,
            f"the {facts.format} disk inside claims {facts.virtual_size} bytes; {policy.max_virtual_size} are allowed",
        )
        for facts in matched
        if facts.virtual_size is not None and facts.virtual_size > policy.max_virtual_size
    ]
    if findings.complete and not findings.seen and declared not in (None, *SATISFIED_BY):
        hazards.append(Hazard(EMPTY, None, f"the body is empty; a {declared} image has at least a header"))
    if declared is not None and policy.require_format_match:
        hazards += _mismatch(findings, matched, declared)
    return hazards


def _mismatch(findings: Findings, matched: list[Facts], declared: str) -> list[Hazard]:
    satisfying = SATISFIED_BY.get(declared, frozenset({declared}))
    for facts in matched:
        if facts.format not in satisfying:
            message = (
                f"the image is declared {declared}, the bytes are {facts.format}; set disk_format to {facts.format}"
            )
            return [Hazard(MISMATCH, 0, message)]
    if matched or satisfying & {"raw"} or not findings.seen or satisfying & findings.undecided:
        return []
    return [Hazard(MISMATCH, 0, f"the image is declared {declared} and the bytes are not {declared}")]
