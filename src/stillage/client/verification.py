"""Verifies that the server has the bytes of the file, by the digests in the image's record."""

from collections.abc import Mapping
from typing import Any

from stillage.client.digests import known_here
from stillage.client.errors import VerificationFailed


def digests_of(image: Mapping[str, Any]) -> dict[str, str]:
    """Return the digests in an image's record, by algorithm."""
    named = {image.get("os_hash_algo"): image.get("os_hash_value"), "md5": image.get("checksum")}
    found = {str(name).lower(): str(value).lower() for name, value in named.items() if name and value}
    return {name: found[name] for name in known_here(found)}


def verify(image: Mapping[str, Any], *, size: int, digests: Mapping[str, str]) -> dict[str, str]:
    """Return the digests that are in the record and in *digests*, which are the file's.

    Raises:
        VerificationFailed: If one of them, or the size, is another.
    """
    if image.get("size") not in (None, size):
        raise VerificationFailed(f"image {image['id']} has {image['size']} bytes, but the file has {size}")
    said = {name: value for name, value in digests_of(image).items() if name in digests}
    for name, value in said.items():
        if digests[name] != value:
            raise VerificationFailed(f"image {image['id']} has {name} {value}, but the file has {digests[name]}")
    return said
