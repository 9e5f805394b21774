"""Record every file-system call of a process and of all its threads, with strace.

strace sees what the kernel is asked for, by Python and by SQLite alike: nothing in the process is replaced, so nothing
can be recorded that is not done. The memory-mapped ``-shm`` file of SQLite is the one thing it cannot see; SQLite makes
a new one after a crash.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# What changes files, what makes changes durable, and what tells a client of them.
TRACED = (
    "open", "openat", "creat", "mmap",
    "write", "writev", "pwrite64", "pwritev", "pwritev2", "sendto", "sendmsg", "copy_file_range", "io_uring_enter",
    "truncate", "ftruncate", "fallocate", "fsync", "fdatasync",
    "link", "linkat", "rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir",
    "symlink", "symlinkat",
)  # fmt: skip
OPENS = frozenset({"open", "openat", "creat"})
WRITES = frozenset({"write", "writev", "pwrite64", "pwritev", "pwritev2", "sendto", "sendmsg"})
MOST_BYTES = 4 << 20  # of one call
LINE = re.compile(r"^(?P<pid>\d+) +(?:<\.\.\. \w+ resumed>)?(?P<text>.*)$")
CALL = re.compile(r"^(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+|0x[0-9a-f]+)(?P<rest>.*)$")
STRING = re.compile(r'"(?P<text>(?:\\x[0-9a-f]{2})*)"(?P<cut>\.\.\.)?')
DESCRIPTOR = re.compile(r"(?P<number>\d+|AT_FDCWD)<(?P<path>(?:\\x[0-9a-f]{2})*)>(?P<deleted>\(deleted\))?")


def traced(command: tuple[str, ...], output: Path) -> tuple[str, ...]:
    """Return *command* with its calls recorded in *output*. It stays a child of whoever starts it."""
    only = f"--trace={','.join(TRACED)}"
    strace = ("strace", "-D", "-f", "--seccomp-bpf", "-y", "-xx", "-s", str(MOST_BYTES), only, "-o", str(output))
    return (*strace, *command)


def is_complete(output: Path, pid: int) -> bool:
    """True when the process that was recorded has ended, and its last call is in *output*."""
    return re.search(rf"^{pid} +\+\+\+ ", output.read_text(), re.MULTILINE) is not None


@dataclass(frozen=True, slots=True)
class Call:
    """One call that succeeded.

    Attributes:
        start: Its place among all starts and ends of calls. What it changes may survive from here on.
        end: What it makes durable is so from here on.
        descriptor: What it is about, or what it opened.
        path: Of the descriptor. Of a file without a name: what the kernel calls it.
        is_nameless: The file of the descriptor has no name, not yet or not any more.
        paths: Those that it names, absolute.
        data: What it writes.
        numbers: Its arguments that are plain numbers, in order.
        flags: All arguments as they stand.
    """

    start: int
    end: int
    name: str
    result: int
    flags: str
    descriptor: int = -1
    path: str = ""
    is_nameless: bool = False
    paths: tuple[str, ...] = ()
    data: bytes = b""
    numbers: tuple[int, ...] = ()


def read(outputs: list[Path]) -> list[Call]:
    """Return the calls in the order in which they began; of several recordings one after the other."""
    lines = [line for output in outputs for line in output.read_text().splitlines()]
    return sorted(_calls(lines), key=lambda call: call.start)


def _calls(lines: list[str]) -> Iterator[Call]:
    unfinished: dict[str, tuple[int, str]] = {}
    for at, line in enumerate(lines):
        matched = LINE.match(line)
        assert matched, line[:200]
        pid, text = matched["pid"], matched["text"]
        start, before = unfinished.pop(pid, (at, ""))
        if text.endswith("<unfinished ...>"):
            unfinished[pid] = (at, text.removesuffix("<unfinished ...>").rstrip())
        elif (call := CALL.match(before + text)) is not None and not call["result"].startswith("-"):
            yield _call(start, at, call)


def _call(start: int, end: int, matched: re.Match[str]) -> Call:
    name, arguments, result = matched["name"], matched["arguments"], int(matched["result"], 0)
    strings = list(STRING.finditer(arguments))
    assert not any(string["cut"] for string in strings), f"{name} has more than {MOST_BYTES} bytes"
    about = arguments
    if name in OPENS:
        about = matched["result"] + matched["rest"]
    elif name == "mmap":
        about = next(iter(re.findall(r"\d+<.*$", arguments)), "")
    descriptor = DESCRIPTOR.match(about)
    plain = STRING.sub("", DESCRIPTOR.sub("", arguments))
    return Call(
        start,
        end,
        name,
        result,
        flags=plain,
        descriptor=int(descriptor["number"]) if descriptor and descriptor["number"].isdigit() else -1,
        path=_decoded(descriptor["path"]).decode() if descriptor else "",
        is_nameless=bool(descriptor and descriptor["deleted"]),
        paths=() if name in WRITES else tuple(_absolute(arguments, string) for string in strings),
        data=b"".join(_decoded(string["text"]) for string in strings)[:result] if name in WRITES else b"",
        numbers=tuple(int(number) for number in re.findall(r"(?:^|, )(\d+)(?=,|$)", plain)),
    )


def _absolute(arguments: str, string: re.Match[str]) -> str:
    path = _decoded(string["text"]).decode()
    folder = re.search(r"<((?:\\x[0-9a-f]{2})*)>, $", arguments[: string.start()])
    return path if folder is None else str(Path(_decoded(folder[1]).decode()) / path)


def _decoded(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
