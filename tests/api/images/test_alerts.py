"""Every alert rule of packaging/ fires on a real application when its condition is caused, and not before."""

import resource
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

import s3_server
from alert_causes import CAUSES, s3_table
from alert_scene import RULES, Scene, why_not
from fakes import Clock
from image_api import image_api
from serving import serving
from slow_database import slow_database
from stillage.api import metrics
from stillage.config import load

QUIET = 2


def test_every_rule_has_a_cause() -> None:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    assert {rule["alert"] for rule in group["rules"]} == set(CAUSES)
    assert {rule["labels"]["severity"] for rule in group["rules"]} == {"page", "ticket"}


@pytest.fixture(autouse=True)
def _same_limit() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@asynccontextmanager
async def scene_of(name: str, request: pytest.FixtureRequest, folder: Path, clock: Clock) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        given, database = await prepared(CAUSES[name].needs, request, folder, stack)
        settings = load(data=folder, tls=False, **{"spare_bytes": 0, **given, **CAUSES[name].settings})
        town = await stack.enter_async_context(image_api(settings, clock))
        services = town.worker.services
        url = await stack.enter_async_context(serving(metrics.alone(services.metrics, services.status)))
        yield Scene(town, clock, folder, f"{url}/metrics", stack.callback, database)


async def prepared(
    needs: str, request: pytest.FixtureRequest, folder: Path, stack: AsyncExitStack
) -> tuple[dict[str, Any], Any]:
    """Return the settings of what the deployment needs, and what stands before its database."""
    (folder / "secret.key").write_bytes(bytes(32))
    (folder / "audit").mkdir()
    if needs == "postgresql":
        url = stack.enter_context(request.getfixturevalue("postgres").migrated())
        database, through = await stack.enter_async_context(slow_database(url, folder))
        return {"database_url": through}, database
    shutil.copy(request.getfixturevalue("migrated_sqlite"), folder / "stillage.db")
    return ({"stores": [s3_table()]} if needs == "s3" else {}), None


@pytest.mark.thorough
@pytest.mark.parametrize("name", CAUSES)
async def test_each_rule_fires_when_its_condition_is_caused(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shutil.which("promtool"), "this test needs promtool: scripts/system-packages prometheus"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.SECRET)
    cause = CAUSES[name]
    async with scene_of(name, request, tmp_path, clock) as scene:
        await cause.before(scene)
        await scene.record(QUIET)
        await cause.happens(scene)
        await scene.record(cause.minutes, cause.each_minute)
    alerts = {QUIET - 1: list[str](), len(scene.scrapes) - 1: [name, *cause.also]}
    assert why_not(scene.series(), alerts, tmp_path) == ""
