"""Tags with keys and values. Source: IMS API Reference, "Image Tags"."""

from functools import partial

from aiohttp import web

from stillage.api.http.json_bodies import json_object, json_response
from stillage.api.ims import documents, query
from stillage.api.ims.projects import require_project
from stillage.api.ims.shape import tags_view
from stillage.api.services import note, principal, services
from stillage.errors import ImsRefusal, InvalidInput
from stillage.images import keyed_tags
from stillage.images.image import Image
from stillage.images.parameters import MAX_LIMIT
from stillage.images.tag_query import parse

MAX_IMAGES = 100_000
"""How many images are read for the list of their tags."""


async def texts(request: web.Request) -> web.Response:
    """GET /v1/cloudimages/tags: the tags of the images that match the query, each once."""
    given = [(name, value) for name, value in request.query.items() if name not in ("limit", "page")]
    limit, page = _number(request, "limit", 500), _number(request, "page", 1)
    tags = await _tags_of_all(request, given)
    begin = (page - 1) * limit
    document: documents.ImsTagTexts = {"tags": sorted(tags)[begin : begin + limit]}
    return json_response(document)


async def _tags_of_all(request: web.Request, given: list[tuple[str, str]]) -> set[str]:
    """Return the tags of the first `MAX_IMAGES` images. One page of images is in memory at a time."""
    operations, by = services(request).images, principal(request)
    tags: set[str] = set()
    more: list[tuple[str, str]] = []
    seen = 0
    while seen < MAX_IMAGES:
        translated = query.parse([*given, ("limit", str(MAX_LIMIT)), *more])
        some = await operations.page(translated.apply(operations.query(by, translated.pairs)))
        if not some:
            break
        tags.update(tag for image in some for tag in image.tags)
        seen += len(some)
        more = [("marker", some[-1].id)]
    return tags


def _number(request: web.Request, name: str, default: int) -> int:
    given = request.query.get(name, str(default))
    if not (given.isascii() and given.isdigit() and 1 <= len(given) <= 9 and int(given) >= 1):
        raise InvalidInput(f"{name} must be an integer of 1 or more, not {given[:32]!r}")
    return int(given)


async def put(request: web.Request) -> web.Response:
    """PUT /v1/cloudimages/tags: add a tag to an image, or change its value."""
    document = await json_object(request)
    image_id = document.get("image_id")
    if not isinstance(image_id, str):
        raise ImsRefusal("IMG.0001", "image_id is missing; give the id of the image")
    if ("tag" in document) == ("image_tag" in document):
        raise ImsRefusal("IMG.0001", "give exactly one of tag and image_tag")
    pair = keyed_tags.of_text(document["tag"]) if "tag" in document else keyed_tags.of_object(document["image_tag"])
    note(request, target=image_id, tag=pair[0])
    await _change(request, image_id, partial(keyed_tags.with_tags, new=[pair]))
    return web.Response(status=204)


async def add(request: web.Request) -> web.Response:
    """POST /v2/{project_id}/images/{image_id}/tags: add a tag to an image, or change its value."""
    require_project(request)
    pair = keyed_tags.of_object((await json_object(request)).get("tag"))
    await _change(request, request.match_info["image_id"], partial(keyed_tags.with_tags, new=[pair]))
    return web.Response(status=204)


async def remove(request: web.Request) -> web.Response:
    """DELETE /v2/{project_id}/images/{image_id}/tags/{key}: remove a tag; 404 if there is none."""
    require_project(request)
    key = request.match_info["key"]
    await _change(request, request.match_info["image_id"], partial(keyed_tags.without_key, key=key))
    return web.Response(status=204)


async def change_several(request: web.Request) -> web.Response:
    """POST /v2/{project_id}/images/{image_id}/tags/action: add, change or remove several tags."""
    require_project(request)
    document = await json_object(request)
    match document.get("action"):
        case "create":
            change = partial(keyed_tags.with_tags, new=keyed_tags.pairs_of(document.get("tags")))
        case "delete":
            change = partial(keyed_tags.without_keys, keys=keyed_tags.keys_of(document.get("tags")))
        case _:
            raise ImsRefusal("IMG.0001", "action must be create or delete")
    await _change(request, request.match_info["image_id"], change)
    return web.Response(status=204)


async def remove_several(request: web.Request) -> web.Response:
    """DELETE /v1/{project_id}/cloudimages/{image_id}/tags/delete: remove several tags."""
    require_project(request)
    keys = keyed_tags.keys_of((await json_object(request)).get("tags"))
    await _change(request, request.match_info["image_id"], partial(keyed_tags.without_keys, keys=keys))
    return web.Response(status=204)


async def of_image(request: web.Request) -> web.Response:
    """GET /v2/{project_id}/images/{image_id}/tags: the tags of an image."""
    require_project(request)
    image = await services(request).images.get(principal(request), request.match_info["image_id"])
    document: documents.ImsTagsOfImage = {"tags": tags_view(image.tags)}
    return json_response(document)


async def of_project(request: web.Request) -> web.Response:
    """GET /v2/{project_id}/images/tags: the tags of all images of the project."""
    require_project(request)
    tags = await services(request).tags.of_project(principal(request))
    document: documents.ImsTagsOfProject = {
        "tags": [{"key": key, "values": list(values)} for key, values in tags.items()]
    }
    return json_response(document)


async def find(request: web.Request) -> web.Response:
    """POST /v2/{project_id}/images/resource_instances/action: find images of the project by their tags."""
    require_project(request)
    wanted = parse(await json_object(request))
    document: documents.ImsResources = {"total_count": await services(request).tags.count(principal(request), wanted)}
    if not wanted.counts:
        images = await services(request).tags.page(principal(request), wanted)
        document["resources"] = [_resource(image) for image in images]
    return json_response(document)


def _resource(image: Image) -> documents.ImsResource:
    return {
        "resource_id": image.id,
        "resource_name": image.name or "",
        "resource_detail": {"status": image.status},
        "tags": tags_view(image.tags),
    }


async def _change(request: web.Request, image_id: str, change: partial[keyed_tags.Tags]) -> None:
    await services(request).images.change_tags(principal(request), image_id, change)
