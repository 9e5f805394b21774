"""Reading disks at random: extents, bytes, and what of an image that breaks while it is read."""

import sys
import zlib
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from disk_reading import checked_extents, read_from, reader_of
from samples import load
from stillage.formats.base import LONGEST, MalformedImage, Region, Rule, Steps, Stream
from stillage.formats.codecs.zlib_stream import DEFLATE, ZLIB, Broken, Zlib
from stillage.formats.codecs.zstd_frames import Zstd
from stillage.formats.disk import MAX_UNIT, Charting, Codec, Disk, Extent, Packed, Stored, Zeros
from stillage.formats.reading import BEYOND, BROKEN_UNIT, LARGE_UNIT, TRUNCATED, DiskReader, open_disk

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

UNIT = 4096
NOISE = bytes(range(256)) * 16
PACKED_NOISE = zlib.compress(NOISE)


class MadeDisk(NamedTuple):
    """A disk of units: a letter says of each whether it is zeros, stored where it is on the disk, or packed at 0."""

    letters: str
    size: int
    codec: Codec = Zlib(ZLIB, must_end=True)
    most: int = len(PACKED_NOISE)
    unit: int = UNIT
    in_order: bool = False

    def extents(self, first: int, length: int) -> Charting:
        yield Region(0, 8)
        for number in range(first // self.unit, -(-(first + length) // self.unit)):
            at = number * self.unit
            kinds: dict[str, Extent] = {
                "z": Zeros(at, self.unit),
                "s": Stored(at, self.unit, at),
                "p": Packed(at, self.unit, 0, self.most, self.codec),
            }
            yield kinds[self.letters[number]]


def made(letters: str, *, missing: int = 0, image: bytes | None = None, most: int = len(PACKED_NOISE)) -> DiskReader:
    disk = MadeDisk(letters, len(letters) * UNIT - missing, most=most)
    image = PACKED_NOISE.ljust(len(letters) * UNIT, b"\7") if image is None else image
    return DiskReader(disk, read_from(image))


def expected(letters: str) -> bytes:
    image = PACKED_NOISE.ljust(len(letters) * UNIT, b"\7")
    stored = (image[at : at + UNIT] for at in range(0, len(image), UNIT))
    parts = {"z": bytes(UNIT), "p": NOISE}
    return b"".join(parts.get(letter, part) for letter, part in zip(letters, stored, strict=True))


@given(st.text("zsp", min_size=1, max_size=12), st.data())
def test_any_range_is_that_part_of_the_whole_disk(letters: str, data: st.DataObject) -> None:
    missing = 512 * data.draw(st.integers(0, 7))
    reader = made(letters, missing=missing)
    whole = expected(letters)[: reader.size]
    first = data.draw(st.integers(0, reader.size))
    length = data.draw(st.integers(0, reader.size + UNIT))
    assert reader.read(first, length) == whole[first : first + length]
    assert reader.read(first, length) == whole[first : first + length]  # with what was kept
    checked_extents(reader, first, min(length, reader.size - first))


def test_neighbours_of_one_kind_are_one_extent() -> None:
    assert checked_extents(made("zzsssz"), 100, 5 * UNIT) == [
        Zeros(100, 2 * UNIT - 100),
        Stored(2 * UNIT, 3 * UNIT, 2 * UNIT),
        Zeros(5 * UNIT, 100),
    ]


def test_a_range_behind_the_end_is_empty() -> None:
    reader = made("s")
    assert reader.read(UNIT, 1) == reader.read(10 * UNIT, 5) == b""
    assert not list(reader.extents(UNIT))


def test_a_unit_of_which_a_part_was_read_is_expanded_once() -> None:
    reads: list[tuple[int, int]] = []

    def read_at(offset: int, length: int) -> bytes:
        reads.append((offset, length))
        return PACKED_NOISE[offset : offset + length]

    reader = DiskReader(MadeDisk("p", UNIT), read_at)
    assert b"".join(reader.read(at, 512) for at in range(0, UNIT, 512)) == NOISE
    assert reads.count((0, len(PACKED_NOISE))) == 1


def test_neighbouring_units_are_one_read() -> None:
    reads: list[tuple[int, int]] = []
    contents = [bytes([number]) * UNIT for number in range(3)]
    most = 40
    units = [zlib.compress(content).ljust(most, b"x") for content in contents]

    def read_at(offset: int, length: int) -> bytes:
        reads.append((offset, length))
        return b"".join(units)[offset : offset + length]

    codec = Zlib(ZLIB, must_end=True)
    reader = DiskReader(MadeDisk("ppp", 3 * UNIT), read_at)
    packed = [Packed(n * UNIT, UNIT, n * most, most, codec) for n in range(3)]
    assert reader.expand(packed) == contents
    assert reads == [(0, 3 * most)]
    assert reader.expand(packed[::-1]) == contents[::-1]
    assert reader.expand([packed[1], packed[1]]) == [contents[1]] * 2


def test_few_units_are_kept_where_they_are_large() -> None:
    letters = "p" * 20
    packed = zlib.compress(bytes(MAX_UNIT))
    disk = MadeDisk(letters, len(letters) * MAX_UNIT, most=len(packed), unit=MAX_UNIT)
    reads: list[int] = []

    def read_at(offset: int, length: int) -> bytes:
        reads.append(length)
        return packed[offset : offset + length]

    reader = DiskReader(disk, read_at)
    for _ in range(2):
        for number in range(20):
            reader.read(number * MAX_UNIT, 1)
    assert reads.count(len(packed)) == 40


@pytest.mark.parametrize(
    ("image", "rule"),
    [
        (zlib.compress(NOISE + b"\0"), BROKEN_UNIT),  # one byte too many
        (zlib.compress(NOISE[:-1]), BROKEN_UNIT),
        (PACKED_NOISE[:-1], BROKEN_UNIT),
        (b"not a zlib stream", BROKEN_UNIT),
        (b"", BROKEN_UNIT),
        (zlib.compress(bytes(64 << 20)), BROKEN_UNIT),
    ],
)
def test_what_does_not_expand_to_exactly_one_unit_is_refused(image: bytes, rule: Rule) -> None:
    with pytest.raises(MalformedImage) as caught:
        made("p", image=image, most=len(image) or 10).read(0, 1)
    assert caught.value.hazard.rule == rule


def test_the_last_unit_may_end_with_the_disk() -> None:
    packed = zlib.compress(NOISE[:512])
    assert made("p", missing=UNIT - 512, image=packed, most=len(packed)).read(0, UNIT) == NOISE[:512]


def test_stored_bytes_that_the_file_does_not_have_are_not_made_up() -> None:
    with pytest.raises(MalformedImage) as caught:
        made("s", image=bytes(UNIT - 1)).read(0, UNIT)
    assert caught.value.hazard.rule == TRUNCATED


@pytest.mark.parametrize("extent", [Stored(0, UNIT, LONGEST), Packed(0, UNIT, LONGEST, 10, Zlib(ZLIB, must_end=True))])
def test_bytes_that_no_file_can_have_are_never_asked_for(extent: Stored | Packed) -> None:
    class Far(MadeDisk):
        def extents(self, _first: int, _length: int) -> Charting:
            yield extent

    with pytest.raises(MalformedImage) as caught:
        DiskReader(Far("s", UNIT), read_from(b"")).read(0, 1)
    assert caught.value.hazard.rule == BEYOND


def test_a_disk_in_units_too_large_for_memory_is_not_opened() -> None:
    class Large:
        def chart(self, _stream: Stream) -> Steps[Disk]:
            yield Region(0, 1)
            return MadeDisk("z", MAX_UNIT, unit=2 * MAX_UNIT)

    with pytest.raises(MalformedImage) as caught:
        open_disk(Large(), read_from(b""), 0)
    assert caught.value.hazard.rule == LARGE_UNIT


def test_a_stream_without_an_end_is_read_only_where_the_format_has_such() -> None:
    stream = zlib.compressobj(wbits=DEFLATE)
    packed = stream.compress(NOISE) + stream.flush(zlib.Z_SYNC_FLUSH)
    assert Zlib(DEFLATE, must_end=False).expand(packed, UNIT) == NOISE
    with pytest.raises(Broken):
        Zlib(DEFLATE, must_end=True).expand(packed, UNIT)


def test_bytes_behind_a_stream_are_ignored() -> None:
    assert Zlib(ZLIB, must_end=True).expand(PACKED_NOISE + b"behind it", UNIT) == NOISE


def test_zstd_frames_are_expanded_one_after_the_other_and_never_beyond_the_limit() -> None:
    frames = zstd.compress(NOISE[:1000]) + zstd.compress(NOISE[1000:])
    assert Zstd().expand(frames + b"behind it", UNIT) == NOISE
    assert len(Zstd().expand(zstd.compress(bytes(64 << 20)), UNIT)) == UNIT + 1
    assert len(Zstd().expand(frames[:-1], UNIT)) < UNIT
    with pytest.raises(Broken):
        Zstd().expand(b"no frame", UNIT)


def test_a_raw_disk_is_the_file_and_zeros_up_to_a_whole_sector() -> None:
    reader = reader_of(b"\1" * 513, "raw")
    assert reader.size == 1024
    assert checked_extents(reader) == [Stored(0, 513, 0), Zeros(513, 511)]
    assert reader.read(512, 512) == b"\1" + bytes(511)
    assert checked_extents(reader, 600, 100) == [Zeros(600, 100)]
    assert reader_of(b"", "raw").size == 0


def test_a_luks_container_is_not_read() -> None:
    with pytest.raises(MalformedImage) as caught:
        reader_of(load("luks1.raw"), "raw")
    assert caught.value.hazard.rule.id == "luks.encrypted"
