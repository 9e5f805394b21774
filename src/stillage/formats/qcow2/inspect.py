"""qcow2 (QEMU): refuse backing files, data files, encryption, snapshots, unknown features, overlaps.

Versions 2 and 3 are read.

Source: QEMU docs/interop/qcow2, "Header". The header's fields and extensions are in `header`, what it refers to
in `tables`.
"""

from stillage.formats.base import Facts, Hazard, Inspection, MalformedImage, NotThisFormat, Region, Rule, Steps, Stream
from stillage.formats.qcow2 import header as qcow2_header
from stillage.formats.qcow2 import tables
from stillage.formats.qcow2.header import CONVERT, DATA_FILE, ENCRYPTED, Header

FORMAT = "qcow2"

CHECK = "qemu-img check -r all IN"
BACKING_FILE = Rule(
    "qcow2.backing-file", "The image names a backing file: a host that opens it would read that file.", CONVERT
)
UNKNOWN_FEATURES = Rule(
    "qcow2.unknown-features", "The image uses features that the published format does not define: they may be anything."
)
DIRTY = Rule("qcow2.dirty", "The image is marked as not closed cleanly: it needs a repair.", CHECK)
CORRUPT = Rule("qcow2.corrupt", "The image is marked as corrupt.", CHECK)
SNAPSHOT = Rule(
    "qcow2.internal-snapshot",
    "The image carries internal snapshots: older states of the disk, which whoever gets the image can read.",
    CONVERT,
)
RULES = (
    BACKING_FILE,
    UNKNOWN_FEATURES,
    DIRTY,
    CORRUPT,
    SNAPSHOT,
    *qcow2_header.RULES,
    *tables.RULES,
)


def inspect(stream: Stream) -> Inspection:
    header = yield from read_header()
    extensions = qcow2_header.Extensions()
    yield from qcow2_header.read_extensions(header, extensions)
    yield from tables.Maps(header, extensions, stream).check()


def read_header() -> Steps[Header]:
    """Return the header, whose fields have values that the format allows."""
    head = yield Region(0, qcow2_header.HEADER_BYTES)
    # Version 1 has the same magic and is another format.
    if not head.startswith(qcow2_header.MAGIC) or head[4:8] == b"\0\0\0\1":
        raise NotThisFormat
    yield Facts(FORMAT)
    header = qcow2_header.parse_common(head)
    yield Facts(FORMAT, header.virtual_size)
    if header.version == 3:
        qcow2_header.parse_version_3(head, header)
    yield Facts(FORMAT, header.virtual_size, details=qcow2_header.details(header))
    yield from _hazards(header)
    if header.incompatible & ~qcow2_header.KNOWN_FEATURES:
        message = f"the incompatible features are {header.incompatible:#x}; bits 0 to 4 are defined"
        raise MalformedImage(UNKNOWN_FEATURES, 72, message)
    qcow2_header.check(header)
    return header


def _hazards(header: Header) -> Inspection:
    if header.backing_offset:
        name = f"{header.backing_size} bytes at byte {header.backing_offset}"
        yield Hazard(BACKING_FILE, 8, f"qcow2 names a backing file ({name}); a self-contained image is needed")
    if header.incompatible & qcow2_header.HAS_DATA_FILE:
        yield Hazard(DATA_FILE, 72, "incompatible feature bit 2 is set: the guest's data is in another file")
    elif header.autoclear & qcow2_header.HAS_RAW_DATA_FILE:
        yield Hazard(DATA_FILE, 88, "autoclear feature bit 1 is set: the guest's data would be in another, raw file")
    if header.incompatible & qcow2_header.IS_DIRTY:
        yield Hazard(DIRTY, 72, "incompatible feature bit 0 is set: the image was not closed cleanly")
    if header.incompatible & qcow2_header.IS_CORRUPT:
        yield Hazard(CORRUPT, 72, "incompatible feature bit 1 is set: the image is marked as corrupt")
    if header.encryption:
        method = qcow2_header.ENCRYPTIONS.get(header.encryption, "unknown")
        yield Hazard(ENCRYPTED, 32, f"the encryption method is {header.encryption} ({method}); 0 is none")
    if header.snapshots:
        yield Hazard(SNAPSHOT, 60, f"the header counts {header.snapshots} internal snapshots; 0 are allowed")
