"""``stillage convert``, as installed, stopped in the middle: nothing is left of the output."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from server import COMMAND

TEXT = b"".join(b"%d bottles of beer on the wall, " % number for number in range(50_000))


@contextmanager
def converting(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """A conversion that has its output open."""
    with (folder / "disk.raw").open("wb") as file:
        for _ in range(100):
            file.write(TEXT)
    line = [str(COMMAND), "convert", "disk.raw", "out.qcow2", "--compress", "zlib"]
    with subprocess.Popen(line, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        while not has_output(process.pid, folder):
            assert process.poll() is None
            time.sleep(0.001)
        yield process


def has_output(pid: int, folder: Path) -> bool:
    try:
        opened = [path.readlink() for path in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:  # one was closed meanwhile
        return False
    return any(path.parent == folder and path.name != "disk.raw" for path in opened)


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_conversion_that_is_stopped_leaves_nothing(stop: signal.Signals, tmp_path: Path) -> None:
    with converting(tmp_path) as process:
        os.kill(process.pid, stop)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == (130 if stop == signal.SIGINT else -stop)
    assert [path.name for path in tmp_path.iterdir()] == ["disk.raw"]
    if stop == signal.SIGINT:
        assert "interrupted; nothing was written" in errors
        assert "Traceback" not in errors
