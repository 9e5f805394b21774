"""What any bytes whatever must leave true of the readers of disks. A broken promise is an AssertionError."""

import time
import zlib

from fuzz.packing import Unpacked
from stillage.formats.base import Format, Hazard, MalformedImage
from stillage.formats.disk import MAX_UNIT, Extent, Packed
from stillage.formats.readers import READERS
from stillage.formats.reading import BROKEN_UNIT, LARGE_UNIT, DiskReader, open_disk
from stillage.formats.registry import FORMATS
from stillage.formats.stream import Examination
from stillage.formats.vhd.read import UNWRITTEN_DATA

MOST_EXTENTS = 20_000
READ_EXTENTS = 12
PIECE = 64 << 10
# Instrumented code is many times slower than what a server runs; this finds what is not linear.
CPU_S = 5.0
# What is inside compressed units, and what lies under unwritten sectors, inspectors do not look at.
UNSEEN = (BROKEN_UNIT, LARGE_UNIT, UNWRITTEN_DATA)
MODULES: dict[str, Format] = {module.FORMAT: module for module in FORMATS}


def keep_reading(image: Unpacked, disk_format: str) -> None:
    """Read the disk in *image*; what an inspector has nothing against must be readable, and of the size it says."""
    started = time.process_time()
    examination = Examination([MODULES[disk_format]], size=len(image))
    at = 0
    for length in image.natural_lengths():
        examination.feed(image.piece(at, length))
        at += length
    examination.close(image.piece)
    accepted = [] if examination.findings.hazards else examination.findings.matched
    broken = _broken(image, disk_format, accepted[0].virtual_size if accepted else None)
    assert broken is None or not accepted or broken.rule in UNSEEN, f"accepted, and unreadable: {broken}"
    assert time.process_time() - started < CPU_S, "too slow"


def _broken(image: Unpacked, disk_format: str, expected_size: int | None) -> Hazard | None:
    """Why the disk cannot be read; None if it can."""
    try:
        reader = DiskReader(open_disk(READERS[disk_format], image.piece, len(image)), image.piece)
        assert expected_size in (None, reader.size), "the inspector saw another disk"
        _read(reader, zlib.crc32(image.piece(0, PIECE)))
    except MalformedImage as malformed:
        return malformed.hazard
    return None


def _read(reader: DiskReader, seed: int) -> None:
    assert 1 <= reader.disk.unit <= MAX_UNIT
    end = 0
    for number, extent in enumerate(reader.extents()):
        _check(reader, extent, end)
        end = extent.at + extent.length
        if number < READ_EXTENTS:
            whole = reader.read(extent.at, min(extent.length, PIECE))
            cut = seed % (len(whole) + 1)
            parts = reader.read(extent.at, cut) + reader.read(extent.at + cut, len(whole) - cut)
            assert parts == whole, "what is read depends on the cuts"
        if number == MOST_EXTENTS:
            return
    assert end == reader.size, "the extents do not cover the disk"


def _check(reader: DiskReader, extent: Extent, end: int) -> None:
    assert extent.at == end, f"{extent} does not follow byte {end}"
    assert 0 < extent.length <= reader.size - extent.at, extent
    if isinstance(extent, Packed):
        assert extent.at % reader.disk.unit == 0, extent
        assert extent.length == min(reader.disk.unit, reader.size - extent.at), extent
