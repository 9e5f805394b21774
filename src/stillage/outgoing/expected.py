"""Which SHA-256 a file on the web must have: the one that the user gave, or the one in a ``SHA256SUMS`` file."""

import asyncio

from aiohttp import ClientError
from yarl import URL

from stillage.errors import SourceDigestMismatch, SourceRefused
from stillage.outgoing.destinations import shown
from stillage.outgoing.fetch import Fetcher, require_file, translated
from stillage.outgoing.keyring import CLEARSIGNED, KeyRing
from stillage.outgoing.representation import file_name
from stillage.outgoing.sums import MOST_SUMS, digest_in

LIMIT_S = 60.0
SIGNATURES = (".gpg", ".asc", ".sign")
"""What distributions append to the name of the file that they sign."""


class ExpectedDigests:
    """Finds digests, and trusts only signed ones if there is a key ring."""

    def __init__(self, fetcher: Fetcher, keys: KeyRing | None) -> None:
        self._fetcher = fetcher
        self._keys = keys

    async def find(self, url: URL, sums_url: str) -> str:
        """Return the digest of the file *url* in the file *sums_url*, in hex.

        Raises:
            SourceDigestMismatch: If it has none, or is not signed as it must be.
            StillageError: As `Fetcher.ask`.
        """
        sums = self._fetcher.require(sums_url)
        text = await self._read(sums)
        if self._keys is not None:
            text = await self._signed(self._keys, sums, text)
        name = file_name(url)
        digest = digest_in(text.decode("utf-8", "replace"), name)
        if digest is None:
            raise SourceDigestMismatch(shown(url), f"{shown(sums)} has no SHA-256 of {name[:100]!r}, or several")
        return digest

    async def _signed(self, keys: KeyRing, sums: URL, text: bytes) -> bytes:
        signature = None if text.startswith(CLEARSIGNED) else await self._signature(sums)
        signed = await keys.signed(text, signature)
        if signed is None:
            raise SourceDigestMismatch(shown(sums), "no key in the operator's key ring has signed it")
        return signed

    async def _signature(self, sums: URL) -> bytes:
        for suffix in SIGNATURES:
            try:
                return await self._read(sums.with_path(sums.raw_path + suffix, encoded=True, keep_query=True))
            except SourceRefused:
                continue
        raise SourceDigestMismatch(shown(sums), f"it is not signed, nor is there a file with {' or '.join(SIGNATURES)}")

    async def _read(self, url: URL) -> bytes:
        """Return all of a small file."""
        answer = await self._fetcher.ask(url, {})
        try:
            require_file(answer, 200)
            content = bytearray()
            async with asyncio.timeout(LIMIT_S):
                while piece := await answer.response.content.readany():
                    content += piece
                    if len(content) > MOST_SUMS:
                        raise SourceRefused(shown(url), f"it has more than {MOST_SUMS} bytes")
            return bytes(content)
        except (ClientError, OSError) as error:
            raise translated(error, url, LIMIT_S) from error
        finally:
            answer.close()
