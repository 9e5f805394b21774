"""Send bytes of a local file into a socket: the kernel copies them (`os.sendfile`)."""

import os
from concurrent.futures import Executor, ThreadPoolExecutor

from stillage.errors import StoreFailed
from stillage.spans import Span

ONE_CALL = 8 << 20
# sendfile blocks while the disk reads, so it runs here and not on the loop.
THREADS = ThreadPoolExecutor(16, thread_name_prefix="send")


class FileSource:
    """*span* of a file. *descriptor* is closed with it."""

    def __init__(self, descriptor: int, span: Span) -> None:
        self.left = span.length
        self.threads: Executor = THREADS
        self._descriptor = descriptor
        self._at = span.first

    def send(self, connection: int) -> None:
        count = os.sendfile(connection, self._descriptor, self._at, min(ONE_CALL, self.left))
        if not count:
            raise StoreFailed(f"the blob ends at byte {self._at}, {self.left} bytes early")
        self._at += count
        self.left -= count

    def close(self) -> None:
        os.close(self._descriptor)
