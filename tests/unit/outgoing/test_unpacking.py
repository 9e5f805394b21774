import bz2
import gzip
import lzma
import random
import sys
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillage.outgoing.unpacking import BLOCK, MAGIC_BYTES, Bounds, NotUnpacked, Unpacker, packing_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

WIDE = Bounds(1000.0, None)
SPARE = 1 << 20
DATA = random.Random(1).randbytes(70_000) + bytes(3 * BLOCK) + b"the end"


def zstd_with_window(log: int) -> Callable[[bytes], bytes]:
    """A frame that names its window, as a stream does, whose length nobody knows before."""
    options: dict[int, int] = {
        zstd.CompressionParameter.window_log: log,
        zstd.CompressionParameter.content_size_flag: 0,
    }

    def pack(data: bytes) -> bytes:
        packer = zstd.ZstdCompressor(options=options)
        return packer.compress(data) + packer.flush()

    return pack


def xz_with_dictionary(size: int) -> Callable[[bytes], bytes]:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": size}]
    return lambda data: lzma.compress(data, filters=filters)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
    "zstd": zstd.compress,
    "bzip2": bz2.compress,
}
packings = pytest.mark.parametrize("packing", PACKERS)


def unpack(packing: str, packed: bytes, bounds: Bounds = WIDE, step: int = 1 << 16) -> bytes:
    unpacker = Unpacker(packing, bounds)
    blocks: list[bytes] = []
    for start in range(0, len(packed), step):
        blocks += unpacker.feed(packed[start : start + step])
    unpacker.finish()
    assert all(len(block) <= BLOCK for block in blocks)
    return b"".join(blocks)


@packings
def test_a_packed_file_is_known_by_its_first_bytes(packing: str) -> None:
    for data in (DATA, b""):
        assert packing_of(PACKERS[packing](data)[:MAGIC_BYTES]) == packing


@pytest.mark.parametrize(
    "head", [b"", b"\x1f\x8b", b"QFI\xfb\0\0\0\3", b"BZh91AY", b"BZhello wor", b"\xfd7zXZ", b"conectix", b"PK\3\4"]
)
def test_what_is_not_packed_is_left_alone(head: bytes) -> None:
    assert packing_of(head) is None


def test_a_skippable_frame_begins_a_zstd_file() -> None:
    """As pzstd writes it."""
    packed = b"\x50\x2a\x4d\x18\4\0\0\0size" + zstd.compress(DATA)
    assert packing_of(packed[:MAGIC_BYTES]) == "zstd"
    assert unpack("zstd", packed) == DATA


@packings
@given(data=st.binary(max_size=3000), step=st.integers(1, 500), more=st.binary(max_size=300))
def test_files_of_several_members_are_unpacked_however_they_are_cut(
    packing: str, data: bytes, step: int, more: bytes
) -> None:
    pack = PACKERS[packing]
    assert unpack(packing, pack(data) + pack(more) + pack(b""), step=step) == data + more


@packings
def test_a_large_member_comes_out_in_blocks(packing: str) -> None:
    assert unpack(packing, PACKERS[packing](DATA)) == DATA
    assert unpack(packing, PACKERS[packing](DATA), step=7) == DATA


@packings
@given(cut=st.floats(0, 1, exclude_max=True))
def test_a_file_that_is_cut_anywhere_is_refused(packing: str, cut: float) -> None:
    packed = PACKERS[packing](b"some data " * 100)
    with pytest.raises(NotUnpacked):
        unpack(packing, packed[: int(cut * len(packed))])


@packings
@pytest.mark.parametrize("garbage", [b"x", b"\0", b"garbage garbage garbage", bytes(3)])
def test_garbage_behind_the_end_is_refused(packing: str, garbage: bytes) -> None:
    for step in (1, 1 << 16):
        with pytest.raises(NotUnpacked):
            unpack(packing, PACKERS[packing](b"data") + garbage, step=step)


def test_padding_of_xz_is_no_garbage() -> None:
    packed = lzma.compress(b"one") + bytes(8) + lzma.compress(b"two") + bytes(4)
    for step in (1, 3, 1000):
        assert unpack("xz", packed, step=step) == b"onetwo"
    with pytest.raises(NotUnpacked, match="padding"):
        unpack("xz", lzma.compress(b"one") + bytes(6) + lzma.compress(b"two"))


@packings
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_changed_bit_is_noticed_or_does_not_matter(packing: str, where: float, bit: int) -> None:
    data = b"some data " * 100
    packed = bytearray(PACKERS[packing](data))
    packed[int(where * len(packed))] ^= 1 << bit
    try:
        unpacked = unpack(packing, bytes(packed))
    except NotUnpacked:
        return
    assert unpacked == data or packing == "zstd"  # its check sum is optional, and not there by default


@packings
def test_what_expands_too_much_is_refused(packing: str) -> None:
    bomb = PACKERS[packing](bytes(2 * SPARE))
    with pytest.raises(NotUnpacked, match="more than 10 times"):
        unpack(packing, bomb, Bounds(10.0, None, SPARE))
    with pytest.raises(NotUnpacked, match="more than 10 times"):
        unpack(packing, bomb, Bounds(10.0, len(bomb), SPARE))


@packings
def test_no_more_is_unpacked_than_is_allowed(packing: str) -> None:
    unpacker = Unpacker(packing, Bounds(1.0, None, SPARE))
    produced = 0
    with pytest.raises(NotUnpacked):  # noqa: PT012 - how far it comes is the point
        for block in unpacker.feed(PACKERS[packing](bytes(2 * SPARE))):
            produced += len(block)
    assert produced <= SPARE + BLOCK


def test_the_ratio_counts_the_whole_file_if_its_length_is_known() -> None:
    """A disk that begins with zeros is no bomb."""
    rest = random.Random(2).randbytes(SPARE)
    packed = lzma.compress(bytes(2 * SPARE), preset=0) + lzma.compress(rest, preset=0)
    with pytest.raises(NotUnpacked):
        unpack("xz", packed, Bounds(10.0, None, SPARE))
    assert len(unpack("xz", packed, Bounds(10.0, len(packed), SPARE))) == 3 * SPARE


def test_a_dictionary_has_at_most_64_mib() -> None:
    assert unpack("xz", xz_with_dictionary(64 << 20)(b"data")) == b"data"
    with pytest.raises(NotUnpacked, match="memory"):
        unpack("xz", xz_with_dictionary(128 << 20)(b"data"))
    assert unpack("zstd", zstd_with_window(26)(b"data")) == b"data"
    with pytest.raises(NotUnpacked, match="memory"):
        unpack("zstd", zstd_with_window(27)(b"data"))


@packings
@given(st.binary(max_size=200))
def test_any_bytes_are_unpacked_or_refused(packing: str, rest: bytes) -> None:
    head = PACKERS[packing](b"data")[:8]
    with suppress(NotUnpacked):
        unpack(packing, head + rest)
