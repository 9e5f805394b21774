import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from disk_edits import early_rule, facts, patched, rule, rules_broken
from samples import load
from stillage.formats.base import Facts
from stillage.formats.ploop import inspect as ploop

MIB = 1 << 20


def ploop_image(
    entries: list[int], *, sectors: int = 8 * 2048, block: int = 2048, magic: bytes = b"WithouFreSpacExt", size: int = 4
) -> bytes:
    """An image of *size* MiB with the block allocation table *entries*."""
    header = struct.pack("<16sIIIIIQIIIQ", magic, 2, 16, 10, block, len(entries), sectors, 0x312E3276, 2048, 0, 0)
    return (header + struct.pack(f"<{len(entries)}I", *entries)).ljust(size * MIB, b"\0")


GOOD = ploop_image([1, 0, 0, 3, 0, 0, 0, 2])
OLD = ploop_image([2048, 0, 0, 6144, 0, 0, 0, 4096], magic=b"WithoutFreeSpace")


@pytest.mark.parametrize("image", [GOOD, OLD])
def test_an_image_is_recognised_with_its_size(image: bytes) -> None:
    assert facts(ploop, image) == Facts("ploop", 8 * MIB, details={"block_size": "1048576"})
    assert rules_broken(ploop, image) == rules_broken(ploop, image, size=len(image)) == []


def test_a_sample_made_by_qemu_is_accepted() -> None:
    sample = load("parallels.hdd")
    assert facts(ploop, sample) == Facts("ploop", 4 * MIB, details={"block_size": "1048576"})
    assert rule(ploop, sample) is None


@pytest.mark.parametrize("data", [b"", b"WithoutFreeSpac", bytes(4096)])
def test_other_bytes_are_no_ploop(data: bytes) -> None:
    assert facts(ploop, data) is None


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: GOOD[:60], "ploop.truncated"),
        (lambda: GOOD[:90], "ploop.truncated"),
        (lambda: patched(GOOD, (16, b"\3")), "ploop.header"),
        (lambda: patched(GOOD, (28, bytes(4))), "ploop.header"),
        (lambda: patched(GOOD, (28, b"\xff\xff\xff\xff")), "ploop.header"),
        (lambda: patched(GOOD, (32, b"\7")), "ploop.header"),
        (lambda: patched(GOOD, (32, b"\xff\xff\xff\xff")), "ploop.header"),
        (lambda: patched(GOOD, (36, bytes(8))), "ploop.header"),
        (lambda: patched(OLD, (40, b"\1")), "ploop.header"),
        (lambda: patched(GOOD, (44, bytes(4))), None),
        (lambda: patched(GOOD, (44, (0x746F6E59).to_bytes(4, "little"))), "ploop.dirty"),
        (lambda: patched(GOOD, (56, b"\1")), "ploop.extension"),
        (lambda: patched(OLD, (64, b"\0\0\0\0\1\0\0\0")), None),
        (lambda: patched(OLD, (68, b"\xff\x07\0\0")), "ploop.block-overlap"),
        (lambda: ploop_image([1] * 8), "ploop.block-overlap"),
        (lambda: ploop_image([0] * 7 + [4]), "ploop.truncated"),
        (lambda: ploop_image([1, *[0] * 400], block=1, sectors=401), "ploop.block-place"),
        (lambda: ploop_image([1, 2, *[0] * 6], magic=b"WithoutFreeSpace"), "ploop.block-overlap"),
    ],
)
def test_a_broken_image_is_refused(build: Callable[[], bytes], expected: str | None) -> None:
    assert rule(ploop, build()) == expected
    assert rule(ploop, build(), size=len(build())) == expected


def test_a_bad_table_shows_in_the_first_block() -> None:
    assert early_rule(ploop, ploop_image([1] * 8)) == "ploop.block-overlap"


@given(st.binary(max_size=100), st.integers(0, 80))
def test_any_bytes_have_a_defined_end(data: bytes, kept: int) -> None:
    assert rule(ploop, GOOD[:kept] + data + GOOD[kept + len(data) : 4096]) in {
        None,
        *(known.id for known in ploop.RULES),
    }
