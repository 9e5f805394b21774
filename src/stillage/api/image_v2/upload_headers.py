"""What the head of an upload says of its body, and whether that can be.

Sources: OpenStack Image API v2, "Upload binary image data"; RFC 9110 §8.6, §14.5 (Content-Range); RFC 9530
(Content-Digest, Repr-Digest); RFC 1864 (Content-MD5).
"""

import base64
import binascii
import re

from aiohttp import hdrs, web

from stillage.api.http.body import length_of
from stillage.api.services import services
from stillage.errors import InvalidInput, SizeMismatch, WrongMediaType
from stillage.images.upload import Expected

SIZE = "X-Openstack-Image-Size"
STORE = "X-Image-Meta-Store"
STORE_ID = "files"
OCTETS = "application/octet-stream"
CONTENT_DIGEST = "Content-Digest"
REPR_DIGEST = "Repr-Digest"
DIGEST_ITEM = re.compile(r"[ \t]*([a-z0-9-]+)=:([A-Za-z0-9+/=]+):")
DIGEST_NAMES = {"sha-512": "sha512", "sha-256": "sha256", "md5": "md5"}


def expected_of(request: web.Request, *, partial: bool = False) -> Expected:
    """Return what the head says of the bytes that follow.

    Args:
        request: Its body must not have been touched.
        partial: The body is only the image's beginning, so its length is not the image's size.

    Raises:
        WrongMediaType: If the bytes are not a plain image.
        InvalidInput: If the head contradicts itself, or cannot be read.
    """
    require_octets(request)
    if hdrs.CONTENT_RANGE in request.headers:
        raise InvalidInput("Content-Range is not taken here: send the whole body in one request")
    length = length_of(request)
    size = find_image_size(request)
    if partial:
        return Expected(size)
    if size is not None and length is not None and size != length:
        raise SizeMismatch(size, length)
    require_store(request)
    return Expected(length if size is None else size, digests_of(request, CONTENT_DIGEST, REPR_DIGEST))


def require_octets(request: web.Request, *media_types: str) -> None:
    """Raise unless the body is bytes as they are, of one of *media_types*; without any, of an image.

    Raises:
        WrongMediaType: If they are of another kind, or encoded.
        InvalidInput: If they come in a way that nobody would undo.
    """
    given = request.headers.get(hdrs.CONTENT_TYPE, "")
    wanted = media_types or (OCTETS,)
    if given.partition(";")[0].strip().lower() not in wanted:
        raise WrongMediaType(f"Content-Type must be {' or '.join(wanted)}, not {given or 'missing'!r}", media_types)
    encoding = request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower()
    if encoding != "identity":
        raise WrongMediaType(f"Content-Encoding {encoding!r} is not taken; send the image itself")
    transfer = request.headers.get(hdrs.TRANSFER_ENCODING, "chunked").strip().lower()
    if transfer != "chunked":  # nobody would undo it: the compressed form would become the image
        raise InvalidInput(f"Transfer-Encoding {transfer!r} is not taken; only 'chunked' is")


def find_image_size(request: web.Request) -> int | None:
    """Return what `SIZE` says, None where it is not sent; InvalidInput if it is no number."""
    given = request.headers.get(SIZE)
    if given is None:
        return None
    if not (given.isascii() and given.isdigit()) or len(given) > 18:
        raise InvalidInput(f"{SIZE} {given[:32]!r} must be the number of bytes")
    return int(given)


def require_store(request: web.Request) -> None:
    """Raise InvalidInput if the image is meant for a store that is not here."""
    store = request.headers.get(STORE)
    if store is not None and store != STORE_ID and services(request).profile.checks_store:
        raise InvalidInput(f"there is no store {store[:64]!r}; the one here is {STORE_ID!r}")


def digests_of(request: web.Request, *headers: str) -> tuple[tuple[str, str], ...]:
    """Return the digests in *headers*, as `hashlib` names and hex; those that we do not know are left out.

    Raises:
        InvalidInput: If one of them is no base64.
    """
    found: dict[str, str] = {}
    if CONTENT_DIGEST in headers and (md5 := request.headers.get("Content-MD5")) is not None:
        found["md5"] = _md5(md5.strip())
    for header in headers:
        for item in request.headers.get(header, "").split(","):
            match = DIGEST_ITEM.match(item)
            if match is not None and match[1] in DIGEST_NAMES:
                found[DIGEST_NAMES[match[1]]] = _hex(match[2], header)
    return tuple(sorted(found.items()))


def _md5(given: str) -> str:
    # RFC 1864 says base64; OpenStack's own answers carry hex, so people send that back.
    if re.fullmatch(r"[0-9a-fA-F]{32}", given):
        return given.lower()
    return _hex(given, "Content-MD5")


def _hex(given: str, header: str) -> str:
    try:
        return base64.b64decode(given, validate=True).hex()
    except binascii.Error as error:
        raise InvalidInput(f"{header} holds no base64: {given[:100]!r}") from error
