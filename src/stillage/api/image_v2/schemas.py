"""JSON schemas of images, members and tasks. glanceclient validates against them before it sends anything.

Source: OpenStack Image API v2, "Image schemas".
"""

import asyncio
from collections.abc import Mapping
from functools import cache

from aiohttp import web

from stillage.api.http.json_bodies import json_response
from stillage.api.image_v2.documents import Image, Images, Member, Members
from stillage.api.image_v2.metadefs import schemas as metadefs
from stillage.api.image_v2.task_documents import Task, Tasks
from stillage.api.json_schemas import Schema, properties_of
from stillage.errors import NotFound

DESCRIBED_BY = {"rel": "describedby", "href": "{schema}"}


@cache
def schemas() -> Mapping[str, Schema]:
    """Return the schemas by their names. The first call takes milliseconds."""
    image: Schema = {
        "name": "image",
        "properties": properties_of(Image),
        "additionalProperties": {"type": "string"},
        "links": [{"rel": "self", "href": "{self}"}, {"rel": "enclosure", "href": "{file}"}, DESCRIBED_BY],
    }
    images: Schema = {
        "name": "images",
        "properties": properties_of(Images) | {"images": {"type": "array", "items": image}},
        "links": [{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"}, DESCRIBED_BY],
    }
    member: Schema = {"name": "member", "properties": properties_of(Member)}
    members: Schema = {
        "name": "members",
        "properties": properties_of(Members) | {"members": {"type": "array", "items": member}},
        "links": [DESCRIBED_BY],
    }
    task: Schema = {"name": "task", "properties": properties_of(Task)}
    tasks: Schema = {
        "name": "tasks",
        "properties": properties_of(Tasks) | {"tasks": {"type": "array", "items": task}},
        "links": [{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"}, DESCRIBED_BY],
    }
    return {"image": image, "images": images, "member": member, "members": members, "task": task, "tasks": tasks}


async def show_of_metadefs(request: web.Request) -> web.Response:
    """GET /v2/schemas/metadefs/{name}: the JSON schema of a document of metadata definitions."""
    return json_response(_named(request.match_info["name"], await asyncio.to_thread(metadefs.schemas)))


async def show(request: web.Request) -> web.Response:
    """GET /v2/schemas/{name}: the JSON schema of a document."""
    return json_response(_named(request.match_info["name"], await asyncio.to_thread(schemas)))


def _named(name: str, made: Mapping[str, Schema]) -> Schema:
    if name not in made:
        raise NotFound(f"unknown schema {name[:64]!r}; use one of {', '.join(made)}")
    return made[name]
