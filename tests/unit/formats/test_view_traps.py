"""What other programs demand of an image beyond what its specification says, format by format."""

import struct

import pytest

from random_disks import MADE_AT, RandomDisk, noise, rendered
from stillage.formats.block_map import BlockMap
from stillage.formats.codecs.crc32c import crc32c
from stillage.formats.vhd.geometry import geometry_of
from stillage.formats.views.outputs import view_of
from stillage.formats.views.vhdx import block_size

SECTOR, KIB, MIB, GIB = 512, 1 << 10, 1 << 20, 1 << 30
SMALL = RandomDisk(3 * MIB + SECTOR, ((64 * KIB, 70 * KIB), (3 * MIB, SECTOR)))


def made(disk_format: str, subformat: str, disk: RandomDisk = SMALL) -> bytes:
    return rendered(disk.view(disk_format, subformat), disk.read)


def front(disk_format: str, subformat: str, size: int, runs: tuple[tuple[int, int], ...], length: int) -> bytes:
    """The first *length* bytes of a view of a disk that may be larger than any memory."""
    view = view_of(disk_format, subformat, size, BlockMap(size, runs), b"", MADE_AT)
    return rendered(view, lambda _, count: bytes(count), 0, min(length, view.size))


def word(data: bytes, at: int, code: str) -> int:
    return int(struct.unpack_from(code, data, at)[0])


class TestVhd:
    @pytest.mark.parametrize("subformat", ["fixed", "dynamic"])
    def test_qemu_believes_the_size_of_its_creator(self, subformat: str) -> None:
        footer = made("vhd", subformat)[-512:]
        assert footer[28:32] in (b"win ", b"qem2", b"tap\0", b"d2v ")
        assert word(footer, 48, ">Q") == word(footer, 40, ">Q") == SMALL.size

    def test_a_fixed_one_is_the_disk_and_512_bytes_as_azure_wants_it(self) -> None:
        data = made("vhd", "fixed", RandomDisk(2 * MIB, ((0, SECTOR),)))
        assert len(data) == 2 * MIB + 512
        assert data[:SECTOR] == noise(0, SECTOR)
        assert word(data[-512:], 16, ">Q") == (1 << 64) - 1

    def test_the_footer_stands_at_both_ends_and_adds_up(self) -> None:
        data = made("vhd", "dynamic")
        assert data[:512] == data[-512:]
        footer = data[:64] + bytes(4) + data[68:512]
        assert word(data, 64, ">I") == ~sum(footer) & 0xFFFFFFFF
        header = data[512:548] + bytes(4) + data[552:1536]
        assert word(data, 548, ">I") == ~sum(header) & 0xFFFFFFFF

    def test_all_sectors_of_a_stored_block_are_marked_valid(self) -> None:
        data = made("vhd", "dynamic")
        at = word(data, 1536, ">I") * SECTOR
        assert data[at : at + 512] == b"\xff" * 512
        assert data[at + 512 + 64 * KIB :][: 70 * KIB] == noise(64 * KIB, 70 * KIB)

    def test_the_table_is_filled_up_with_ones_to_a_sector(self) -> None:
        data = made("vhd", "dynamic")
        assert data[1536 + 8 : 2048] == b"\xff" * (512 - 8)

    def test_the_geometry_of_the_largest_disk_stops_at_127_gib(self) -> None:
        assert geometry_of(2040 * GIB) == (65535, 16, 255)
        cylinders, heads, track = geometry_of(127 * MIB)
        assert 0 <= 127 * MIB - cylinders * heads * track * SECTOR < heads * track * SECTOR

    def test_the_time_is_that_of_the_image(self) -> None:
        assert word(made("vhd", "fixed")[-512:], 24, ">I") == int(MADE_AT.timestamp()) - 946684800


class TestVmdk:
    def test_header_and_descriptor_agree_on_the_capacity(self) -> None:
        data = made("vmdk", "monolithicSparse")
        sectors = SMALL.size // SECTOR
        assert word(data, 12, "<Q") == sectors
        assert f"RW {sectors} SPARSE " in data[SECTOR : 21 * SECTOR].decode()
        assert b'ddb.adapterType = "lsilogic"' in data

    def test_a_grain_beyond_the_capacity_is_filled_with_zeros(self) -> None:
        assert made("vmdk", "monolithicSparse")[-64 * KIB :] == noise(3 * MIB, SECTOR).ljust(64 * KIB, b"\0")

    def test_the_grains_begin_on_a_grain(self) -> None:
        assert word(made("vmdk", "monolithicSparse"), 64, "<Q") % 128 == 0

    def test_both_directories_name_every_table(self) -> None:
        data = front("vmdk", "monolithicSparse", 100 * MIB, (), MIB)
        for field in (48, 56):
            directory = word(data, field, "<Q") * SECTOR
            tables = struct.unpack_from("<4I", data, directory)
            assert tables == tuple(range(directory // SECTOR + 1, directory // SECTOR + 17, 4))


class TestVhdx:
    def test_there_is_no_log_to_replay(self) -> None:
        data = made("vhdx", "dynamic")
        for at in (64 * KIB, 128 * KIB):
            assert data[at + 48 : at + 64] == bytes(16)
        assert data[MIB : 2 * MIB] == bytes(MIB)

    def test_the_second_header_is_the_current_one(self) -> None:
        data = made("vhdx", "dynamic")
        assert word(data, 128 * KIB + 8, "<Q") == word(data, 64 * KIB + 8, "<Q") + 1

    @pytest.mark.parametrize("place", [(64 * KIB, 4 * KIB), (128 * KIB, 4 * KIB), (192 * KIB, 64 * KIB)])
    def test_checksums_are_right(self, place: tuple[int, int]) -> None:
        at, length = place
        part = made("vhdx", "dynamic")[at : at + length]
        assert word(part, 4, "<I") == crc32c(part[:4] + bytes(4) + part[8:])

    def test_the_region_table_is_there_twice(self) -> None:
        data = made("vhdx", "dynamic")
        assert data[192 * KIB : 256 * KIB] == data[256 * KIB : 320 * KIB]

    def test_an_entry_for_a_bitmap_follows_each_chunk_but_the_last(self) -> None:
        size = 4 * GIB + MIB
        data = front("vhdx", "dynamic", size, ((0, 512), (4 * GIB - MIB, 512), (4 * GIB, 512)), 4 * MIB)
        entries = struct.unpack_from("<4099Q", data, 3 * MIB)
        stored = {number: entry for number, entry in enumerate(entries) if entry & 7 == 6}
        assert list(stored) == [0, 4095, 4097]
        assert [entry >> 20 for entry in stored.values()] == [4, 5, 6]
        assert entries[4096] == entries[4098] == 0

    def test_blocks_have_1_mib_until_the_table_would_have_32(self) -> None:
        assert [block_size(size) for size in (MIB, 4 << 40, (4 << 40) + SECTOR, 64 << 40)] == [
            MIB,
            MIB,
            2 * MIB,
            16 * MIB,
        ]


class TestVdi:
    def test_block_numbers_count_from_the_data_which_begin_at_a_mib(self) -> None:
        data = made("vdi", "dynamic")
        assert word(data, 0x158, "<I") == MIB
        assert struct.unpack_from("<4I", data, 512) == (0, 0xFFFFFFFF, 0xFFFFFFFF, 1)
        assert data[MIB + 64 * KIB :][: 70 * KIB] == noise(64 * KIB, 70 * KIB)

    def test_the_header_counts_what_the_map_has(self) -> None:
        data = made("vdi", "dynamic")
        assert (word(data, 0x180, "<I"), word(data, 0x184, "<I")) == (4, 2)
        assert len(data) == MIB + 2 * MIB


class TestQcow2:
    def test_refcount_blocks_count_themselves(self) -> None:
        for blocks in (0, 32760, 32761, 32762, 32763, 32764, 32765, 32766, 65530):
            size = (blocks + 1) << 16
            view = view_of("qcow2", "", size, BlockMap(size, [(0, blocks << 16)]), b"", MADE_AT)
            data = rendered(view, lambda _, count: bytes(count), 0, 8 * 64 * KIB)
            at, clusters = word(data, 48, ">Q"), word(data, 56, ">I")
            places = [place for place in struct.unpack_from(f">{clusters * 8192}Q", data, at) if place]
            counted = sum(data[place : place + 64 * KIB].count(b"\0\1") for place in places)
            assert counted << 16 == view.size

    def test_entries_say_that_their_cluster_is_used_once(self) -> None:
        data = made("qcow2", "")
        l1 = word(data, word(data, 40, ">Q"), ">Q")
        assert l1 >> 63 == 1
        assert word(data, (l1 & ~(1 << 63)) + 8, ">Q") >> 63 == 1

    def test_there_is_always_an_l1_entry(self) -> None:
        assert word(made("qcow2", "", RandomDisk(SECTOR, ())), 36, ">I") == 1

    def test_the_last_cluster_is_whole(self) -> None:
        data = made("qcow2", "")
        assert len(data) % (64 * KIB) == 0
        assert data[-64 * KIB :] == noise(3 * MIB, SECTOR).ljust(64 * KIB, b"\0")


@pytest.mark.parametrize(("disk_format", "at", "code"), [("qed", 48, "<Q"), ("qcow", 24, ">Q")])
def test_the_size_of_a_qed_and_a_qcow_is_whole_sectors(disk_format: str, at: int, code: str) -> None:
    assert word(made(disk_format, ""), at, code) == SMALL.size
