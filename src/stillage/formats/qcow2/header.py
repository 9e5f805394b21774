"""The header of a QCOW2 image and the extensions that follow it.

Source: QEMU docs/interop/qcow2, "Header", "Header extensions". All integers are big-endian.
"""

import struct
from dataclasses import dataclass

from stillage.formats.base import SECTOR, Hazard, Inspection, MalformedImage, Region, Rule, Steps

CONVERT = "qemu-img convert -O qcow2 IN OUT"

VERSION = Rule("qcow2.version", "The version is neither 2 nor 3, so the rest of the file cannot be understood.")
TRUNCATED = Rule("qcow2.truncated", "The file ends before its own header does.")
BAD_HEADER = Rule("qcow2.bad-header", "A header field has a value that the format does not allow.")
BAD_EXTENSION = Rule("qcow2.bad-extension", "A header extension does not fit or contradicts the header.")
COMPRESSION = Rule("qcow2.compression-type", "The compression method is unknown or contradicts the features.")
DATA_FILE = Rule(
    "qcow2.data-file", "The image keeps its data in another file: a host that opens it would read that file.", CONVERT
)
ENCRYPTED = Rule(
    "qcow2.encrypted",
    "The guest's data is encrypted: no machine starts from it without the key.",
    "qemu-img convert --object secret,id=key,file=KEYFILE "
    "--image-opts driver=qcow2,encrypt.key-secret=key,file.filename=IN -O qcow2 OUT",
)
RULES = (VERSION, TRUNCATED, BAD_HEADER, BAD_EXTENSION, COMPRESSION, DATA_FILE, ENCRYPTED)

MAGIC = b"QFI\xfb"
V2_FIELDS = struct.Struct(">4sIQIIQIIQQIIQ")
V3_FIELDS = struct.Struct(">QQQII")  # incompatible, compatible and autoclear features; refcount order; header length
V3_BYTES = V2_FIELDS.size + V3_FIELDS.size
COMPRESSION_AT = 104
HEADER_BYTES = 112

IS_DIRTY, IS_CORRUPT, HAS_DATA_FILE, HAS_COMPRESSION_TYPE, HAS_EXTENDED_L2 = (1 << bit for bit in range(5))
KNOWN_FEATURES = 0b11111
LAZY_REFCOUNTS = 1 << 0  # compatible
HAS_BITMAPS, HAS_RAW_DATA_FILE = 1 << 0, 1 << 1  # autoclear
COMPRESSIONS = {0: "zlib", 1: "zstd"}
ENCRYPTIONS = {1: "AES", 2: "LUKS"}
LUKS = 2

EXTENSION = struct.Struct(">II")  # type, length of the data
END_OF_EXTENSIONS = 0
DATA_FILE_NAME = 0x44415441
ENCRYPTION_HEADER = 0x0537BE77
BITMAPS = 0x23852875
MAX_EXTENSIONS = 100
MAX_ENCRYPTION_HEADER = 64 << 20


@dataclass(slots=True)
class Header:
    """The fields as they stand in the file; in version 2 the later ones have the values that the format assumes."""

    version: int
    backing_offset: int
    backing_size: int
    cluster_bits: int
    size: int
    encryption: int
    l1_entries: int
    l1_offset: int
    refcount_table_offset: int
    refcount_table_clusters: int
    snapshots: int
    snapshots_offset: int
    incompatible: int = 0
    compatible: int = 0
    autoclear: int = 0
    refcount_order: int = 4
    length: int = V2_FIELDS.size
    compression: int = 0

    @property
    def cluster_size(self) -> int:
        return 1 << self.cluster_bits

    @property
    def virtual_size(self) -> int:
        """Bytes that QEMU gives a guest: it drops a part of a sector at the end."""
        return self.size // SECTOR * SECTOR

    @property
    def extended_l2(self) -> bool:
        return bool(self.incompatible & HAS_EXTENDED_L2)


@dataclass(frozen=True, slots=True)
class Place:
    """A structure that an extension points at: where the field is, and what it says."""

    field: int
    offset: int
    length: int
    count: int = 1


@dataclass(slots=True)
class Extensions:
    """What the extensions point at, None where they do not."""

    encryption: Place | None = None
    bitmaps: Place | None = None


def parse_common(head: bytes) -> Header:
    """Return the fields that versions 2 and 3 share."""
    if len(head) < V2_FIELDS.size:
        raise MalformedImage(TRUNCATED, len(head), f"the file has {len(head)} bytes; a qcow2 header has 72 or more")
    version = int.from_bytes(head[4:8], "big")
    if version not in (2, 3):
        raise MalformedImage(VERSION, 4, f"the qcow2 version is {version}; 2 and 3 are known")
    return Header(*V2_FIELDS.unpack_from(head)[1:])


def parse_version_3(head: bytes, header: Header) -> None:
    if len(head) < V3_BYTES:
        raise MalformedImage(
            TRUNCATED, len(head), f"the file has {len(head)} bytes; a version 3 header has 104 or more"
        )
    fields = V3_FIELDS.unpack_from(head, V2_FIELDS.size)
    header.incompatible, header.compatible, header.autoclear, header.refcount_order, header.length = fields
    if header.length > COMPRESSION_AT:
        # A file that ends here is found to be cut short when its tables are looked for.
        header.compression = head[COMPRESSION_AT] if len(head) > COMPRESSION_AT else 0


def details(header: Header) -> dict[str, str]:
    shown = {"version": str(header.version)}
    if header.cluster_bits < 64:
        shown["cluster_size"] = str(header.cluster_size)
    if header.refcount_order <= 6:
        shown["refcount_bits"] = str(1 << header.refcount_order)
    shown["compression"] = COMPRESSIONS.get(header.compression, str(header.compression))
    if header.extended_l2:
        shown["extended_l2"] = "true"
    if header.compatible & LAZY_REFCOUNTS:
        shown["lazy_refcounts"] = "true"
    if header.snapshots:
        shown["snapshots"] = str(header.snapshots)
    return shown


def check(header: Header) -> None:
    """Raise `MalformedImage` if a field has a value that the format, or every known reader, does not allow."""
    lowest = 14 if header.extended_l2 else 9
    if not lowest <= header.cluster_bits <= 21:
        raise MalformedImage(BAD_HEADER, 20, f"cluster_bits is {header.cluster_bits}; {lowest} to 21 are valid")
    if header.refcount_order > 6:
        raise MalformedImage(BAD_HEADER, 96, f"refcount_order is {header.refcount_order}; 0 to 6 are valid")
    if header.version == 3 and (header.length < V3_BYTES or header.length % 8 or header.length > header.cluster_size):
        message = f"the header length is {header.length}; multiples of 8 from 104 to {header.cluster_size} are valid"
        raise MalformedImage(BAD_HEADER, 100, message)
    flagged = bool(header.incompatible & HAS_COMPRESSION_TYPE)
    if header.compression not in COMPRESSIONS or bool(header.compression) != flagged:
        message = (
            f"the compression type is {header.compression} and its feature bit {flagged:d}; "
            "0 and 0 mean zlib, 1 and 1 mean zstd"
        )
        raise MalformedImage(COMPRESSION, COMPRESSION_AT, message)


def read_extensions(header: Header, extensions: Extensions) -> Inspection:
    """Read what lies between the header and the end of its cluster, or the backing file's name, into *extensions*."""
    at, end = header.length, header.cluster_size
    if at <= header.backing_offset < end:
        end = header.backing_offset
    seen: set[int] = set()
    while at + EXTENSION.size <= end:
        head = yield Region(at, EXTENSION.size)
        if len(head) < EXTENSION.size:
            raise MalformedImage(TRUNCATED, at, f"the file ends at byte {at + len(head)}, inside the header extensions")
        kind, length = EXTENSION.unpack(head)
        if kind == END_OF_EXTENSIONS:
            break
        _check_extension(kind, length, at, end - at - EXTENSION.size, seen)
        seen.add(kind)
        yield from _read_extension(header, extensions, kind, at + EXTENSION.size, length)
        at += EXTENSION.size + -(-length // 8) * 8
    if header.autoclear & HAS_BITMAPS and BITMAPS not in seen:
        raise MalformedImage(BAD_EXTENSION, 88, "the feature bit of bitmaps is set and there is no bitmaps extension")
    if header.encryption == LUKS and ENCRYPTION_HEADER not in seen:
        raise MalformedImage(BAD_EXTENSION, 32, "the encryption is LUKS and no extension says where its header is")


def _check_extension(kind: int, length: int, at: int, room: int, seen: set[int]) -> None:
    if length > room:
        message = f"header extension {kind:#010x} has {length} bytes; there is room for {room}"
        raise MalformedImage(BAD_EXTENSION, at + 4, message)
    if kind in seen or len(seen) >= MAX_EXTENSIONS:
        message = f"header extension {kind:#010x} is there twice, or is one of more than {MAX_EXTENSIONS}"
        raise MalformedImage(BAD_EXTENSION, at, message)


def _read_extension(header: Header, extensions: Extensions, kind: int, at: int, length: int) -> Inspection:
    if kind == DATA_FILE_NAME:
        if not header.incompatible & HAS_DATA_FILE:
            message = f"a header extension names a data file in {length} bytes, though no feature bit says so"
            yield Hazard(DATA_FILE, at - EXTENSION.size, message)
    elif kind == ENCRYPTION_HEADER:
        if header.encryption != LUKS:
            message = f"a header extension points at a LUKS header, and the encryption method is {header.encryption}"
            yield Hazard(ENCRYPTED, at - EXTENSION.size, message)
        offset, size = yield from _fields(struct.Struct(">QQ"), kind, at, length)
        if size > MAX_ENCRYPTION_HEADER:
            message = f"the LUKS header has {size} bytes; {MAX_ENCRYPTION_HEADER} are allowed"
            raise MalformedImage(BAD_EXTENSION, at + 8, message)
        extensions.encryption = Place(at, offset, size)
    elif kind == BITMAPS and header.autoclear & HAS_BITMAPS:
        # Without its feature bit the format says that the extension must not be believed.
        count, _, size, offset = yield from _fields(struct.Struct(">IIQQ"), kind, at, length)
        extensions.bitmaps = Place(at, offset, size, count)


def _fields(struct_: struct.Struct, kind: int, at: int, length: int) -> Steps[tuple[int, ...]]:
    if length < struct_.size:
        message = f"header extension {kind:#010x} has {length} bytes; its fields take {struct_.size}"
        raise MalformedImage(BAD_EXTENSION, at - 4, message)
    data = yield Region(at, struct_.size)
    if len(data) < struct_.size:
        raise MalformedImage(TRUNCATED, at, f"the file ends at byte {at + len(data)}, inside the header extensions")
    return struct_.unpack(data)
