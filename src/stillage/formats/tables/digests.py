"""Digests of tables that are too large to keep. `hashlib` is imported for the first one: it loads OpenSSL."""

from typing import Protocol


class Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


def new_digest() -> Digest:
    from hashlib import blake2b  # noqa: PLC0415 - see above

    return blake2b()
