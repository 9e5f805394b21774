import struct
import zlib

import pytest

from disk_reading import reader_of
from packed import packed, run
from stillage.formats.disk import Packed
from stillage.formats.packing.base import Made, Unit
from stillage.formats.packing.qcow2_from_vmdk import moved, packer_for
from stillage.formats.packing.stream_vmdk import GRAIN, StreamVmdk
from stillage.formats.vmdk.read import Grain

DATA = run("text", 1, GRAIN)
STREAM = zlib.compress(DATA)
UNIT = Packed(5 * GRAIN, GRAIN, 0, 4096, Grain(5 * 128))


def record(stream: bytes = STREAM, *, sector: int = 5 * 128) -> bytes:
    return struct.pack("<QI", sector, len(stream)) + stream + bytes(100)


def test_a_grain_becomes_a_cluster_without_its_header_and_checksum() -> None:
    unit = moved(UNIT, record(), GRAIN)
    assert unit == Unit(5, STREAM[2:-4])
    assert zlib.decompress(STREAM[2:-4], -15) == DATA


@pytest.mark.parametrize(
    ("unit", "bytes_"),
    [
        (UNIT._replace(length=512), record()),  # the disk ends within it: a cluster is a whole one
        (UNIT, record(sector=6 * 128)),  # another grain
        (UNIT, record()[: len(STREAM)]),  # cut short
        (UNIT, record()[:10]),
        (UNIT, record(b"\x78\xbb" + STREAM[2:])),  # needs a dictionary
        (UNIT, record(b"\x79\x9c" + STREAM[2:])),  # no zlib stream
        (UNIT, record(zlib.compress(run("noise", 1, GRAIN)))),  # does not get smaller
        (UNIT, record(b"\x78\x9c\0\0\0\1")),  # nothing in it
    ],
)
def test_another_grain_has_to_be_compressed_anew(unit: Packed, bytes_: bytes) -> None:
    assert moved(unit, bytes_, GRAIN) is None


def test_only_grains_of_a_stream_are_moved() -> None:
    guest = run("text", 1, 3 * GRAIN)
    assert packer_for(reader_of(packed(StreamVmdk(len(guest), Made(bytes(16))), guest), "vmdk").disk) is not None
    assert packer_for(reader_of(guest, "raw").disk) is None
