"""Share several images at once. Source: IMS API Reference, "Image Sharing"."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from stillage.api.http.json_bodies import json_object, json_response
from stillage.api.image_v2.shape import member_view
from stillage.api.ims import documents
from stillage.api.ims.jobs import accepted
from stillage.api.ims.projects import require_project
from stillage.api.services import REQUEST_ID, note, principal, services
from stillage.errors import ImsRefusal
from stillage.ids import ProjectId, image_id_of
from stillage.images import ims_creation
from stillage.images.member import Member, MemberStatus

MOST = 100
"""How many images, and how many projects, one request may name."""


async def add(request: web.Request) -> web.Response:
    """POST /v1/cloudimages/members: share images with projects."""
    document = await json_object(request)
    images, projects = _ids(document, "images"), _projects(document)
    note(request, images=" ".join(images), members=" ".join(projects))
    job = await services(request).shares.add(principal(request), images, projects, request[REQUEST_ID])
    return accepted(job)


async def answer(request: web.Request) -> web.Response:
    """PUT /v1/cloudimages/members: accept or reject images that were shared with the project."""
    document = await json_object(request)
    ims_creation.require_possible(document)
    if document.get("project_id") != principal(request).project_id:
        raise ImsRefusal("IMG.0030", "project_id must be the project of the token, which the images are shared with")
    status = document.get("status")
    if status not in (MemberStatus.ACCEPTED, MemberStatus.REJECTED):
        raise ImsRefusal("IMG.0001", "status must be accepted or rejected")
    images = _ids(document, "images")
    note(request, images=" ".join(images), status=str(status))
    shares = services(request).shares
    job = await shares.answer(principal(request), images, MemberStatus(status), request[REQUEST_ID])
    return accepted(job)


async def remove(request: web.Request) -> web.Response:
    """DELETE /v1/cloudimages/members: end the sharing of images with projects."""
    document = await json_object(request)
    images, projects = _ids(document, "images"), _projects(document)
    note(request, images=" ".join(images), members=" ".join(projects))
    job = await services(request).shares.remove(principal(request), images, projects, request[REQUEST_ID])
    return accepted(job)


async def list_members(request: web.Request) -> web.Response:
    """GET /v1/{project_id}/cloudimages/{image_id}/members: the projects an image is shared with."""
    require_project(request)
    members = await services(request).members.list(principal(request), request.match_info["image_id"])
    document: documents.ImsMembers = {"members": [_view(member) for member in members]}
    return json_response(document)


async def show(request: web.Request) -> web.Response:
    """GET /v1/{project_id}/cloudimages/{image_id}/members/{member_id}: one project an image is shared with."""
    require_project(request)
    image_id, member_id = request.match_info["image_id"], request.match_info["member_id"]
    return json_response(_view(await services(request).members.get(principal(request), image_id, member_id)))


def _view(member: Member) -> documents.ImsMember:
    return {**member_view(member), "member_type": "project", "urn": ""}


def _ids(document: Mapping[str, Any], name: str) -> Sequence[str]:
    return [image_id_of(text) for text in _texts(document, name)]


def _projects(document: Mapping[str, Any]) -> Sequence[ProjectId]:
    return [ProjectId(text) for text in _texts(document, "projects")]


def _texts(document: Mapping[str, Any], name: str) -> Sequence[str]:
    given = document.get(name)
    if not isinstance(given, list) or not 1 <= len(given) <= MOST:
        raise ImsRefusal("IMG.0001", f"{name} must be a list of 1 to {MOST} ids")
    if not all(isinstance(text, str) and 1 <= len(text) <= 255 for text in given):
        raise ImsRefusal("IMG.0001", f"{name} must be a list of ids, each a text of 1 to 255 characters")
    return list(dict.fromkeys(given))
