"""Partitions of a disk: crafted tables, and tables that lie."""

import struct
import zlib
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from stillage.formats.file_systems import HEAD, MAGICS, FileSystem, find_file_system
from stillage.formats.partitions import MOST, Partition, find_partitions

LINUX = UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")


def entry(kind: int, first: int, sectors: int) -> bytes:
    return struct.pack("<B3xB3xII", 0, kind, first, sectors)


def boot_sector(*entries: bytes) -> bytes:
    return bytes(446) + b"".join(entries).ljust(64, b"\0") + b"\x55\xaa"


def gpt(*partitions: tuple[UUID, int, int, str], sector: int = 512, size: int = 128, entries: int = 128) -> bytes:
    places = (1, 0, 0, 0, bytes(16), 2)  # of the header and its copy, what is usable, the identifier, of the array
    fields = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, *places, entries, size, 0)
    header = fields[:16] + zlib.crc32(fields).to_bytes(4, "little") + fields[20:]
    array = b"".join(
        struct.pack("<16s16sQQQ72s", kind.bytes_le, bytes(16), first, last, 0, name.encode("utf-16-le"))
        for kind, first, last, name in partitions
    )
    protective = boot_sector(entry(0xEE, 1, 0xFFFFFFFF))
    return protective.ljust(sector, b"\0") + header.ljust(sector, b"\0") + array.ljust(64 << 10, b"\0")


def found(disk: bytes) -> tuple[str, list[Partition]]:
    return find_partitions(lambda first, length: disk[first : first + length])


def test_a_gpt_is_read() -> None:
    for sector in (512, 4096):
        disk = gpt((LINUX, 2048, 4095, "root"), (UUID(int=0), 0, 0, ""), (LINUX, 4096, 4096, ""), sector=sector)
        assert found(disk) == (
            "gpt",
            [
                Partition(1, 2048 * sector, 2048 * sector, str(LINUX), "root"),
                Partition(3, 4096 * sector, sector, str(LINUX)),
            ],
        )


def test_an_mbr_is_read_with_its_logical_partitions() -> None:
    disk = bytearray(64 * 512)
    disk[:512] = boot_sector(entry(0x83, 2, 8), entry(0x05, 16, 48))
    disk[16 * 512 : 17 * 512] = boot_sector(entry(0x82, 1, 7), entry(0x05, 16, 16))
    disk[32 * 512 : 33 * 512] = boot_sector(entry(0x0B, 2, 4))
    assert found(bytes(disk)) == (
        "mbr",
        [
            Partition(1, 1024, 4096, "83"),
            Partition(2, 8192, 24576, "05"),
            Partition(5, 17 * 512, 7 * 512, "82"),
            Partition(6, 34 * 512, 4 * 512, "0b"),
        ],
    )


def test_a_chain_of_logical_partitions_that_turns_back_ends() -> None:
    disk = bytearray(64 * 512)
    disk[:512] = boot_sector(entry(0x05, 16, 48))
    disk[16 * 512 : 17 * 512] = boot_sector(entry(0x83, 1, 7), entry(0x05, 16, 16))
    disk[32 * 512 : 33 * 512] = boot_sector(entry(0x83, 1, 7), entry(0x05, 0, 16))
    assert [partition.number for partition in found(bytes(disk))[1]] == [1, 5, 6]


def test_a_table_with_absurd_numbers_costs_little() -> None:
    read = 0

    def read_at(first: int, length: int) -> bytes:
        nonlocal read
        read += length
        return disk[first : first + length]

    disk = gpt(*[(LINUX, number + 1, number + 1, "") for number in range(200)], entries=0xFFFFFFFF)
    assert len(find_partitions(read_at)[1]) == MOST
    assert read < 1 << 20
    disk = gpt(size=0x7FFFFFFF)
    assert find_partitions(read_at) == ("gpt", [])


def test_names_become_printable() -> None:
    (partition,) = found(gpt((LINUX, 1, 1, "ev\x1b[il")))[1]
    assert partition.name == "ev\N{REPLACEMENT CHARACTER}[il"


@given(data=st.binary(max_size=2000))
def test_any_bytes_whatever_end(data: bytes) -> None:
    found(boot_sector(entry(5, 1, 1)) + data)
    found(gpt()[:1024] + data)
    find_file_system(data)


def test_every_magic_is_found_where_it_stands() -> None:
    for magic in MAGICS:
        head = bytearray(HEAD)
        head[magic.at : magic.at + len(magic.magic)] = magic.magic
        if magic.label is not None:
            label = "data".encode(magic.encoding)
            head[magic.label.start : magic.label.start + len(label)] = label
        assert find_file_system(bytes(head)) == FileSystem(magic.name, "data" if magic.label else "")
    assert find_file_system(bytes(HEAD)) is None
