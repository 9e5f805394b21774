"""Which SHA-256 a file on the web must have: the one that the user gave, or the one in a ``SHA256SUMS`` file."""

from yarl import URL

from stillage.errors import SourceDigestMismatch, SourceRefused
from stillage.outgoing.destinations import shown
from stillage.outgoing.fetch import Fetcher, read_small
from stillage.outgoing.keyring import CLEARSIGNED, KeyRing
from stillage.outgoing.representation import file_name
from stillage.outgoing.sums import MOST_SUMS, digest_in

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
        text = await read_small(self._fetcher, sums, MOST_SUMS)
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
            beside = sums.with_path(sums.raw_path + suffix, encoded=True, keep_query=True)
            try:
                return await read_small(self._fetcher, beside, MOST_SUMS)
            except SourceRefused:
                continue
        raise SourceDigestMismatch(shown(sums), f"it is not signed, nor is there a file with {' or '.join(SIGNATURES)}")
