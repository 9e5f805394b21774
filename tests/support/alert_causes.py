"""What makes each alert rule fire: done to a real application, which is scraped until the rule has had its time."""

import asyncio
import resource
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import s3_server
from alert_scene import Scene

CAPACITY = 1000
JOBS = 21
FEW_FILES = 512
DAY_S = 86400
WEB = {"method": {"name": "web-download", "uri": "http://images.example.net/disk.raw"}}


async def _nothing(_: Scene) -> None:
    """A condition that needs nobody to cause it."""


@dataclass(frozen=True)
class Cause:
    """How a rule comes to fire.

    Attributes:
        happens: Causes the condition.
        minutes: The rule fires after so many.
        before: Done before the first scrape.
        each_minute: Done in every minute from then on.
        settings: Of the deployment.
        needs: ``postgresql`` or ``s3``.
        also: Other rules that fire for the same reason.
    """

    happens: Callable[[Scene], Awaitable[None]] = _nothing
    minutes: int = 3
    before: Callable[[Scene], Awaitable[None]] = _nothing
    each_minute: Callable[[Scene], Awaitable[None]] = _nothing
    settings: dict[str, Any] = field(default_factory=dict)
    needs: str = ""
    also: tuple[str, ...] = ()


async def _leave(scene: Scene) -> None:
    scene.metrics_url = "http://127.0.0.1:9/metrics"  # where nobody listens


async def _database_goes_down(scene: Scene) -> None:
    scene.database.go_down()


async def _database_is_slow(scene: Scene) -> None:
    scene.database.delay_s = 0.6


async def _store_goes_away(scene: Scene) -> None:
    await asyncio.to_thread(shutil.rmtree, scene.folder / "blobs")


async def _store(scene: Scene, size: int) -> None:
    await scene.person.stored(b"x" * size)


async def _upload_in_vain(scene: Scene) -> None:
    image = await scene.person.create(disk_format="raw", container_format="bare")
    assert (await scene.person.upload(image["id"])).status == 413


async def _bytes_change(scene: Scene) -> None:
    (blob,) = (path for path in (scene.folder / "blobs").rglob("*") if path.is_file())
    await asyncio.to_thread(blob.write_bytes, b"y" * blob.stat().st_size)
    assert [one async for one in scene.town.worker.scrub(older_than_s=0)]


async def _store_long_ago(scene: Scene) -> None:
    """Store an image that nobody reads again: in ten minutes for too long."""
    await _store(scene, 512)
    scene.clock.advance(60 * DAY_S - 600)


async def _sweep_once(scene: Scene) -> None:
    await scene.town.worker.sweep()
    await scene.town.worker.services.status.report()


async def _fail(scene: Scene) -> None:
    (image,) = (await scene.person.page())["images"]
    assert (await scene.person("GET", f"/v2/images/{image['id']}/file")).status >= 500


async def _audit_goes_away(scene: Scene) -> None:
    await asyncio.to_thread(shutil.rmtree, scene.folder / "audit")
    await scene.person.create()


async def _ask_for_jobs(scene: Scene) -> None:
    for _ in range(JOBS):
        image = await scene.person.create(disk_format="raw", container_format="bare")
        answer = await scene.person("POST", f"/v2/images/{image['id']}/import", WEB)
        assert answer.status == 202, answer.body


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def _connect(scene: Scene) -> None:
    """Keep connections open until there are 85 % of the files that this process may have."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    host, _, port = scene.town.url.removeprefix("http://").partition(":")
    while _open_files() < 0.85 * FEW_FILES:
        reader, writer = await asyncio.open_connection(host, int(port))
        scene.keep(writer.close)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
        assert await reader.read(1)  # it is accepted, and so the server has its file as well


CAUSES: dict[str, Cause] = {
    "StillageDown": Cause(_leave, 4),
    "StillageDatabaseDown": Cause(_database_goes_down, 4, needs="postgresql"),
    "StillageDatabaseSlow": Cause(minutes=7, each_minute=_database_is_slow, needs="postgresql"),
    "StillageStoreDown": Cause(_store_goes_away, 4, before=partial(_store, size=512)),
    "StillageStoreAlmostFull": Cause(partial(_store, size=CAPACITY - 50), 15, needs="s3"),
    "StillageStoreFull": Cause(_upload_in_vain, 2, settings={"spare_bytes": 1 << 60}),
    "StillageDamage": Cause(_bytes_change, before=partial(_store, size=512)),
    "StillageScrubBehind": Cause(minutes=80, before=_store_long_ago),
    "StillageSweepsStopped": Cause(minutes=16, before=_sweep_once),
    "StillageProjectAlmostFull": Cause(partial(_store, size=950), 15, settings={"max_project_bytes": 1000}),
    "StillageErrors": Cause(
        _store_goes_away, 14, before=partial(_store, size=512), each_minute=_fail, also=("StillageStoreDown",)
    ),
    "StillageAuditDropped": Cause(_audit_goes_away, 2, settings={"audit_file": "audit/file"}),
    "StillageJobsWait": Cause(_ask_for_jobs, 35, settings={"import_methods": ["web-download"]}),
    "StillageOpenFiles": Cause(_connect, 7),
}
"""By the name of the rule."""


def s3_table() -> dict[str, Any]:
    """Return a store of `CAPACITY` bytes for the settings."""
    return {
        "id": "bucket", "type": "s3", "bucket": s3_server.BUCKET, "region": "us-east-1", "capacity": CAPACITY,
        "endpoint": s3_server.endpoint(), "prefix": s3_server.settings().prefix,
    }  # fmt: skip
