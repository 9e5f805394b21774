"""Reads the headers of the IETF's resumable uploads, interop versions 6 to 8.

Source: draft-ietf-httpbis-resumable-upload, "Upload Creation", "Upload Append".
"""

from multidict import MultiMapping

from stillage.api.image_v2.upload_headers import OCTETS, UploadHeaders
from stillage.api.image_v2.uploads.fields import COMPLETE, find_boolean, find_count
from stillage.errors import InvalidInput, SizeMismatch
from stillage.images.upload import Expected, Piece

INCOMPLETE = "Upload-Incomplete"
OFFSET = "Upload-Offset"
LENGTH = "Upload-Length"
INTEROP = "Upload-Draft-Interop-Version"
VERSIONS = (6, 7, 8)
MEDIA_TYPE = "application/partial-upload"


def is_asked_for(fields: MultiMapping[str]) -> bool:
    """Return whether the client opens an upload with this request.

    Raises:
        InvalidInput: If it sends a part of an image in a version that we do not know. Without this check the part would
            be stored as the whole image.
    """
    complete = find_boolean(fields, COMPLETE)
    version = fields.get(INTEROP)
    is_supported = version is None or find_count(fields, INTEROP) in VERSIONS
    is_part = complete is False or find_boolean(fields, INCOMPLETE) is True
    if (COMPLETE in fields and complete is None) or (is_part and not is_supported):
        versions = ", ".join(map(str, VERSIONS))
        raise InvalidInput(
            f"{COMPLETE} must be ?0 or ?1, and {INTEROP} one of {versions}, not {(version or '')[:32]!r}"
        )
    return complete is not None and is_supported


def ends_image(fields: MultiMapping[str]) -> bool:
    """Return whether the request brings the end of its image."""
    return find_boolean(fields, COMPLETE) is True


def first_piece_of(headers: UploadHeaders) -> Piece:
    """Return the bytes that come with a creation.

    Raises:
        WrongMediaType: If they are no plain bytes.
        SizeMismatch, InvalidInput: If the head contradicts itself, or cannot be read.
    """
    if headers.length != 0:
        headers.require_octets(OCTETS, MEDIA_TYPE)
    return _piece(headers, 0, last=ends_image(headers.fields))


def expected_of(headers: UploadHeaders, piece: Piece) -> Expected:
    """Return what the head of a creation, with its first *piece*, says of the whole image."""
    return Expected(piece.size, headers.image_digests)


def piece_of(headers: UploadHeaders) -> Piece:
    """Return where the bytes of a PATCH belong. Raises as `first_piece_of`."""
    headers.require_octets(MEDIA_TYPE)
    complete, first = find_boolean(headers.fields, COMPLETE), find_count(headers.fields, OFFSET)
    if complete is None or first is None:
        raise InvalidInput(f"the request needs {OFFSET}, a number, and {COMPLETE}, ?0 or ?1")
    return _piece(headers, first, last=complete)


def _piece(headers: UploadHeaders, first: int, *, last: bool) -> Piece:
    end = first + headers.length if last and headers.length is not None else None
    size = agreed(find_count(headers.fields, LENGTH), headers.image_size, end)
    return Piece(first, headers.length, size, last, headers.digests, in_order=True)


def agreed(*sizes: int | None) -> int | None:
    """Return the size of the whole image if all that a request declares are equal; None if it declares none.

    Raises:
        SizeMismatch: If they differ.
    """
    declared = [size for size in sizes if size is not None]
    for size in declared[1:]:
        if size != declared[0]:
            raise SizeMismatch(declared[0], size)
    return declared[0] if declared else None
