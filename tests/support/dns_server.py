"""A DNS server on loopback whose answers change from one lookup to the next, and a client that asks it.

Source: RFC 1035, section 4, "Messages".
"""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from threading import Thread

A, AAAA = 1, 28
HEAD = struct.Struct(">6H")
ANSWER = struct.Struct(">HHHIH")
QUERY, RESPONSE, NO_SUCH_NAME = 0x0100, 0x8180, 0x8183
VERSIONS = {A: 4, AAAA: 6}
LARGEST = 512
NAME_BEFORE = 0xC00C
"""The name of the question, at the offset that it always has."""


class DnsServer:
    """Answers over UDP.

    Attributes:
        names: For each name the addresses of the first lookup, of the second, and so on; the last ones stay.
        asked: How often which name was asked for, by the type of the record.
    """

    def __init__(self, names: Mapping[str, Sequence[Sequence[str]]], address: str, port: int) -> None:
        self.names = names
        self.asked: Counter[tuple[str, int]] = Counter()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, port))
        self.port: int = self._socket.getsockname()[1]

    def serve(self) -> None:
        """Answer until it gets an empty datagram."""
        while True:
            query, sender = self._socket.recvfrom(LARGEST)
            if not query:
                self._socket.close()
                return
            self._socket.sendto(self._answer_to(query), sender)

    def _answer_to(self, query: bytes) -> bytes:
        name, end = _name_in(query)
        kind, _ = struct.unpack_from(">2H", query, end)
        question = query[HEAD.size : end + 4]
        addresses = self._addresses(name, kind)
        found = [ip_address(each).packed for each in addresses if ip_address(each).version == VERSIONS.get(kind)]
        answers = [ANSWER.pack(NAME_BEFORE, kind, 1, 0, len(packed)) + packed for packed in found]
        flags = RESPONSE if name in self.names else NO_SUCH_NAME
        head = HEAD.pack(int.from_bytes(query[:2]), flags, 1, len(answers), 0, 0)
        return b"".join([head, question, *answers])

    def _addresses(self, name: str, kind: int) -> Sequence[str]:
        lookups = self.names.get(name, [[]])
        nth = self.asked[name, kind]
        self.asked[name, kind] += 1
        return lookups[min(nth, len(lookups) - 1)]


@contextmanager
def dns_server(
    names: Mapping[str, Sequence[Sequence[str]]], *, address: str = "127.0.0.1", port: int = 0
) -> Iterator[DnsServer]:
    server = DnsServer(names, address, port)
    thread = Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ending:
            ending.sendto(b"", (address, server.port))
        thread.join()


class DnsLookup:
    """Asks a server on *port* of this machine for both kinds of addresses. Implements `outgoing.connecting.Lookup`."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __call__(self, host: str, port: int) -> Sequence[str]:  # noqa: ARG002 - as any lookup
        loop = asyncio.get_running_loop()
        return [address for kind in (A, AAAA) for address in await loop.run_in_executor(None, self._ask, host, kind)]

    def _ask(self, host: str, kind: int) -> list[str]:
        labels = b"".join(bytes([len(label)]) + label.encode() for label in host.split("."))
        query = HEAD.pack(7, QUERY, 1, 0, 0, 0) + labels + struct.pack(">B2H", 0, kind, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(60)
            asking.sendto(query, ("127.0.0.1", self._port))
            answer = asking.recv(LARGEST)
        at = len(query)
        found = []
        for _ in range(HEAD.unpack_from(answer)[3]):
            length = ANSWER.unpack_from(answer, at)[4]
            at += ANSWER.size + length
            found.append(str(ip_address(answer[at - length : at])))
        return found


def _name_in(query: bytes) -> tuple[str, int]:
    """Return the name that is asked for, and the offset behind it."""
    labels, at = [], HEAD.size
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode().lower())
        at += 1 + length
    return ".".join(labels), at + 1
