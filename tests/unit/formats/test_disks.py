"""What each format's reader makes of the entries, marks and units that samples do not have."""

import random
import struct
import sys
import zlib
from collections.abc import Callable
from itertools import pairwise

import pytest

import vmdk_images
from disk_edits import patched
from disk_reading import checked_extents, read_from, reader_of
from qcow2_images import COMPRESSED, COPIED, Qcow2
from samples import load
from stillage.formats.base import MalformedImage
from stillage.formats.disk import Packed, Stored, Zeros
from stillage.formats.readers import READERS
from stillage.formats.reading import DiskReader, open_disk
from stillage.formats.vhdx import bat as vhdx_bat
from stillage.formats.vhdx.read import VhdxDisk
from stillage.formats.zvhd import read as zvhd_read
from stillage.formats.zvhd.records import RECORD
from zvhd_images import BLOCK, Zvhd2, checksummed, continued, guest_block, zvhd

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CLUSTER = 65536
DATA = 5  # the first cluster of data that `Qcow2` builds
NOISE = bytes(range(256)) * (CLUSTER // 256)


def refused(image: bytes, disk_format: str) -> str:
    """The rule under which the whole disk cannot be read."""
    with pytest.raises(MalformedImage) as caught:
        read_everything(image, disk_format)
    return caught.value.hazard.rule.id


def read_everything(image: bytes, disk_format: str) -> None:
    reader = reader_of(image, disk_format)
    for extent in reader.extents():
        reader.read(extent.at, extent.length)


def deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


def packed_entry(offset: int, length: int, cluster_bits: int = 16) -> int:
    """The L2 entry of *length* compressed bytes."""
    sectors = (offset + length - 1) // 512 - offset // 512
    return COMPRESSED | sectors << 62 - (cluster_bits - 8) | offset


def packed_qcow2(data: bytes, *, compression: int = 0) -> bytes:
    """An image whose first cluster is compressed to *data*."""
    entry = packed_entry(DATA * CLUSTER + 100, len(data))
    incompatible = 8 if compression else 0
    more = {DATA * CLUSTER + 100: data}
    return Qcow2(l2=[entry], compression=compression, incompatible=incompatible, more=more).build()


def test_a_qcow2_cluster_that_reads_as_zeros_is_zeros_though_it_is_stored() -> None:
    data = {DATA * CLUSTER: NOISE * 3}
    image = Qcow2(l2=[COPIED | 5 << 16, COPIED | 6 << 16 | 1, 1, COPIED | 7 << 16], more=data).build()
    assert checked_extents(reader_of(image, "qcow2"), 0, 4 * CLUSTER) == [
        Stored(0, CLUSTER, 5 << 16),
        Zeros(CLUSTER, 2 * CLUSTER),
        Stored(3 * CLUSTER, CLUSTER, 7 << 16),
    ]


def test_qcow2_clusters_that_share_their_bytes_are_read_each() -> None:
    image = Qcow2(l2=[COPIED | 6 << 16] * 3 + [COPIED | 5 << 16], more={6 << 16: NOISE}).build()
    reader = reader_of(image, "qcow2")
    assert reader.read(0, 4 * CLUSTER) == NOISE * 3 + bytes(CLUSTER)
    assert len(checked_extents(reader, 0, 4 * CLUSTER)) == 4


@pytest.mark.parametrize(("compression", "pack"), [(0, deflate), (1, zstd.compress)])
def test_a_compressed_qcow2_cluster_is_exactly_one_cluster(compression: int, pack: Callable[[bytes], bytes]) -> None:
    image = packed_qcow2(pack(NOISE), compression=compression)
    assert reader_of(image, "qcow2").read(5, 100) == NOISE[5:105]
    for wrong in (NOISE[:-1], NOISE + b"\0", bytes(64 << 20)):
        assert refused(packed_qcow2(pack(wrong), compression=compression), "qcow2") == "disk.broken-unit"
    assert refused(packed_qcow2(pack(NOISE)[:-20], compression=compression), "qcow2") == "disk.broken-unit"


def test_a_qcow2_cluster_may_refer_back_32_kib() -> None:
    # RFC 1951 allows it; readers that expand with the window that QEMU writes with fail here.
    data = (random.Random(1).randbytes(30000) * 3)[:CLUSTER]
    assert len(deflate(data)) < CLUSTER // 2
    assert reader_of(packed_qcow2(deflate(data)), "qcow2").read(0, CLUSTER) == data


def test_a_compressed_qcow2_cluster_may_end_with_the_file() -> None:
    image = packed_qcow2(deflate(NOISE)).rstrip(b"\0")
    assert reader_of(image, "qcow2").read(0, CLUSTER) == NOISE


def test_a_qcow2_file_may_end_with_its_disk() -> None:
    image = Qcow2(size=CLUSTER - 512, l2=[COPIED | 8 << 16], more={8 << 16: NOISE}).build()
    assert reader_of(image[:-512], "qcow2").read(0, CLUSTER) == NOISE[:-512]
    assert refused(image[:-513], "qcow2") == "disk.truncated"


@pytest.mark.parametrize(
    ("image", "rule"),
    [
        (Qcow2(backing=(200, 3)), "qcow2.backing-file"),
        (Qcow2(incompatible=4), "qcow2.data-file"),
        (Qcow2(encryption=1), "qcow2.encrypted"),
        (Qcow2(incompatible=32), "qcow2.unknown-features"),
        (Qcow2(l1_cluster=3, l1=[COPIED | 4 << 16 | 512]), "qcow2.misaligned"),
        (Qcow2(l1=[COPIED | 400 << 16]), "qcow2.out-of-bounds"),
        (Qcow2(l2=[COPIED | 5 << 16 | 512]), "qcow2.misaligned"),
        (Qcow2(l2=[COPIED]), "qcow2.overlap"),
        (Qcow2(l2=[COPIED | 5 << 16 | 2]), "qcow2.reserved-bits"),
        (Qcow2(l2=[COPIED | 99 << 16]), "disk.truncated"),
        (Qcow2(size=1 << 40), "qcow2.bad-table"),
        (Qcow2(incompatible=16, l2=[COPIED | 5 << 16, 1 << 32 | 1]), "qcow2.reserved-bits"),
        (Qcow2(incompatible=16, l2=[0, 1]), "qcow2.reserved-bits"),
    ],
)
def test_a_qcow2_image_that_is_no_disk_of_its_own_is_not_read(image: Qcow2, rule: str) -> None:
    assert refused(image.build(), "qcow2") == rule


@pytest.mark.parametrize("image", [Qcow2(incompatible=1), Qcow2(incompatible=2), Qcow2(snapshots=(1, 5 << 16))])
def test_marks_that_are_about_refcounts_and_snapshots_change_no_disk(image: Qcow2) -> None:
    image.l2 = [COPIED | 6 << 16]
    image.more = {6 << 16: NOISE}
    assert reader_of(image.build(), "qcow2").read(0, CLUSTER) == NOISE


def test_subclusters_of_qcow2_are_stored_zeros_or_absent() -> None:
    sub = CLUSTER // 32
    l2 = [COPIED | 5 << 16, 0b100 << 32 | 0b1011, COPIED | 6 << 16, 0xFFFFFFFF]
    image = Qcow2(incompatible=16, l2=l2, more={5 << 16: NOISE * 2}).build()
    assert checked_extents(reader_of(image, "qcow2"), 0, 2 * CLUSTER) == [
        Stored(0, 2 * sub, 5 << 16),
        Zeros(2 * sub, sub),
        Stored(3 * sub, sub, (5 << 16) + 3 * sub),
        Zeros(4 * sub, CLUSTER - 4 * sub),
        Stored(CLUSTER, CLUSTER, 6 << 16),
    ]


def test_a_compressed_cluster_has_no_subclusters() -> None:
    data = deflate(NOISE)
    l2 = [0, 0, packed_entry(DATA * CLUSTER, len(data)), 0, 0, 0]
    image = Qcow2(incompatible=16, l2=l2, more={DATA * CLUSTER: data}).build()
    assert reader_of(image, "qcow2").read(0, 3 * CLUSTER) == bytes(CLUSTER) + NOISE + bytes(CLUSTER)


def vhd(*edits: tuple[int, bytes]) -> bytes:
    return patched(load("vhd-dynamic.vhd"), *edits)


def test_vhd_sectors_that_were_not_written_are_zeros_and_may_hold_nothing_else() -> None:
    (stored, *_) = (extent for extent in reader_of(vhd(), "vhd").extents() if isinstance(extent, Stored))
    bitmap_at = stored.offset - 512
    empty = vhd((bitmap_at, b"\x3f"), (stored.offset, bytes(1024) + b"\7" * 4096))
    assert checked_extents(reader_of(empty, "vhd"), 0, 2048)[0] == Zeros(0, 1024)
    assert reader_of(empty, "vhd").read(512, 1024) == bytes(512) + b"\7" * 512
    holding = vhd((bitmap_at, b"\x3f"), (stored.offset, bytes(1023) + b"\1" + b"\7" * 4096))
    assert refused(holding, "vhd") == "vhd.unwritten-data"
    assert reader_of(holding, "vhd").read(1024, 512) == b"\7" * 512


def test_a_vhd_whose_parent_holds_the_rest_is_not_read() -> None:
    assert refused(load("vhd-differencing.vhd"), "vhd") == "vhd.differencing"


def test_entries_for_sector_bitmaps_are_none_of_blocks() -> None:
    size, chunk, blocks, bat_at = 256 << 20, 16, 40, 1 << 20
    disk = VhdxDisk(vhdx_bat.Disk(blocks * size, size, 0, 512), bat_at)
    places = [0 if number % 3 == 1 else (number * 256 + 4) << 20 for number in range(blocks)]
    entries = [place | 6 if place else 0 for place in places]
    for at in range(chunk, blocks, chunk + 1):
        entries.insert(at, 0)
    reader = DiskReader(disk, read_from(bytes(bat_at) + struct.pack(f"<{len(entries)}Q", *entries)))
    for first, count in [(0, blocks), (15, 1), (16, 1), (15, 3), (31, 2), (32, 1), (17, 20)]:
        found = {
            e.at // size: e.offset for e in checked_extents(reader, first * size, count * size) if type(e) is Stored
        }
        for number in range(first, first + count):
            if places[number] and (number == first or not places[number - 1]):
                assert found[number] == places[number]
        assert all(places[number] for number in found)


def test_a_vhdx_block_over_the_headers_is_not_read() -> None:
    reader = DiskReader(VhdxDisk(vhdx_bat.Disk(1 << 20, 1 << 20, 0, 512), 0), read_from(struct.pack("<Q", 6)))
    with pytest.raises(MalformedImage) as caught:
        reader.read(0, 1)
    assert caught.value.hazard.rule.id == "vhdx.block-place"


def test_a_vmdk_grain_ends_where_the_next_one_begins() -> None:
    packed = [extent for extent in reader_of(vmdk_images.stream([0, 1, 5]), "vmdk").extents() if type(extent) is Packed]
    assert [one.offset + one.most for one in packed[:-1]] == [other.offset for other in packed[1:]]


def test_a_vmdk_grain_must_be_the_one_that_the_tables_name() -> None:
    image = vmdk_images.stream([0, 1, 5])
    reader = reader_of(image, "vmdk")
    assert reader.read(5 * 65536 - 1, 2) == b"\0\5"
    first = next(extent for extent in reader.extents() if isinstance(extent, Packed))
    for edit in ((first.offset, b"\x80"), (first.offset + 8, b"\xff\xff"), (first.offset + 8, bytes(4))):
        assert refused(patched(image, edit), "vmdk") == "disk.broken-unit"


@pytest.mark.parametrize(
    ("image", "rule"),
    [
        (vmdk_images.stream()[:-512], "vmdk.footer"),
        (vmdk_images.stream(footer=vmdk_images.header()), "vmdk.footer"),
        (vmdk_images.descriptor(extents=['RW 128 FLAT "x" 0']), "vmdk.external-extent"),
        (b"COWD" + bytes(2000), "vmdk.delta"),
        (b"nothing" * 1000, "disk.other-format"),
    ],
)
def test_a_vmdk_that_is_no_disk_of_its_own_is_not_read(image: bytes, rule: str) -> None:
    assert refused(image, "vmdk") == rule


def test_a_vmdk_with_grains_larger_than_memory_likes_is_not_read() -> None:
    image = vmdk_images.stream([], capacity=8192 * 64)
    header = patched(image[:512], (20, struct.pack("<Q", 8192)))
    text = vmdk_images.descriptor(8192 * 64).ljust(65536 - 512, b"\0")
    footer_at = len(image) - 1024
    directory_at = image[footer_at + 56 : footer_at + 64]
    footer = patched(header, (56, directory_at))
    assert refused(patched(image, (0, header + text), (footer_at, footer)), "vmdk") == "disk.large-unit"


def test_a_vdi_block_that_was_never_stored_is_not_read() -> None:
    image = load("vdi-block-map-beyond.vdi")
    assert refused(image, "vdi") == "vdi.block-place"
    assert refused(load("vdi-differencing.vdi"), "vdi") == "vdi.differencing"


ZVHD_NUMBERS = [*range(35), 40, 41]


def linked_block(number: int) -> bytes:
    """A block that begins as the one before it ends, so that nobody can expand it without that one."""
    before, own = (random.Random(seed).randbytes(9000) for seed in (number - 1, number))
    return before + bytes([number]) * (BLOCK - 18_000) + own


@pytest.fixture(scope="module")
def long_zvhd() -> bytes:
    return zvhd(ZVHD_NUMBERS, original=50 * BLOCK, payloads=continued(map(linked_block, ZVHD_NUMBERS)))


@pytest.mark.parametrize("most", [256, 1])
def test_blocks_of_zvhd_are_read_in_any_order(long_zvhd: bytes, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zvhd_read, "MOST_COPIES", most)
    reader = reader_of(long_zvhd, "zvhd")
    assert reader.disk.in_order
    for number in (33, 3, 34, 40, 0, 17, 39, 16, 41):
        expected = linked_block(number) if number in ZVHD_NUMBERS else bytes(BLOCK)
        assert reader.read(number * BLOCK + 7, 30_000) == expected[7:30_007]
    packed = [extent for extent in checked_extents(reader) if isinstance(extent, Packed)]
    assert [extent.at // BLOCK for extent in packed] == ZVHD_NUMBERS
    assert checked_extents(reader, 34 * BLOCK + 5, 6 * BLOCK)[1:] == [
        Zeros(35 * BLOCK, 5 * BLOCK),
        packed[ZVHD_NUMBERS.index(40)],
    ]


@pytest.mark.parametrize(("most", "expected"), [(256, 5), (1, 21)])
def test_a_block_of_zvhd_costs_those_from_the_nearest_point_on(
    long_zvhd: bytes, most: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zvhd_read, "MOST_COPIES", most)
    reads: list[int] = []

    def read_at(offset: int, length: int) -> bytes:
        reads.append(length)
        return long_zvhd[offset : offset + length]

    reader = DiskReader(open_disk(READERS["zvhd"], read_at, len(long_zvhd)), read_at)
    units = [extent for extent in reader.extents() if isinstance(extent, Packed)]

    def cost(number: int) -> int:
        """Records that are expanded to have this one."""
        reads.clear()
        before = reader.expanded
        assert reader.expand([units[number]]) == [linked_block(ZVHD_NUMBERS[number])]
        assert reader.expanded - before == reads.count(RECORD.size) * BLOCK
        return reads.count(RECORD.size)

    assert [cost(number) for number in range(36)] == [1] * 36
    assert cost(20) == expected  # from 16 on, if there is a copy
    assert cost(3) == 4


def test_a_zvhd_record_that_is_no_block_is_not_read() -> None:
    assert refused(load("zvhd-short-block.zvhd"), "zvhd") == "zvhd.payload"
    assert refused(load("zvhd-bomb-256m.zvhd"), "zvhd") == "zvhd.bomb"
    assert refused(load("zvhd-independent-streams.zvhd"), "zvhd") == "zvhd.payload"


@pytest.mark.parametrize("full_index", [0, 1])
@pytest.mark.parametrize("method", [0, 1])
def test_blocks_of_zvhd2_are_found_through_bitmap_and_index(full_index: int, method: int) -> None:
    numbers = [3, 4, 4095, 4096, 5000]
    image = Zvhd2(numbers, original=6000 * BLOCK, current=16 << 30, method=method, full_index=full_index).image()
    reader = reader_of(image, "zvhd2")
    packed = [extent for extent in checked_extents(reader) if isinstance(extent, Packed)]
    assert [extent.at // BLOCK for extent in packed] == numbers
    for number in (5000, 3, 5, 4096, 4094):
        expected = guest_block(number) if number in numbers else bytes(BLOCK)
        assert reader.read((number + 1) * BLOCK - 9, 18)[:9] == expected[-9:]
    for first, last in pairwise([0, 4, 5, 4000, 4096, 4999, 5001, 5999, 6001]):
        part = checked_extents(reader, first * BLOCK, (last - first) * BLOCK)
        assert [e.at // BLOCK for e in part if isinstance(e, Packed)] == [n for n in numbers if first <= n < last]
    assert reader.read(6000 * BLOCK - 5, 10) == bytes(10)


def test_a_zvhd2_whose_bitmap_and_index_disagree_is_not_read() -> None:
    parts = Zvhd2([0, 3]).parts()
    for bitmap in (b"\1", b"\x08", b"\x0a", b"\0", b"\x19"):
        changed = b"".join([*parts[:4], patched(parts[4], (0, bitmap)), parts[5]])
        assert refused(changed, "zvhd2") == "zvhd2.index"
    assert refused(load("zvhd2-trailing-garbage.zvhd2"), "zvhd2") == "zvhd2.final-page"


@pytest.mark.parametrize(("at", "new"), [(136, b"\xff" * 4), (96, b"\xff" * 8), (96, b"\0" * 7 + b"\xff")])
def test_a_zvhd2_whose_last_page_names_an_impossible_index_is_not_read(at: int, new: bytes) -> None:
    parts = Zvhd2([0, 3]).parts()
    last = checksummed(parts[5][:at] + new + parts[5][at + len(new) : 512])
    assert refused(b"".join([*parts[:5], last]), "zvhd2") in ("zvhd2.index", "zvhd2.final-page")


def test_a_zvhd2_record_must_be_the_one_that_the_index_names() -> None:
    parts = Zvhd2([0, 3]).parts()
    one, other = parts[3][:8], parts[3][16:24]
    swapped = b"".join([*parts[:3], patched(parts[3], (0, other), (16, one)), *parts[4:]])
    assert refused(swapped, "zvhd2") == "disk.broken-unit"
    long = struct.pack("<I", 64 << 20)
    assert refused(b"".join([*parts[:3], patched(parts[3], (12, long)), *parts[4:]]), "zvhd2") == "zvhd2.index"
