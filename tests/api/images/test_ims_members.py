"""IMS: several images are shared with several projects in one step, and a job that has ended tells of it."""

from typing import Any

import pytest

from fakes import Clock
from image_api import Person, Town

NO_IMAGE = "0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a99"
MEMBERS = "/v1/cloudimages/members"


async def job_of(person: Person, answer: Any) -> dict[str, Any]:
    assert answer.status == 200, answer.body
    job_id = answer.json["job_id"]
    assert len(job_id) == 32
    shown = await person("GET", f"/v1/{person.project}/jobs/{job_id}")
    assert shown.status == 200, shown.body
    assert (await person("GET", f"/v1/cloudimages/job/{job_id}")).json == shown.json
    job: dict[str, Any] = shown.json
    return job


async def test_sharing_from_beginning_to_end(serve: Any) -> None:
    async with serve(profile="ims") as town:
        erin, olga = town.person(), town.person("works", user="olga")
        ids = [(await erin.stored(name=name))["id"] for name in ("one", "two")]
        job = await job_of(erin, await erin("POST", MEMBERS, {"images": ids, "projects": ["works", "mill"]}))
        assert (job["job_type"], job["status"]) == ("imsAddImageMembersJob", "SUCCESS")
        assert (job["error_code"], job["fail_reason"]) == (None, None)
        assert (job["begin_time"], job["end_time"]) == ("2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678Z")
        assert job["entities"]["results"] == [
            {"image_id": one, "project_id": project, "status": "success"}
            for one in ids
            for project in ("works", "mill")
        ]
        assert (await erin.show(ids[0]))["__imagetype"] == "shared"

        body = {"images": ids, "project_id": "works", "status": "accepted"}
        job = await job_of(olga, await olga("PUT", MEMBERS, body))
        assert job["job_type"] == "imsUpdateImageMembersJob"
        assert sorted(await olga.names("?visibility=shared")) == ["one", "two"]

        job = await job_of(erin, await erin("DELETE", MEMBERS, {"images": ids, "projects": ["works", "mill"]}))
        assert (job["job_type"], job["entities"]) == ("imsDelImageMembersJob", {"results": []})
        assert await olga.names() == []
        assert (await erin.show(ids[0]))["visibility"] == "private", "nobody else can see it any more"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"projects": ["works", "lab"]}, 400, "IMG.0076"),
        ({"projects": [f"p{number}" for number in range(100)]}, 400, "IMG.0088"),
        ({"projects": []}, 400, "IMG.0001"),
        ({"projects": "works"}, 400, "IMG.0001"),
        ({"images": [NO_IMAGE]}, 404, "IMG.0144"),
    ],
)
async def test_all_or_nothing(serve: Any, body: Any, status: int, code: str) -> None:
    async with serve(profile="ims") as town:
        erin = town.person()
        image_id = (await erin.stored())["id"]
        for first in range(0, 200, 50):
            projects = [f"m{number}" for number in range(first, first + 50)]
            assert (await erin("POST", MEMBERS, {"images": [image_id], "projects": projects})).status == 200
        given = {"images": [image_id], "projects": ["works"], **body}
        given["images"] = [image_id, *given["images"]]
        answer = await erin("POST", MEMBERS, given)
        assert (answer.status, answer.json["error"]["code"]) == (status, code)
        shown = await erin("GET", f"/v1/lab/cloudimages/{image_id}/members")
        assert len(shown.json["members"]) == 200
        assert (await erin("GET", f"/v1/lab/cloudimages/{image_id}/members/m7")).json["member_type"] == "project"


async def test_public_images_are_not_shared(ada: Person) -> None:
    image_id = (await ada.stored(visibility="public"))["id"]
    answer = await ada("POST", MEMBERS, {"images": [image_id], "projects": ["works"]})
    assert (answer.status, answer.json["error"]["code"]) == (400, "IMG.0089")


async def test_jobs_are_the_projects_own(town: Town, erin: Person, olga: Person) -> None:
    image_id = (await erin.stored())["id"]
    job_id = (await erin("POST", MEMBERS, {"images": [image_id], "projects": ["works"]})).json["job_id"]
    for person, path, status, code in (
        (olga, f"/v1/works/jobs/{job_id}", 404, "IMG.0023"),
        (olga, f"/v1/lab/jobs/{job_id}", 400, "IMG.0030"),
        (erin, f"/v1/lab/jobs/{NO_IMAGE}", 404, "IMG.0023"),
        (erin, "/v1/lab/jobs/none", 404, "IMG.0023"),
        (erin, f"/v1/lab/jobs/%20{job_id}", 200, None),
    ):
        answer = await person("GET", path)
        assert answer.status == status, path
        if code is not None:
            assert answer.json["error"]["code"] == code


async def test_a_job_can_be_read_for_seven_days(town: Town, erin: Person, clock: Clock) -> None:
    image_id = (await erin.stored())["id"]
    job_id = (await erin("POST", MEMBERS, {"images": [image_id], "projects": ["works"]})).json["job_id"]
    paths = (f"/v1/lab/jobs/{job_id}", f"/v1/cloudimages/job/{job_id}")
    for days, status in ((7, 200), (0.01, 404)):
        clock.advance(days * 86400)
        await town.worker.services.jobs.forget_old()
        answers = [await erin("GET", path) for path in paths]
        assert [answer.status for answer in answers] == [status, status]
    assert {answer.json["error"]["code"] for answer in answers} == {"IMG.0023"}


async def test_only_members_answer(erin: Person, olga: Person) -> None:
    image_id = (await erin.stored())["id"]
    body = {"images": [image_id], "project_id": "works", "status": "accepted"}
    assert (await olga("PUT", MEMBERS, body)).status == 404
    await erin.share(image_id, "works")
    for wrong in ({"status": "pending"}, {"project_id": "lab"}, {"status": None}):
        assert (await olga("PUT", MEMBERS, {**body, **wrong})).status == 400
    assert (await olga("PUT", MEMBERS, body)).status == 200
