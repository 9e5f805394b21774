"""Secrets at rest that must be read again: a signature cannot be checked against a hash."""

import base64
import os
from functools import cached_property
from typing import TYPE_CHECKING

from stillage.errors import SecretUnreadable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12
PURPOSE = b"stillage: secrets of access keys, AES-256-GCM"


class Vault:
    """Encrypts with a key made from the secret that the nodes of a deployment share.

    The library is imported when the first secret is sealed or opened: it takes 8 MiB, and many workers never need it.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @cached_property
    def _cipher(self) -> "AESGCM":
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - see the class
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

        return AESGCM(HKDF(SHA256(), length=32, salt=None, info=PURPOSE).derive(self._secret))

    def seal(self, name: str, text: str) -> str:
        """Return *text* encrypted; it can be read under the same *name* only, so that no row passes for another."""
        nonce = os.urandom(NONCE_BYTES)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, text.encode(), name.encode())).decode()

    def open(self, name: str, sealed: str) -> str:
        """Return the text.

        Raises:
            SecretUnreadable: If it was sealed with another secret, or is another's.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see the class

        raw = base64.b64decode(sealed)
        try:
            return self._cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], name.encode()).decode()
        except InvalidTag as error:
            raise SecretUnreadable(name) from error
