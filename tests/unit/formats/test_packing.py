import re
import zlib

import pytest
from hypothesis import given, settings

from disk_reading import reader_of
from examining import examine
from packed import disks, packed, run
from stillage.errors import DiskDoesNotFit
from stillage.formats.codecs.compressing import ISAL, ZLIB, Deflater, zstd_frame
from stillage.formats.disk import Packed, Zeros
from stillage.formats.packing.base import Made, Unit
from stillage.formats.packing.outputs import OUTPUTS, Output
from stillage.formats.packing.packers import packer_of
from stillage.formats.packing.qcow2 import HELD_BYTES, PackedQcow2, zlib_clusters
from stillage.formats.packing.stream_vmdk import LARGEST, StreamVmdk
from stillage.formats.packing.zvhd import GIB, Zvhd
from stillage.formats.safety import Declaration, Policy, refusal
from stillage.formats.vhd.geometry import geometry_of
from stillage.formats.zvhd.records import BLOCK
from stillage.formats.zvhd2.inspect import BITMAP_SEGMENT, ENTRY, INDEX_SEGMENT, SECOND, SEGMENT_ENTRIES, Second

MADE = Made(bytes(range(16)))
CLUSTER = 64 << 10
DEFLATERS = [ZLIB, *([ISAL] if ISAL else [])]
OUTPUT_IDS = [f"{output.disk_format} {output.compression}".strip() for output in OUTPUTS]
NOISE = run("noise", 1, CLUSTER)


def virtual_size(image: bytes, disk_format: str) -> int | None:
    """The size that our own inspectors see in *image*, which they must accept."""
    findings = examine(image, cuts=range(1 << 20, len(image), 1 << 20), size=len(image))
    assert refusal(findings, Declaration(disk_format), Policy()) is None
    return next(facts.virtual_size for facts in findings.matched if facts.format == disk_format)


def size_of(output: Output, size: int) -> int:
    return -(-size // GIB) * GIB if output.disk_format.startswith("zvhd") else size


@pytest.mark.parametrize("output", OUTPUTS, ids=OUTPUT_IDS)
@settings(max_examples=15)
@given(disk=disks())
def test_our_own_inspector_accepts_what_we_write(output: Output, disk: bytes) -> None:
    image = packed(packer_of(output, len(disk), MADE), disk)
    assert virtual_size(image, output.disk_format) == size_of(output, len(disk))


@pytest.mark.parametrize("output", OUTPUTS, ids=OUTPUT_IDS)
def test_a_disk_of_zeros_is_only_tables(output: Output) -> None:
    image = packed(packer_of(output, 40 << 20, MADE), bytes(40 << 20))
    assert len(image) <= 600_000
    assert virtual_size(image, output.disk_format) == size_of(output, 40 << 20)


@pytest.mark.parametrize("output", OUTPUTS, ids=OUTPUT_IDS)
def test_batches_of_zeros_may_be_left_out(output: Output) -> None:
    guest = bytes(33 << 20) + NOISE
    packer = packer_of(output, len(guest), MADE)
    last = len(guest) // packer.batch * packer.batch
    made = packer.head() + packer.place(packer.pack(last, memoryview(guest)[last:])) + packer.tail()
    for offset, data in packer.patches():
        made = made[:offset] + data + made[offset + len(data) :]
    assert made == packed(packer_of(output, len(guest), MADE), guest)


@pytest.mark.parametrize("deflater", DEFLATERS, ids=lambda deflater: deflater.name)
def test_a_block_compressed_by_any_library_is_what_zlib_expands(deflater: Deflater) -> None:
    block = run("text", 7, 150_000)
    assert zlib.decompress(deflater.stream(block)) == block
    assert zlib.decompress(deflater.bare(block, 12), -12) == block


@pytest.mark.parametrize("deflater", DEFLATERS, ids=lambda deflater: deflater.name)
@pytest.mark.parametrize("kind", ["noise", "byte", "text"])
def test_flushed_blocks_are_one_stream_together(deflater: Deflater, kind: str) -> None:
    blocks = [run(kind, seed, 100_000) for seed in (1, 2, 2)]
    parts = [deflater.flushed(block) for block in blocks]
    assert all(part.endswith(b"\0\0\xff\xff") for part in parts)
    stream = zlib.decompressobj(-15)
    assert [stream.decompress(part) for part in parts] == blocks
    assert not stream.eof


# Stream-optimized VMDK


def test_a_stream_has_its_directory_behind_the_grains_and_a_footer() -> None:
    image = packed(StreamVmdk(1 << 20, MADE), run("text", 1, 1 << 20))
    assert image[56:64] == b"\xff" * 8
    assert image[-1024:-1020] == b"KDMV"
    directory = int.from_bytes(image[-1024 + 56 : -1024 + 64], "little") * 512
    assert int.from_bytes(image[directory - 512 + 12 : directory - 508 + 12], "little") == 2
    assert image[-512:] == bytes(512)
    assert image[4] == 3


def test_the_descriptor_and_the_header_agree_on_the_capacity() -> None:
    image = packed(StreamVmdk(70_144, MADE), bytes(70_144))
    found = re.search(rb'RDONLY (\d+) SPARSE "disk.vmdk"', image)
    assert found is not None
    assert int(found[1]) == int.from_bytes(image[12:20], "little") == 137


def test_every_grain_table_names_its_own_grains() -> None:
    third = 2 * 512 * CLUSTER  # where the third table begins
    first, last = run("text", 1, CLUSTER), run("text", 2, CLUSTER)
    packer = StreamVmdk(third + CLUSTER, MADE)
    placed = [packer.place(packer.pack(at, memoryview(data))) for at, data in ((0, first), (third, last))]
    image = b"".join([packer.head(), *placed, packer.tail()])
    assert virtual_size(image, "vmdk") == third + CLUSTER
    reader = reader_of(image, "vmdk")
    assert reader.read(0, CLUSTER) == first
    assert reader.read(third, CLUSTER) == last
    assert [type(extent) for extent in reader.extents()] == [Packed, Zeros, Packed]


def test_the_last_grain_is_a_whole_one_filled_with_zeros() -> None:
    (unit,) = StreamVmdk(512, MADE).pack(0, memoryview(b"x" * 512))
    assert zlib.decompress(unit.data) == b"x" * 512 + bytes(CLUSTER - 512)


def test_no_content_id_means_that_there_is_no_parent() -> None:
    image = packed(StreamVmdk(512, Made(b"\xff" * 16)), bytes(512))
    assert b"CID=7fffffff\n" in image


def test_a_vmdk_holds_four_tebibytes() -> None:
    StreamVmdk(LARGEST, MADE)
    with pytest.raises(DiskDoesNotFit, match="4398046511104"):
        StreamVmdk(LARGEST + 512, MADE)


# QCOW2


def test_a_cluster_that_does_not_get_smaller_stays_as_it_is() -> None:
    units = PackedQcow2(CLUSTER, "zlib").pack(0, memoryview(NOISE))
    assert [(unit.data, unit.is_packed) for unit in units] == [(NOISE, False)]


def mixed(seed: int) -> bytes:
    """Sixteen clusters, every fourth of which is noise."""
    kinds = ["text", "text", "noise", "text"] * 4
    return b"".join(run(kind, seed + number, CLUSTER) for number, kind in enumerate(kinds))


def test_clusters_that_stay_as_they_are_waste_next_to_nothing() -> None:
    guest = b"".join(mixed(seed) for seed in range(1, 5))
    packer = PackedQcow2(len(guest), "zlib", zlib_clusters(ZLIB))
    data = sum(len(unit.data) for unit in packer.pack(0, memoryview(guest)))
    assert len(packed(packer, guest)) - data < 6 * CLUSTER


def test_clusters_that_stay_as_they_are_do_not_pile_up() -> None:
    packer = PackedQcow2(1 << 30, "zlib")
    most = 2 * HELD_BYTES
    placed = sum(len(packer.place(packer.pack(at << 20, memoryview(NOISE * 16)))) for at in range(most >> 20))
    assert placed >= HELD_BYTES


@pytest.mark.parametrize("bits", [9, 12, 21])
def test_clusters_may_have_any_size_of_the_format(bits: int) -> None:
    before = 70 if bits == 9 else 3  # with the smallest clusters an L2 table has 64 entries
    guest = bytes(before << bits) + run("noise", 3, 1 << bits) + run("text", 1, 3 << bits) + b"x" * 512
    image = packed(PackedQcow2(len(guest), "zlib", cluster_bits=bits), guest)
    assert virtual_size(image, "qcow2") == len(guest)


def test_a_disk_needs_tables_that_qemu_reads() -> None:
    with pytest.raises(DiskDoesNotFit, match="clusters of 512 bytes"):
        PackedQcow2(1 << 40, "zlib", cluster_bits=9)


def test_the_header_is_written_at_last() -> None:
    packer = PackedQcow2(CLUSTER, "zstd", zstd_frame)
    assert packer.head() == bytes(CLUSTER)
    packer.tail()
    ((offset, header),) = packer.patches()
    assert (offset, header[:8]) == (0, b"QFI\xfb\0\0\0\3")


# ZVHD and ZVHD2


@pytest.mark.parametrize("deflater", DEFLATERS, ids=lambda deflater: deflater.name)
def test_one_inflater_expands_all_records_of_a_zvhd(deflater: Deflater) -> None:
    guest = run("text", 1, BLOCK) + bytes(BLOCK) + run("noise", 2, BLOCK) + run("text", 1, 600)
    image = packed(Zvhd(len(guest), MADE, deflater), guest)
    stream, at, blocks = zlib.decompressobj(), 4096, {}
    while image[at : at + 12] == b"hwstream bg\0":
        size, number = (int.from_bytes(image[at + k : at + k + 4], "little") for k in (12, 16))
        blocks[number] = stream.decompress(image[at + 48 : at + 48 + size])
        at += -(-(48 + size + 4) // 4096) * 4096
    assert sorted(blocks) == [0, 2, 3]
    assert b"".join(blocks.get(number, bytes(BLOCK)) for number in range(4)) == guest.ljust(4 * BLOCK, b"\0")
    assert image[at:] == image[:4096]


@pytest.mark.parametrize("output", [Output("zvhd"), Output("zvhd2")], ids=str)
def test_the_size_before_rounding_is_kept(output: Output) -> None:
    image = packed(packer_of(output, 5 << 20, MADE), bytes(5 << 20))
    original, current = (int.from_bytes(image[at : at + 8], "little") for at in (40, 48))
    assert (original, current) == (5 << 20, GIB)


def test_padding_is_zeros() -> None:
    image = packed(packer_of(Output("zvhd2"), BLOCK, MADE), run("text", 1, BLOCK))
    end = image.index(b"end\0", 4096)
    size = int.from_bytes(image[4096 + 12 : 4096 + 16], "little")
    assert not image[4096 + 48 + size : end].strip(b"\0")


def test_the_index_of_a_zvhd2_grows_by_whole_segments() -> None:
    packer = packer_of(Output("zvhd2"), 70_000 * BLOCK, MADE)
    packer.head()
    for number in range(SEGMENT_ENTRIES + 1):
        packer.place([Unit(number, b"x")])
    tail = packer.tail()
    final = Second(*SECOND.unpack_from(tail, len(tail) - 4096 + 88))
    assert (final.index_segments, final.bitmap_segments, final.records) == (2, 3, SEGMENT_ENTRIES + 1)
    assert len(tail) == 4096 + 2 * INDEX_SEGMENT + 3 * BITMAP_SEGMENT + 4096
    last = tail[4096 + SEGMENT_ENTRIES * ENTRY.size :][: ENTRY.size]
    assert ENTRY.unpack(last) == (4096 * (1 + SEGMENT_ENTRIES), SEGMENT_ENTRIES, 4096)


@pytest.mark.parametrize(
    ("size", "geometry"),
    [
        (512, (0, 4, 17)),
        (40 << 20, (963, 5, 17)),
        (GIB, (2080, 16, 63)),
        (127 << 30, (65278, 16, 255)),
        (1 << 50, (65535, 16, 255)),
    ],
)
def test_the_geometry_is_that_of_the_vhd_specification(size: int, geometry: tuple[int, int, int]) -> None:
    assert geometry_of(size) == geometry
