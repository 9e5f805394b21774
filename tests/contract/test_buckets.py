"""Every kind of bucket gives whole objects, and takes new ones only."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from functools import cache
from pathlib import Path

import pytest

import s3_server
from stillage.errors import BucketNotFound, ObjectChanged, ObjectExists, ObjectNotFound
from stillage.stores.buckets.base import Bucket
from stillage.stores.buckets.folder import FolderBucket
from stillage.stores.s3.bucket import S3Bucket
from stillage.stores.s3.client import Exists, MadePart, S3Client
from stillage.stores.threads import Threads


@cache
def data() -> bytes:
    """More than a part, and than two ranges."""
    return bytes(range(256)) * (68 << 10)


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads("bucket", 2, timeout_s=30)
    yield threads
    threads.close()


def folder_bucket(folder: Path, threads: Threads) -> Bucket:
    (folder / "lab" / "files").mkdir(parents=True)
    return FolderBucket("files", folder, ("lab", "files"), threads)


def s3_bucket(_folder: Path, threads: Threads) -> Bucket:
    return S3Bucket("files", S3Client(s3_server.settings(), s3_server.session()), threads)


@pytest.fixture(params=[folder_bucket, s3_bucket])
def bucket(request: pytest.FixtureRequest, tmp_path: Path, threads: Threads) -> Bucket:
    make: Callable[[Path, Threads], Bucket] = request.param
    return make(tmp_path, threads)


async def put(bucket: Bucket, key: str, data: bytes) -> None:
    async with bucket.create(key) as writer:
        for start in range(0, len(data), 1 << 20):
            await writer.write(data[start : start + (1 << 20)])
        await writer.commit()


async def content(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


async def test_objects_are_whole_or_not_there(bucket: Bucket) -> None:
    async with bucket.create("new/a") as writer:
        await writer.write(data())
    with pytest.raises(ObjectNotFound):
        await bucket.head("new/a")
    await put(bucket, "new/a", data())
    found = await bucket.head("new/a")
    assert found.size == len(data())
    async with bucket.read("new/a", found) as chunks:
        assert await content(chunks) == data()


async def test_of_two_that_write_one_name_the_first_gets_it(bucket: Bucket) -> None:
    async with bucket.create("a") as late:
        await late.write(b"late")
        await put(bucket, "a", b"first")
        with pytest.raises(ObjectExists):
            await late.commit()
    async with bucket.read("a", await bucket.head("a")) as chunks:
        assert await content(chunks) == b"first"


async def test_an_object_whose_answer_was_lost_is_our_own(
    tmp_path: Path, threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = S3Client.complete

    def complete_twice(client: S3Client, key: str, upload_id: str, made: list[MadePart], *, only_new: bool) -> None:
        complete(client, key, upload_id, made, only_new=only_new)
        raise Exists  # what the server says to who asks again

    bucket = s3_bucket(tmp_path, threads)
    monkeypatch.setattr(S3Client, "complete", complete_twice)
    await put(bucket, "a", b"mine")
    assert (await bucket.head("a")).size == 4


async def test_an_object_that_is_replaced_is_not_read_on(tmp_path: Path, threads: Threads) -> None:
    bucket, file = folder_bucket(tmp_path, threads), tmp_path / "lab" / "files" / "a"
    file.write_bytes(data())
    found = await bucket.head("a")
    async with bucket.read("a", found) as chunks, aclosing(chunks):  # type: ignore[type-var]
        await anext(chunks)
        file.write_bytes(data())
        with pytest.raises(ObjectChanged):
            await content(chunks)
    with pytest.raises(ObjectChanged):
        async with bucket.read("a", found):
            pass


@pytest.mark.parametrize("inside", [("lab", "none"), ("lab", ".."), ("..",), ("", "files"), ("link",), ("lab/files",)])
async def test_no_folder_beside_the_bucket_is_one(tmp_path: Path, threads: Threads, inside: tuple[str, ...]) -> None:
    folder_bucket(tmp_path / "root", threads)
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "root" / "a").write_bytes(b"x")
    (tmp_path / "root" / "link").symlink_to(tmp_path)
    with pytest.raises(BucketNotFound):
        await FolderBucket("files", tmp_path / "root", inside, threads).head("a")
