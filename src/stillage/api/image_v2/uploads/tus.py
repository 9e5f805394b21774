"""The protocol tus 1.0.0.

Core, creation (also with the first bytes, or without a length), expiration, checksum and termination.

Source: tus.io, "Resumable upload protocol 1.0.x".
"""

import base64
import binascii
import re
from collections.abc import Mapping
from email.utils import format_datetime

from aiohttp import web

from stillage.api.http.body import length_of
from stillage.api.image_v2.upload_headers import REPR_DIGEST, digests_of, require_octets, require_store
from stillage.api.image_v2.uploads.digests import DECLARABLE, hex_digest
from stillage.api.image_v2.uploads.errors import as_tus
from stillage.api.image_v2.uploads.upload_request import location_of, open_upload, receive, upload_of
from stillage.api.problems import PROTOCOL_WORDING
from stillage.api.services import services
from stillage.errors import InvalidInput, ProtocolUnknown
from stillage.images.upload import Digests, Expected, Piece, Upload
from stillage.operations.resumable.uploads import Uploads

VERSION = "1.0.0"
RESUMABLE = "Tus-Resumable"
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination"
MEDIA_TYPE = "application/offset+octet-stream"
OFFSET = "Upload-Offset"
LENGTH = "Upload-Length"
DEFER_LENGTH = "Upload-Defer-Length"
METADATA = "Upload-Metadata"
CHECKSUM = "Upload-Checksum"
CONCAT = "Upload-Concat"
EXPIRES = "Upload-Expires"

CHECKSUMS: Mapping[str, int] = {"md5": 16, "sha1": 20, "sha256": 32, "sha512": 64}
"""`hashlib` names and the number of a digest's bytes."""
MAX_METADATA = 4096
NUMBER = re.compile(r"[0-9]{1,18}")
KEY = re.compile(r"[!-+\--~]+")


def offered(uploads: Uploads) -> dict[str, str]:
    """What ``OPTIONS`` says of this protocol."""
    return {
        RESUMABLE: VERSION,
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(uploads.max_bytes),
        "Tus-Checksum-Algorithm": ",".join(CHECKSUMS),
    }


def is_spoken(request: web.Request) -> bool:
    return RESUMABLE in request.headers


async def mark(request: web.Request, response: web.StreamResponse) -> None:
    """Put the version on every answer to a client that named one, refusals included."""
    if is_spoken(request) and "/uploads" in request.path:
        response.headers[RESUMABLE] = VERSION


async def create(request: web.Request) -> web.Response:
    """POST …/uploads: open an upload, and take the bytes that come with it."""
    begin(request)
    require_store(request)
    expected = _expected(request)
    piece = _first_piece(request)
    upload = await open_upload(request, expected)
    headers = {"Location": location_of(request, upload)}
    if piece is None and expected.size == 0:
        piece = Piece(0, 0)  # nothing is missing, so nobody would send a PATCH
    if piece is not None:
        progress = await receive(request, upload, piece, opened=True)
        upload = progress.upload
        headers[OFFSET] = str(upload.offset)
    return web.Response(status=201, headers=headers | _expiry(upload))


async def head(request: web.Request) -> web.Response:
    """HEAD …/uploads/{upload}: where the upload stands."""
    begin(request)
    upload = await services(request).uploads.settle(await upload_of(request))
    headers = {OFFSET: str(upload.offset), "Cache-Control": "no-store"}
    if upload.size is None:
        headers[DEFER_LENGTH] = "1"
    else:
        headers[LENGTH] = str(upload.size)
    if upload.metadata is not None:
        headers[METADATA] = upload.metadata
    return web.Response(status=200, headers=headers | _expiry(upload))


async def patch(request: web.Request) -> web.Response:
    """PATCH …/uploads/{upload}: go on where the upload stands."""
    begin(request)
    upload = await upload_of(request)
    require_octets(request, MEDIA_TYPE)
    first = _number(request, OFFSET)
    if first is None:
        raise InvalidInput(f"{OFFSET} is needed: the offset of the body's first byte")
    piece = Piece(first, length_of(request), _number(request, LENGTH), digests=_checksum(request), in_order=True)
    progress = await receive(request, upload, piece)
    return web.Response(status=204, headers={OFFSET: str(progress.upload.offset)} | _expiry(progress.upload))


def begin(request: web.Request) -> None:
    """Answer in this protocol's words from here on.

    Raises:
        ProtocolUnknown: If the client speaks another version.
    """
    request[PROTOCOL_WORDING] = as_tus
    version = request.headers.get(RESUMABLE, "")
    if version != VERSION:
        raise ProtocolUnknown(RESUMABLE, version[:32], VERSION)


def _expected(request: web.Request) -> Expected:
    if CONCAT in request.headers:
        raise InvalidInput(f"{CONCAT} is not offered here; send one upload, or pieces of it with Content-Range")
    size = _number(request, LENGTH)
    deferred = request.headers.get(DEFER_LENGTH)
    if deferred not in (None, "1"):
        raise InvalidInput(f"{DEFER_LENGTH} must be 1, not {deferred[:32]!r}")
    if (size is None) == (deferred is None):
        raise InvalidInput(f"one of {LENGTH} and {DEFER_LENGTH} is needed, and only one")
    sent = request.headers.get(METADATA)
    metadata = metadata_of(sent or "")
    digests = dict(digests_of(request, REPR_DIGEST))
    for name in DECLARABLE:
        if name in metadata:
            digests[name] = hex_digest(name, metadata[name].decode("ascii", "replace"))
    return Expected(size, tuple(sorted(digests.items())), sent or None)


def _first_piece(request: web.Request) -> Piece | None:
    length = length_of(request)
    if length == 0:
        return None
    require_octets(request, MEDIA_TYPE)
    return Piece(0, length, digests=_checksum(request), in_order=True)


def metadata_of(sent: str) -> dict[str, bytes]:
    """Return what an Upload-Metadata header says.

    Raises:
        InvalidInput: If it is none.
    """
    if len(sent) > MAX_METADATA:
        raise InvalidInput(f"{METADATA} may have {MAX_METADATA} bytes, and this has {len(sent)}")
    found: dict[str, bytes] = {}
    for pair in sent.split(",") if sent.strip() else ():
        key, _, value = pair.strip().partition(" ")
        if not KEY.fullmatch(key) or key in found:
            raise InvalidInput(f"{METADATA} needs keys of ASCII, each once; {key[:32]!r} is not such a one")
        found[key] = _base64(value.strip(), METADATA)
    return found


def _checksum(request: web.Request) -> Digests:
    sent = request.headers.get(CHECKSUM)
    if sent is None:
        return ()
    algorithm, _, value = sent.strip().partition(" ")
    if algorithm not in CHECKSUMS:
        raise InvalidInput(f"{CHECKSUM} {algorithm[:32]!r} is not known; {', '.join(CHECKSUMS)} are")
    digest = _base64(value.strip(), CHECKSUM)
    if len(digest) != CHECKSUMS[algorithm]:
        raise InvalidInput(f"{CHECKSUM} of {algorithm} has {CHECKSUMS[algorithm]} bytes, not {len(digest)}")
    return ((algorithm, digest.hex()),)


def _base64(given: str, header: str) -> bytes:
    try:
        return base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(f"{header} holds no base64: {given[:100]!r}") from error


def _number(request: web.Request, name: str) -> int | None:
    given = request.headers.get(name)
    if given is None:
        return None
    if not NUMBER.fullmatch(given):
        raise InvalidInput(f"{name} {given[:32]!r} must be a number of bytes")
    return int(given)


def _expiry(upload: Upload) -> dict[str, str]:
    return {} if upload.complete else {EXPIRES: format_datetime(upload.expires_at, usegmt=True)}
