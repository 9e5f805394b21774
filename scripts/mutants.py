"""``make mutants``: break the code, one way at a time, in a copy of the tree, and see the tests fail that must.

The ways stand in ``tests/mutants.toml``. The verdict is an exit code: 1 if a mutant survives one of its tests, if a
text that is to be changed does not stand in its file exactly once, or if a test fails without any change.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

TREE = Path(__file__).resolve().parent.parent
COPIED = ("src", "tests", "pyproject.toml")
WITHIN_S = 300
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
ENDED, TESTS_FAILED = 0, 1  # of pytest; anything else is a failure to run


@dataclass(frozen=True)
class Mutant:
    """A change to the code, and the tests that notice it.

    Attributes:
        before: Stands exactly once in the file.
        tests: Every one of them must fail.
        why: What is lost.
    """

    name: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]
    why: str


def load(tree: Path = TREE) -> list[Mutant]:
    found = tomllib.loads((tree / "tests" / "mutants.toml").read_text())["mutant"]
    return [Mutant(**{**values, "tests": tuple(values["tests"])}) for values in found]


class Copies:
    """Copies of the tree, one for each who works at once."""

    def __init__(self, folder: Path, count: int) -> None:
        self._free: Queue[Path] = Queue()
        for number in range(count):
            copy = folder / str(number)
            copy.mkdir()
            for name in COPIED:
                kind = shutil.copytree if (TREE / name).is_dir() else shutil.copy
                kind(TREE / name, copy / name)
            # By content, not by time: a change within a second that keeps the length would not be seen.
            compiling = [
                sys.executable,
                "-m",
                "compileall",
                "-q",
                "--invalidation-mode",
                "checked-hash",
                "src",
                "tests",
            ]
            subprocess.run(compiling, cwd=copy, check=True)
            self._free.put(copy)

    @contextmanager
    def one(self) -> Iterator[Path]:
        copy = self._free.get()
        try:
            yield copy
        finally:
            self._free.put(copy)


def survived(copies: Copies, mutant: Mutant) -> str | None:
    """Return what is wrong with *mutant*: None if all of its tests fail with it."""
    with copies.one() as copy:
        path = copy / mutant.file
        code = path.read_text()
        if code.count(mutant.before) != 1:
            return f"its text stands {code.count(mutant.before)} times in {mutant.file}"
        path.write_text(code.replace(mutant.before, mutant.after))
        try:
            status, output = run(copy, mutant.tests)
        finally:
            path.write_text(code)
    if status not in (ENDED, TESTS_FAILED):
        return f"its tests cannot run, and end with {status}:\n{output}"
    failed = FAILED.findall(output)
    alive = [test for test in mutant.tests if not any(is_of(name, test) for name in failed)]
    return f"it survives {', '.join(alive)}" if alive else None


def is_of(name: str, test: str) -> bool:
    """True if *name*, which failed, is *test* with any parameters or with its own."""
    return name == test or name.startswith(f"{test}[")


def run(copy: Path, tests: Sequence[str]) -> tuple[int, str]:
    environment = {**os.environ, "PYTHONPATH": str(copy / "src")}
    line = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            line, cwd=copy, env=environment, capture_output=True, text=True, check=False, timeout=WITHIN_S
        )
    except subprocess.TimeoutExpired:
        return -1, f"they take more than {WITHIN_S} s"
    return done.returncode, done.stdout + done.stderr


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-k", metavar="WORDS", default="", help="only mutants with these words in their name")
    parser.add_argument("-j", metavar="COUNT", type=int, default=2, help="how many at once")
    arguments = parser.parse_args()
    mutants = [mutant for mutant in load() if arguments.k in mutant.name]
    began, wrong = time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(arguments.j) as pool:
        copies = Copies(Path(folder), arguments.j)
        with copies.one() as copy:
            status, output = run(copy, sorted({test for mutant in mutants for test in mutant.tests}))
        if status != ENDED:
            print(f"without any mutant:\n{output}")
            return 1
        for mutant, verdict in zip(mutants, pool.map(lambda m: survived(copies, m), mutants), strict=True):
            wrong += verdict is not None
            print(f"{'killed  ' if verdict is None else 'SURVIVES'}  {mutant.name}", flush=True)
            print(f"          {verdict or ', '.join(mutant.tests)}", flush=True)
    print(f"{len(mutants)} mutants, {wrong} of them not killed, in {time.monotonic() - began:.0f} s")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
