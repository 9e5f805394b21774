"""Reads the headers of tus 1.0.0.

Source: tus.io, "Resumable upload protocol 1.0.x", "Core Protocol", "Creation", "Checksum".
"""

import base64
import binascii
import re
from collections.abc import Mapping

from stillage.api.image_v2.upload_headers import UploadHeaders, in_order
from stillage.api.image_v2.uploads.digests import DECLARABLE, hex_digest
from stillage.errors import InvalidInput
from stillage.images.upload import Digests, Expected, Piece

MEDIA_TYPE = "application/offset+octet-stream"
OFFSET = "Upload-Offset"
LENGTH = "Upload-Length"
DEFER_LENGTH = "Upload-Defer-Length"
METADATA = "Upload-Metadata"
CHECKSUM = "Upload-Checksum"
CONCAT = "Upload-Concat"

CHECKSUMS: Mapping[str, int] = {"md5": 16, "sha1": 20, "sha256": 32, "sha512": 64}
"""`hashlib` names and the number of a digest's bytes."""
MAX_METADATA = 4096
NUMBER = re.compile(r"[0-9]{1,18}")
KEY = re.compile(r"[!-+\--~]+")


def expected_of(headers: UploadHeaders) -> Expected:
    """Return what the head of a creation says of the whole image; InvalidInput if it contradicts itself."""
    if CONCAT in headers.fields:
        raise InvalidInput(f"{CONCAT} is not supported; send one upload, or pieces of it with Content-Range")
    size = _number(headers, LENGTH)
    deferred = headers.fields.get(DEFER_LENGTH)
    if deferred not in (None, "1"):
        raise InvalidInput(f"{DEFER_LENGTH} must be 1, not {deferred[:32]!r}")
    if (size is None) == (deferred is None):
        raise InvalidInput(f"send either {LENGTH} or {DEFER_LENGTH}")
    sent = headers.fields.get(METADATA)
    metadata = metadata_of(sent or "")
    declared = {
        name: hex_digest(name, metadata[name].decode("ascii", "replace")) for name in DECLARABLE if name in metadata
    }
    return Expected(size, in_order(dict(headers.image_digests) | declared), sent or None)


def first_piece_of(headers: UploadHeaders) -> Piece | None:
    """Return the bytes that come with a creation; None if there are none."""
    if headers.length == 0:
        return None
    headers.require_octets(MEDIA_TYPE)
    return Piece(0, headers.length, digests=checksum_of(headers), in_order=True)


def piece_of(headers: UploadHeaders) -> Piece:
    """Return where the bytes of a PATCH belong.

    Raises:
        WrongMediaType: If they are no plain bytes.
        InvalidInput: If a header is missing, or cannot be read.
    """
    headers.require_octets(MEDIA_TYPE)
    first = _number(headers, OFFSET)
    if first is None:
        raise InvalidInput(f"{OFFSET} is missing; send the offset of the body's first byte")
    return Piece(first, headers.length, _number(headers, LENGTH), digests=checksum_of(headers), in_order=True)


def metadata_of(sent: str) -> dict[str, bytes]:
    """Return the pairs in an Upload-Metadata header.

    Raises:
        InvalidInput: If it is invalid.
    """
    if len(sent) > MAX_METADATA:
        raise InvalidInput(f"{METADATA} is too large: the limit is {MAX_METADATA} bytes, and this one has {len(sent)}")
    metadata: dict[str, bytes] = {}
    for pair in sent.split(",") if sent.strip() else ():
        key, _, value = pair.strip().partition(" ")
        if not KEY.fullmatch(key) or key in metadata:
            raise InvalidInput(f"{METADATA} needs ASCII keys without duplicates, unlike {key[:32]!r}")
        metadata[key] = _base64(value.strip(), METADATA)
    return metadata


def checksum_of(headers: UploadHeaders) -> Digests:
    """Return the digest of the body; InvalidInput if `CHECKSUM` is invalid."""
    sent = headers.fields.get(CHECKSUM)
    if sent is None:
        return ()
    algorithm, _, value = sent.strip().partition(" ")
    if algorithm not in CHECKSUMS:
        raise InvalidInput(f"unknown {CHECKSUM} algorithm {algorithm[:32]!r}; use one of {', '.join(CHECKSUMS)}")
    digest = _base64(value.strip(), CHECKSUM)
    if len(digest) != CHECKSUMS[algorithm]:
        raise InvalidInput(f"{CHECKSUM} must have {CHECKSUMS[algorithm]} bytes for {algorithm}, not {len(digest)}")
    return ((algorithm, digest.hex()),)


def _base64(given: str, header: str) -> bytes:
    try:
        return base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(f"{header} is not valid base64: {given[:100]!r}") from error


def _number(headers: UploadHeaders, name: str) -> int | None:
    given = headers.fields.get(name)
    if given is None:
        return None
    if not NUMBER.fullmatch(given):
        raise InvalidInput(f"{name} must be a number of bytes, not {given[:32]!r}")
    return int(given)
