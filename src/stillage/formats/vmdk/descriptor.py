"""The descriptor of a VMDK: the text that names its kind, its parent and the files that its data are in.

It is a file of its own, or lies embedded in a sparse extent, which must then be the whole disk.

Source: VMware, "Virtual Disk Format 5.0" (and 1.1), "The Descriptor File".
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from stillage.formats.base import Hazard, Inspection, Rule

CONVERT = "qemu-img convert -O vmdk -o subformat=streamOptimized IN OUT"

DESCRIPTOR = Rule(
    "vmdk.descriptor",
    "The descriptor can be read in two ways: unknown lines, a key twice, no end, or more text behind its end.",
    CONVERT,
)
EXTERNAL_EXTENT = Rule(
    "vmdk.external-extent", "The disk's data are in other files, which a reader would open.", CONVERT
)
EXTENT_PATH = Rule(
    "vmdk.extent-path", "An extent's name is a path or an address: it can reach any file of a host.", CONVERT
)
EXTERNAL_FILE = Rule("vmdk.external-file", "The descriptor names another file that belongs to the disk.", CONVERT)
PARENT = Rule(
    "vmdk.parent", "The image holds only the differences to a parent disk, which a reader would open.", CONVERT
)
CREATE_TYPE = Rule(
    "vmdk.create-type", "The createType is missing, or not monolithicSparse or streamOptimized.", CONVERT
)
ENCRYPTED = Rule("vmdk.encrypted", "The descriptor holds encryption keys: the data are encrypted.", CONVERT)
SIZE_MISMATCH = Rule(
    "vmdk.size-mismatch", "The descriptor's extent and the header disagree on the size of the disk.", CONVERT
)
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
MAX_TEXT = (1 << 20) - 1
"""What QEMU reads of a file that is told to be a descriptor."""
READ_AHEAD = 20 << 10
"""What readers take for the descriptor of a sparse extent, from its second sector on, whatever its header says."""
SELF_CONTAINED = ("monolithicsparse", "streamoptimized")
ACCESS = ("RW", "RDONLY", "NOACCESS")
_BLANKS = b" \t\r"
_MAX_DIGITS = 19  # more sectors than any disk has
_CONTROL = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")

# How readers recognise a file that is a descriptor. To QEMU a comment ends at LF only, to others at CR as well.
_LINE_ENDS = (rb"\n", rb"\r\n")
_COMMENTS = rb"(?:\xef\xbb\xbf)?+(?:\s*+#[^%b]*+[%b])*%b\s*+"
_BEGINS_WITH_VERSION = [
    re.compile(_COMMENTS % (ends, ends, b"+") + rb"version\s*+=\s*+\d++[ \t]*+(?=[\r\n\0]|\Z)", re.IGNORECASE)
    for ends in _LINE_ENDS
]
_BEGINS_WITH_NAME = [
    re.compile(_COMMENTS % (ends, ends, b"?") + rb"#[^%b]*disk\s*+descriptor\s*+file" % ends, re.IGNORECASE)
    for ends in _LINE_ENDS
]
# What QEMU demands of a file that it is told to be a VMDK: both, anywhere before the first NUL.
_CREATE_TYPE = re.compile(rb"createtype", re.IGNORECASE)
_EXTENT = re.compile(rb"(?:RW|RDONLY|NOACCESS)\s++[+-]?\d++\s*+[a-z]++\s*+\"", re.IGNORECASE)

# QEMU and libvirt do not parse the descriptor: they take the first of these words in it, wherever it stands.
_HINT = re.compile(rb"parentfilenamehint", re.IGNORECASE)
_EMPTY_HINT = re.compile(rb'parentfilenamehint=""[ \t]*+(?=\r?\n|\0|\Z)', re.IGNORECASE)
_PARENT_ID = re.compile(rb"parentcid", re.IGNORECASE)
_EMPTY_PARENT_ID = re.compile(rb'parentcid[ \t]*+=[ \t]*+("?)ffffffff\1[ \t]*+(?=\r?\n|\0|\Z)', re.IGNORECASE)
_ID = re.compile(rb"=[0-9a-f]", re.IGNORECASE)
_IDS_WITHIN = 10 << 10  # bytes of the descriptor in which QEMU looks for the content ids


class Extent(NamedTuple):
    at: int
    sectors: int
    kind: str
    name: str

    @property
    def is_path(self) -> bool:
        # A colon is a Windows drive, or the start of an address such as nbd: or json:.
        return any(sign in self.name for sign in ("/", "\\", ":")) or self.name == ".."


class Entry(NamedTuple):
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


def is_descriptor(text: bytes) -> bool:
    """Tell whether any known reader would take a file that begins with *text* for a descriptor.

    Args:
        text: The file up to its first NUL, and its first sector in any case; at most `MAX_TEXT` bytes.
    """
    if any(pattern.match(text) for pattern in (*_BEGINS_WITH_VERSION, *_BEGINS_WITH_NAME)):
        return True
    string = text.partition(b"\0")[0]
    return bool(_CREATE_TYPE.search(string) and _EXTENT.search(string))


def parse(text: bytes, at: int) -> Descriptor:
    """Read *text*, which lies at byte *at* of the file. A descriptor ends at its first NUL."""
    descriptor = Descriptor(at)
    string = text.partition(b"\0")[0]
    if control := _CONTROL.search(string):
        message = f"the descriptor has the control character {control.group()!r}, at which readers differ"
        _note(descriptor, Hazard(DESCRIPTOR, at + control.start(), message))
    for line_at, line in _lines(string, at):
        _read_line(descriptor, line_at, line)
    return descriptor


def _lines(text: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    for line in text.split(b"\n"):
        words = line.removeprefix(codecs.BOM_UTF8).strip(_BLANKS)
        if words and not words.startswith(b"#"):
            yield at, words
        at += len(line) + 1


def _read_line(descriptor: Descriptor, at: int, line: bytes) -> None:
    words = [word.decode("latin-1") for word in line.split(None, 3)]
    begins_extent = bool(words) and words[0].upper() in ACCESS  # a line of vertical tabs has no words
    if begins_extent and len(words) >= 3 and _is_number(words[1]):
        rest = words[3] if len(words) > 3 else ""
        name = rest[1:].partition('"')[0] if rest.startswith('"') else rest
        descriptor.extents.append(Extent(at, int(words[1]), words[2].upper(), name))
        return
    key, equals, value = (part.strip(_BLANKS).decode("latin-1") for part in line.partition(b"="))
    key = key.lower()
    if not equals or not key or begins_extent:
        message = f"the descriptor has a line that is none of the known kinds: {line[:40].decode('latin-1')!r}"
        _note(descriptor, Hazard(DESCRIPTOR, at, message))
    elif key in descriptor.entries:
        _note(descriptor, Hazard(DESCRIPTOR, at, f"the descriptor gives {key[:40]!r} twice"))
    else:
        descriptor.entries[key] = Entry(at, value.strip('"').strip())


def _note(descriptor: Descriptor, problem: Hazard) -> None:
    descriptor.problem = descriptor.problem or problem


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= _MAX_DIGITS


def find_parent(data: bytes, at: int) -> Hazard | None:
    """Return what some reader would take for the name or the id of a parent, wherever it stands in *data*.

    Args:
        data: Bytes in which a reader may look for words of a descriptor: comments, values and what lies behind the
            descriptor's end included.
        at: Their place in the file.
    """
    hints = list(_HINT.finditer(data))
    if len(hints) > 1 or (hints and not _EMPTY_HINT.match(data, hints[0].start())):
        return _parent(data, hints[-1].start(), at)
    others = (word for word in _PARENT_ID.finditer(data) if not _EMPTY_PARENT_ID.match(data, word.start()))
    return next((_parent(data, word.start(), at) for word in others), None)


def _parent(data: bytes, start: int, at: int) -> Hazard:
    shown = data[start : start + 60].partition(b"\n")[0].decode("latin-1")
    return Hazard(PARENT, at + start, f"a reader finds a parent disk here: {shown!r}")


def check_embedded(text: bytes, descriptor: Descriptor, capacity: int, grain: int) -> Inspection:
    """What speaks against a descriptor that lies in the one extent it may name, of *capacity* sectors.

    Args:
        text: All bytes of the place that the header gives it.
        descriptor: The same, parsed.
        capacity: The header's, in sectors.
        grain: Sectors of one grain; the header's capacity may be rounded up to it.
    """
    yield from _check_end(text, descriptor)
    if missing := _missing_id(text):
        message = f"the first {missing!r} of the descriptor has no number behind it; readers refuse such a disk"
        yield Hazard(DESCRIPTOR, descriptor.at, message)
    yield from check_any(descriptor)
    if descriptor.create_type.lower() not in SELF_CONTAINED:
        entry = descriptor.entries.get("createtype", Entry(descriptor.at, ""))
        kind = descriptor.create_type[:40]
        message = f"createType is {kind!r}; monolithicSparse and streamOptimized are self-contained"
        yield Hazard(CREATE_TYPE, entry.at, message)
    yield from _check_extents(descriptor, capacity, grain)


def _check_end(text: bytes, descriptor: Descriptor) -> Inspection:
    end = text.find(b"\0")
    if end < 0:
        # A reader that trusts the end mark more than the header would go on into the tables.
        yield Hazard(DESCRIPTOR, descriptor.at + len(text), "the descriptor has no end mark within its place")
    # qemu-img writes a changed content id without its leading zeros and then leaves the last few bytes of the longer
    # text behind the end of the shorter one. They repeat what has been said.
    elif not text[:end].endswith(text[end:].strip(b"\0")):
        yield Hazard(DESCRIPTOR, descriptor.at + end, "more text lies behind the end mark of the descriptor")


def _check_extents(descriptor: Descriptor, capacity: int, grain: int) -> Inspection:
    """The file itself must be the only extent, as large as the header says."""
    extents = descriptor.extents
    if others := [extent for extent in extents if extent.kind != "SPARSE"] or extents[1:]:
        message = f"the descriptor names {others[0].kind[:20]} extent {others[0].name[:60]!r} beside the file itself"
        yield Hazard(EXTERNAL_EXTENT, others[0].at, message)
    elif not extents:
        yield Hazard(DESCRIPTOR, descriptor.at, "the descriptor names no extent; it must name the file itself")
    elif not 0 <= capacity - extents[0].sectors < grain:
        message = f"the header has {capacity} sectors of disk, the descriptor {extents[0].sectors}"
        yield Hazard(SIZE_MISMATCH, extents[0].at, message)


def _missing_id(text: bytes) -> str | None:
    """The content id that QEMU does not find. It takes the first of each word, also within another word."""
    string = text.partition(b"\0")[0][:_IDS_WITHIN]
    for word in (b"CID", b"parentCID"):
        at = string.find(word)
        if at < 0 or not _ID.match(string, at + len(word)):
            return word.decode()
    return None


def check_any(descriptor: Descriptor) -> Inspection:
    """What speaks against any descriptor."""
    if descriptor.problem is not None:
        yield descriptor.problem
    for extent in descriptor.extents:
        if extent.is_path:
            yield Hazard(
                EXTENT_PATH, extent.at, f"extent {extent.name[:60]!r} is a path or an address, not a plain name"
            )
            break
    for key, entry in descriptor.entries.items():
        if "encrypt" in key and entry.value:
            yield Hazard(ENCRYPTED, entry.at, f"the descriptor has {key[:40]!r}: the data are encrypted")
            break
    for key, entry in descriptor.entries.items():
        if entry.value and key != "parentfilenamehint" and ("path" in key or "filename" in key or "parenthint" in key):
            yield Hazard(EXTERNAL_FILE, entry.at, f"{key[:40]!r} names another file, {entry.value[:60]!r}")
            break
