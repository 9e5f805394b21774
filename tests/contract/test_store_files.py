"""What the store in a folder of files promises beside: durability, holes, and a disk that fails or hangs."""

import asyncio
import errno
import os
import stat
import threading
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path

import pytest

from proc_files import open_files
from stillage.errors import StorageFull, StoreFailed, StoreReadOnly, StoreStalled
from stillage.holes import HOLE
from stillage.ids import BlobKey
from stillage.stores.abilities import OldBlobs, PartialBlob
from stillage.stores.base import BlobWriter
from stillage.stores.files import disk
from stillage.stores.files.blobs import READ_THREADS, FileStore
from stillage.stores.files.disk import translated
from stillage.stores.files.glance import GlanceFolder
from stores import KEY, MIB, SHARD, file_store, put, read_all

DISK_TIMEOUT_S = 60.0
# How long a store waits for a disk that hangs. One that works answers within it on a busy machine as well.
STALLED_S = 2.0


class Cache:
    """In the place of `os.preadv`: what the page cache of some kernel says of each read."""

    def __init__(self, answers: list[int | None]) -> None:
        """*answers*: an errno, or None for all the bytes; -1 for half of them. The last one is repeated."""
        self._answers = answers
        self._preadv = os.preadv
        self.asked = 0

    def __call__(self, descriptor: int, buffers: list[bytearray], offset: int, _flags: int) -> int:
        answer = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        if answer is None or answer == -1:
            read = self._preadv(descriptor, buffers, offset)
            return read if answer is None else read // 2
        raise OSError(answer, os.strerror(answer))


@pytest.mark.parametrize(
    ("answers", "asked"),
    [([None], 4), ([errno.EAGAIN], 4), ([-1], 4), ([None, errno.EAGAIN, None], 4), ([errno.EOPNOTSUPP], 1)],
    ids=["all is there", "nothing is there", "half is there", "some is there", "the file system cannot tell"],
)
async def test_whatever_the_page_cache_has_the_bytes_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: list[int | None], asked: int
) -> None:
    data = os.urandom(4 * HOLE)
    store = file_store(tmp_path)
    await put(store, data)
    cache = Cache(answers)
    monkeypatch.setattr(os, "preadv", cache)
    async with store.reader(KEY) as reader:
        assert b"".join([await reader.read(at * HOLE, HOLE) for at in range(4)]) == data
    assert cache.asked == asked


async def test_files_have_the_room_that_the_file_system_gives_to_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.statvfs(tmp_path)
    # Of 10 free blocks root may have all, and we 7.
    given = os.statvfs_result((4096, 4096, 100, 10, 7, *real[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _path: given)
    assert await FileStore(tmp_path / "blobs").free_bytes() == 7 * 4096


async def test_a_store_that_went_away_is_a_failure_of_the_store(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "blobs")
    store.root.rmdir()
    with pytest.raises(StoreFailed, match="how much room"):
        await store.free_bytes()


async def test_the_age_of_a_file_is_that_of_its_last_byte_and_a_part_is_found_too(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "blobs")
    await put(store, b"x")
    path = store.root / KEY[:2] / KEY
    part = path.with_name(f"{KEY}.part")
    part.write_bytes(b"left over")
    for old in (path, part):
        os.utime(old, (0, time.time() - 100))
    assert await store.find_old(SHARD, 90) == OldBlobs({KEY}, {KEY}), "once, though there are two files"
    assert await store.find_old(SHARD, 110) == OldBlobs(set(), set())
    await store.delete(KEY)
    assert everything_in(store) == []


async def test_a_file_that_goes_while_the_store_is_looked_through_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(tmp_path / "blobs")
    await put(store, b"x")

    class Gone:
        name = KEY

        def stat(self, **_: object) -> os.stat_result:
            raise FileNotFoundError

    monkeypatch.setattr(os, "scandir", lambda _folder: nullcontext([Gone()]))
    assert await store.find_old(SHARD, 0) == OldBlobs(set(), set())


@pytest.fixture(params=["nameless", "named"])
def files_in(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileStore:
    if request.param == "named":  # as on a file system without O_TMPFILE
        monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY | os.O_WRONLY)
    return FileStore(tmp_path / "blobs")


def everything_in(store: FileStore) -> list[str]:
    return sorted(path.name for path in store.root.rglob("*") if path.is_file())


async def test_zero_pieces_take_no_disk(files_in: FileStore) -> None:
    await put(files_in, *[bytes(MIB)] * 16, b"x" * HOLE, *[bytes(MIB)] * 16)
    status = next(path for path in files_in.root.rglob("*") if path.is_file()).stat()
    assert status.st_size == 32 * MIB + HOLE
    assert status.st_blocks * 512 <= 2 * HOLE


async def test_an_abandoned_file_is_gone(files_in: FileStore) -> None:
    async with files_in.writer(KEY) as writer:
        await writer.write(os.urandom(MIB))
        await writer.finish()
    assert everything_in(files_in) == []


async def test_what_a_crash_left_of_a_blob_goes_with_delete(files_in: FileStore) -> None:
    await put(files_in, b"x")
    (files_in.root / KEY[:2] / f"{KEY}.part").write_bytes(b"left over")
    await files_in.delete(KEY)
    assert everything_in(files_in) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ENOSPC", StorageFull),
        ("EDQUOT", StorageFull),
        ("EROFS", StoreReadOnly),
        ("EACCES", StoreReadOnly),
        ("EIO", StoreFailed),
    ],
)
async def test_failures_of_the_disk_are_told_apart(
    name: str, expected: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(getattr(errno, name), os.strerror(getattr(errno, name)))

    monkeypatch.setattr(os, "pwrite", fail)
    store = FileStore(tmp_path / "blobs")
    with pytest.raises(expected, match="ask the operator"):
        await put(store, b"data")
    assert everything_in(store) == []


def failing_sync(of: Callable[[int], bool]) -> Callable[[int], None]:
    """In the place of `os.fsync`: the disk fails for files whose mode is one of these."""
    real = os.fsync

    def sync(descriptor: int) -> None:
        if of(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)

    return sync


async def test_a_failed_sync_publishes_nothing(files_in: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", failing_sync(stat.S_ISREG))
    with pytest.raises(StoreFailed, match="publish a blob"):
        await put(files_in, b"data")
    assert everything_in(files_in) == []


async def test_a_failed_sync_of_a_partial_blob_publishes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(tmp_path / "blobs")
    await store.begin(KEY)
    monkeypatch.setattr(os, "fsync", failing_sync(stat.S_ISREG))
    async with store.partial(KEY) as partial:
        await partial.write(0, b"data")
        with pytest.raises(StoreFailed, match="publish a blob"):
            await partial.publish(4)
    assert everything_in(store) == [f"{KEY}.part"]


async def test_a_blob_whose_name_could_not_be_synced_is_not_called_durable(
    files_in: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(files_in, b"data", key=BlobKey("0f" * 15 + "00"))  # so that the folder is there
    monkeypatch.setattr(os, "fsync", failing_sync(stat.S_ISDIR))
    with pytest.raises(StoreFailed, match="publish a blob"):
        await put(files_in, b"data")


async def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: whole(fd, data[:1000], offset))
    store = FileStore(tmp_path / "blobs")
    data = os.urandom(HOLE)
    await put(store, data)
    assert await read_all(store) == data


def test_an_unknown_failure_names_what_was_tried() -> None:
    assert "read a blob" in str(translated(OSError(5, "Input/output error"), "read a blob"))


@pytest.mark.parametrize("has_fallocate", [True, False])
async def test_a_hole_is_made_also_where_the_file_system_has_no_call_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_fallocate: bool
) -> None:
    if not has_fallocate:
        monkeypatch.setattr(disk, "_fallocate", None)
    path = tmp_path / "file"
    path.write_bytes(b"x" * 200_000)
    descriptor = os.open(path, os.O_RDWR)
    disk.make_hole(descriptor, 10, 150_000)
    disk.make_hole(descriptor, 199_990, 1 << 40)
    os.close(descriptor)
    assert path.read_bytes() == b"x" * 10 + bytes(150_000) + b"x" * (199_990 - 150_010) + bytes(10)


async def test_a_disk_that_hangs_is_told_of_and_does_not_hang_those_who_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, hangs = FileStore(tmp_path / "blobs", timeout_s=STALLED_S), threading.Event()
    await put(store, b"bytes")
    real = os.statvfs

    def hanging(path: Path) -> os.statvfs_result:
        hangs.wait()
        return real(path)

    monkeypatch.setattr(os, "statvfs", hanging)
    answers = await asyncio.gather(*(store.free_bytes() for _ in range(2 * READ_THREADS)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {StoreStalled}
    with pytest.raises(StoreStalled):
        await read_all(store)
    hangs.set()
    assert await store.free_bytes()
    assert await read_all(store) == b"bytes"
    store.close()


async def test_a_store_can_be_asked_by_many_at_once_whether_it_is_well(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "blobs")
    await asyncio.gather(*(store.check() for _ in range(200)))
    store.close()


@pytest.mark.parametrize(("file_system", "keeps_open"), [("ext4", True), ("ceph", True), ("nfs4", False)])
def test_a_file_removed_by_another_machine_is_gone_from_nfs_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_system: str, keeps_open: bool
) -> None:
    device = tmp_path.stat().st_dev
    mounts = (
        f"1 0 0:99999 / / rw - xfs a rw\n2 1 {os.major(device)}:{os.minor(device)} / /b rw - {file_system} s:/b rw\n"
    )
    (tmp_path / "mounts").write_text(mounts)
    monkeypatch.setattr(disk, "MOUNTS", tmp_path / "mounts")
    store = FileStore(tmp_path / "blobs")
    assert store.keeps_open() == keeps_open
    store.close()


def test_a_folder_of_glance_may_be_mounted_later(tmp_path: Path) -> None:
    store = GlanceFolder(tmp_path / "images")
    with pytest.raises(FileNotFoundError):
        store.keeps_open()
    (tmp_path / "images").mkdir()
    assert store.keeps_open()
    store.close()


async def test_a_check_does_not_meet_that_of_another_node_on_the_same_folder(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "blobs")
    await store.check()
    (store.root / f".probe-{os.getpid()}").mkdir()  # in two containers both servers may be process 1
    await store.check()
    store.close()


async def test_asking_a_disk_that_hangs_whether_it_is_well_takes_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, hangs = FileStore(tmp_path / "blobs", timeout_s=STALLED_S), threading.Event()
    await put(store, b"bytes")
    monkeypatch.setattr(Path, "write_bytes", lambda *_: hangs.wait(DISK_TIMEOUT_S))
    try:
        for _ in range(2):
            with pytest.raises(StoreStalled):
                await asyncio.gather(*(store.check() for _ in range(READ_THREADS)))
        assert await read_all(store) == b"bytes"
    finally:
        hangs.set()
    store.close()


async def test_a_file_that_cannot_be_closed_or_removed_ends_its_upload_all_the_same(
    files_in: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = os.close

    def fail(descriptor: int) -> None:
        close(descriptor)
        raise OSError(errno.EIO, "could not write it all")

    async def break_off(blob: AbstractAsyncContextManager[BlobWriter | PartialBlob]) -> None:
        async with blob:
            failing.setattr(os, "close", fail)
            failing.setattr(Path, "unlink", lambda *_, **__: fail(os.open(os.devnull, os.O_RDONLY)))
            raise RuntimeError("client left")

    await files_in.begin(KEY)
    for blob in (files_in.writer(BlobKey("1f" * 16)), files_in.partial(KEY)):
        with monkeypatch.context() as failing, pytest.raises(RuntimeError, match="client left"):
            await asyncio.wait_for(break_off(blob), DISK_TIMEOUT_S)


@pytest.mark.parametrize("nameless", [True, False], ids=["nameless", "named"])
@pytest.mark.parametrize("what", ["reader", "writer", "partial"])
async def test_what_a_disk_opens_too_late_is_closed_again(
    what: str, nameless: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, hangs, real = FileStore(tmp_path / "blobs", timeout_s=STALLED_S), threading.Event(), os.open
    await put(store, b"bytes")
    new = BlobKey(KEY[:2] + "new")
    if what == "partial":
        await store.begin(new)
    before = everything_in(store)

    def hanging(path: Path, flags: int, *mode: int, **more: int) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE and not nameless:
            raise OSError(errno.EOPNOTSUPP, "no nameless files here")
        hangs.wait(DISK_TIMEOUT_S)
        return real(path, flags, *mode, **more)

    monkeypatch.setattr(os, "open", hanging)
    try:
        with pytest.raises(StoreStalled):
            await _opened(getattr(store, what)(KEY if what == "reader" else new))
    finally:
        hangs.set()
    store.close()  # when its threads have ended
    assert open_files(store.root, os.getpid()) == set()
    assert everything_in(store) == before


async def test_a_partial_blob_that_is_begun_too_late_stays_with_those_who_have_begun_it_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, hangs, real = FileStore(tmp_path / "blobs", timeout_s=STALLED_S), threading.Event(), os.open
    new = BlobKey(KEY[:2] + "new")

    def hanging(path: Path, *rest: int) -> int:
        hangs.wait(DISK_TIMEOUT_S)
        return real(path, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", hanging)
        with pytest.raises(StoreStalled):
            await store.begin(new)
    other = FileStore(store.root)
    await other.begin(new)
    async with other.partial(new) as partial:
        await partial.write(0, b"bytes")
        await partial.flush()
    hangs.set()
    for each in (store, other):
        each.close()  # when its threads have ended
    assert (store.root / new[:2] / f"{new}.part").read_bytes() == b"bytes"
    assert open_files(store.root, os.getpid()) == set()


async def _opened(blob: AbstractAsyncContextManager[object]) -> None:
    async with blob:
        pass
