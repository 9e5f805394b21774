"""A path between client and server that is long and narrow, or that breaks: a proxy that knows nothing of HTTP.

    python tests/support/slow_path.py --to PORT [--delay-s 0.05] [--rate BYTES]

prints its own port. Every connection has the rate and the delay of its own in either direction, as over a distance.
"""

import argparse
import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread

PIECE = 16 * 1024
NO_LIMIT = float("inf")


class Path:
    """A listening proxy.

    Args:
        to: The port on this machine to which it leads.
        delay_s: Of every byte, one way.
        rate: Bytes a second of each connection, in each direction.
    """

    def __init__(self, to: int, *, delay_s: float = 0, rate: float = NO_LIMIT) -> None:
        self.to = to
        self.delay_s = delay_s
        self.rate = rate
        self.url = ""
        self.passed = 0
        self.cuts: deque[int] = deque()
        self._open: set[asyncio.StreamWriter] = set()

    async def listen(self) -> tuple[asyncio.Server, int]:
        server = await asyncio.start_server(self._meet, "127.0.0.1", 0, limit=PIECE)
        return server, int(server.sockets[0].getsockname()[1])

    def cut_after(self, *sizes: int) -> None:
        """Break every connection after so many bytes more from the clients; one size after the other."""
        self.cuts.extend(sizes)

    def cut_now(self) -> None:
        for writer in set(self._open):
            writer.transport.abort()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.to, limit=PIECE)
        except OSError:
            writer.transport.abort()
            return
        ours = {writer, far_writer}
        self._open |= ours

        def end() -> None:
            for each in ours:
                each.transport.abort()

        there = self._carry(reader, far_writer, end, counted=True)
        await asyncio.gather(there, self._carry(far_reader, writer, end, counted=False), return_exceptions=True)
        self._open -= ours
        end()

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        both_ended: Callable[[], None],
        *,
        counted: bool,
    ) -> None:
        loop = asyncio.get_running_loop()
        # As much as is under way on such a line; what is more waits at the sender.
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(max(4, self._pieces_under_way()))
        arriving = loop.create_task(self._arrive(line, writer, both_ended))
        free = loop.time()
        try:
            while data := await reader.read(PIECE):
                if counted:
                    self._count(len(data))
                free = max(free, loop.time()) + len(data) / self.rate
                await line.put((free + self.delay_s, data))
            await line.put((loop.time() + self.delay_s, b""))
            await arriving
        except OSError:
            both_ended()  # who waits at the other end would never hear of it
        finally:
            arriving.cancel()

    async def _arrive(
        self, line: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter, both_ended: Callable[[], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await line.get()
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            if not data:
                with suppress(OSError):
                    writer.write_eof()
                return
            try:
                writer.write(data)
                await writer.drain()
            except OSError:
                both_ended()  # and what still comes is taken and lost

    def _pieces_under_way(self) -> int:
        return 4 if self.rate == NO_LIMIT else int(self.rate * (self.delay_s + 0.05)) // PIECE

    def _count(self, length: int) -> None:
        self.passed += length
        if self.cuts:
            self.cuts[0] -= length
            if self.cuts[0] <= 0:
                self.cuts.popleft()
                self.cut_now()


@contextmanager
def running(path: Path) -> Iterator[int]:
    """Run *path* in a thread of its own; its port."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server, port = asyncio.run_coroutine_threadsafe(path.listen(), loop).result()

    async def end() -> None:
        server.close()
        path.cut_now()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    try:
        yield port
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=int, required=True)
    parser.add_argument("--delay-s", type=float, default=0)
    parser.add_argument("--rate", type=float, default=NO_LIMIT)
    args = parser.parse_args()
    server, port = await Path(args.to, delay_s=args.delay_s, rate=args.rate).listen()
    print(port, flush=True)  # noqa: T201 - what is waited for
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
