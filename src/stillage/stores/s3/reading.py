"""Read an object in order, in one request, and in another one from where a connection broke. Blocks."""

import os
from concurrent.futures import Executor

from stillage.errors import StillageError, StoreFailed, Unavailable
from stillage.spans import Span
from stillage.stores.s3.client import Answer, Missing, S3Client

TRIES = 3
"""How often an object that brings nothing new is asked for again."""
BLOCK = 512 << 10
"""How much is read before it is sent. Each download keeps so much; less of it costs more wake-ups."""


class Reading:
    """*span* of the object *key*. One thread at a time reads; none when it is closed.

    Args:
        etag: Of the object that it must be; None accepts any.
        missing: Raised if there is no object.
    """

    def __init__(self, client: S3Client, key: str, span: Span, *, etag: str | None, missing: StillageError) -> None:
        self._client = client
        self._key = key
        self._at = span.first
        self._end = span.end
        self._etag = etag
        self._missing = missing
        self._answer: Answer | None = None

    def read(self, amount: int) -> bytes:
        """Return the next *amount* bytes, fewer at the end, or where a connection broke; none after the end.

        Raises:
            StoreFailed: If the object ends early, or is not the one with the ETag.
            Unavailable: If the server does not answer.
        """
        for tries in range(TRIES):
            if self._at == self._end:
                break
            try:
                data = self._next(amount)
            except Missing:
                raise self._missing from None
            except Unavailable:
                self.close()
                if tries == TRIES - 1:
                    raise
            else:
                self._at += len(data)
                return data
        return b""

    def close(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.close()

    def _next(self, amount: int) -> bytes:
        if self._answer is None:
            self._answer = self._client.get(self._key, Span(self._at, self._end), self._etag)
        data = self._client.read(self._answer, min(amount, self._end - self._at))
        if not data:
            raise StoreFailed(f"an object ends at byte {self._at}, {self._end - self._at} bytes early; restore it")
        return data


class ObjectSource:
    """What is read of an object, on its way into a socket. See `abilities.Source`."""

    def __init__(self, reading: Reading, length: int, threads: Executor) -> None:
        self.left = length
        self.threads = threads
        self._reading = reading
        self._block = memoryview(b"")

    def send(self, connection: int) -> None:
        if not self._block:
            self._block = memoryview(self._reading.read(BLOCK))
        count = os.write(connection, self._block)
        self._block = self._block[count:]
        self.left -= count

    def close(self) -> None:
        self._reading.close()
