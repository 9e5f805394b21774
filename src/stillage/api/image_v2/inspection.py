"""A dry run of an upload: would these bytes be accepted? An extension of Stillage."""

from aiohttp import web

from stillage.api.http.json_bodies import json_response
from stillage.api.http.time_limits import image_bytes
from stillage.api.image_v2.upload_headers import expected_of
from stillage.api.services import principal, services
from stillage.errors import InvalidInput
from stillage.formats.safety import Declaration
from stillage.formats.verdict import verdict_view
from stillage.images.image import DISK_FORMATS

DISK_FORMAT = "X-Image-Meta-Disk-Format"
PARTIAL = "X-Image-Meta-Partial"
LEAST_BYTES_PER_S = 16 << 10
"""A slower body is cut off, whatever the settings allow uploads: a dry run must not take weeks."""


async def inspect(request: web.Request) -> web.Response:
    """POST /v2/images/inspect: inspect an image, or the beginning of one, without storing it.

    ``X-Image-Meta-Disk-Format``, or ``disk_format`` in the query, is the declared format; without it any single format
    is accepted. ``X-Image-Meta-Partial: true`` says that the body is only the beginning of the image.
    """
    partial = _is_partial(request)
    declaration = Declaration(_disk_format(request))
    expected = expected_of(request, partial=partial)
    body = image_bytes(request, least_bytes_per_s=LEAST_BYTES_PER_S)
    verdict = await services(request).inspect(
        principal(request), body, declaration, size=expected.size, partial=partial
    )  # fmt: skip
    return json_response(verdict_view(verdict))


def _disk_format(request: web.Request) -> str | None:
    given = request.headers.get(DISK_FORMAT) or request.query.get("disk_format")
    if given is not None and given not in DISK_FORMATS:
        raise InvalidInput(f"unknown disk_format {given[:32]!r}; use one of {', '.join(DISK_FORMATS)}")
    return given


def _is_partial(request: web.Request) -> bool:
    given = request.headers.get(PARTIAL, "false").strip().lower()
    if given not in ("true", "false"):
        raise InvalidInput(f"{PARTIAL} must be true or false, not {given[:32]!r}")
    return given == "true"
