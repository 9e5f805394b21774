"""A bucket of an S3 server in which users keep files: images are made of its objects, and exported to new ones.

Source: Amazon S3 API reference, "GetObject", "CompleteMultipartUpload".
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from uuid import uuid4

import structlog

from stillage.errors import (
    BucketFailed,
    BucketNotFound,
    ObjectChanged,
    ObjectExists,
    ObjectNotFound,
    StillageError,
    StoreFailed,
    StoreReadOnly,
    StoreRefused,
    Unavailable,
)
from stillage.spans import Span
from stillage.stores.buckets.base import Found
from stillage.stores.s3.buffers import Blocks
from stillage.stores.s3.client import Exists, MadePart, Missing, S3Client
from stillage.stores.threads import Threads

log = structlog.get_logger()

RANGE = 8 << 20
READ = 1 << 20
ATTEMPTS = 4
PART = 16 << 20
PARTS_OF_A_SIZE = 1000
"""After as many parts they become larger, so that 10,000 suffice for 880 GiB."""


class S3Bucket:
    def __init__(self, name: str, client: S3Client, threads: Threads) -> None:
        """*name*: what users call it."""
        self._name = name
        self._client = client
        self._threads = threads

    async def head(self, key: str) -> Found:
        return await self._threads.soon(self._head, key)

    @asynccontextmanager
    async def read(self, key: str, found: Found) -> AsyncIterator[AsyncIterator[bytes]]:
        async with aclosing(self._ranges(key, found)) as ranges:
            yield ranges

    @asynccontextmanager
    async def create(self, key: str) -> AsyncIterator["S3ObjectWriter"]:
        writer = S3ObjectWriter(self, key)
        try:
            yield writer
        finally:
            await self._threads.run(writer.close)

    async def _ranges(self, key: str, found: Found) -> AsyncGenerator[bytes]:
        for first in range(0, found.size, RANGE):
            yield await self._threads.run(self._range, key, Span(first, min(first + RANGE, found.size)), found)

    def _head(self, key: str) -> Found:
        try:
            stored = self._client.head(key)
        except (Missing, StillageError) as error:
            raise self.translated(error, key) from None
        return Found(stored.size, stored.etag)

    def _range(self, key: str, span: Span, found: Found) -> bytes:
        """Return the bytes of *span*; after a broken connection what is missing is asked for again."""
        data = bytearray()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._read(key, Span(span.first + len(data), span.end), found, data)
            except (Missing, StillageError) as error:
                if not isinstance(error, Unavailable) or attempt == ATTEMPTS:
                    raise self.translated(error, key) from None
            if len(data) == span.length:
                return bytes(data)
        raise BucketFailed(self._name, "it breaks off again and again")

    def _read(self, key: str, span: Span, found: Found, data: bytearray) -> None:
        body = self._client.get(key, span, found.version)
        try:
            while block := self._client.read(body, READ):
                data += block
        finally:
            body.close()

    def translated(self, error: Exception, key: str) -> StillageError:
        """Return what users read. What the operator needs to know is in the log alone."""
        name = f"{self._name}:{key}"
        match error:
            case Missing():
                return ObjectNotFound(name)
            case Exists():
                return ObjectExists(name)
            case StoreRefused() | StoreReadOnly():
                log.error("a bucket cannot be used", bucket=self._name, why=str(error))
                return BucketNotFound(self._name)
            case Unavailable():
                log.warning("a bucket does not answer", bucket=self._name, why=str(error))
                return BucketFailed(self._name, "its server does not answer")
            case StoreFailed():
                return ObjectChanged(name)
        log.error("a bucket cannot be used", bucket=self._name, why=str(error))
        return BucketFailed(self._name, "its server refuses the bytes")

    @property
    def client(self) -> S3Client:
        return self._client

    @property
    def threads(self) -> Threads:
        return self._threads


class S3ObjectWriter:
    """Writes an object in parts, which are joined at the end, if there is no object of the name."""

    def __init__(self, bucket: S3Bucket, key: str) -> None:
        self._bucket = bucket
        self._key = key
        self._mark = uuid4().hex
        self._upload: str | None = None
        self._made: list[MadePart] = []
        self._blocks: list[bytes] = []
        self._held = 0

    async def write(self, block: bytes | bytearray) -> None:
        self._blocks.append(bytes(block))
        self._held += len(block)
        if self._held >= PART * (1 + len(self._made) // PARTS_OF_A_SIZE):
            await self._bucket.threads.run(self._send)

    async def commit(self) -> None:
        await self._bucket.threads.run(self._commit)

    def _send(self) -> None:
        client = self._bucket.client
        try:
            if self._upload is None:
                self._upload = client.begin_upload(self._key, self._mark)
            number = len(self._made) + 1
            self._made.append(client.put_part(self._key, self._upload, number, Blocks(self._blocks)))
        except (Missing, StillageError) as error:
            raise self._bucket.translated(error, self._key) from None
        self._blocks, self._held = [], 0

    def _commit(self) -> None:
        if self._held or not self._made:
            self._send()
        client = self._bucket.client
        try:
            # Some servers ignore the condition of what follows.
            client.require_absent(self._key)
            self._complete()
        except (Missing, Exists, StillageError) as error:
            raise self._bucket.translated(error, self._key) from None
        self._upload = None

    def _complete(self) -> None:
        """Join the parts; Exists if there is another object. Who asks again after a lost answer finds their own."""
        client = self._bucket.client
        try:
            client.complete(self._key, self._upload or "", self._made, only_new=True)
        except Exists:
            if client.head(self._key).mark != self._mark:
                raise

    def close(self) -> None:
        """Drop the parts of an object that was not committed."""
        if self._upload is None:
            return
        try:
            self._bucket.client.abort(self._key, self._upload)
        except StillageError as error:
            log.error("parts of a failed export are left", upload=self._upload, why=str(error))
        self._upload = None
