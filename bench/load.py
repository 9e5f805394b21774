"""Asks for one small thing again and again, on many connections: ``python -m bench.load LOAD``.

LOAD and the answer on standard output are JSON, see `Load` and `LoadReport`.
"""

import asyncio
import json
import ssl
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import cast

import uvloop


@dataclass(frozen=True)
class Load:
    port: int
    path: str
    headers: dict[str, str]
    connections: int
    seconds: float
    tls: bool = False


@dataclass(frozen=True)
class LoadReport:
    """Latencies in seconds, from the request's last byte written to the answer's last byte read."""

    requests: int
    seconds: float
    median_s: float
    p99_s: float


@dataclass(eq=False)
class _Requester(asyncio.Protocol):
    """One connection: the next request goes out when the answer to the last is complete."""

    request: bytes
    until: float
    done: asyncio.Future[None]
    latencies: list[float] = field(default_factory=list)
    answer: bytes = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self.answer += data
        if not _is_whole(self.answer):
            return
        now = time.perf_counter()
        if not self.answer.startswith(b"HTTP/1.1 200 "):
            self.done.set_exception(ConnectionError(self.answer.decode()))
        self.latencies.append(now - self.asked)
        self.answer = b""
        if now < self.until and not self.done.done():
            self._ask()
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.done.done():
            return
        if self.answer or exc:
            self.done.set_exception(exc or ConnectionError("closed in the middle of an answer"))
        else:
            self.done.set_result(None)

    def _ask(self) -> None:
        self.asked = time.perf_counter()
        self.transport.write(self.request)


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    return len(body) >= int(length or 0)


async def run(load: Load) -> LoadReport:
    loop = asyncio.get_running_loop()
    lines = [f"GET {load.path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in load.headers.items()]
    request = "\r\n".join([*lines, "", ""]).encode()
    begun = time.perf_counter()
    requesters = [_Requester(request, begun + load.seconds, loop.create_future()) for _ in range(load.connections)]
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    for requester in requesters:
        await loop.create_connection(
            lambda requester=requester: requester,
            "127.0.0.1",
            load.port,
            ssl=trusting if load.tls else None,
        )
    await asyncio.gather(*(requester.done for requester in requesters))
    seconds = time.perf_counter() - begun
    latencies = sorted(latency for requester in requesters for latency in requester.latencies)
    count = len(latencies)
    return LoadReport(count, seconds, latencies[count // 2], latencies[count * 99 // 100])


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(run(Load(**json.loads(sys.argv[1])))))))
