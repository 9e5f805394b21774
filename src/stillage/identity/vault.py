"""Secrets at rest that must be read again: a signature cannot be checked against a hash."""

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from stillage.errors import SecretUnreadable

NONCE_BYTES = 12
PURPOSE = b"stillage: secrets of access keys, AES-256-GCM"


class Vault:
    """Encrypts with a key made from the secret that the nodes of a deployment share."""

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(HKDF(SHA256(), length=32, salt=None, info=PURPOSE).derive(secret))

    def seal(self, name: str, text: str) -> str:
        """Return *text* encrypted; it can be read under the same *name* only, so that no row passes for another."""
        nonce = os.urandom(NONCE_BYTES)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, text.encode(), name.encode())).decode()

    def open(self, name: str, sealed: str) -> str:
        """Return the text.

        Raises:
            SecretUnreadable: If it was sealed with another secret, or is another's.
        """
        raw = base64.b64decode(sealed)
        try:
            return self._cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], name.encode()).decode()
        except InvalidTag as error:
            raise SecretUnreadable(name) from error
