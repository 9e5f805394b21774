"""Imports that are refused at once: the image is not touched, and nothing runs."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from fakes import Clock
from image_api import Town
from import_sources import File
from import_world import RAW, REMOTE, URL, ImportWorld, import_world

DATA = b"x" * 512
WEB: dict[str, Any] = {"method": "web-download", "uri": URL}
REMOTE_IMAGE = {"method": "glance-download", "glance_image_id": REMOTE, "glance_region": "east"}


@pytest.fixture
async def world(migrated_sqlite: Path, tmp_path: Path, clock: Clock) -> AsyncIterator[ImportWorld]:
    async with world_of(migrated_sqlite, tmp_path, clock) as made:
        made.web.files[URL] = File(DATA)
        yield made


def world_of(migrated: Path, folder: Path, clock: Clock, **settings: Any) -> AbstractAsyncContextManager[ImportWorld]:
    database = folder / "stillage.db"
    database.write_bytes(migrated.read_bytes())
    return import_world(f"sqlite:///{database}", folder, clock, **settings)


async def untouched(world: ImportWorld, image_id: str, before: dict[str, Any]) -> None:
    assert await world.ada.show(image_id) == before
    assert (await world.erin("GET", f"/v2/images/{image_id}/tasks")).status in (200, 404)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (None, 400, "JSON body"),
        ([], 400, "object"),
        ({}, 400, "method"),
        ({"method": {"name": "magic"}}, 400, "unknown import method 'magic'"),
        ({"method": {"name": "web-download"}}, 400, "uri"),
        ({"method": {"name": "web-download", "uri": "ftp://x/y"}}, 400, "does not pass filtering"),
        ({"method": {"name": "glance-download", "glance_region": "r", "glance_image_id": "foo"}}, 400, "like a UUID"),
        ({"method": {"name": "web-download", "uri": URL}, "stores": ["nowhere"]}, 409, "unknown store 'nowhere'"),
        ({"method": {"name": "web-download", "uri": URL}, "stores": ["old"]}, 409, "read-only"),
        ({"method": {"name": "web-download", "uri": URL}, "all_stores": 1}, 400, "true or false"),
        ({"method": {"name": "glance-direct"}}, 409, "stage"),
    ],
)
async def test_a_request_that_cannot_be_carried_out(world: ImportWorld, body: Any, status: int, message: str) -> None:
    image_id = await world.image()
    before = await world.erin.show(image_id)
    answer = await world.erin("POST", f"/v2/images/{image_id}/import", body)
    assert (answer.status, message in answer.body.decode()) == (status, True), answer.body
    await untouched(world, image_id, before)


@pytest.mark.parametrize("more", [{"stores": ["cold"]}, {"all_stores": True}])
async def test_stores_in_two_places_contradict_one_another(world: ImportWorld, more: dict[str, Any]) -> None:
    body = {"method": {"name": "web-download", "uri": URL}, **more}
    answer = await world.erin("POST", f"/v2/images/{await world.image()}/import", body, x_image_meta_store="cold")
    assert answer.status == 400, answer.body


@pytest.mark.parametrize("wanted", [WEB, REMOTE_IMAGE, {"method": "glance-direct"}, {"method": "copy-image"}])
async def test_every_method_needs_the_image_in_one_status(world: ImportWorld, wanted: dict[str, Any]) -> None:
    images = {
        "queued": await world.image(),
        "uploading": await world.staged(DATA),
        "active": (await world.erin.stored(DATA))["id"],
    }
    needed = {"glance-direct": "uploading", "copy-image": "active"}.get(wanted["method"], "queued")
    for status, image_id in images.items():
        if status != needed:
            before = await world.erin.show(image_id)
            answer = await world.start(image_id, person=world.ada, **wanted)
            assert (answer.status, status in answer.body.decode()) == (409, True), answer.body
            await untouched(world, image_id, before)


@pytest.mark.parametrize("missing", ["disk_format", "container_format"])
async def test_the_formats_must_be_known_before(world: ImportWorld, missing: str) -> None:
    image_id = (await world.erin.create(**{name: value for name, value in RAW.items() if name != missing}))["id"]
    assert (await world.erin("PUT", f"/v2/images/{image_id}/stage", DATA)).status == 204
    answer = await world.start(image_id, "glance-direct")
    assert (answer.status, missing in answer.body.decode()) == (409, True)
    await world.erin.set(image_id, **{missing: RAW[missing]})
    assert (await world.imported(image_id, "glance-direct"))["status"] == "active"


async def test_who_may_not_see_or_change_the_image_imports_nothing(world: ImportWorld) -> None:
    private, community = await world.image(visibility="private"), await world.image(visibility="community")
    olga, rita = world.town.person("works", user="olga"), world.town.person(roles="reader", user="rita")
    for person, image_id, status in (
        (olga, private, 404),
        (olga, community, 403),
        (rita, private, 403),
        (world.erin, REMOTE, 404),
    ):
        assert (await world.start(image_id, person=person, **WEB)).status == status
        assert (await person("PUT", f"/v2/images/{image_id}/stage", DATA)).status == status


async def test_staging_is_refused_as_an_upload_is(world: ImportWorld) -> None:
    image_id = (await world.erin.stored(DATA))["id"]
    assert (await world.erin("PUT", f"/v2/images/{image_id}/stage", DATA)).status == 409
    queued = f"/v2/images/{await world.image()}/stage"
    assert (await world.erin("PUT", queued, DATA, content_type="text/plain")).status == 415
    assert (await world.erin("PUT", queued, DATA, x_openstack_image_size="7")).status == 400
    assert (await world.erin("PUT", queued, DATA, content_md5="0" * 32)).status == 400
    assert (await world.erin("PUT", queued, DATA)).status == 204
    assert (await world.erin("PUT", queued, DATA)).status == 409


async def test_pieces_are_staged_as_they_are_uploaded(world: ImportWorld) -> None:
    image_id = await world.image()
    path, size = f"/v2/images/{image_id}/stage", len(DATA)
    last = await world.erin("PUT", path, DATA[100:], content_range=f"bytes 100-{size - 1}/{size}")
    assert last.status == 202, last.body
    early = await world.start(image_id, "glance-direct")
    assert (early.status, "still being staged" in early.body.decode()) == (409, True)
    first = await world.erin("PUT", path, DATA[:100], content_range=f"bytes 0-99/{size}")
    assert first.status == 204, first.body
    assert (await world.imported(image_id, "glance-direct"))["size"] == size


async def test_a_project_that_uses_all_it_may_imports_nothing(
    migrated_sqlite: Path, tmp_path: Path, clock: Clock
) -> None:
    async with world_of(migrated_sqlite, tmp_path, clock, max_project_bytes=len(DATA)) as world:
        staged = await world.staged(DATA)
        image_id = await world.image()
        assert (await world.start(image_id, **WEB)).status == 413
        assert (await world.erin("PUT", f"/v2/images/{image_id}/stage", DATA)).status == 413
        assert (await world.imported(staged, "glance-direct"))["status"] == "active"


async def test_without_methods_there_are_no_imports(serve: Any) -> None:
    async with serve(import_methods=[]) as town:
        await nothing_can_be_imported(town)


async def nothing_can_be_imported(town: Town) -> None:
    erin = town.person()
    created = await erin("POST", "/v2/images", RAW)
    assert "openstack-image-import-methods" not in created.headers
    path = f"/v2/images/{created.json['id']}"
    assert (await erin("PUT", f"{path}/stage", DATA)).status == 404
    assert (await erin("POST", f"{path}/import", {"method": {"name": "web-download", "uri": URL}})).status == 400
    assert (await erin("GET", "/v2/info/import")).json["import-methods"]["value"] == []
