from collections.abc import Callable, Iterable
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from disk_edits import early_rule, facts, le32, le64, patched, rule, rules_broken
from samples import load
from stillage.formats.codecs.crc32c import crc32c
from stillage.formats.vhdx import inspect as vhdx

KIB, MIB = 1 << 10, 1 << 20
HEADERS, TABLES = (64 * KIB, 128 * KIB), (192 * KIB, 256 * KIB)
BAT_AT, METADATA_AT = 2 * MIB, 3 * MIB
UNKNOWN = UUID("01234567-89ab-cdef-0123-456789abcdef").bytes_le


def dynamic() -> bytes:
    return load("vhdx-dynamic.vhdx")


def sealed(part: bytes, *edits: tuple[int, bytes]) -> bytes:
    """A header or region table with changes and the right checksum."""
    blank = patched(part, *edits, (4, bytes(4)))
    return patched(blank, (4, le32(crc32c(blank))))


def with_sealed(places: Iterable[int], length: int, *edits: tuple[int, bytes]) -> bytes:
    image = dynamic()
    return patched(image, *((at, sealed(image[at : at + length], *edits)) for at in places))


def with_headers(*edits: tuple[int, bytes]) -> bytes:
    return with_sealed(HEADERS, 4096, *edits)


def with_tables(*edits: tuple[int, bytes]) -> bytes:
    return with_sealed(TABLES, 64 * KIB, *edits)


def entry_of(item: str) -> int:
    """Where the metadata table has its entry for the item whose GUID begins so."""
    return dynamic().index(bytes.fromhex(item)[::-1], METADATA_AT)


def value_of(item: str) -> int:
    at = entry_of(item) + 16
    return METADATA_AT + int.from_bytes(dynamic()[at : at + 4], "little")


FIRST_BLOCK = int.from_bytes(dynamic()[BAT_AT : BAT_AT + 8], "little")
PARAMETERS, SIZE, DISK_ID, LOGICAL, PHYSICAL = "caa16737", "2fa54224", "beca12ab", "8141bf1d", "cda348c7"


def test_an_image_is_recognised_with_its_size_and_kind() -> None:
    found = facts(vhdx, dynamic())
    assert found is not None
    assert (found.virtual_size, found.subformat) == (4 * MIB, "dynamic")
    assert found.details["block_size"] == str(MIB)
    assert found.details["logical_sector_size"] == "512"
    assert UUID(found.details["disk_id"])
    assert rule(vhdx, dynamic()) is None


def test_other_bytes_are_not_a_vhdx() -> None:
    assert facts(vhdx, b"") is None
    assert facts(vhdx, b"vhdxfilf".ljust(MIB, b"\0")) is None


@pytest.mark.parametrize(
    ("data", "crc"), [(b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43)]
)
def test_crc_32c_is_that_of_the_published_vectors(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc


@given(data=st.binary(max_size=40), zeros=st.integers(0, 300))
def test_zeros_at_the_end_count_as_any_bytes(data: bytes, zeros: int) -> None:
    crc = 0xFFFFFFFF
    for byte in data + bytes(zeros):
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    assert crc32c(data + bytes(zeros)) == crc ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: patched(dynamic(), (HEADERS[0], b"daeh"), (HEADERS[1], b"daeh")), "vhdx.checksum"),
        (lambda: patched(dynamic(), (HEADERS[0] + 9, b"\7"), (HEADERS[1] + 9, b"\7")), "vhdx.checksum"),
        (lambda: with_headers((66, b"\2\0")), "vhdx.version"),
        (lambda: with_headers((64, b"\1\0")), "vhdx.version"),
        (lambda: with_headers((48, b"log")), "vhdx.dirty"),
        (lambda: with_headers((72, le64(MIB + 512))), "vhdx.log-place"),
        (lambda: with_headers((68, le32(0))), "vhdx.log-place"),
        (lambda: with_headers((72, le64(BAT_AT))), "vhdx.region"),
        (lambda: with_headers((72, le64(1 << 40))), "vhdx.truncated"),
        (lambda: patched(dynamic(), (HEADERS[0], dynamic()[HEADERS[1] : HEADERS[1] + 4096])), None),
        (lambda: with_headers((8, le64(5))), "vhdx.copies-differ"),
        (lambda: patched(dynamic(), (HEADERS[0] + 4, b"\1\2\3\4")), None),
        (lambda: patched(dynamic(), (TABLES[0] + 4, b"\1\2\3\4"), (TABLES[1] + 4, b"\1\2\3\4")), "vhdx.checksum"),
        (lambda: patched(dynamic(), (TABLES[0] + 4, b"\1\2\3\4")), None),
        (lambda: with_sealed(TABLES[:1], 64 * KIB, (5000, b"!")), "vhdx.copies-differ"),
        (lambda: with_tables((8, le32(2048))), "vhdx.region"),
        (lambda: with_tables((8, le32(1))), "vhdx.region"),
        (lambda: with_tables((16 + 16, le64(MIB))), "vhdx.region"),
        (lambda: with_tables((16 + 16, le64(METADATA_AT + 512))), "vhdx.region"),
        (lambda: with_tables((16 + 16, le64(METADATA_AT))), "vhdx.region"),
        (lambda: with_tables((16 + 24, le32(0))), "vhdx.region"),
        (lambda: with_tables((16 + 24, le32(0xFFF00000))), "vhdx.region"),
        (lambda: with_tables((48 + 24, le32(0xFFF00000))), "vhdx.truncated"),
        (lambda: with_tables((8, le32(3)), (80, dynamic()[TABLES[0] + 16 : TABLES[0] + 48])), "vhdx.region"),
        (
            lambda: with_tables((8, le32(3)), (80, UNKNOWN + le64(9 * MIB) + le32(MIB) + le32(1))),
            "vhdx.unknown-region",
        ),
    ],
)
def test_a_bad_header_is_refused_in_the_first_mib(build: Callable[[], bytes], expected: str | None) -> None:
    image = build()
    assert rule(vhdx, image, size=len(image)) == expected
    assert rule(vhdx, image[:MIB], size=len(image)) == expected or expected is None


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ([(METADATA_AT, b"metadatb")], "vhdx.metadata"),
        ([(METADATA_AT + 10, b"\0\x08")], "vhdx.metadata"),
        ([(METADATA_AT + 10, b"\0\0")], "vhdx.metadata"),
        ([(entry_of(SIZE) + 16, le32(100))], "vhdx.metadata"),
        ([(entry_of(SIZE) + 16, le32(MIB - 4))], "vhdx.metadata"),
        ([(entry_of(SIZE) + 20, le32(4))], "vhdx.metadata"),
        ([(entry_of(SIZE), dynamic()[entry_of(LOGICAL) : entry_of(LOGICAL) + 16])], "vhdx.metadata"),
        ([(entry_of(DISK_ID), UNKNOWN)], "vhdx.unknown-metadata"),
        ([(entry_of(DISK_ID), UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c").bytes_le)], "vhdx.parent"),
        ([(value_of(PARAMETERS) + 4, b"\2")], "vhdx.differencing"),
        ([(value_of(PARAMETERS) + 4, b"\4")], "vhdx.unknown-features"),
        ([(value_of(PARAMETERS), le32(3 * MIB))], "vhdx.block-size"),
        ([(value_of(PARAMETERS), le32(512 * KIB))], "vhdx.block-size"),
        ([(value_of(SIZE), le64(0))], "vhdx.size"),
        ([(value_of(SIZE), le64(4 * MIB + 1))], "vhdx.size"),
        ([(value_of(SIZE), le64((64 << 40) + 512))], "vhdx.size"),
        ([(value_of(SIZE), le64(1 << 40))], "vhdx.table-size"),
        ([(value_of(LOGICAL), le32(1024))], "vhdx.sector-size"),
        ([(value_of(PHYSICAL), le32(0))], "vhdx.sector-size"),
        ([(value_of(LOGICAL), le32(4096)), (value_of(PHYSICAL), le32(4096))], None),
    ],
)
def test_bad_metadata_are_refused(edits: list[tuple[int, bytes]], expected: str | None) -> None:
    assert rule(vhdx, patched(dynamic(), *edits)) == expected


@pytest.mark.parametrize(
    ("position", "entry", "expected"),
    [
        (0, FIRST_BLOCK | 8, "vhdx.block-state"),
        (0, FIRST_BLOCK & ~7 | 7, "vhdx.block-state"),
        (0, FIRST_BLOCK & ~7 | 5, "vhdx.block-state"),
        (0, 2, None),
        (0, 6, "vhdx.block-place"),
        (0, 1 << 20 | 6, "vhdx.block-place"),
        (0, 3 << 20 | 6, "vhdx.block-place"),
        (0, 1 << 60 | 6, "vhdx.truncated"),
        (1, FIRST_BLOCK, "vhdx.block-overlap"),
    ],
)
def test_blocks_lie_in_the_file_and_apart(position: int, entry: int, expected: str | None) -> None:
    image = patched(dynamic(), (BAT_AT + 8 * position, le64(entry)))
    assert rule(vhdx, image, size=len(image)) == expected


def test_a_sector_bitmap_without_a_parent_is_refused() -> None:
    # 4 GiB of disk, so that the entry behind the first 4096 blocks means something.
    image = patched(dynamic(), (value_of(SIZE), le64((4 << 30) + MIB)), (BAT_AT + 8 * 4096, le64(6)))
    assert rule(vhdx, image) == "vhdx.block-state"


def test_blocks_too_far_apart_to_follow_are_refused() -> None:
    image = patched(dynamic(), (BAT_AT, le64(1 << 60 | 6)))
    assert rules_broken(vhdx, image) == ["vhdx.block-overlap"]


@pytest.mark.parametrize("length", [8, 520, 64 * KIB, 130 * KIB, 200 * KIB, 320 * KIB, MIB, 3 * MIB, -1])
def test_a_cut_image_is_refused(length: int) -> None:
    cut = dynamic()[:length]
    assert rule(vhdx, cut) == "vhdx.truncated"
    assert rule(vhdx, cut, size=len(cut)) == "vhdx.truncated"


def test_the_format_is_known_from_the_first_block() -> None:
    assert early_rule(vhdx, dynamic()) is None
    assert facts(vhdx, dynamic()[: 64 * KIB]) is not None
