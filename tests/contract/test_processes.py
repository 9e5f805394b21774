"""Who uses a data folder, and how a start gets it from processes that are left over. With real processes and locks."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proc_files import is_alive
from server import eventually
from stillage.cli.server import processes
from stillage.cli.server.processes import ProcessId, identify
from stillage.errors import BadSettings

HOLDER = """
import fcntl, os, sys, time
fcntl.flock(os.open(sys.argv[1], os.O_RDWR | os.O_CREAT), fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(3600)
"""
IDLER = "import time; print('runs', flush=True); time.sleep(3600)"

Run = Callable[..., int]


@pytest.fixture
def run() -> Iterator[Run]:
    """``run(program, *arguments)``: the id of a process that has said something."""
    started: list[subprocess.Popen[bytes]] = []

    def start(program: str, *arguments: object) -> int:
        line = [sys.executable, "-S", "-c", program, *map(str, arguments)]
        process = subprocess.Popen(line, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout
        assert process.stdout.readline()
        return process.pid

    yield start
    for process in started:
        process.kill()
        process.communicate()


def record(folder: Path, server: ProcessId, *workers: ProcessId, boot_id: str | None = None) -> None:
    boot_id = processes.BOOT_ID.read_text().strip() if boot_id is None else boot_id
    known = [[process.pid, process.started] for process in (server, *workers)]
    (folder / "processes").write_text(json.dumps({"boot_id": boot_id, "processes": known}))


def identity(pid: int) -> ProcessId:
    known = identify(pid)
    assert known
    return known


def dead_server() -> ProcessId:
    """What a record says of a server that has ended: its id is ours by now."""
    return ProcessId(os.getpid(), 1)


@pytest.mark.parametrize("stopped", [False, True])
def test_a_worker_that_does_not_go_is_ended(tmp_path: Path, run: Run, stopped: bool) -> None:
    orphan = run(HOLDER, tmp_path / "lock")
    record(tmp_path, dead_server(), identity(orphan))
    if stopped:
        os.kill(orphan, signal.SIGSTOP)
    os.close(processes.take(tmp_path))
    assert not is_alive(orphan)


def test_a_worker_that_goes_by_itself_is_waited_for(tmp_path: Path, run: Run) -> None:
    orphan = run(HOLDER.replace("3600", "0.3"), tmp_path / "lock")
    record(tmp_path, dead_server(), identity(orphan))
    os.close(processes.take(tmp_path))
    eventually(lambda: not is_alive(orphan), "it has ended")


def test_a_worker_that_dies_while_the_lock_is_tried_is_no_other_server(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    orphan, try_lock = run(HOLDER, tmp_path / "lock"), processes._lock
    record(tmp_path, dead_server(), identity(orphan))

    def lock_and_kill(descriptor: int) -> bool:
        is_locked = try_lock(descriptor)
        os.kill(orphan, signal.SIGKILL)
        eventually(lambda: not is_alive(orphan), "it is dead")
        return is_locked

    monkeypatch.setattr(processes, "_lock", lock_and_kill)
    monkeypatch.setattr(processes, "DYING_S", 0.0)
    os.close(processes.take(tmp_path))


@pytest.mark.parametrize("what", ["start time", "boot"])
def test_a_stranger_with_the_id_of_a_worker_is_left_alone(tmp_path: Path, run: Run, what: str) -> None:
    stranger = identity(run(IDLER))
    if what == "boot":
        record(tmp_path, dead_server(), stranger, boot_id="another")
    else:
        record(tmp_path, dead_server(), ProcessId(stranger.pid, stranger.started - 1))
    os.close(processes.take(tmp_path))
    assert stranger.lives


def test_nobody_is_killed_whose_id_has_become_another_s(run: Run) -> None:
    stranger = identity(run(IDLER))
    ProcessId(stranger.pid, stranger.started - 1).kill()
    assert stranger.lives


def test_of_a_server_that_runs_nobody_is_ended(tmp_path: Path, run: Run) -> None:
    server, worker = identity(run(HOLDER, tmp_path / "lock")), identity(run(IDLER))
    record(tmp_path, server, worker)
    with pytest.raises(BadSettings, match="another server is using"):
        processes.take(tmp_path)
    assert server.lives
    assert worker.lives


def test_a_holder_that_nobody_knows_is_another_server_and_left_alone(tmp_path: Path, run: Run) -> None:
    holder = run(HOLDER, tmp_path / "lock")
    with pytest.raises(BadSettings, match="another server is using"):
        processes.take(tmp_path)
    assert is_alive(holder)


def test_who_takes_the_folder_is_on_record_with_its_workers(tmp_path: Path, run: Run) -> None:
    lock = processes.take(tmp_path)
    worker = run(IDLER)
    processes.write(tmp_path, [worker])
    assert processes.read(tmp_path) == processes.Record(identity(os.getpid()), (identity(worker),))
    assert (tmp_path / "processes").stat().st_mode & 0o777 == 0o600
    os.close(lock)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"boot_id": 1, "processes": [[1]]}', "\x00"])
def test_a_record_that_cannot_be_read_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "processes").write_text(text)
    assert processes.read(tmp_path) == processes.Record()


def test_a_name_with_parentheses_does_not_confuse_the_start_time(tmp_path: Path, run: Run) -> None:
    link = tmp_path / "a) R 1 (b"
    link.symlink_to(sys.executable)
    plain = identity(os.getpid())
    pid = run(f"import os; os.execv({str(link)!r}, ['x', '-S', '-c', {IDLER!r}])")
    assert identity(pid).started >= plain.started
