"""The footer of a VHD, with its size, geometry and disk type, and the header of a dynamic disk.

Source: Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0, October 11 2006: "Hard Disk Footer
Format", "Dynamic Disk Header Format". All integers are big-endian.
"""

import struct
from typing import NamedTuple

from stillage.formats.base import SECTOR, Hazard, Inspection, MalformedImage, Rule, Steps

REWRITE = "qemu-img convert -f vpc -O vpc -o force_size=on IN OUT"

TRUNCATED = Rule("vhd.truncated", "The file ends before something that its headers refer to.")
CHECKSUM = Rule("vhd.checksum", "The checksum of the footer or of the dynamic disk header is wrong.", REWRITE)
VERSION = Rule("vhd.version", "The footer or the dynamic disk header has a version that is not 1.0.")
UNKNOWN_FEATURES = Rule("vhd.unknown-features", "Feature bits are set that no published version defines.", REWRITE)
SAVED_STATE = Rule("vhd.saved-state", "The disk belongs to a machine whose saved state is elsewhere.", REWRITE)
SIZE = Rule("vhd.size", "The virtual size is zero, not a whole number of sectors, or beyond what the format can hold.")
GEOMETRY = Rule(
    "vhd.geometry",
    "The footer's size and its geometry disagree, and readers differ on which of them counts.",
    "qemu-img convert --image-opts driver=vpc,force_size_calc=current_size,file.filename=IN "
    "-O vpc -o force_size=on OUT",
)
PARENT = Rule("vhd.parent", "A disk that is not differencing names a parent.", REWRITE)
HEADER = Rule("vhd.header", "The dynamic disk header is missing, unreadable or lies over something else.")
BLOCK_SIZE = Rule("vhd.block-size", "The block size is not a power of two from 64 KiB to 256 MiB.")
RULES = (CHECKSUM, VERSION, UNKNOWN_FEATURES, SAVED_STATE, SIZE, GEOMETRY, PARENT, HEADER, BLOCK_SIZE, TRUNCATED)

COOKIE = b"conectix"
HEADER_COOKIE = b"cxsparse"
FOOTER_SIZE = 512
OLD_FOOTER_SIZE = 511  # before Virtual PC 2004; "Hard Disk Footer Format" tells readers to expect it
HEADER_SIZE = 1024
VERSION_1 = 0x00010000
TEMPORARY, RESERVED = 1, 2  # the feature bits that there are; writers differ in which they set
FIXED, DYNAMIC, DIFFERENCES = 2, 3, 4
KINDS = {FIXED: "fixed", DYNAMIC: "dynamic", DIFFERENCES: "differencing"}
# Of these creators every reader believes the size; of any other QEMU believes the geometry, unless that is the largest
# there is. Disk2vhd's geometry is wrong by far. QEMU came to know Azure's "wa" late, so that its versions disagree.
SIZE_CREATORS = (b"win ", b"qem2", b"d2v ", b"tap\0", b"CTXS")
LARGEST_GEOMETRY = 65535 * 16 * 255  # sectors: what writers put for a disk of this size or more, or of any size

FOOTER_FIELDS = struct.Struct(">8sIIQ4s4sI4sQQHBBII16sB")
HEADER_FIELDS = struct.Struct(">8sQQIIII16sII512s")
FOOTER_CHECKSUM_AT = 64
HEADER_CHECKSUM_AT = 36
SIZE_AT, GEOMETRY_AT = 48, 56
_LOCATORS_AT, _LOCATORS_SIZE = 576, 8 * 24


class Footer(NamedTuple):
    """The fields that describe the disk; two copies of a footer must agree about them."""

    features: int
    version: int
    data_offset: int
    size: int
    geometry: tuple[int, int, int]
    geometry_counts: bool
    disk_type: int
    unique_id: bytes

    @property
    def sizes(self) -> tuple[int, int]:
        """Bytes of the disk to readers that believe the size, and to those that believe the geometry."""
        cylinders, heads, sectors = self.geometry
        return self.size, cylinders * heads * sectors * SECTOR if self.geometry_counts else self.size

    @property
    def virtual_size(self) -> int:
        """Bytes of the disk to the reader for whom it is larger."""
        return max(self.sizes)


class DynamicHeader(NamedTuple):
    """The fields of the dynamic disk header that say where the block allocation table is."""

    at: int
    table_at: int
    entries: int
    block_size: int


def parse_footer(data: bytes) -> Footer:
    fields = FOOTER_FIELDS.unpack_from(data)
    _, features, version, data_offset, _, creator, _, _, _, size, *geometry, disk_type, _, unique_id, _ = fields
    cylinders, heads, sectors = geometry
    geometry_counts = creator not in SIZE_CREATORS and cylinders * heads * sectors != LARGEST_GEOMETRY
    return Footer(
        features, version, data_offset, size, (cylinders, heads, sectors), geometry_counts, disk_type, unique_id
    )


def check_footer(data: bytes, footer: Footer, at: int) -> Inspection:
    yield from check_checksum(data, at, FOOTER_CHECKSUM_AT, "footer")
    if footer.version != VERSION_1:
        raise MalformedImage(VERSION, at + 12, f"the footer has version {footer.version:#010x}; 0x00010000 is known")
    if unknown := footer.features & ~(TEMPORARY | RESERVED):
        yield Hazard(UNKNOWN_FEATURES, at + 8, f"feature bits {unknown:#x} are set; no published version defines them")
    if data[84]:
        yield Hazard(SAVED_STATE, at + 84, f"the saved-state byte is {data[84]}: a machine is suspended on this disk")
    if footer.size == 0 or footer.size % SECTOR:
        raise MalformedImage(SIZE, at + SIZE_AT, f"the disk has {footer.size} bytes; whole sectors of 512 are needed")
    yield from _check_geometry(footer, at)


def _check_geometry(footer: Footer, at: int) -> Inspection:
    """The geometry may be rounded to whole cylinders, and no more."""
    cylinders, heads, sectors = footer.geometry
    size, by_geometry = footer.sizes
    if size != by_geometry and abs(size - by_geometry) >= max(1, heads * sectors) * SECTOR:
        message = (
            f"the footer says {size} bytes of disk; its geometry, {cylinders} cylinders with {heads} heads and "
            f"{sectors} sectors, is {by_geometry}, and QEMU believes that"
        )
        yield Hazard(GEOMETRY, at + GEOMETRY_AT, message)


def check_checksum(data: bytes, at: int, field: int, what: str) -> Inspection:
    stored = int.from_bytes(data[field : field + 4], "big")
    computed = ~(sum(data) - sum(data[field : field + 4])) & 0xFFFFFFFF
    if stored != computed:
        yield Hazard(CHECKSUM, at + field, f"the {what} has checksum {stored:#010x}; its bytes give {computed:#010x}")


def read_dynamic_header(data: bytes, footer: Footer) -> Steps[DynamicHeader]:
    """Return the fields of the dynamic disk header, whose bytes are *data*."""
    at = footer.data_offset
    if len(data) < HEADER_SIZE:
        raise MalformedImage(TRUNCATED, 16, f"the file ends within the dynamic disk header at {at}")
    cookie, _, table_at, version, entries, block_size, _, _, _, _, parent_name = HEADER_FIELDS.unpack_from(data)
    if cookie != HEADER_COOKIE:
        raise MalformedImage(HEADER, at, f"there is no dynamic disk header at {at}")
    yield from check_checksum(data, at, HEADER_CHECKSUM_AT, "dynamic disk header")
    if version != VERSION_1:
        message = f"the dynamic disk header has version {version:#010x}; 0x00010000 is known"
        raise MalformedImage(VERSION, at + 24, message)
    if footer.disk_type != DIFFERENCES:
        yield from _check_no_parent(data, at, parent_name)
    if block_size & (block_size - 1) or not 64 << 10 <= block_size <= 256 << 20:
        message = f"the block size is {block_size}; powers of two from 65536 to 268435456 are accepted"
        raise MalformedImage(BLOCK_SIZE, at + 32, message)
    return DynamicHeader(at, table_at, entries, block_size)


def _check_no_parent(data: bytes, at: int, parent_name: bytes) -> Inspection:
    if parent_name.strip(b"\0"):
        yield Hazard(PARENT, at + 64, "the header of a dynamic disk holds the name of a parent")
    if data[_LOCATORS_AT : _LOCATORS_AT + _LOCATORS_SIZE].strip(b"\0"):
        yield Hazard(PARENT, at + _LOCATORS_AT, "the header of a dynamic disk holds a parent locator")
