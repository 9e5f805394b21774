"""Compare the digest of what a source yields with the one that is expected, in a thread beside the reading."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from yarl import URL

from stillage.errors import SourceDigestMismatch
from stillage.lanes import Lane
from stillage.outgoing.destinations import shown

if TYPE_CHECKING:
    from hashlib import _Hash

NAMES = {"sha1": "SHA-1", "sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512", "md5": "MD5"}


async def verified(
    url: URL, blocks: AsyncGenerator[bytes], hashing: "_Hash", digests: frozenset[str]
) -> AsyncGenerator[bytes]:
    """Yield *blocks*, and raise at their end unless their digest is each of *digests*.

    Raises:
        SourceDigestMismatch: If it is not.
    """
    async with aclosing(blocks), Lane("source-digest", depth=4) as lane:
        async for block in blocks:
            await lane.submit(hashing.update, block)
            yield block
        found = await lane.call(hashing.hexdigest)
    for expected in digests - {found}:
        why = f"its {NAMES[hashing.name]} is {found}, and {expected[:128]} is expected"
        raise SourceDigestMismatch(shown(url), why)
