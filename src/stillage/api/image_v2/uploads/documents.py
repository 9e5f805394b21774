"""The JSON of uploads: every member of every document, stated once.

Source: docs/resumable.md, "The upload" and "Bytes that are here already".
"""

from typing import Annotated, NotRequired, Required

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from stillage.api.image_v2.uploads.digests import DECLARABLE
from stillage.api.json_schemas import member
from stillage.images.upload_query import UploadStatus

Range = Annotated[list[int], member("First and last byte, inclusive", minItems=2, maxItems=2)]
DIGEST_OF_EACH = {"properties": {name: {"type": "string"} for name in DECLARABLE}, "additionalProperties": False}


class ProofRequest(TypedDict):
    """What to prove instead of sending the bytes, which are here already."""

    nonce: str
    ranges: list[Range]


class Upload(TypedDict):
    """A resumable upload. What it counts is on disk."""

    id: str
    image_id: str
    url: Annotated[str, member("A path that authorises resuming the upload without a token")]
    size: Annotated[int | None, member("Bytes of the whole image; null until a client says so")]
    offset: Annotated[int, member("Bytes received from the beginning without a gap")]
    received: Annotated[int, member("Bytes received in all")]
    ranges: Annotated[list[Range], member("Which bytes are received")]
    verified: Annotated[int, member("Bytes hashed and inspected")]
    complete: Annotated[bool, member("True when the image is active with these bytes")]
    suspended: Annotated[str | None, member("Why the upload cannot be resumed by its URL; null if it can")]
    digests: Annotated[dict[str, str], member("What the client declared of the whole image, in hex")]
    created_at: str
    expires_at: str
    proof: NotRequired[ProofRequest]


class Uploads(TypedDict):
    """The uploads of an image: one, or none."""

    uploads: list[Upload]


class ListedUpload(TypedDict):
    """An open upload, in a list."""

    id: str
    image_id: str
    url: Annotated[str, member("A path that authorises resuming the upload without a token")]
    status: Annotated[str, member("What it waits for", enum=list(UploadStatus))]
    user_id: Annotated[str | None, member("Who opened it, or took it over")]
    store: str
    size: Annotated[int | None, member("Bytes of the whole image; null until a client says so")]
    offset: Annotated[int, member("Bytes received from the beginning without a gap")]
    received: Annotated[int, member("Bytes received in all")]
    ranges: Annotated[list[Range], member("Which bytes are received; the first 256 ranges")]
    verified: Annotated[int, member("Bytes hashed and inspected")]
    created_at: str
    expires_at: str


class ListedUploads(TypedDict):
    """A page of open uploads."""

    uploads: list[ListedUpload]
    first: str
    next: NotRequired[str]


@with_config(ConfigDict(extra="forbid"))
class NewUpload(TypedDict, total=False):
    """An upload to open."""

    size: Annotated[int | None, member("Bytes of the whole image")]
    digests: Annotated[dict[str, str], member("Digests of the whole image, in hex", **DIGEST_OF_EACH)]


@with_config(ConfigDict(extra="forbid"))
class PieceDigests(TypedDict, total=False):
    """Digests of consecutive pieces of the file, and the proof that the client has those that are here already."""

    digests: Required[Annotated[str, member("SHA-256 of each piece, 32 bytes each, all of them in base64")]]
    first: Annotated[int, member("Number of the first piece; 0 by default", minimum=0)]
    nonce: Annotated[str, member("The nonce of the answer, to take what is here already")]
    proof: Annotated[list[str], member("SHA-256 of the nonce and of each range's bytes, in hex")]


class Missing(TypedDict):
    """Which bytes of the pieces in a list have to be sent."""

    piece_size: Annotated[int, member("Bytes of a piece; the last one of a file may be shorter")]
    missing: list[Range]
    proof: NotRequired[Annotated[ProofRequest, member("What to prove to take the others")]]


class Proof(TypedDict):
    """The answer to a `ProofRequest`."""

    nonce: Annotated[str, member("The nonce of the request")]
    digests: Annotated[list[str], member("SHA-256 of the nonce and of each range's bytes, in hex")]
