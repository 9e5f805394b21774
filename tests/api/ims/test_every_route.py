"""IMS, every route: which methods its paths have. Source: IMS API Reference, "Calling APIs"."""

from collections.abc import Mapping
from functools import reduce

import pytest

from image_api import Town
from ims_steps import ERROR, Walk
from shapes import Has, differences
from stillage.api.dialects import ROUTES
from stillage.api.ims.dialect import IMS

pytestmark = pytest.mark.asyncio(loop_scope="session")

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ALLOWED: Mapping[str, set[str]] = {
    "/v2/cloudimages": {"GET"},
    "/v2/cloudimages/$none": {"PATCH"},
    "/v2/cloudimages/quickimport/action": {"POST"},
    "/v2.1/cloudimages/action": {"POST"},
    "/v2.1/cloudimages/quickimport/action": {"POST"},
    "/v2.1/cloudimages/dataimages/action": {"POST"},
    "/v1/cloudimages/action": {"POST"},
    "/v1/cloudimages/dataimages/action": {"POST"},
    "/v1/cloudimages/wholeimages/action": {"POST"},
    "/v1/cloudimages/$none/upload": {"PUT"},
    "/v1/cloudimages/$none/copy": {"POST"},
    "/v2.1/cloudimages/$none/copy": {"POST"},
    "/v1/cloudimages/$none/file": {"POST"},
    "/v2.1/cloudimages/$none/file": {"POST"},
    "/v1/cloudimages/$none/cross_region_copy": {"POST"},
    "/v1/cloudimages/members": {"POST", "PUT", "DELETE"},
    "/v1/cloudimages/tags": {"GET", "PUT"},
    "/v1/cloudimages/quota": {"GET"},
    "/v1/cloudimages/os_version": {"GET"},
    "/v1/$project/jobs/$none": {"GET"},
    "/v1/cloudimages/job/$none": {"GET"},
    "/v1/$project/cloudimages/$none/members": {"GET"},
    "/v1/$project/cloudimages/$none/members/$works": {"GET"},
    "/v1/$project/cloudimages/$none/tags/delete": {"DELETE"},
    "/v2/$project/images/tags": {"GET"},
    "/v2/$project/images/resource_instances/action": {"POST"},
    "/v2/$project/images/$none/tags": {"GET", "POST"},
    "/v2/$project/images/$none/tags/action": {"POST", "DELETE"},  # a tag may be called "action"
    "/v2/$project/images/$none/tags/team": {"DELETE"},
}


async def test_a_path_has_the_methods_of_the_document_and_no_others(walk: Walk) -> None:
    found: list[str] = []
    for path, allowed in ALLOWED.items():
        for method in sorted({*METHODS} - allowed):
            answer = await walk.people["erin"](method, walk.plain(path))
            if answer.status != 405 or set(answer.headers["allow"].split(",")) != allowed:
                found.append(f"{method} {path}: {answer.status}, {answer.headers.get('allow')}")
            elif method != "HEAD":
                found += differences(ERROR | {"error": Has(code="IMG.0001")}, answer.json, f"{method} {path}")
    assert not found, "\n".join(["", *found])


async def test_what_the_document_does_not_have_is_not_there(walk: Walk) -> None:
    for line in (
        "GET /v2/cloudimages/", "GET /v3/cloudimages", "GET /v2.2/cloudimages", "GET /v2.1/cloudimages",
        "GET /v1/cloudimages", "GET /v1/cloudimages/$none", "GET /v1/$project/jobs", "GET /v1/$project/cloudimages",
        "POST /v2/$project/images", "PUT /v2.1/cloudimages/$none/upload",
    ):  # fmt: skip
        method, _, path = line.partition(" ")
        answer = await walk.people["erin"](method, walk.plain(path))
        assert answer.status == 404, line


async def test_this_table_has_every_path(town: Town) -> None:
    names = {"/jobs/$none": "/jobs/{job_id}", "/job/$none": "/job/{job_id}", "/$none": "/{image_id}"}
    names |= {"$project": "{project_id}", "$works": "{member_id}", "tags/team": "tags/{key}"}
    paths = {reduce(lambda text, name: text.replace(name, names[name]), names, path) for path in ALLOWED}
    routes = {route.resource.canonical for route in town.application.router.routes() if route.resource is not None}
    served = {path for path in routes if next(one for one in town.application[ROUTES].dialects if one.has(path)) is IMS}
    assert served - paths == {"/v2/cloudimages/action"}  # where PATCH changes the image of this id
