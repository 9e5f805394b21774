"""Files on web servers as sources of imports (``web-download``): asked for, resumed, unpacked, compared with a digest.

The digest is that of the file as the server has it, before anything is unpacked.
"""

import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from yarl import URL

from stillage.errors import InvalidInput, SourceNotUnpacked, SourceRefused
from stillage.lanes import Lane
from stillage.operations.imports.sources import Opened, WebFile
from stillage.outgoing.destinations import shown
from stillage.outgoing.digests import verified
from stillage.outgoing.expected import ExpectedDigests
from stillage.outgoing.fetch import NO_HEADERS, Fetcher, require_file
from stillage.outgoing.representation import CODINGS, Representation, file_name
from stillage.outgoing.transfer import Retries, Splitting, Transfer
from stillage.outgoing.unpacking import MAGIC_BYTES, Bounds, NotUnpacked, Unpacker, packing_of

SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class Reading:
    """How sources are read.

    Attributes:
        retries: How much trouble of theirs is put up with.
        splitting: Over several connections.
        ratio: Bytes that may come out of each byte of a compressed file.
    """

    retries: Retries = field(default_factory=Retries)
    splitting: Splitting = field(default_factory=Splitting)
    ratio: float = 1000.0


class WebSource:
    """Implements `Source` for files on the web."""

    def __init__(self, fetcher: Fetcher, expected: ExpectedDigests, reading: Reading) -> None:
        self._fetcher = fetcher
        self._expected = expected
        self._reading = reading

    async def close(self) -> None:
        """Close what is kept open for the next import."""
        await self._fetcher.close()

    def check(self, address: WebFile) -> None:
        """As `Source`."""
        self._fetcher.require(address.url)
        if address.sums_url is not None:
            self._fetcher.require(address.sums_url)
        if address.sha256 is not None and not SHA256.fullmatch(address.sha256):
            raise InvalidInput("the expected SHA-256 of the source must be 64 hexadecimal digits")

    @asynccontextmanager
    async def open(self, address: WebFile) -> AsyncIterator[Opened]:
        """As `Source`."""
        self.check(address)
        url = self._fetcher.require(address.url)
        digests = await self._digests(url, address)
        answer = await self._fetcher.ask(url, NO_HEADERS)
        try:
            require_file(answer, 200)
            transfer = Transfer(self._fetcher, answer, self._reading.retries, self._reading.splitting)
            _require_readable(url, transfer.seen, has_digest=bool(digests))
            async with aclosing(transfer.blocks()) as blocks:
                plain = self._decoded(url, transfer, blocks)
                known = verified(url, plain, hashlib.sha256(), digests) if digests else plain
                async with aclosing(known):
                    opened, chunks = await self._opened(url, transfer, known)
                    async with aclosing(chunks):
                        yield opened
        finally:
            answer.close()

    async def _digests(self, url: URL, address: WebFile) -> frozenset[str]:
        found = {address.sha256.lower()} if address.sha256 else set()
        if address.sums_url is not None:
            found.add(await self._expected.find(url, address.sums_url))
        return frozenset(found)

    def _decoded(self, url: URL, transfer: Transfer, blocks: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        coding = transfer.seen.coding
        if coding is None:
            return blocks
        return unpacked(url, blocks, CODINGS[coding], Bounds(self._reading.ratio, transfer.seen.length))

    async def _opened(
        self, url: URL, transfer: Transfer, blocks: AsyncGenerator[bytes]
    ) -> tuple[Opened, AsyncGenerator[bytes]]:
        """Read the first bytes: they tell whether the file is compressed. Return also what is to be closed."""
        head = bytearray()
        while len(head) < MAGIC_BYTES and (block := await anext(blocks, b"")):
            head += block
        chunks = _joined(bytes(head), blocks)
        length = transfer.seen.length if transfer.seen.coding is None else None
        packing = packing_of(bytes(head[:MAGIC_BYTES]))
        if packing is not None:
            chunks, length = unpacked(url, chunks, packing, Bounds(self._reading.ratio, length)), None
        return Opened(length, file_name(url), chunks, transfer.fraction), chunks


async def unpacked(url: URL, blocks: AsyncGenerator[bytes], packing: str, bounds: Bounds) -> AsyncGenerator[bytes]:
    """Yield what comes out of *blocks*, in a thread of its own.

    Raises:
        SourceNotUnpacked: If they are damaged, incomplete, or expand too much.
    """
    unpacker = Unpacker(packing, bounds)
    async with aclosing(blocks), Lane("unpack") as lane:
        try:
            async for block in blocks:
                coming = unpacker.feed(block)
                while (plain := await lane.call(next, coming, None)) is not None:
                    yield plain
            unpacker.finish()
        except NotUnpacked as error:
            raise SourceNotUnpacked(shown(url), str(error)) from error


async def _joined(head: bytes, blocks: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with aclosing(blocks):
        if head:
            yield head
        async for block in blocks:
            yield block


def _require_readable(url: URL, seen: Representation, *, has_digest: bool) -> None:
    if seen.coding is not None and seen.coding not in CODINGS:
        raise SourceRefused(
            shown(url), f"it is sent with the Content-Encoding {seen.coding[:40]!r}, which nobody asked for"
        )
    if not (seen.delimited or has_digest):
        # The end of such a body looks like a connection that broke; only a digest tells them apart.
        raise SourceRefused(shown(url), "it does not declare its length, so its end cannot be told; give its SHA-256")
