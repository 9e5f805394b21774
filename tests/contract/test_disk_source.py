"""What a conversion reads of a local file: its data without its holes, and what is missing at its end."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from stillage.conversion.pool import Pool
from stillage.conversion.source import Source, source_of
from stillage.conversion.write import Writer
from stillage.formats.base import MalformedImage
from stillage.formats.block_map import BlockMap
from stillage.formats.views.base import Blank, Guest, Literal, Piece

MIB = 1 << 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A disk with 1 MiB of data between two holes."""
    path = tmp_path / "disk.raw"
    with path.open("wb") as file:
        file.truncate(9 * MIB)
        file.seek(4 * MIB)
        file.write(b"x" * MIB)
    return path


@contextmanager
def opened(path: Path, size: int | None = None) -> Iterator[Source]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield source_of(descriptor, path.stat().st_size if size is None else size, "raw")
    finally:
        os.close(descriptor)


def written(source: Source, pieces: list[Piece], target: Path) -> bytes:
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    try:
        with Pool(2) as pool:
            Writer(source, BlockMap(source.reader.size, source.data()), descriptor).run(pieces, pool)
    finally:
        os.close(descriptor)
    return target.read_bytes()


def test_holes_of_the_file_are_no_data(path: Path) -> None:
    with opened(path) as source:
        assert list(source.data()) == [(4 * MIB, MIB)]


def test_what_is_missing_at_the_end_of_the_file_is_no_hole(path: Path, tmp_path: Path) -> None:
    with opened(path) as source:
        os.truncate(path, 4 * MIB + 100)
        short = Source(source.reader, source.read_at, source.descriptor, path.stat().st_size)
        assert sum(run.length for run in short.data()) == 5 * MIB
        with pytest.raises(MalformedImage, match="guest data"):
            written(short, [Guest(0, 9 * MIB)], tmp_path / "made")


@pytest.mark.parametrize("error", [None, errno.EXDEV, errno.ENOSYS])
def test_pieces_of_a_file_are_written_where_they_belong(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int | None
) -> None:
    def failing(*_arguments: object) -> NoReturn:
        raise OSError(error, "no copy")

    if error is not None:
        monkeypatch.setattr(os, "copy_file_range", failing)
    pieces: list[Piece] = [Literal(b"head"), Blank(96), Guest(5 * MIB - 100, 200), Guest(3 * MIB, 2 * MIB), Blank(7)]
    with opened(path) as source:
        made = written(source, pieces, tmp_path / "made")
    assert made == b"head" + bytes(96) + b"x" * 100 + bytes(100) + bytes(MIB) + b"x" * MIB + bytes(7)


def test_a_full_disk_is_an_error(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "copy_file_range", full)
    with opened(path) as source, pytest.raises(OSError, match="No space left"):
        written(source, [Guest(0, 9 * MIB)], tmp_path / "made")
