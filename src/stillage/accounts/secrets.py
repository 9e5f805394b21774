"""Generates random secrets and their names: tokens, access keys and secret keys.

A token is opaque. Who has one is believed, so only a digest of it is ever stored.
"""

import re
import secrets
import string
from hashlib import sha256

# The prefix lets scanners for leaked secrets recognise it, and keeps a token from starting with a dash.
PREFIX = "gst1"
SESSION_PREFIX, LINK_PREFIX = "gsc1", "gsl1"
"""Of a session of the console and of a link that begins one. They are no tokens: none passes for another."""
SHAPE = re.compile(r"[A-Za-z0-9_-]{43}")

ALPHABET = string.ascii_uppercase + string.digits
PERMANENT, TEMPORARY = "GS", "HST"
"""Prefixes of access keys; tools know that of the vendor's temporary ones."""
ACCESS_LENGTH = 20
SECRET_BYTES = 30
# The prefix lets scanners for leaked secrets recognise it.
SECURITY_PREFIX = "gss1"


def new_token(prefix: str = PREFIX) -> str:
    """Return a new token, or what *prefix* says: 256 random bits in 47 characters."""
    return prefix + secrets.token_urlsafe(32)


def is_token(text: str, prefix: str = PREFIX) -> bool:
    """True if *text* could be one of our tokens, or what *prefix* says, so that other text costs no query."""
    return text.startswith(prefix) and SHAPE.fullmatch(text, len(prefix)) is not None


def digest_of(token: str) -> str:
    """Return the digest of *token* to store. A token has 256 random bits, so one round of a fast digest is enough."""
    return sha256(token.encode()).hexdigest()


def new_audit_id() -> str:
    """Return a name for a token; it may be shown and logged."""
    return secrets.token_urlsafe(16)


def new_access(prefix: str) -> str:
    """Return a new access key. It is a name, not a secret."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(ACCESS_LENGTH - len(prefix)))


def new_secret() -> str:
    """Return a new secret key: 240 random bits in 40 characters."""
    return secrets.token_urlsafe(SECRET_BYTES)


def new_security_token() -> str:
    return SECURITY_PREFIX + secrets.token_urlsafe(32)
