"""Tasks: what administrators see of imports, and what users see of those of their images."""

from typing import Any

import pytest

from fakes import Clock
from image_api import Person, Town
from job_world import ONE, job_id, new_job
from stillage.api.services import SERVICES
from stillage.db import job_runs
from stillage.db import jobs as db
from stillage.db.job_runs import JobLimits
from stillage.images.job import Failure, JobKind

INPUT = {"image_id": "an image", "import_req": {"method": {"name": "web-download", "uri": "https://source/disk"}}}


async def accept(town: Town, clock: Clock, number: int = 1, **changes: Any) -> None:
    new = new_job(number, **{"kind": JobKind.IMPORT_URL, "input": INPUT, "request_id": "req-1", **changes})
    await town.application[SERVICES].database.write(db.enqueue, new, clock())


async def end(town: Town, clock: Clock, *, well: bool) -> None:
    database = town.application[SERVICES].database
    kinds = [JobKind.IMPORT_URL]
    taken = await database.write(job_runs.take, ONE, kinds, clock(), clock(), JobLimits(9))
    assert taken
    clock.advance(60)
    if well:
        await database.write(job_runs.finish, taken.hold, {"image_id": "an image"}, clock())
    else:
        await database.write(job_runs.fail, taken.hold, Failure("refused", "qcow2 names a backing file"), clock())


async def test_a_task_from_its_beginning_to_its_end(town: Town, ada: Person, clock: Clock) -> None:
    await accept(town, clock)
    path = f"/v2/tasks/{job_id(1)}"
    pending = {
        "id": job_id(1),
        "type": "api_image_import",
        "status": "pending",
        "owner": "lab",
        "user_id": "erin",
        "image_id": None,
        "request_id": "req-1",
        "input": INPUT,
        "result": None,
        "message": "",
        "created_at": "2026-01-02T03:04:05Z",
        "updated_at": "2026-01-02T03:04:05Z",
        "expires_at": None,
        "self": path,
        "schema": "/v2/schemas/task",
    }
    assert (await ada("GET", path)).json == pending
    await end(town, clock, well=False)
    assert (await ada("GET", path.upper().replace("/V2/TASKS", "/v2/tasks"))).json == pending | {
        "status": "failure",
        "message": "qcow2 names a backing file",
        "updated_at": "2026-01-02T03:05:05Z",
        "expires_at": "2026-01-09T03:05:05Z",
    }
    await accept(town, clock, 2)
    await end(town, clock, well=True)
    done = (await ada("GET", f"/v2/tasks/{job_id(2)}")).json
    assert (done["status"], done["result"], done["message"]) == ("success", {"image_id": "an image"}, "")


async def test_a_list_has_summaries_of_what_glance_knows(town: Town, ada: Person, clock: Clock) -> None:
    for number in range(3):
        await accept(town, clock, number)
    await accept(town, clock, 8, kind=JobKind.COPY)
    first = (await ada("GET", "/v2/tasks?limit=2&sort_key=status")).json
    assert [task["id"] for task in first["tasks"]] == [job_id(2), job_id(1)]
    assert not {"input", "result", "message"} & first["tasks"][0].keys()
    assert first["first"] == "/v2/tasks?limit=2&sort_key=status"
    rest = (await ada("GET", first["next"])).json
    assert [task["id"] for task in rest["tasks"]] == [job_id(0)]
    assert "next" not in rest
    assert (await ada("GET", "/v2/tasks?type=import")).json["tasks"] == []
    assert (await ada("GET", "/v2/tasks?status=success")).json["tasks"] == []
    assert (await ada("GET", f"/v2/tasks/{job_id(8)}")).status == 404


async def test_only_administrators_see_tasks(town: Town, erin: Person, clock: Clock) -> None:
    await accept(town, clock)
    for path in ("/v2/tasks", f"/v2/tasks/{job_id(1)}"):
        assert (await erin("GET", path)).status == 403
    assert (await erin("POST", "/v2/tasks", {"type": "import", "input": {}})).status == 403


async def test_the_tasks_of_an_image_are_shown_to_those_who_asked(
    town: Town, erin: Person, olga: Person, ada: Person, clock: Clock
) -> None:
    image_id = (await erin.stored(name="disk", visibility="community"))["id"]
    await accept(town, clock, image_id=image_id)
    await accept(town, clock, 2, image_id=image_id, kind=JobKind.CONVERT)
    path = f"/v2/images/{image_id}/tasks"
    (task,) = (await erin("GET", path)).json["tasks"]
    assert (task["id"], task["input"], task["created_at"]) == (job_id(1), INPUT, "2026-01-02T03:04:05.678901")
    assert (await ada("GET", path)).json["tasks"] == [task]
    assert (await olga("GET", path)).json == {"tasks": []}
    assert (await olga("GET", "/v2/images/no-such-image/tasks")).status == 404


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=-1", "limit"),
        ("marker=nothing", "marker"),
        ("sort_key=input", "sort_key"),
        ("sort_dir=up", "sort_dir"),
        ("status=queued", "status"),
        ("type=api_image_import", "type"),
        ("owner=lab", "parameter"),
        ("limit=1&limit=2", "limit"),
    ],
)
async def test_a_query_that_cannot_be_answered_is_refused(ada: Person, query: str, named: str) -> None:
    answer = await ada("GET", f"/v2/tasks?{query}")
    assert answer.status == 400
    assert named in answer.body.decode()


async def test_tasks_are_neither_created_nor_deleted(ada: Person) -> None:
    whole = {"type": "import", "input": {"import_from": "http://source/disk"}}
    for document in (whole, {"type": "import"}, {"type": "clone", "input": {}}):
        assert (await ada("POST", "/v2/tasks", document)).status == 400
    deleted = await ada("DELETE", f"/v2/tasks/{job_id(1)}")
    assert (deleted.status, deleted.headers["allow"]) == (405, "GET")


async def test_the_schemas_of_tasks(ada: Person) -> None:
    schema = (await ada("GET", "/v2/schemas/task")).json
    assert schema["name"] == "task"
    assert schema["properties"]["status"]["enum"] == ["pending", "processing", "success", "failure"]
    assert (await ada("GET", "/v2/schemas/tasks")).json["properties"]["tasks"]["items"] == schema
