"""What the head of an upload says of its body, read once, whatever protocol it speaks.

Sources: OpenStack Image API v2, "Upload binary image data"; RFC 9110 §8.6, §14.5 (Content-Range); RFC 9530
(Content-Digest, Repr-Digest); RFC 1864 (Content-MD5).
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import hdrs, web
from multidict import CIMultiDictProxy

from stillage.api.http.body import length_of
from stillage.api.services import services
from stillage.errors import InvalidInput, SizeMismatch, WrongMediaType
from stillage.ids import StoreId
from stillage.images.upload import Digests, Expected

SIZE = "X-Openstack-Image-Size"
STORE = "X-Image-Meta-Store"
OCTETS = "application/octet-stream"
CONTENT_DIGEST = "Content-Digest"
REPR_DIGEST = "Repr-Digest"
DIGEST_ITEM = re.compile(r"[ \t]*([a-z0-9-]+)=:([A-Za-z0-9+/=]+):")
DIGEST_NAMES = {"sha-512": "sha512", "sha-256": "sha256", "md5": "md5"}


@dataclass(frozen=True, slots=True)
class UploadHeaders:
    """The head of a request that sends an image or a part of one.

    Attributes:
        fields: All of them, for what only one protocol knows.
        length: Bytes of the body; None if only its end will tell.
        image_size: Bytes of the whole image; None where `SIZE` is not sent.
        digests: Of the body. Algorithms that we do not know are left out.
        image_digests: Of the whole image.
    """

    fields: CIMultiDictProxy[str]
    length: int | None
    image_size: int | None
    digests: Digests
    image_digests: Digests

    def require_octets(self, *media_types: str) -> None:
        """Raise unless the body is bytes as they are, of one of *media_types*; without any, of an image.

        Raises:
            WrongMediaType: If they are of another kind, or encoded.
            InvalidInput: If they come in a way that nobody would undo.
        """
        given = self.fields.get(hdrs.CONTENT_TYPE, "")
        wanted = media_types or (OCTETS,)
        if given.partition(";")[0].strip().lower() not in wanted:
            raise WrongMediaType.of(given, wanted, media_types)
        encoding = self.fields.get(hdrs.CONTENT_ENCODING, "identity").strip().lower()
        if encoding != "identity":
            raise WrongMediaType(f"unsupported Content-Encoding {encoding!r}; send the image unencoded")
        transfer = self.fields.get(hdrs.TRANSFER_ENCODING, "chunked").strip().lower()
        if transfer != "chunked":  # nobody would undo it: the compressed form would become the image
            raise InvalidInput(f"unsupported Transfer-Encoding {transfer!r}; use chunked")


def upload_headers(request: web.Request) -> UploadHeaders:
    """Return the head of *request*, whose body must not have been touched. Raises as `parse`."""
    return parse(request.headers, length_of(request))


def parse(fields: CIMultiDictProxy[str], length: int | None) -> UploadHeaders:
    """Return what *fields* say of a body of *length* bytes.

    Raises:
        InvalidInput: If the size of the image is no number, or a digest no base64.
    """
    digests = _digests(fields, CONTENT_DIGEST)
    if (md5 := fields.get("Content-MD5")) is not None:
        digests = {"md5": _md5(md5.strip()), **digests}
    image_digests = _digests(fields, REPR_DIGEST)
    return UploadHeaders(fields, length, _image_size(fields), in_order(digests), in_order(image_digests))


def in_order(digests: Mapping[str, str]) -> Digests:
    return tuple(sorted(digests.items()))


def expected_of(request: web.Request, *, partial: bool = False) -> Expected:
    """Return what a plain upload says of the bytes that follow.

    Args:
        request: Its body must not have been touched.
        partial: The body is only the image's beginning, so its length is not the image's size.

    Raises:
        WrongMediaType: If the bytes are not a plain image.
        InvalidInput: If the head contradicts itself, or cannot be read.
    """
    headers = upload_headers(request)
    headers.require_octets()
    if hdrs.CONTENT_RANGE in headers.fields:
        raise InvalidInput("Content-Range is not supported here; send the whole body in one request")
    length, size = headers.length, headers.image_size
    if partial:
        return Expected(size)
    if size is not None and length is not None and size != length:
        raise SizeMismatch(size, length)
    store = store_of(request)
    digests = in_order(dict(headers.digests) | dict(headers.image_digests))
    return Expected(length if size is None else size, digests, store=store)


def store_of(request: web.Request) -> StoreId | None:
    """Return the store that the image is meant for; None if the request leaves it to us, or the profile ignores it.

    Raises:
        NoSuchStore: If it is not here.
    """
    store = request.headers.get(STORE)
    if store is None or not services(request).profile.checks_store:
        return None
    return services(request).stores.find(StoreId(store)).id


def _image_size(fields: Mapping[str, str]) -> int | None:
    given = fields.get(SIZE)
    if given is None:
        return None
    if not (given.isascii() and given.isdigit()) or len(given) > 18:
        raise InvalidInput(f"{SIZE} must be a number of bytes, not {given[:32]!r}")
    return int(given)


def _digests(fields: Mapping[str, str], header: str) -> dict[str, str]:
    """Return the digests in *header*, as `hashlib` names and hex."""
    items = (DIGEST_ITEM.match(item) for item in fields.get(header, "").split(","))
    return {DIGEST_NAMES[item[1]]: _hex(item[2], header) for item in items if item and item[1] in DIGEST_NAMES}


def _md5(given: str) -> str:
    # RFC 1864 says base64; OpenStack's own answers carry hex, so people send that back.
    if re.fullmatch(r"[0-9a-fA-F]{32}", given):
        return given.lower()
    return _hex(given, "Content-MD5")


def _hex(given: str, header: str) -> str:
    try:
        return base64.b64decode(given, validate=True).hex()
    except binascii.Error as error:
        raise InvalidInput(f"{header} is not valid base64: {given[:100]!r}") from error
