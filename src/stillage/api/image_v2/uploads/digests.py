"""Digests of a whole image that a client declares before it sends the bytes: `hashlib` names and hex."""

import re
from collections.abc import Mapping
from typing import Any

from stillage.errors import InvalidInput

DECLARABLE: Mapping[str, int] = {"md5": 16, "sha256": 32, "sha512": 64}
"""Name of the algorithm: length of its digest in bytes."""


def hex_digest(name: str, given: Any) -> str:
    """Return *given*, the digest called *name*, in lower case.

    Raises:
        InvalidInput: If the algorithm is unknown, or *given* is no such digest.
    """
    if name not in DECLARABLE:
        raise InvalidInput(f"unknown digest {name[:32]!r}; use one of {', '.join(DECLARABLE)}")
    digits = 2 * DECLARABLE[name]
    if not isinstance(given, str) or not re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", given):
        raise InvalidInput(f"digest {name!r} must be {digits} hex digits, not {str(given)[:32]!r}")
    return given.lower()
