"""Make images of files in buckets. Source: IMS API Reference, "Creating an Image", "Registering an Image"."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from stillage.api.http.json_bodies import json_object
from stillage.api.ims.jobs import accepted
from stillage.api.services import REQUEST_ID, note, principal, services
from stillage.errors import ImageNotFound, ImsRefusal
from stillage.images import ims_copy, ims_creation, ims_data_images
from stillage.images.import_request import object_request
from stillage.images.ims_creation import FromFile
from stillage.images.job import JobKind
from stillage.images.object_name import parse as parse_object
from stillage.operations.imports.accepting import Asked
from stillage.operations.imports.creating import Creation


async def create(request: web.Request) -> web.Response:
    """POST /v2/cloudimages/action: create an image of a file in a bucket."""
    return await _create(request)


async def create_quickly(request: web.Request) -> web.Response:
    """POST /v2/cloudimages/quickimport/action: create an image of a file that needs no conversion."""
    return await _create(request, quick=True)


async def create_data(request: web.Request) -> web.Response:
    """POST /v1/cloudimages/dataimages/action: create an image of a data disk of a file in a bucket."""
    return await _create(request, data=True)


async def create_alone(request: web.Request) -> web.Response:
    """POST /v1/cloudimages/action: create an image; its job shows a job of its own for it, which Terraform reads."""
    return await _create(request, kind=JobKind.CREATE_OBJECTS)


async def create_whole(request: web.Request) -> web.Response:
    """POST /v1/cloudimages/wholeimages/action: refused, because it needs servers."""
    await json_object(request)
    raise ImsRefusal("IMG.0105", "images of whole servers: this service has no servers; create one from image_url")


async def copy(request: web.Request) -> web.Response:
    """POST /v1/cloudimages/{image_id}/copy: create a copy of an image, which shares its bytes."""
    wanted, image_id = ims_copy.parse(await json_object(request)), request.match_info["image_id"]
    creations, region = services(request).creations, services(request).region
    job = await creations.copy(principal(request), image_id, wanted, region, request[REQUEST_ID])
    note(request, target=job.image_id or "")
    return accepted(job)


async def copy_elsewhere(request: web.Request) -> web.Response:
    """POST /v1/cloudimages/{image_id}/cross_region_copy: refused, because there is one region."""
    await json_object(request)
    raise ImsRefusal("IMG.0147", "this service copies within its region only; use POST /v1/cloudimages/{id}/copy")


async def register(request: web.Request) -> web.Response:
    """PUT /v1/cloudimages/{image_id}/upload: give an image that has no data that of a file in a bucket."""
    document = await json_object(request)
    ims_creation.require_possible(document)
    source = parse_object("image_url", document.get("image_url"))
    image_id = request.match_info["image_id"]
    asked = Asked(request_id=request[REQUEST_ID])
    job = await services(request).imports(principal(request), image_id, object_request(str(source)), asked)
    if job is None:  # it happens to copies only
        raise ImageNotFound(image_id)
    return accepted(job)


async def _create(
    request: web.Request, *, quick: bool = False, data: bool = False, kind: JobKind | None = None
) -> web.Response:
    document = await json_object(request)
    if document.get("data_images") and not (quick or data):
        return await _create_together(request, document)
    wanted = ims_creation.parse(document, services(request).os_versions, quick=quick, data=data)
    default = JobKind.CREATE_OBJECT_DATA if wanted.is_data else JobKind.CREATE_OBJECT
    job = await services(request).creations.from_object(
        principal(request), _creation(wanted, kind or default), request[REQUEST_ID]
    )
    note(request, target=job.image_id or "")
    return accepted(job)


async def _create_together(request: web.Request, document: Mapping[str, Any]) -> web.Response:
    wanted = ims_data_images.parse(document, services(request).os_versions)
    creations = [_creation(one, JobKind.CREATE_OBJECT) for one in wanted]
    job = await services(request).creations.from_objects(principal(request), creations, request[REQUEST_ID])
    note(request, images=" ".join(job.input["images"]))
    return accepted(job)


def _creation(wanted: FromFile, kind: JobKind) -> Creation:
    return Creation(kind, wanted.document, wanted.source, wanted.only)
