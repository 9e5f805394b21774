"""The text that describes a VMware disk: its kind, its parent, the files that its data are in.

It is a file of its own, or lies embedded in a sparse extent, which must then be the whole disk.

Source: VMware, "Virtual Disk Format 5.0" (and 1.1), "The Descriptor File".
"""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field

from stillage.formats.base import Hazard, Rule

MEND = "qemu-img convert -O vmdk -o subformat=streamOptimized IN OUT"

DESCRIPTOR = Rule(
    "vmdk.descriptor",
    "The descriptor can be read in two ways: unknown lines, a key twice, no end, or more text behind its end.",
    MEND,
)
EXTERNAL_EXTENT = Rule("vmdk.external-extent", "The disk's data are in other files, which a reader would open.", MEND)
EXTENT_PATH = Rule(
    "vmdk.extent-path", "An extent's name is a path or an address: it can reach any file of a host.", MEND
)
EXTERNAL_FILE = Rule("vmdk.external-file", "The descriptor names another file that belongs to the disk.", MEND)
PARENT = Rule("vmdk.parent", "The image holds only the differences to a parent disk, which a reader would open.", MEND)
CREATE_TYPE = Rule("vmdk.create-type", "The createType is missing, or not monolithicSparse or streamOptimized.", MEND)
ENCRYPTED = Rule("vmdk.encrypted", "The descriptor holds encryption keys: the data are encrypted.", MEND)
SIZE_MISMATCH = Rule("vmdk.size-mismatch", "The descriptor's extent is not as large as the disk in the header.", MEND)
RULES = (
    DESCRIPTOR,
    EXTERNAL_EXTENT,
    EXTENT_PATH,
    EXTERNAL_FILE,
    PARENT,
    CREATE_TYPE,
    ENCRYPTED,
    SIZE_MISMATCH,
)

MAX_BYTES = 64 << 10
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
SELF_CONTAINED = ("monolithicsparse", "streamoptimized")
ACCESS = ("RW", "RDONLY", "NOACCESS")
NO_PARENT = "ffffffff"
_MAX_DIGITS = 19  # more sectors than any disk has


@dataclass(frozen=True, slots=True)
class Extent:
    at: int
    sectors: int
    kind: str
    name: str

    @property
    def is_path(self) -> bool:
        # A colon is a Windows drive, or the start of an address such as nbd: or json:.
        return any(sign in self.name for sign in ("/", "\\", ":")) or self.name == ".."


@dataclass(frozen=True, slots=True)
class Entry:
    at: int
    value: str


@dataclass(slots=True)
class Descriptor:
    """What a descriptor says. Keys are in lower case; `problem` is the first line that makes it unreliable."""

    at: int
    extents: list[Extent] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    problem: Hazard | None = None

    @property
    def create_type(self) -> str:
        entry = self.entries.get("createtype")
        return entry.value if entry else ""

    @property
    def size(self) -> int:
        """Bytes of all extents together."""
        return 512 * sum(extent.sectors for extent in self.extents)


def may_be_descriptor(head: bytes) -> bool:
    """Tell whether more of a file that begins with *head* must be seen to know whether it is a descriptor."""
    return head.removeprefix(BYTE_ORDER_MARK).lstrip()[:7].lower().startswith((b"#", b"version"))


def is_descriptor(text: bytes) -> bool:
    """Tell whether a file that begins with *text* is a descriptor: by its first comment, or its first other line."""
    for line in text.removeprefix(BYTE_ORDER_MARK).splitlines():
        words = line.strip().lower()
        if words.startswith(b"#"):
            if b"disk descriptorfile" in words:
                return True
        elif words:
            key, _, value = words.partition(b"=")
            return key.strip() == b"version" and value.strip().isdigit()
    return False


def parse(text: bytes, at: int) -> Descriptor:
    """Read *text*, which lies at byte *at* of the file. A descriptor ends at its first NUL."""
    found = Descriptor(at)
    for line_at, line in _lines(text.partition(b"\0")[0], at):
        _read_line(found, line_at, line)
    return found


def _lines(text: bytes, at: int) -> Iterator[tuple[int, str]]:
    for line in text.splitlines(keepends=True):
        words = line.removeprefix(BYTE_ORDER_MARK).decode("latin-1").strip()
        if words and not words.startswith("#"):
            yield at, words
        at += len(line)


def _read_line(found: Descriptor, at: int, line: str) -> None:
    words = line.split(None, 3)
    if words[0].upper() in ACCESS and len(words) >= 3 and _is_number(words[1]):
        rest = words[3] if len(words) > 3 else ""
        name = rest[1:].partition('"')[0] if rest.startswith('"') else rest
        found.extents.append(Extent(at, int(words[1]), words[2].upper(), name))
        return
    key, equals, value = line.partition("=")
    key = key.strip().lower()
    if not equals or not key or words[0].upper() in ACCESS:
        _note(
            found, Hazard(DESCRIPTOR, at, f"the descriptor has a line that is none of the known kinds: {line[:40]!r}")
        )
    elif key in found.entries:
        _note(found, Hazard(DESCRIPTOR, at, f"the descriptor gives {key[:40]!r} twice"))
    else:
        found.entries[key] = Entry(at, value.strip().strip('"').strip())


def _note(found: Descriptor, problem: Hazard) -> None:
    found.problem = found.problem or problem


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= _MAX_DIGITS


def judge_embedded(text: bytes, found: Descriptor, capacity: int, grain: int) -> Generator[Hazard, bytes, None]:
    """What speaks against a descriptor that lies in the one extent it may name, of *capacity* sectors.

    Args:
        text: All bytes of the place that the header gives it.
        found: The same, parsed.
        capacity: The header's, in sectors.
        grain: Sectors of one grain; the header's capacity may be rounded up to it.
    """
    end = text.find(b"\0")
    if end < 0:
        # A reader that trusts the end mark more than the header would go on into the tables.
        yield Hazard(DESCRIPTOR, found.at + len(text), "the descriptor has no end mark within its place")
    # qemu-img writes a changed content id without its leading zeros and then leaves the last few bytes of the longer
    # text behind the end of the shorter one. They repeat what has been said.
    elif not text[:end].endswith(text[end:].strip(b"\0")):
        yield Hazard(DESCRIPTOR, found.at + end, "more text lies behind the end mark of the descriptor")
    yield from judge_any(found)
    if found.create_type.lower() not in SELF_CONTAINED:
        entry = found.entries.get("createtype", Entry(found.at, ""))
        message = f"createType is {found.create_type[:40]!r}; monolithicSparse and streamOptimized are self-contained"
        yield Hazard(CREATE_TYPE, entry.at, message)
    others = [extent for extent in found.extents if extent.kind != "SPARSE"] or found.extents[1:]
    if others:
        message = f"the descriptor names {others[0].kind[:20]} extent {others[0].name[:60]!r} beside the file itself"
        yield Hazard(EXTERNAL_EXTENT, others[0].at, message)
    elif not found.extents:
        yield Hazard(DESCRIPTOR, found.at, "the descriptor names no extent; it must name the file itself")
    elif not 0 <= capacity - found.extents[0].sectors < grain:
        extent = found.extents[0]
        message = f"the header has {capacity} sectors of disk, the descriptor {extent.sectors}"
        yield Hazard(SIZE_MISMATCH, extent.at, message)


def judge_any(found: Descriptor) -> Generator[Hazard, bytes, None]:
    """What speaks against any descriptor."""
    if found.problem is not None:
        yield found.problem
    for extent in found.extents:
        if extent.is_path:
            yield Hazard(
                EXTENT_PATH, extent.at, f"extent {extent.name[:60]!r} is a path or an address, not a plain name"
            )
            break
    yield from _judge_parent(found.entries)
    for key, entry in found.entries.items():
        if "encrypt" in key and entry.value:
            yield Hazard(ENCRYPTED, entry.at, f"the descriptor has {key[:40]!r}: the data are encrypted")
            break
    for key, entry in found.entries.items():
        if entry.value and key != "parentfilenamehint" and ("path" in key or "filename" in key or "parenthint" in key):
            yield Hazard(EXTERNAL_FILE, entry.at, f"{key[:40]!r} names another file, {entry.value[:60]!r}")
            break


def _judge_parent(entries: Mapping[str, Entry]) -> Generator[Hazard, bytes, None]:
    hint = entries.get("parentfilenamehint", Entry(0, ""))
    parent = entries.get("parentcid", Entry(0, NO_PARENT))
    if hint.value:
        yield Hazard(PARENT, hint.at, f"the descriptor names a parent, {hint.value[:60]!r}")
    elif parent.value.lower() != NO_PARENT:
        yield Hazard(PARENT, parent.at, f"the descriptor has a parent with content id {parent.value[:20]!r}")
