"""What Linux tells of a process in /proc: whether it is alive, its open files, its memory."""

from contextlib import suppress
from pathlib import Path


def is_alive(pid: int) -> bool:
    """True for a process that is neither gone nor a zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_worker(pid: str) -> bool:
    with suppress(OSError):
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def open_files(folder: Path, pid: int) -> set[str]:
    """What the process has open in *folder*, names of deleted files included."""
    return {target for target in descriptors(pid) if target.startswith(f"{folder.resolve()}/")}


def descriptors(pid: int) -> list[str]:
    targets = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            targets.append(str(descriptor.readlink()))
        except FileNotFoundError:
            continue  # closed while we looked
    return targets


def peak_memory(pid: int) -> int:
    """The most memory that the process has held, in bytes."""
    return proc_number(pid, "status", "VmHWM") * 1024


def proc_number(pid: int, file: str, name: str) -> int:
    for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise AssertionError(f"/proc/{pid}/{file} has no {name}")
