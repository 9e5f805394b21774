"""What operators see of jobs: the metrics count every state that one reaches, the audit tells its beginning and end."""

import asyncio
import random
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from fakes import Clock
from import_sources import File
from import_world import URL, ImportWorld, import_world
from stillage.errors import InvalidInput
from stillage.ids import JobId

DATA = random.Random(1).randbytes(700_001)
KIND = "import.url"


@pytest.fixture
def database_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """SQLite only: nothing here depends on the engine."""
    return f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'stillage.sqlite')}"


@pytest.fixture
async def world(database_url: str, tmp_path: Path, clock: Clock) -> AsyncIterator[ImportWorld]:
    async with import_world(database_url, tmp_path, clock) as made:
        yield made


async def begun(world: ImportWorld, **changes: Any) -> tuple[str, File]:
    """Return an image whose import has received some bytes, and waits for the others."""
    file = world.web.files[URL] = File(DATA, len(DATA), gate=asyncio.Event(), **changes)
    image_id = await world.image()
    await world.accepted(image_id, "web-download", uri=URL)
    await file.begun.wait()
    return image_id, file


async def finish(world: ImportWorld, image_id: str, file: File) -> None:
    assert file.gate
    file.gate.set()
    await world.ended(image_id)


def metric(world: ImportWorld, name: str, **labels: str) -> float:
    return world.town.worker.services.metrics.registry.get_sample_value(name, labels) or 0.0


def reached(world: ImportWorld) -> dict[str, int]:
    """Return how many jobs have reached each state."""
    states = ("accepted", "running", "done", "failed")
    return {state: int(metric(world, "stillage_jobs_total", kind=KIND, state=state)) for state in states}


def told(lines: list[Any]) -> list[Any]:
    """Return the events of the audit about jobs."""
    return [line for line in lines if line["event"] == "audit" and line["action"].endswith("/job")]


async def task_of(world: ImportWorld, image_id: str) -> dict[str, Any]:
    (task,) = (await world.erin("GET", f"/v2/images/{image_id}/tasks")).json["tasks"]
    return dict(task)


async def none_runs(world: ImportWorld) -> None:
    async with asyncio.timeout(60):
        while metric(world, "stillage_jobs_running"):  # noqa: ASYNC110 - a task counts it down
            await asyncio.sleep(0.01)


async def test_the_states_that_a_job_reaches_are_counted(world: ImportWorld) -> None:
    image_id, file = await begun(world)
    assert reached(world) == {"accepted": 1, "running": 1, "done": 0, "failed": 0}
    assert metric(world, "stillage_jobs_running") == 1
    world.clock.advance(3)
    await finish(world, image_id, file)
    await none_runs(world)
    assert reached(world) == {"accepted": 1, "running": 1, "done": 1, "failed": 0}
    assert metric(world, "stillage_job_seconds_sum", kind=KIND) == 3


async def test_the_audit_tells_when_a_job_begins_and_ends_and_for_whom(world: ImportWorld) -> None:
    world.web.files[URL] = File(DATA, len(DATA))
    image_id = await world.image(name="secret plan")
    with capture_logs() as lines:
        asked = await world.start(image_id, "web-download", uri=URL)
        await world.ended(image_id)
        await none_runs(world)
    begin, end = told(lines)
    assert [(event["action"], event["outcome"]) for event in (begin, end)] == [
        ("start/job", "pending"),
        ("stop/job", "success"),
    ]
    for event in (begin, end):
        assert (event["eventType"], event["eventTime"]) == ("activity", world.clock().isoformat())
        assert event["target"] == {"id": image_id, "typeURI": "service/storage/image/images/image"}
        initiator = event["initiator"]
        assert (initiator["id"], initiator["project_id"]) == ("erin", "lab")
        assert initiator["request_id"] == asked.headers["x-openstack-request-id"]
        named = {each["name"]: each["content"] for each in event["attachments"]}
        assert named == {"job": (await task_of(world, image_id))["id"], "kind": KIND}
        assert "secret plan" not in str(event)
        assert URL not in str(event)


async def refused(world: ImportWorld, image_id: str, file: File) -> None:
    await finish(world, image_id, file)


async def deleted(world: ImportWorld, image_id: str, file: File) -> None:
    assert (await world.erin("DELETE", f"/v2/images/{image_id}")).status == 204


async def cancelled(world: ImportWorld, image_id: str, file: File) -> None:
    task = JobId((await task_of(world, image_id))["id"])
    await world.town.worker.services.jobs.cancel(task, "an operator cancelled it")


@pytest.mark.parametrize(
    ("end", "code"), [(refused, "invalid_input"), (deleted, "image_deleted"), (cancelled, "job_cancelled")]
)
async def test_a_job_that_ends_without_success_is_counted_and_told_with_the_code_of_its_error(
    world: ImportWorld, end: Any, code: str
) -> None:
    with capture_logs() as lines:
        image_id, file = await begun(world, failure=InvalidInput("it is not"), fails_after=1)
        await end(world, image_id, file)
        await none_runs(world)
    assert reached(world) == {"accepted": 1, "running": 1, "done": 0, "failed": 1}
    assert metric(world, "stillage_job_seconds_count", kind=KIND) == 1
    _, stopped = told(lines)
    assert (stopped["action"], stopped["outcome"]) == ("stop/job", "failure")
    assert stopped["reason"] == {"reasonType": "stillage", "reasonCode": code}
    assert stopped["target"]["id"] == image_id
