"""The header page of ZVHD and ZVHD2: sizes, checksum and version, and the rules that both formats have.

All integers are little-endian. There is no published specification; the facts were established from the behaviour of
the published driver and from files that it wrote.
"""

import struct
from typing import NamedTuple

from stillage.formats.base import MalformedImage, Rule

PAGE = 4096
HEADER = 512
"""Bytes of a header page that mean something; the rest is whatever the writer had in memory."""
FIELDS = struct.Struct("<IIQI4sHHIQQIII16sBBBB")  # from byte 8, after the cookie, to the format version at 87
CHECKSUM = slice(64, 68)
HIDDEN = 85
FEATURES = 2
VERSION = 0x00010000


class Rules(NamedTuple):
    """The rules that both formats have, under their own names."""

    truncated: Rule
    checksum: Rule
    variant: Rule
    size: Rule
    record: Rule
    record_size: Rule
    block_number: Rule
    payload: Rule
    bomb: Rule
    trailing: Rule


def rules_of(name: str) -> Rules:
    label = name.upper()
    return Rules(
        truncated=Rule(f"{name}.truncated", f"The {label} file ends before its closing page, so part of it was lost."),
        checksum=Rule(f"{name}.checksum", f"The checksum of the {label} header is wrong, so its sizes mean nothing."),
        variant=Rule(f"{name}.unknown-variant", f"The {label} header uses an unknown version, flag or reserved byte."),
        size=Rule(f"{name}.size", f"The sizes in the {label} header contradict each other or are impossible."),
        record=Rule(f"{name}.record", f"A {label} record does not begin or end as a record does."),
        record_size=Rule(f"{name}.record-size", f"A {label} record claims more or fewer bytes than a block can need."),
        block_number=Rule(
            f"{name}.block-number",
            f"{label} records must ascend and stay inside the disk; one repeats, goes back or lies beyond the end.",
        ),
        payload=Rule(f"{name}.payload", f"A {label} record's compressed bytes do not expand to exactly one block."),
        bomb=Rule(f"{name}.bomb", f"A {label} record expands to more than its block: a decompression bomb."),
        trailing=Rule(
            f"{name}.trailing-data", f"Bytes follow the closing page of the {label} file, hidden from its readers."
        ),
    )


class Header(NamedTuple):
    """The fields of a header page that we use."""

    stored: bytes
    original_size: int
    current_size: int
    creator: str
    format_version: int


def checksum(page: bytes) -> int:
    """The complement of the sum of the header's bytes, its own four counting as zero."""
    return ~(sum(page[:HEADER]) - sum(page[CHECKSUM])) & 0xFFFFFFFF


def has_checksum(page: bytes) -> bool:
    stored = int.from_bytes(page[CHECKSUM], "little")
    # Old writers set the hidden byte after they had computed the checksum.
    return stored in (checksum(page), checksum(page[:HIDDEN] + b"\0" + page[HIDDEN + 1 :]) if _is_old(page) else None)


def _is_old(page: bytes) -> bool:
    minor, major = struct.unpack_from("<HH", page, 32)
    return page[HIDDEN] != 0 and page[28:31] == b"tap" and (major, minor) in ((0, 1), (1, 1))


def read_header(page: bytes, rules: Rules) -> Header:
    """Return the fields of the first page, whose cookie is known; only its checksum has been verified."""
    if len(page) < PAGE:
        raise MalformedImage(
            rules.truncated, len(page), f"the file ends after {len(page)} bytes, inside its header page of {PAGE}"
        )
    if not has_checksum(page):
        stored = int.from_bytes(page[CHECKSUM], "little")
        raise MalformedImage(
            rules.checksum, 64, f"the header's checksum is {stored:#010x}; its bytes add up to {checksum(page):#010x}"
        )
    _, _, _, _, _, minor, major, _, original, current, *_, version = FIELDS.unpack_from(page, 8)
    return Header(page[:HEADER], original, current, f"{major}.{minor}", version)


def check_header(header: Header, rules: Rules, *, reserved_from: int) -> None:
    features, version, *_, aligned, _ = FIELDS.unpack_from(header.stored, 8)
    if features != FEATURES or version != VERSION:
        described = f"features {features:#x} and version {version:#x}"
        raise MalformedImage(rules.variant, 8, f"the header says {described}; {FEATURES:#x} and {VERSION:#x} are known")
    if aligned:
        raise MalformedImage(rules.variant, 86, f"the header's alignment flag is {aligned}; only 0 is known")
    if header.stored[reserved_from:].strip(b"\0"):
        raise MalformedImage(rules.variant, reserved_from, f"reserved bytes {reserved_from}..511 are not all zero")
    original, current = header.original_size, header.current_size
    if not 0 < current < 1 << 63 or current % 512:
        raise MalformedImage(
            rules.size, 48, f"the disk's size is {current}; it must be a multiple of 512 between 512 and 2^63"
        )
    if not 0 < original <= current:
        raise MalformedImage(rules.size, 40, f"the original size is {original}; it must be between 1 and {current}")


def first_difference(one: bytes, other: bytes) -> int:
    """Return where two strings of the same length differ first; their length if nowhere."""
    differing = int.from_bytes(one, "big") ^ int.from_bytes(other, "big")
    return len(one) - (differing.bit_length() + 7) // 8
