"""Imports as clients see them, on every engine: from staging, from the web, from another service, to several stores."""

import asyncio
import hashlib
import random
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes import Clock
from import_sources import File
from import_world import ALL, REMOTE, URL, ImportWorld, import_world
from stillage.errors import InvalidInput, StoreFailed
from stillage.operations.imports.sources import Described

DATA = random.Random(1).randbytes(700_001)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.thorough)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Of either engine: in an ordinary run of SQLite only, because `test_import_rows` has both."""
    if request.param == "sqlite":
        yield f"sqlite:///{shutil.copy(request.getfixturevalue('migrated_sqlite'), tmp_path / 'stillage.sqlite')}"
    else:
        with request.getfixturevalue("postgres").migrated() as url:
            yield url


@pytest.fixture
async def world(database_url: str, tmp_path: Path, clock: Clock) -> AsyncIterator[ImportWorld]:
    async with import_world(database_url, tmp_path, clock) as made:
        yield made


def is_data(image: dict[str, Any]) -> bool:
    digests = (hashlib.md5(DATA).hexdigest(), hashlib.sha512(DATA).hexdigest())
    known = (image["checksum"], image["os_hash_value"])
    return (image["status"], image["size"]) == ("active", len(DATA)) and known == digests


async def test_clients_are_told_of_the_methods(world: ImportWorld) -> None:
    methods = (await world.erin("GET", "/v2/info/import")).json["import-methods"]
    assert (methods["type"], methods["value"]) == ("array", list(ALL))
    created = await world.erin("POST", "/v2/images", {})
    assert created.headers["openstack-image-import-methods"] == ",".join(ALL)


async def test_staged_bytes_become_the_image(world: ImportWorld) -> None:
    image_id = await world.staged(DATA)
    image = await world.erin.show(image_id)
    assert (image["status"], image["size"], image["checksum"]) == ("uploading", len(DATA), None)
    assert (await world.erin("GET", f"/v2/images/{image_id}/file")).status == 204
    image = await world.imported(image_id, "glance-direct")
    assert is_data(image)
    assert (image["stores"], image["os_glance_importing_to_stores"], image["os_glance_failed_import"]) == (
        "fast",
        "",
        "",
    )
    assert (await world.erin("GET", f"/v2/images/{image_id}/file")).body == DATA
    assert world.files() == {"fast": [DATA]}


@pytest.mark.parametrize("declared", [len(DATA), None])
async def test_a_file_of_the_web_becomes_the_image(world: ImportWorld, declared: int | None) -> None:
    image = await world.downloaded(File(DATA, declared))
    assert is_data(image)
    assert world.files() == {"fast": [DATA]}
    assert "os_stillage_reason" not in image


async def test_an_image_of_another_service_takes_its_formats_and_some_properties_along(world: ImportWorld) -> None:
    described = Described("raw", "bare", {"hw_cpu_cores": "5", "os_distro": "rhel", "speed": "88mph"})
    world.glance.files[REMOTE] = File(DATA, len(DATA), described=described)
    image_id = await world.image(disk_format="iso", container_format="ovf", hw_cpu_cores="1", mine="yes")
    image = await world.imported(image_id, "glance-download", glance_image_id=REMOTE.upper(), glance_region="east")
    assert is_data(image)
    assert (image["disk_format"], image["container_format"]) == ("raw", "bare")
    assert (image["hw_cpu_cores"], image["os_distro"], image["mine"]) == ("5", "rhel", "yes")
    assert "speed" not in image
    (asked,) = world.glance.asked
    assert (asked.region, asked.interface, asked.token) == ("east", "public", world.erin.token)


async def test_an_image_that_the_other_service_does_not_give_is_as_it_was(world: ImportWorld) -> None:
    image_id = await world.image(hw_cpu_cores="1")
    image = await world.imported(image_id, "glance-download", glance_image_id=REMOTE, glance_region="nowhere")
    assert (image["status"], image["hw_cpu_cores"]) == ("queued", "1")
    assert "nothing at" in image["os_stillage_reason"]


@pytest.mark.parametrize("method", ["glance-direct", "web-download"])
async def test_several_stores_are_filled(world: ImportWorld, method: str) -> None:
    if method == "web-download":
        image = await world.downloaded(File(DATA), all_stores=True)
    else:
        image = await world.imported(await world.staged(DATA), method, stores=["cold", "fast"])
    assert is_data(image)
    assert image["stores"] == "cold,fast"
    assert world.files() == {"fast": [DATA], "cold": [DATA]}
    assert image["os_glance_failed_import"] == ""


async def test_staged_bytes_leave_the_store_where_they_were_only_staged(world: ImportWorld) -> None:
    image = await world.imported(await world.staged(DATA), "glance-direct", stores=["cold"])
    assert is_data(image)
    assert image["stores"] == "cold"
    await world.sweep()
    assert world.files() == {"cold": [DATA]}


async def test_the_header_names_a_store(world: ImportWorld) -> None:
    world.web.files[URL] = File(DATA)
    body = {"method": {"name": "web-download", "uri": URL}}
    image_id = await world.image()
    answer = await world.erin("POST", f"/v2/images/{image_id}/import", body, x_image_meta_store="cold")
    assert answer.status == 202, answer.body
    assert (await world.ended(image_id))["stores"] == "cold"


async def test_an_active_image_is_copied(world: ImportWorld) -> None:
    image_id = (await world.erin.stored(DATA))["id"]
    refused = await world.start(image_id, "copy-image", stores=["cold"])
    assert refused.status == 403, refused.body
    image = await world.imported(image_id, "copy-image", person=world.ada, all_stores=True)
    assert is_data(image)
    assert image["stores"] == "cold,fast"
    assert world.files() == {"fast": [DATA], "cold": [DATA]}
    again = await world.start(image_id, "copy-image", person=world.ada, stores=["cold"])
    assert (again.status, "cold" in again.body.decode()) == (400, True)
    assert (await world.start(image_id, "copy-image", person=world.ada, all_stores=True)).status == 202
    assert (await world.erin.show(image_id))["os_glance_importing_to_stores"] == ""


async def test_the_same_import_twice_at_once_is_refused(world: ImportWorld) -> None:
    file = world.web.files[URL] = File(DATA, gate=asyncio.Event())
    image_id = await world.image()
    answers = await asyncio.gather(*(world.start(image_id, "web-download", uri=URL) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [202, 409, 409, 409]
    await file.begun.wait()
    image = await world.erin.show(image_id)
    assert (image["status"], image["os_glance_importing_to_stores"]) == ("importing", "fast")
    for method in ALL:
        more = {"web-download": {"uri": URL}, "glance-download": {"glance_image_id": REMOTE, "glance_region": "r"}}
        answer = await world.start(image_id, method, person=world.ada, **more.get(method, {}))
        assert (answer.status, image["os_glance_import_task"] in answer.body.decode()) == (409, True)
    assert (await world.erin.upload(image_id)).status == 409
    assert file.gate is not None
    file.gate.set()
    assert is_data(await world.ended(image_id))
    assert file.opened == 1


async def test_what_is_refused_leaves_the_reason_and_nothing_else(world: ImportWorld) -> None:
    hostile = b"QFI\xfb" + (3).to_bytes(4, "big") + (112).to_bytes(8, "big") + (11).to_bytes(4, "big") + bytes(600)
    used = await world.usage()
    world.web.files[URL] = File(hostile)
    image_id = await world.image(disk_format="qcow2")
    for image in (
        await world.imported(await world.staged(hostile, disk_format="qcow2"), "glance-direct"),
        await world.imported(image_id, "web-download", uri=URL),
    ):
        assert (image["status"], image["size"], image["checksum"]) == ("queued", None, None)
        assert "qcow2" in image["os_stillage_reason"]
        assert image["os_glance_failed_import"] == "fast"
    await world.sweep()
    assert world.files() == {}
    assert await world.usage() == used
    await world.erin.set(image_id, disk_format="raw")
    world.web.files[URL] = File(DATA)
    assert is_data(await world.imported(image_id, "web-download", uri=URL))


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (File(DATA, len(DATA) + 1), f"declared {len(DATA) + 1} bytes and sent {len(DATA)}"),
        (File(DATA, len(DATA) - 1), f"declared {len(DATA) - 1} bytes and sent"),
        (File(DATA, failure=InvalidInput("the source said 404")), "the source said 404"),
        (File(DATA, failure=InvalidInput("its SHA-256 differs"), fails_after=500_000), "its SHA-256 differs"),
        (File(bytes(10), 3 << 40), "image too large"),
        (File(DATA, failure=ValueError("secret")), "internal error"),  # type: ignore[arg-type] # a bug
    ],
)
async def test_a_source_that_fails_leaves_the_image_queued(world: ImportWorld, file: File, reason: str) -> None:
    image = await world.downloaded(file)
    assert image["status"] == "queued"
    assert reason in image["os_stillage_reason"]
    assert "secret" not in image["os_stillage_reason"]
    assert file.open_now == 0
    await world.sweep()
    assert world.files() == {}
    assert await world.usage() == 0


async def test_the_source_is_told_of_the_digests_that_the_image_has_as_properties(world: ImportWorld) -> None:
    sums = "https://mirror.example.net/SHA256SUMS"
    await world.downloaded(File(DATA), os_stillage_source_sha256="ab" * 32, os_stillage_source_sums=sums)
    (asked,) = world.web.asked
    assert (asked.sha256, asked.sums_url) == ("ab" * 32, sums)


@pytest.mark.parametrize("method", ["glance-direct", "web-download"])
async def test_a_deletion_in_the_middle_leaves_nothing(world: ImportWorld, method: str) -> None:
    file = world.web.files[URL] = File(DATA, gate=asyncio.Event())
    if method == "web-download":
        image_id = await world.image()
        await world.accepted(image_id, method, uri=URL)
        await file.begun.wait()
    else:
        image_id = await world.staged(DATA)
        await world.accepted(image_id, method)
    assert (await world.erin("DELETE", f"/v2/images/{image_id}")).status == 204
    async with asyncio.timeout(60):
        while file.open_now or world.files():
            await asyncio.sleep(0.05)
            await world.sweep()
    assert await world.usage() == 0


@pytest.mark.thorough
async def test_a_quota_reached_in_the_middle_ends_the_import(database_url: str, tmp_path: Path, clock: Clock) -> None:
    async with import_world(database_url, tmp_path, clock, max_project_bytes=66 << 20) as world:
        image = await world.downloaded(File(bytes(70 << 20)))
        assert image["status"] == "queued"
        assert "quota exceeded" in image["os_stillage_reason"]
        known = await world.downloaded(File(b"", 67 << 20))
        assert "quota exceeded" in known["os_stillage_reason"]
        await world.sweep()
        assert (world.files(), await world.usage()) == ({}, 0)
        assert (await world.downloaded(File(DATA, len(DATA))))["status"] == "active"


class Broken:
    """Stands in for `writer` of a store whose disk fails."""

    def __call__(self, *_: object) -> None:
        raise StoreFailed("the disk of cold is broken")


@pytest.mark.parametrize("must", [True, False])
@pytest.mark.parametrize("method", ["glance-direct", "web-download"])
async def test_one_store_that_fails_ends_the_import_unless_others_suffice(
    world: ImportWorld, monkeypatch: pytest.MonkeyPatch, method: str, must: bool
) -> None:
    cold = next(one for one in world.town.worker.services.stores if one.id == "cold")
    monkeypatch.setattr(cold.store, "writer", Broken())
    more: dict[str, Any] = {"stores": ["cold", "fast"], "all_stores_must_succeed": must}
    if method == "web-download":
        image = await world.downloaded(File(DATA), **more)
    else:
        image = await world.imported(await world.staged(DATA), method, **more)
    await world.sweep()
    if must:
        assert (image["status"], image["os_glance_failed_import"]) == ("queued", "cold,fast")
        assert "the disk of cold is broken" in image["os_stillage_reason"]
        assert (world.files(), await world.usage()) == ({}, 0)
    else:
        assert is_data(image)
        assert (image["stores"], image["os_glance_failed_import"]) == ("fast", "cold")
        assert world.files() == {"fast": [DATA]}


@pytest.mark.parametrize("must", [True, False])
async def test_a_copy_that_fails_leaves_the_image_as_it_was(
    world: ImportWorld, monkeypatch: pytest.MonkeyPatch, must: bool
) -> None:
    image_id = (await world.erin.stored(DATA))["id"]
    cold = next(one for one in world.town.worker.services.stores if one.id == "cold")
    monkeypatch.setattr(cold.store, "writer", Broken())
    more = {"all_stores": True, "all_stores_must_succeed": must}
    image = await world.imported(image_id, "copy-image", person=world.ada, **more)
    assert is_data(image)
    assert (image["stores"], image["os_glance_failed_import"]) == ("fast", "cold")
    monkeypatch.undo()
    assert (await world.imported(image_id, "copy-image", person=world.ada, **more))["stores"] == "cold,fast"


async def test_bytes_that_were_damaged_are_not_copied(world: ImportWorld) -> None:
    image_id = (await world.erin.stored(DATA))["id"]
    (path,) = [file for file in (world.folder / "fast").rglob("*") if file.is_file()]
    path.chmod(0o600)
    path.write_bytes(DATA[:-1] + b"!")
    image = await world.imported(image_id, "copy-image", person=world.ada, stores=["cold"])
    assert (image["stores"], image["os_glance_failed_import"]) == ("fast", "cold")
    assert "sha512" in image["os_stillage_damage"]
    await world.sweep()
    assert "cold" not in world.files()


@pytest.mark.parametrize("method", ["glance-direct", "web-download"])
async def test_a_disk_is_converted_while_it_is_imported(world: ImportWorld, method: str) -> None:
    disk = DATA + bytes(-len(DATA) % 512)
    named = {"os_stillage_convert_to": "qcow2"}
    if method == "web-download":
        image = await world.downloaded(File(disk), stores=["fast", "cold"], **named)
    else:
        image = await world.imported(await world.staged(disk, **named), method, stores=["cold"])
    assert (image["status"], image["disk_format"], image["virtual_size"]) == ("active", "qcow2", len(disk))
    await world.sweep()
    stored = world.files()
    assert sorted(stored) == image["stores"].split(",")
    for files in stored.values():
        assert [(file[:4], hashlib.sha512(file).hexdigest()) for file in files] == [
            (b"QFI\xfb", image["os_hash_value"])
        ]
    raw = await world.erin("GET", f"/v2/images/{image['id']}/disk")
    assert raw.body == disk


async def test_a_format_that_nothing_makes_is_refused_at_once(world: ImportWorld) -> None:
    world.web.files[URL] = File(DATA)
    answer = await world.start(await world.image(os_stillage_convert_to="iso"), "web-download", uri=URL)
    assert (answer.status, "iso" in answer.body.decode()) == (400, True)


async def test_staged_bytes_are_counted_until_they_are_the_image(world: ImportWorld) -> None:
    async def staged() -> int:
        return int((await world.erin("GET", "/v2/info/usage")).json["usage"]["image_stage_total"]["usage"])

    assert await staged() == 0
    image_id = await world.staged(DATA + DATA)
    assert await staged() == 2
    await world.imported(image_id, "glance-direct")
    assert await staged() == 0
