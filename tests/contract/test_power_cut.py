"""What a file store and SQLite have said to be done survives a power cut at any moment.

A process of its own does the work while strace records what it asks the kernel for. Then the power fails after every
call, and what was not synced survives in part, in any order, or not at all (`power_cut.disk`). The power fails
for the whole system in `tests/e2e/test_power_cut.py`.
"""

import os
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from power_cut import database_work, disk, store_work
from power_cut.disk import Disk, all_but, everything, none_but, nothing, some
from power_cut.recorder import Call, read, traced

pytestmark = pytest.mark.thorough

# In memory where there is such a file system: what is looked at there has lost its power already.
QUICK = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
FEW = 12
"""Of states that are left by chance, at each moment. Each takes microseconds."""


def recorded(script: str, *arguments: str, folder: Path) -> list[Call]:
    """Let the *script* work on *folder*, and return its calls."""
    folder.mkdir()
    output = folder.with_suffix(".trace")
    work = (sys.executable, str(Path(disk.__file__).with_name(script)), *arguments, str(folder))
    done = subprocess.run(traced(work, output), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return read([output])


def says(call: Call) -> bool:
    return call.name == "write" and call.descriptor == 1


@dataclass(frozen=True)
class Left:
    """What a power cut has left, when so much had been *said* to be done, and *next* was about to be."""

    said: list[list[str]]
    next: list[str]
    files: dict[str, bytes]


def cuts(calls: list[Call], folder: Path, *, few: int = FEW) -> Iterator[Left]:
    """Let the power fail at every moment, several times."""
    dice, power = random.Random(7), Disk(folder)
    lines = [(call.start, call.data.decode().split()) for call in calls if says(call)]
    for time in disk.run(power, calls, says):
        said = [words for when, words in lines if when <= time]
        following = [words for when, words in lines if when > time] + [[]]
        for choose in (nothing, everything, *map(none_but, range(few)), *map(all_but, range(few)), *[some(dice)] * few):
            yield Left(said, following[0], power.left(choose))


@pytest.mark.parametrize("work", list(store_work.WORK))
def test_a_blob_is_whole_or_not_there_and_what_was_answered_lasts(tmp_path: Path, work: str) -> None:
    folder = tmp_path / "data"
    calls = recorded("store_work.py", work, folder=folder)
    for left in cuts(calls, folder):
        for key, content in store_work.DATA.items():
            assert_holds(left, key, content)
    assert left.said, "the power failed when all was done, too"
    assert not left.next


def assert_holds(left: Left, key: str, content: bytes) -> None:
    blob, part = (left.files.get(f"blobs/{key[:2]}/{name}") for name in (key, f"{key}.part"))
    said = [words[0] for words in left.said if words[1] == key]
    names = {name.rpartition("/")[2] for name in left.files}
    known = {each for row in store_work.KEYS for each in (row, f"{row}.part")}
    assert names <= known, f"files that no row names are there after {left.said}"
    goes = left.next == ["deleted", key]
    assert blob in (None, content), f"half a blob is published after {left.said}"
    if "deleted" in said:
        assert blob is part is None, f"a deleted blob is back after {left.said}"
    elif "stored" in said and not goes:
        assert blob is not None, f"a blob is lost after {left.said}"
    elif "begun" in said and not goes:
        assert blob is not None or part is not None, f"a partial blob is lost after {left.said}"
        for _, _, first, end in (words for words in left.said if words[:2] == ["counts", key]):
            span = slice(int(first), int(end))
            there = (blob if part is None else part) or b""
            there = there.ljust(len(content), b"\0")  # as `PartialBlob.read` does: zeros at the end are a hole
            assert there[span] == content[span], f"bytes that count are lost after {left.said}"


def test_a_small_file_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    calls = recorded("store_work.py", "small_files", folder=folder)
    in_order = [None, *store_work.SMALL]
    for left in cuts(calls, folder):
        assert left.files.get("small") in in_order[len(left.said) :][:2], left.said
    assert left.files["small"] == store_work.SMALL[-1]


def test_a_commit_to_sqlite_lasts(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    calls = recorded("database_work.py", folder=folder)
    seen: set[int] = set()
    known: dict[tuple[bytes, ...], int] = {}
    for left in cuts(calls, folder, few=1):
        state = tuple(left.files.get(f"stillage.db{name}", b"") for name in ("", "-wal", "-journal"))
        if state not in known:
            known[state] = rows_of(left.files)
        seen.add(known[state])
        assert known[state] >= len(left.said), f"{left.said} and {known[state]} rows are there"
    assert seen == set(range(database_work.ROWS + 1))


def rows_of(files: dict[str, bytes]) -> int:
    """Return how many rows SQLite finds, all of them whole."""
    with tempfile.TemporaryDirectory(dir=QUICK) as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        with closing(sqlite3.connect(Path(folder) / "stillage.db")) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            if not database.execute("SELECT * FROM sqlite_master").fetchall():
                return 0
            rows = database.execute("SELECT number, content FROM rows ORDER BY number").fetchall()
    assert rows == [(number, f"{number} " * 3000) for number in range(len(rows))]
    return len(rows)
