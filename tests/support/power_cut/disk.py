"""What is on a disk when the power fails: a model of files and folders of which not everything is durable.

A page that was written may survive in any of the versions that it has had since its file was last synced, each page by
itself. So may the size of the file, and so may each change of a folder (a name made, moved or removed) until the folder
is synced. No file system loses as much at once; POSIX promises no less.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Generic, TypeVar, Union

from power_cut.recorder import OPENS, Call

T = TypeVar("T")
PAGE = 4096
# Of these we would have to know more if anybody began to use them.
UNKNOWN = frozenset({
    "copy_file_range", "truncate", "symlink", "symlinkat", "rmdir", "creat", "pwritev", "pwritev2", "io_uring_enter",
})  # fmt: skip
SHARED = ("-shm",)  # of SQLite, mapped into memory: it makes a new one after a crash

Choose = Callable[[int], int]
"""Says which of so many versions survives: 0 is the durable one, the last one the newest."""


def nothing(_versions: int) -> int:
    """Nothing survives that was not synced."""
    return 0


def everything(versions: int) -> int:
    """Everything survives: the process alone has died."""
    return versions - 1


def some(dice: random.Random) -> Choose:
    """Each thing by itself survives, or not."""
    return dice.randrange


def all_but(number: int) -> Choose:
    """Everything survives but one thing, which is lost."""
    return _Counting(number, everything, nothing)


def none_but(number: int) -> Choose:
    """Nothing survives but one thing: it was written first, whatever was asked for first."""
    return _Counting(number, nothing, everything)


@dataclass
class _Counting:
    number: int
    others: Choose
    this: Choose
    asked: int = 0

    def __call__(self, versions: int) -> int:
        self.asked += 1
        return (self.this if self.asked - 1 == self.number else self.others)(versions)


class Versions(Generic[T]):
    """One thing in all versions that may survive, the durable one first. Each was made by a call that ended then."""

    def __init__(self, durable: T) -> None:
        self._known: list[tuple[int, T]] = [(-1, durable)]

    @property
    def newest(self) -> T:
        return self._known[-1][1]

    def add(self, ended: int, value: T) -> None:
        self._known.append((ended, value))

    def sync(self, began: int) -> None:
        """What had been done when the sync *began* is durable now."""
        while len(self._known) > 1 and self._known[1][0] < began:
            del self._known[0]

    def left(self, choose: Choose) -> T:
        return self._known[choose(len(self._known))][1] if len(self._known) > 1 else self.newest


class File:
    def __init__(self) -> None:
        self._pages: dict[int, Versions[bytes]] = {}
        self._size: Versions[int] = Versions(0)

    @property
    def size(self) -> int:
        return self._size.newest

    def write(self, ended: int, offset: int, data: bytes) -> None:
        at = 0
        while at < len(data):
            number, first = divmod(offset + at, PAGE)
            part = data[at : at + PAGE - first]
            page = self._pages.setdefault(number, Versions(b""))
            old = page.newest.ljust(first, b"\0")
            page.add(ended, old[:first] + part + old[first + len(part) :])
            at += len(part)
        if offset + len(data) > self.size:
            self._size.add(ended, offset + len(data))

    def truncate(self, ended: int, size: int) -> None:
        if size < self.size:
            self.clear(ended, size, self.size - size)
        if size != self.size:
            self._size.add(ended, size)

    def clear(self, ended: int, offset: int, length: int) -> None:
        end = offset + length
        for number, page in self._pages.items():
            start, old = number * PAGE, page.newest
            if start < end and offset < start + len(old):
                first, last = max(0, offset - start), min(len(old), end - start)
                page.add(ended, old[:first] + bytes(last - first) + old[last:])

    def sync(self, began: int) -> None:
        self._size.sync(began)
        for page in self._pages.values():
            page.sync(began)

    def left(self, choose: Choose) -> bytes:
        size = self._size.left(choose)
        content = bytearray(size)
        for number, page in self._pages.items():
            part = page.left(choose)[: max(0, size - number * PAGE)]
            content[number * PAGE : number * PAGE + len(part)] = part
        return bytes(content)


@dataclass
class Folder:
    """*names*: those that are durable; *now*: those that a process sees."""

    names: dict[str, "Node"] = field(default_factory=dict)
    now: dict[str, "Node"] = field(default_factory=dict)


Node = Union[File, Folder]  # noqa: UP007 - Folder names it, as text


@dataclass(frozen=True)
class _Change:
    """Of one folder, all of it or nothing: a rename takes one name and gives another."""

    ended: int
    folder: Folder
    names: dict[str, Node | None]

    def apply(self, to: dict[str, Node]) -> None:
        for name, node in self.names.items():
            if node is None:
                to.pop(name, None)
            else:
                to[name] = node


class Disk:
    """What calls have done below the folder *root*, which was empty, and durable."""

    def __init__(self, root: Path) -> None:
        self._root = PurePosixPath(root)
        self._top = Folder()
        self._changes: list[_Change] = []
        self._nameless: dict[str, File] = {}
        self._opened: dict[int, str] = {}
        self._positions: dict[int, int] = {}

    def left(self, choose: Choose) -> dict[str, bytes]:
        """Return what files there are, by their path below the root, if *choose* says what survives."""
        names: dict[int, dict[str, Node]] = {}
        for change in self._changes:
            if choose(2):
                change.apply(names.setdefault(id(change.folder), dict(change.folder.names)))

        def below(folder: Folder, path: str) -> Iterator[tuple[str, bytes]]:
            for name, node in names.get(id(folder), folder.names).items():
                if isinstance(node, Folder):
                    yield from below(node, f"{path}{name}/")
                elif not name.endswith(SHARED):
                    yield path + name, node.left(choose)

        return dict(below(self._top, ""))

    # Calls

    def begin(self, call: Call) -> bool:
        """Do what *call* does that may survive from its beginning on. False if it is nothing."""
        if call.name in OPENS:
            return self._open(call)
        if not self._is_ours(call):
            return False
        assert call.name not in UNKNOWN, f"{call.name} is used on files, and not modelled"
        do = getattr(self, f"_{call.name}", None)
        if do is not None:
            do(call)
        return do is not None

    def end(self, call: Call) -> bool:
        """Do what *call* does at its end: make things durable. False if it is nothing."""
        if call.name not in ("fsync", "fdatasync") or not self._is_ours(call):
            return False
        node = self._about(call)
        if isinstance(node, File):
            node.sync(call.start)
        elif node is not None:
            done = [change for change in self._changes if change.folder is node and change.ended < call.start]
            for change in done:
                change.apply(node.names)
                self._changes.remove(change)
        return node is not None

    def _open(self, call: Call) -> bool:
        self._opened[call.descriptor], self._positions[call.descriptor] = call.path, 0
        path = call.paths[0]
        if not self._is_below(path):
            return False
        if "O_TMPFILE" in call.flags:
            self._nameless[call.path] = File()
            return True
        created = "O_CREAT" in call.flags and self._find(path) is None
        if created:
            self._change(call, path, File())
        file = self._find(path)
        if isinstance(file, File):
            if "O_TRUNC" in call.flags:
                file.truncate(call.end, 0)
            if "O_APPEND" in call.flags:
                self._positions[call.descriptor] = file.size
        return created or "O_TRUNC" in call.flags

    def _write(self, call: Call) -> None:
        position = self._positions.get(call.descriptor, 0)
        self._positions[call.descriptor] = position + len(call.data)
        self._put(call, position)

    _writev = _write

    def _pwrite64(self, call: Call) -> None:
        self._put(call, call.numbers[-1])

    def _put(self, call: Call, offset: int) -> None:
        if (file := self._file(call)) is not None:
            file.write(call.end, offset, call.data)

    def _ftruncate(self, call: Call) -> None:
        if (file := self._file(call)) is not None:
            file.truncate(call.end, call.numbers[-1])

    def _fallocate(self, call: Call) -> None:
        assert "FALLOC_FL_KEEP_SIZE|FALLOC_FL_PUNCH_HOLE" in call.flags, call.flags
        if (file := self._file(call)) is not None:
            file.clear(call.end, *call.numbers[-2:])

    def _mmap(self, call: Call) -> None:
        written = "PROT_WRITE" in call.flags and "MAP_SHARED" in call.flags
        assert not written or call.path.endswith(SHARED), f"{call.path} is written to through memory"

    def _mkdir(self, call: Call) -> None:
        self._change(call, call.paths[0], Folder())

    _mkdirat = _mkdir

    def _unlink(self, call: Call) -> None:
        self._change(call, call.paths[0], None)

    _unlinkat = _unlink

    def _link(self, call: Call) -> None:
        source, target = call.paths
        if (descriptor := PurePosixPath(source)).parent == PurePosixPath("/proc/self/fd"):
            self._change(call, target, self._nameless[self._opened[int(descriptor.name)]])
        else:
            self._change(call, target, self._find(source))

    _linkat = _link

    def _rename(self, call: Call) -> None:
        source, target = (PurePosixPath(path) for path in call.paths)
        assert source.parent == target.parent, "a rename between folders is not modelled"
        node = self._find(str(source))
        if node is not self._find(str(target)):  # of two names of one file, nothing happens
            self._change_names(call, source.parent, {source.name: None, target.name: node})

    _renameat = _renameat2 = _rename

    # Where things are

    def _is_below(self, path: str) -> bool:
        return PurePosixPath(path).is_relative_to(self._root)

    def _is_ours(self, call: Call) -> bool:
        return any(self._is_below(path) for path in (call.path, *call.paths) if path)

    def _change(self, call: Call, path: str, node: Node | None) -> None:
        self._change_names(call, PurePosixPath(path).parent, {PurePosixPath(path).name: node})

    def _change_names(self, call: Call, path: PurePosixPath, names: dict[str, Node | None]) -> None:
        folder = self._find(str(path))
        assert isinstance(folder, Folder), path
        change = _Change(call.end, folder, names)
        change.apply(folder.now)
        self._changes.append(change)

    def _about(self, call: Call) -> Node | None:
        if call.is_nameless:
            return self._nameless.get(call.path)
        return self._find(call.path)

    def _file(self, call: Call) -> File | None:
        """Return the file; None where it has lost its name, so that whatever is done to it does not matter."""
        node = self._about(call)
        assert node is not None or call.is_nameless, f"{call.name} of {call.path}, which nobody has made"
        return node if isinstance(node, File) else None

    def _find(self, path: str) -> Node | None:
        node: Node | None = self._top
        for name in PurePosixPath(path).relative_to(self._root).parts:
            node = node.now.get(name) if isinstance(node, Folder) else None
        return node


def run(disk: Disk, calls: Sequence[Call], tells: Callable[[Call], bool]) -> Iterator[int]:
    """Let *calls* happen. Yields the time whenever the power may fail: after each that has done or *tells* anything."""
    events = [(call.start, tells(call), disk.begin, call) for call in calls]
    events += [(call.end, False, disk.end, call) for call in calls]
    for time, told, do, call in sorted(events, key=lambda event: event[0]):
        if do(call) or told:
            yield time
