"""IMS, sharing: by the document. Source: IMS API Reference, "Image Sharing"."""

import re
from typing import Any

import pytest

from ims_steps import JOB_ID, MISSING, Operation, Step, Walk, ended_job, refused
from shapes import Has

pytestmark = pytest.mark.asyncio(loop_scope="session")

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
MEMBERS = "/v1/cloudimages/members"
ACCEPTED = {"job_id": JOB_ID}
ID = "p" * 32
MEMBER = {
    "member_id": str, "image_id": str, "status": re.compile("pending|accepted|rejected"), "created_at": TIME, "updated_at": TIME,
    "schema": "/v2/schemas/member", "member_type": "project", "urn": str,
}  # fmt: skip


def done(job_type: str, *pairs: tuple[str, str]) -> dict[str, Any]:
    results = [{"image_id": image, "project_id": project, "status": "success"} for image, project in pairs]
    return ended_job(job_type, {"results": results})


def lists(*members: dict[str, Any], image: str = "$open") -> Step:
    """The image has these members, to IMS and to the image API."""
    return Step(f"GET /v1/$project/cloudimages/{image}/members", shape={"members": [MEMBER | one for one in members]})


WORKS = {"images": ["$open"], "projects": ["$works"]}
ADDED = Operation(
    f"POST {MEMBERS}",
    [
        Step(f"POST {MEMBERS}", WORKS, shape=ACCEPTED, ends=done("imsAddImageMembersJob", ("$open", "$works"))),
        lists({"member_id": "$works", "image_id": "$open", "status": "pending"}),
        Step("GET /v2/images/$open/members", shape=Has(members=[Has(member_id="$works", status="pending")])),
        Step("GET /v2/cloudimages?id=$open", shape={"images": [Has(__imagetype="shared", visibility="shared")]}),
        Step("GET /v2/cloudimages?visibility=shared&__imagetype=shared&member_status=pending&id=$open", by="olga", shape={"images": [Has(id="$open")]}),
        Step(f"POST {MEMBERS}", WORKS, shape=ACCEPTED, ends=done("imsAddImageMembersJob", ("$open", "$works"))),
        Step(
            f"POST {MEMBERS}", {"images": ["$open", "$second"], "projects": [ID, "$works"]}, shape=ACCEPTED,
            ends=done("imsAddImageMembersJob", ("$open", ID), ("$open", "$works"), ("$second", ID), ("$second", "$works")),
        ),
        # All or nothing.
        Step(f"POST {MEMBERS}", {"images": ["$open", "$none"], "projects": ["other"]}, 404, "IMG.0144"),
        Step("GET /v1/$project/cloudimages/$open/members/other", status=404, code="IMG.0027"),
        Step(f"POST {MEMBERS}", {"images": ["$open"], "projects": ["$project"]}, 400, "IMG.0076"),
        Step(f"POST {MEMBERS}", {"images": ["$public"], "projects": ["$works"]}, 403, "IMG.0026"),
        Step(f"POST {MEMBERS}", {"images": ["$public"], "projects": ["$works"]}, 400, "IMG.0089", by="ada"),
        Step(f"POST {MEMBERS}", {"images": ["$accepted"], "projects": ["other"]}, 403, "IMG.0026"),
        *[Step(f"POST {MEMBERS}", {**WORKS, "images": [one]}, 404, "IMG.0144") for one in ("$none", "$foreign", "x")],
        Step(f"POST {MEMBERS}", {**WORKS, "projects": [f"p{n}" for n in range(100)]}, shape=ACCEPTED),
        Step(f"POST {MEMBERS}", {**WORKS, "projects": [f"p{n}" for n in range(101)]}, 400, "IMG.0001"),
        *refused(
            f"POST {MEMBERS}", WORKS,
            ({"images": MISSING}, "IMG.0001"), ({"projects": MISSING}, "IMG.0001"), ({"images": []}, "IMG.0001"), ({"projects": []}, "IMG.0001"),
            ({"images": "$open"}, "IMG.0001"), ({"projects": "$works"}, "IMG.0001"), ({"images": [1]}, "IMG.0001"), ({"projects": [None]}, "IMG.0001"),
            ({"projects": [""]}, "IMG.0001"), ({"projects": ["p" * 256]}, "IMG.0001"), ({"images": None}, "IMG.0001"),
        ),
    ],
    body=WORKS,
    writes=True,
)  # fmt: skip

ANSWER = {"images": ["$pending"], "project_id": "$project", "status": "accepted"}
IS = "GET /v2/images/$pending/members/$project"
ANSWERED = Operation(
    f"PUT {MEMBERS}",
    [
        Step(f"PUT {MEMBERS}", ANSWER, shape=ACCEPTED, ends=done("imsUpdateImageMembersJob", ("$pending", "$project"))),
        Step(IS, shape=Has(status="accepted")),
        Step("GET /v2/cloudimages?id=$pending", shape={"images": [Has(__imagetype="shared", owner="$works")]}),
        Step(f"PUT {MEMBERS}", {**ANSWER, "status": "rejected"}, shape=ACCEPTED, ends=done("imsUpdateImageMembersJob", ("$pending", "$project"))),
        Step(IS, shape=Has(status="rejected")),
        Step("GET /v2/cloudimages?id=$pending", shape={"images": []}),
        Step(f"PUT {MEMBERS}", {**ANSWER, "vault_id": ""}, shape=ACCEPTED),
        Step(IS, shape=Has(status="accepted")),
        Step(f"PUT {MEMBERS}", {**ANSWER, "vault_id": "v"}, 400, "IMG.0105"),
        Step(f"PUT {MEMBERS}", {**ANSWER, "images": ["$pending", "$none"], "status": "rejected"}, 404, "IMG.0144"),
        Step(IS, shape=Has(status="accepted")),
        Step(f"PUT {MEMBERS}", {**ANSWER, "project_id": "$works"}, 400, "IMG.0030"),
        *[Step(f"PUT {MEMBERS}", {**ANSWER, "images": [one]}, 404, "IMG.0144") for one in ("$none", "$foreign", "x")],
        *refused(
            f"PUT {MEMBERS}", ANSWER,
            ({"status": "pending"}, "IMG.0001"), ({"status": "ACCEPTED"}, "IMG.0001"), ({"status": MISSING}, "IMG.0001"), ({"status": 1}, "IMG.0001"),
            ({"images": MISSING}, "IMG.0001"), ({"images": []}, "IMG.0001"), ({"images": "x"}, "IMG.0001"),
        ),
    ],
    body=ANSWER,
    writes=True,
)  # fmt: skip

SHARED = {"images": ["$open"], "projects": ["$works", "second"]}
REMOVED = Operation(
    f"DELETE {MEMBERS}",
    [
        Step(f"POST {MEMBERS}", SHARED, shape=ACCEPTED),
        Step(f"DELETE {MEMBERS}", {**SHARED, "projects": ["second"]}, shape=ACCEPTED, ends=done("imsDelImageMembersJob")),
        lists({"member_id": "$works"}),
        Step(f"DELETE {MEMBERS}", {"images": ["$open", "$none"], "projects": ["$works"]}, 404, "IMG.0144"),
        lists({"member_id": "$works"}),
        Step(f"DELETE {MEMBERS}", {**SHARED, "projects": ["$works", "absent"]}, 404, "IMG.0027"),
        lists({"member_id": "$works"}),
        Step(f"DELETE {MEMBERS}", {"images": ["$open"], "projects": ["$works"]}, shape=ACCEPTED),
        lists(),
        Step("GET /v2/cloudimages?id=$open", by="olga", shape={"images": []}),
        *[Step(f"DELETE {MEMBERS}", {**SHARED, "images": [one]}, 404, "IMG.0144") for one in ("$none", "$foreign", "x")],
        Step(f"DELETE {MEMBERS}", {"images": ["$accepted"], "projects": ["$project"]}, 403, "IMG.0026"),
        *refused(
            f"DELETE {MEMBERS}", SHARED,
            ({"images": MISSING}, "IMG.0001"), ({"projects": MISSING}, "IMG.0001"), ({"images": []}, "IMG.0001"), ({"projects": [5]}, "IMG.0001"),
        ),
    ],
    body=SHARED,
    writes=True,
)  # fmt: skip

OF_IMAGE = "GET /v1/$project/cloudimages/$open/members"
LISTED = Operation(
    OF_IMAGE,
    [
        lists(),
        Step(f"POST {MEMBERS}", WORKS, shape=ACCEPTED),
        lists({"member_id": "$works"}),
        Step(
            "GET /v1/$works/cloudimages/$open/members", by="olga", shape={"members": [MEMBER | {"member_id": "$works"}]}
        ),
        *[
            Step(f"GET /v1/$project/cloudimages/{one}/members", status=404, code="IMG.0144")
            for one in ("$none", "$foreign", "x")
        ],
    ],
)
ONE = f"{OF_IMAGE}/$works"
SHOWN = Operation(
    ONE,
    [
        Step(ONE, status=404, code="IMG.0027"),
        Step(f"POST {MEMBERS}", WORKS, shape=ACCEPTED),
        Step(ONE, shape=MEMBER | {"member_id": "$works", "image_id": "$open", "status": "pending"}),
        Step(f"{OF_IMAGE}/absent", status=404, code="IMG.0027"),
        *[Step(f"GET /v1/$project/cloudimages/{one}/members/$works", status=404, code="IMG.0144") for one in ("$none", "$foreign", "x")],
    ],
)  # fmt: skip

OPERATIONS = [ADDED, ANSWERED, REMOVED, LISTED, SHOWN]


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_it_is_as_documented(walk: Walk, operation: Operation) -> None:
    await walk.show(operation)
