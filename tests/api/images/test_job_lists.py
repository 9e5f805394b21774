"""The list of a project's jobs, of every kind, in pages."""

from typing import Any

import pytest

from fakes import Clock
from image_api import Person, Town
from job_world import ONE, job_id, new_job
from stillage.api.services import SERVICES
from stillage.db import job_runs
from stillage.db import jobs as db
from stillage.db.job_runs import JobLimits
from stillage.ids import ProjectId
from stillage.images.job import Failure, JobKind


async def accept(town: Town, clock: Clock, number: int, **changes: Any) -> None:
    clock.advance(1)
    await town.application[SERVICES].database.write(db.enqueue, new_job(number, **changes), clock())


async def ids(person: Person, query: str = "") -> list[str]:
    answer = await person("GET", f"/v2/jobs{query}")
    assert answer.status == 200, answer.body
    return [job["id"] for job in answer.json["jobs"]]


async def test_a_project_sees_its_jobs_of_every_kind_and_administrators_see_all(
    town: Town, erin: Person, olga: Person, ada: Person, clock: Clock
) -> None:
    for number, kind in enumerate((JobKind.IMPORT_URL, JobKind.CONVERT, JobKind.EXPORT_OBJECT, JobKind.COPY)):
        await accept(town, clock, number, kind=kind)
    await accept(town, clock, 9, kind=JobKind.COPY, project_id=ProjectId("elsewhere"))
    assert await ids(erin) == [job_id(number) for number in (3, 2, 1, 0)]
    assert await ids(ada) == [job_id(number) for number in (9, 3, 2, 1, 0)]
    assert await ids(olga) == []


async def test_pages_lead_from_one_to_the_next(town: Town, erin: Person, clock: Clock) -> None:
    for number in range(3):
        await accept(town, clock, number, kind=JobKind.CONVERT)
    first = (await erin("GET", "/v2/jobs?limit=2&state=accepted")).json
    assert first["first"] == "/v2/jobs?limit=2&state=accepted"
    rest = (await erin("GET", first["next"])).json
    assert [[job["id"] for job in page["jobs"]] for page in (first, rest)] == [[job_id(2), job_id(1)], [job_id(0)]]
    assert "next" not in rest


async def test_a_job_says_how_it_ended(town: Town, erin: Person, clock: Clock) -> None:
    image_id = (await erin.create())["id"]
    await accept(town, clock, 1, kind=JobKind.CONVERT, image_id=image_id)
    await accept(town, clock, 2, kind=JobKind.IMPORT_URL)
    database = town.application[SERVICES].database
    taken = await database.write(job_runs.take, ONE, [JobKind.CONVERT], clock(), clock(), JobLimits(9))
    assert taken
    await database.write(job_runs.fail, taken.hold, Failure("content_rejected", "qcow2 names a backing file"), clock())
    (job,) = (await erin("GET", f"/v2/jobs?image_id={image_id.upper()}")).json["jobs"]
    assert (job["id"], job["kind"], job["state"], job["image_id"]) == (job_id(1), "convert", "failed", image_id)
    assert (job["message"], job["code"]) == ("qcow2 names a backing file", "content_rejected")
    assert job["ended_at"] is not None
    assert await ids(erin, "?state=failed") == [job_id(1)]


async def test_a_query_that_cannot_be_answered_is_refused(town: Town, erin: Person, olga: Person, clock: Clock) -> None:
    await accept(town, clock, 1, kind=JobKind.COPY)
    for query, named in (
        ("limit=-1", "limit"), ("marker=nothing", "marker"), ("state=queued", "state"), ("owner=lab", "parameter"),
        ("limit=1&limit=2", "limit"),
    ):  # fmt: skip
        answer = await erin("GET", f"/v2/jobs?{query}")
        assert (answer.status, named in answer.body.decode()) == (400, True), query
    # Another project's job is no marker: its existence does not leak.
    assert (await olga("GET", f"/v2/jobs?marker={job_id(1)}")).status == 400


@pytest.mark.parametrize("roles", ["reader", "member"])
async def test_every_role_of_a_project_sees_its_jobs(town: Town, clock: Clock, roles: str) -> None:
    await accept(town, clock, 1, kind=JobKind.COPY)
    assert await ids(town.person("lab", roles)) == [job_id(1)]
