import struct

import pytest

from disk_edits import early_rule, facts, le32, patched, rule
from samples import load
from stillage.formats.base import Facts
from stillage.formats.vdi import inspect as vdi

MIB = 1 << 20
MAP_AT = 512


def dynamic() -> bytes:
    return load("vdi-dynamic.vdi")


@pytest.mark.parametrize("kind", ["dynamic", "static"])
def test_an_image_is_recognised_with_its_size_and_kind(kind: str) -> None:
    image = load(f"vdi-{kind}.vdi")
    assert facts(vdi, image) == Facts("vdi", 4 * MIB, kind, {"block_size": str(MIB)})
    assert rule(vdi, image) is None


def test_other_bytes_are_not_a_vdi() -> None:
    assert facts(vdi, bytes(1000)) is None
    assert facts(vdi, b"<<< Oracle VM VirtualBox Disk Image >>>\n".ljust(600, b"\0")) is None


@pytest.mark.parametrize("length", [68, 200, 375, 400, 471])
def test_a_cut_header_is_refused(length: int) -> None:
    assert rule(vdi, dynamic()[:length]) == "vdi.truncated"


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ([(68, le32(0x10002))], "vdi.version"),
        ([(72, le32(401))], "vdi.version"),
        ([(76, le32(3))], "vdi.differencing"),
        ([(76, le32(4))], "vdi.differencing"),
        ([(76, le32(5))], "vdi.kind"),
        ([(0x1A8, b"\1")], "vdi.differencing"),
        ([(0x1C7, b"\1")], "vdi.differencing"),
        ([(0x168, le32(4096))], "vdi.sector-size"),
        ([(0x170, bytes(8))], "vdi.size"),
        ([(0x178, le32(3 * MIB))], "vdi.block-size"),
        ([(0x178, le32(0))], "vdi.block-size"),
        ([(0x17C, le32(512))], "vdi.block-size"),
        ([(0x180, le32(5))], "vdi.table-size"),
        ([(0x180, le32(3))], "vdi.table-size"),
        ([(0x170, b"\xff" * 8)], "vdi.table-size"),
        ([(0x184, le32(5))], "vdi.block-count"),
        ([(0x154, le32(100))], "vdi.table-place"),
        ([(0x154, le32(0xFFFFFFFC))], "vdi.table-place"),
        ([(0x158, le32(513))], "vdi.table-place"),
        ([(0x158, le32(MIB))], "vdi.truncated"),
        ([(0x184, le32(4))], "vdi.truncated"),
        ([(0x184, le32(2))], "vdi.trailing-data"),
    ],
)
def test_a_bad_header_is_refused_in_the_first_block(edits: list[tuple[int, bytes]], expected: str) -> None:
    image = patched(dynamic(), *edits)
    assert early_rule(vdi, image) == expected
    assert rule(vdi, image, size=len(image)) == expected


@pytest.mark.parametrize(
    ("kind", "entries", "expected"),
    [
        ("dynamic", [0, 1, 1, 2], "vdi.block-overlap"),
        ("dynamic", [0, 1, 3, 2], "vdi.block-place"),
        ("dynamic", [2, 0xFFFFFFFE, 0, 1], None),
        ("dynamic", [0xFFFFFFFF] * 4, None),
        ("static", [3, 2, 1, 0], None),
        ("static", [0, 1, 2, 0xFFFFFFFF], "vdi.block-count"),
    ],
)
def test_the_block_map_names_each_stored_block_once(kind: str, entries: list[int], expected: str | None) -> None:
    image = patched(load(f"vdi-{kind}.vdi"), (MAP_AT, struct.pack("<4I", *entries)))
    assert early_rule(vdi, image) == expected
    assert rule(vdi, image) == expected


@pytest.mark.parametrize("length", [472, 600, 1024, MIB, -1])
def test_a_cut_image_is_refused(length: int) -> None:
    cut = dynamic()[:length]
    assert rule(vdi, cut) == "vdi.truncated"
    assert rule(vdi, cut, size=len(cut)) == "vdi.truncated"


def test_bytes_behind_the_last_block_are_refused() -> None:
    assert rule(vdi, dynamic() + b"\0") == "vdi.trailing-data"
