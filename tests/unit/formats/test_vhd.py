import math
import struct
from collections.abc import Callable

import pytest

from disk_edits import early_rule, facts, patched, rule, rules_broken
from examining import examine
from samples import load
from stillage.formats.base import Facts
from stillage.formats.safety import Declaration, Policy, refusals
from stillage.formats.vhd import inspect as vhd

MIB = 1 << 20
HEADER_AT, BAT_AT = 512, 1536
SPAN = 4097  # sectors of one block: bitmap and 2 MiB


def dynamic() -> bytes:
    return load("vhd-dynamic.vhd")


def fixed() -> bytes:
    return load("vhd-fixed.vhd")


def be32(number: int) -> bytes:
    return struct.pack(">I", number)


def be64(number: int) -> bytes:
    return struct.pack(">Q", number)


def sealed(block: bytes, checksum_at: int) -> bytes:
    blank = patched(block, (checksum_at, bytes(4)))
    return patched(blank, (checksum_at, be32(~sum(blank) & 0xFFFFFFFF)))


def with_footer(*edits: tuple[int, bytes]) -> bytes:
    """The dynamic image with changes in both copies of its footer, whose checksums are right."""
    image = dynamic()
    footer = sealed(patched(image[:512], *edits), 64)
    return patched(image, (0, footer), (-512, footer))


def with_header(*edits: tuple[int, bytes]) -> bytes:
    image = dynamic()
    return patched(image, (HEADER_AT, sealed(patched(image[HEADER_AT : HEADER_AT + 1024], *edits), 36)))


def with_fixed_footer(*edits: tuple[int, bytes]) -> bytes:
    return with_last_footer(fixed(), *edits)


def with_last_footer(image: bytes, *edits: tuple[int, bytes]) -> bytes:
    """*image* with changes in the footer at its end alone, whose checksum is right."""
    return patched(image, (-512, sealed(patched(image[-512:], *edits), 64)))


@pytest.mark.parametrize("kind", ["dynamic", "fixed"])
def test_an_image_is_recognised_with_its_size_and_kind(kind: str) -> None:
    image = load(f"vhd-{kind}.vhd")
    assert facts(vhd, image) == Facts("vhd", 4 * MIB, kind, {"creator": "qem2"})
    assert rule(vhd, image) is None


def test_a_footer_of_511_bytes_is_known() -> None:
    image = fixed()[:-1]
    found = facts(vhd, image)
    assert found is not None
    assert found.virtual_size == 4 * MIB
    assert rule(vhd, image) is None


@pytest.mark.parametrize("data", [b"", b"conectiy", bytes(511), bytes(512)])
def test_other_bytes_are_not_a_vhd(data: bytes) -> None:
    assert facts(vhd, data) is None


def test_a_fixed_disk_ends_with_its_footer() -> None:
    image = fixed()
    for data in (image[:-512], image[:-2], image + b"\0"):
        assert facts(vhd, data) is None


@pytest.mark.parametrize("length", [8, 84, 511])
def test_a_cut_footer_copy_is_refused(length: int) -> None:
    assert rule(vhd, dynamic()[:length]) == "vhd.truncated"


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: with_footer((12, be32(0x20000))), "vhd.version"),
        (lambda: with_footer((8, be32(6))), "vhd.unknown-features"),
        (lambda: with_footer((84, b"\1")), "vhd.saved-state"),
        (lambda: with_footer((48, be64(0))), "vhd.size"),
        (lambda: with_footer((48, be64(1000))), "vhd.size"),
        (lambda: with_footer((48, be64((2 << 40) + 512))), "vhd.size"),
        (lambda: with_footer((60, be32(2))), "vhd.disk-type"),
        (lambda: with_footer((60, be32(5))), "vhd.disk-type"),
        (lambda: with_footer((60, be32(4))), "vhd.differencing"),
        (lambda: with_footer((16, be64(100))), "vhd.header"),
        (lambda: with_footer((16, be64(1536))), "vhd.header"),
        (lambda: with_footer((16, be64(1 << 50))), "vhd.truncated"),
        (lambda: patched(dynamic(), (64, b"\1\2\3\4")), "vhd.checksum"),
        (lambda: patched(dynamic(), (HEADER_AT + 36, b"\1\2\3\4")), "vhd.checksum"),
        (lambda: with_header((24, be32(0x20000))), "vhd.version"),
        (lambda: with_header((16, be64(1024))), "vhd.table-place"),
        (lambda: with_header((16, be64(0))), "vhd.table-place"),
        (lambda: with_header((16, be64(1537))), "vhd.table-place"),
        (lambda: with_header((16, be64(1 << 40))), "vhd.truncated"),
        (lambda: with_header((28, be32(1))), "vhd.table-size"),
        (lambda: with_header((28, be32(0xFFFFFFFF))), "vhd.table-size"),
        (lambda: with_header((32, be32(3 * MIB))), "vhd.block-size"),
        (lambda: with_header((32, be32(0))), "vhd.block-size"),
        (lambda: with_header((64, "parent.vhd".encode("utf-16-be"))), "vhd.parent"),
        (lambda: with_header((576, b"W2ku")), "vhd.parent"),
    ],
)
def test_a_bad_header_is_refused_in_the_first_block(build: Callable[[], bytes], expected: str) -> None:
    image = build()
    assert early_rule(vhd, image) == expected
    assert rule(vhd, image) == expected


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: with_fixed_footer((12, be32(0x20000))), "vhd.version"),
        (lambda: with_fixed_footer((60, be32(3))), "vhd.disk-type"),
        (lambda: with_fixed_footer((48, be64(4 * MIB - 512))), "vhd.size-mismatch"),
        (lambda: with_fixed_footer((48, be64(4 * MIB + 512))), "vhd.size-mismatch"),
        (lambda: patched(fixed(), (-448, b"\1\2\3\4")), "vhd.checksum"),
        (lambda: fixed()[512:], "vhd.size-mismatch"),
    ],
)
def test_a_bad_footer_of_a_fixed_disk_is_refused(build: Callable[[], bytes], expected: str) -> None:
    assert rule(vhd, build()) == expected


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ([4, 4 + SPAN], None),
        ([4 + SPAN, 4], None),
        ([0xFFFFFFFF, 0xFFFFFFFF], None),
        ([4, 4], "vhd.block-overlap"),
        ([4, 4 + SPAN - 1], "vhd.block-overlap"),
        ([4 + SPAN, 5], "vhd.block-overlap"),
        ([3, 4 + SPAN], "vhd.block-place"),
        ([0, 4 + SPAN], "vhd.block-place"),
        ([4, 5 + SPAN], "vhd.block-place"),
        ([4, 0xFFFFFFFE], "vhd.block-place"),
    ],
)
def test_blocks_lie_in_the_file_and_apart(blocks: list[int], expected: str | None) -> None:
    image = patched(dynamic(), (BAT_AT, struct.pack(">2I", *blocks)))
    assert early_rule(vhd, image) == expected
    assert rule(vhd, image) == expected


def test_a_spare_entry_that_names_a_block_is_refused() -> None:
    image = patched(with_header((28, be32(3))), (BAT_AT + 4, be32(0xFFFFFFFF)))
    assert rule(vhd, image) is None
    assert rule(vhd, patched(image, (BAT_AT + 8, be32(4 + SPAN)))) == "vhd.block-place"


@pytest.mark.parametrize("length", [512, 1000, 1536, 1539])
def test_a_cut_front_is_refused(length: int) -> None:
    assert rule(vhd, dynamic()[:length]) == "vhd.truncated"
    assert rule(vhd, dynamic()[:length], size=length) == "vhd.truncated"


@pytest.mark.parametrize("length", [1600, 2048, MIB, -512, -1])
def test_a_cut_image_has_no_footer(length: int) -> None:
    assert rule(vhd, dynamic()[:length]) == "vhd.footer"


def test_bytes_behind_the_footer_are_refused() -> None:
    assert rule(vhd, dynamic() + bytes(512)) == "vhd.footer"


def test_a_footer_behind_a_hole_in_the_data_is_refused() -> None:
    image = dynamic()
    assert rule(vhd, image[:MIB] + image[-512:]) == "vhd.block-place"


@pytest.mark.parametrize("edit", [(48, be64(8 * MIB)), (16, be64(1024)), (60, be32(4)), (68, b"another identity")])
def test_copies_that_describe_two_disks_are_refused(edit: tuple[int, bytes]) -> None:
    assert rule(vhd, with_last_footer(dynamic(), edit)) == "vhd.copies-differ"


def test_copies_may_differ_in_when_they_were_written() -> None:
    assert rule(vhd, with_last_footer(dynamic(), (24, be32(77)))) is None


def chs(cylinders: int, heads: int, sectors: int) -> tuple[int, bytes]:
    return 56, struct.pack(">HBB", cylinders, heads, sectors)


SIZE_CREATORS = [b"win ", b"qem2", b"d2v ", b"tap\0", b"CTXS"]
OTHER_CREATORS = [b"vpc ", b"qemu", b"vbox", b"wa\0\0", b"tap ", bytes(4)]
MADE = [with_footer, with_fixed_footer]


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("creator", OTHER_CREATORS)
@pytest.mark.parametrize("geometry", [(65535, 16, 254), (65535, 255, 255), (0, 4, 17), (200, 0, 0), (118, 4, 17)])
def test_a_geometry_that_is_another_disk_than_the_size_is_refused(
    made: Callable[..., bytes], creator: bytes, geometry: tuple[int, int, int]
) -> None:
    image = made((28, creator), chs(*geometry))
    assert rules_broken(vhd, image)[0] == "vhd.geometry"
    found = facts(vhd, image)
    assert found is not None
    assert found.virtual_size == max(4 * MIB, math.prod(geometry) * 512)


ROUNDED_DOWN, ROUNDED_UP = 120 * 4 * 17 * 512, 121 * 4 * 17 * 512


@pytest.mark.parametrize(
    ("build", "larger"),
    [
        (lambda: with_footer((28, b"vpc "), chs(120, 4, 17)), 4 * MIB),
        (lambda: with_fixed_footer((28, b"vpc "), chs(120, 4, 17)), 4 * MIB),
        (lambda: with_footer((28, b"vpc "), (48, be64(ROUNDED_DOWN - 512)), chs(120, 4, 17)), ROUNDED_DOWN),
        (lambda: with_fixed_footer((28, b"vpc "), chs(121, 4, 17)), ROUNDED_UP),
    ],
)
def test_a_geometry_may_be_rounded_and_the_larger_size_counts(build: Callable[[], bytes], larger: int) -> None:
    image = build()
    found = facts(vhd, image)
    assert found is not None
    assert found.virtual_size == larger
    assert rule(vhd, image) is None


def test_a_table_covers_the_larger_disk() -> None:
    # 65 cylinders of 127 sectors over the 4 MiB that the size says, and a table of two blocks of 2 MiB.
    image = with_footer((28, b"vpc "), chs(65, 1, 127))
    assert rule(vhd, image) == "vhd.table-size"


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("creator", SIZE_CREATORS)
def test_of_creators_that_mean_the_size_the_geometry_does_not_count(made: Callable[..., bytes], creator: bytes) -> None:
    image = made((28, creator), chs(65535, 16, 254))
    found = facts(vhd, image)
    assert found is not None
    assert found.virtual_size == 4 * MIB
    assert rule(vhd, image) is None


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("geometry", [(65535, 16, 255), (65535, 255, 16), (65535, 240, 17)])
def test_the_largest_geometry_says_nothing(made: Callable[..., bytes], geometry: tuple[int, int, int]) -> None:
    image = made((28, b"vpc "), chs(*geometry))
    found = facts(vhd, image)
    assert found is not None
    assert found.virtual_size == 4 * MIB
    assert rule(vhd, image) is None


def test_the_larger_size_is_compared_with_min_disk_and_the_limit() -> None:
    findings = examine(with_fixed_footer((28, b"vpc "), chs(65535, 16, 254)))
    policy = Policy(min_disk_binds=True, max_virtual_size=100 << 30, allowed=frozenset({"vhd.geometry"}))
    refused = [refusal.rule for refusal in refusals(findings, Declaration("vhd", min_disk=1), policy)]
    assert refused == ["virtual-size.absurd", "virtual-size.min-disk"]


def test_copies_by_two_creators_may_be_two_disks() -> None:
    image = with_last_footer(with_footer(chs(65535, 16, 254)), (28, b"vpc "))
    assert rule(vhd, image) == "vhd.copies-differ"
