"""Several stores: which one an upload goes to, what clients are told of them, and copies that are deleted."""

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fakes import Clock
from image_api import Person, Town, image_api
from stillage.api.services import SERVICES
from stillage.config import load
from stillage.ids import StoreId
from stillage.operations.upkeep.scrub import Scrub
from stillage.operations.upkeep.sweep import Sweep
from stores import copied

DATA = b"x" * 512
STORES = [
    {"id": "fast", "type": "files", "path": "fast", "default": True, "description": "SSD"},
    {"id": "cold", "type": "files", "path": "cold", "weight": -5},
    {"id": "old", "type": "files", "path": "old", "read_only": True},
]


@pytest.fixture
async def town(serve: Any) -> AsyncIterator[Town]:
    async with serve(stores=STORES) as town:
        yield town


def again(data: Path, clock: Clock, stores: list[dict[str, Any]]) -> AbstractAsyncContextManager[Town]:
    """A server on what another one has left."""
    return image_api(load(data=data, tls=False, stores=stores), clock)


async def sweep(town: Town, clock: Clock) -> None:
    services = town.application[SERVICES]
    await Sweep(services.database, services.stores, clock=clock)()


def named(answer: Any) -> dict[str, dict[str, Any]]:
    assert answer.status == 200, answer.body
    return {store["id"]: store for store in answer.json["stores"]}


def files(folder: Path, store: str) -> list[Path]:
    return [path for path in (folder / store).rglob("*") if path.is_file()]


async def test_clients_are_told_of_the_stores_and_administrators_of_more(erin: Person, ada: Person) -> None:
    assert named(await erin("GET", "/v2/info/stores")) == {
        "fast": {"id": "fast", "description": "SSD", "default": "true"},
        "cold": {"id": "cold"},
        "old": {"id": "old", "read-only": "true"},
    }
    details = named(await ada("GET", "/v2/info/stores/detail"))
    assert [(one["type"], one["weight"]) for one in details.values()] == [("file", 0), ("file", -5), ("file", 0)]
    assert details["cold"]["properties"]["data_dir"].endswith("/cold")
    answer = await erin("POST", "/v2/images", {})
    assert (answer.status, answer.headers["openstack-image-store-ids"]) == (201, "fast,cold,old")
    versions = (await erin("GET", "/versions")).json["versions"]
    assert [one["id"] for one in versions if one["status"] == "CURRENT"] == ["v2.17"]
    assert {"v2.8", "v2.13", "v2.7"} <= {one["id"] for one in versions}


async def plain(erin: Person, image_id: str, store: str) -> Any:
    return await erin.upload(image_id, DATA, x_image_meta_store=store)


async def in_pieces(erin: Person, image_id: str, store: str) -> Any:
    range_ = f"bytes 0-{len(DATA) - 1}/{len(DATA)}"
    return await erin.upload(image_id, DATA, x_image_meta_store=store, content_range=range_)


async def opened(erin: Person, image_id: str, store: str) -> Any:
    path = f"/v2/images/{image_id}/uploads"
    answer = await erin("POST", path, {"size": len(DATA)}, x_image_meta_store=store)
    if answer.status != 201:
        return answer
    range_ = f"bytes 0-{len(DATA) - 1}/{len(DATA)}"
    return await erin("PUT", f"{path}/{answer.json['id']}", DATA, content_range=range_)


async def by_tus(erin: Person, image_id: str, store: str) -> Any:
    tus = {"tus_resumable": "1.0.0", "upload_length": str(len(DATA)), "content_type": "application/offset+octet-stream"}
    return await erin("POST", f"/v2/images/{image_id}/uploads", DATA, x_image_meta_store=store, **tus)


async def by_ietf(erin: Person, image_id: str, store: str) -> Any:
    headers = {"upload_complete": "?1", "upload_draft_interop_version": "8"}
    return await erin.upload(image_id, DATA, x_image_meta_store=store, **headers)


@pytest.mark.parametrize("protocol", [plain, in_pieces, opened, by_tus, by_ietf], ids=lambda one: one.__name__)
async def test_every_protocol_puts_the_bytes_where_it_is_told(erin: Person, tmp_path: Path, protocol: Any) -> None:
    image = await erin.create(disk_format="raw", container_format="bare")
    unknown = await protocol(erin, image["id"], "elsewhere")
    assert (unknown.status, b"unknown store" in unknown.body) == (400, True)
    refused = await protocol(erin, image["id"], "old")
    assert (refused.status, b"is read-only; use" in refused.body) == (409, True)
    assert "stores" not in await erin.show(image["id"])
    answer = await protocol(erin, image["id"], "cold")
    assert answer.status in (201, 204), answer.body
    shown = await erin.show(image["id"])
    assert (shown["status"], shown["stores"]) == ("active", "cold")
    assert [path.read_bytes() for path in files(tmp_path, "cold")] == [DATA]
    assert files(tmp_path, "fast") == files(tmp_path, "old") == []


async def test_a_piece_for_another_store_than_its_upload_goes_to_is_refused(erin: Person) -> None:
    image = await erin.create(disk_format="raw", container_format="bare")
    first = await erin.upload(image["id"], DATA[:5], x_image_meta_store="cold", content_range="bytes 0-4/512")
    assert first.status == 202
    other = await erin.upload(image["id"], DATA[5:9], x_image_meta_store="fast", content_range="bytes 5-8/512")
    assert (other.status, "goes to the store 'cold'" in other.message) == (409, True)
    assert (await erin.upload(image["id"], DATA[5:9], content_range="bytes 5-8/512")).status == 202


async def test_the_default_store_takes_what_names_none_and_lists_tell_it(erin: Person) -> None:
    image = await erin.stored(DATA, name="one")
    assert image["stores"] == "fast"
    (listed,) = (await erin.page("?name=one"))["images"]
    assert listed["stores"] == "fast"
    assert (await erin.set(image["id"], note="x"))["stores"] == "fast"
    assert (await erin.patch(image["id"], {"op": "add", "path": "/stores", "value": "cold"})).status == 403


@asynccontextmanager
async def two_copies(town: Town, erin: Person) -> AsyncIterator[str]:
    image = await erin.stored(DATA)
    await copied(town.application[SERVICES].database, town.application[SERVICES].stores, image["id"], StoreId("cold"))
    yield image["id"]


async def test_a_copy_is_deleted_and_never_the_last_one(town: Town, erin: Person, olga: Person, tmp_path: Path) -> None:
    async with two_copies(town, erin) as image_id:
        assert (await erin.show(image_id))["stores"] == "cold,fast"
        before = (await erin("GET", "/v2/info/usage")).json
        for person, store, status in [(olga, "fast", 404), (erin, "no", 409), (erin, "old", 409), (erin, "fast", 204)]:
            assert (await person("DELETE", f"/v2/stores/{store}/{image_id}")).status == status, store
        assert (await erin.show(image_id))["stores"] == "cold"
        assert (len(files(tmp_path, "fast")), len(files(tmp_path, "cold"))) == (0, 1)
        assert (await erin("GET", f"/v2/images/{image_id}/file")).body == DATA
        assert before["usage"]["image_size_total"]["usage"] == 1, "of a MiB"
        last = await erin("DELETE", f"/v2/stores/cold/{image_id}")
        assert (last.status, "the last copy" in last.message) == (403, True)
        assert (await erin("DELETE", f"/v2/stores/fast/{image_id}")).status == 404
    queued = await erin.create()
    assert (await erin("DELETE", f"/v2/stores/fast/{queued['id']}")).status == 409


async def test_a_damaged_copy_is_not_read_and_the_good_one_not_deleted(
    town: Town, erin: Person, tmp_path: Path, clock: Clock
) -> None:
    services = town.application[SERVICES]
    async with two_copies(town, erin) as image_id:
        (path,) = files(tmp_path, "fast")
        path.write_bytes(DATA[:-1] + b"!")
        scrub = Scrub(services.database, services.stores, clock=clock)
        clock.advance(1)
        found = [one async for one in scrub(older_than_s=0) if one.damage]
        assert [(one.stored.blob.store, one.image_ids) for one in found] == [("fast", [image_id])]
        assert (await erin("GET", f"/v2/images/{image_id}/file")).body == DATA
        assert "os_stillage_damage" not in await erin.show(image_id)
        kept = await erin("DELETE", f"/v2/stores/cold/{image_id}")
        assert (kept.status, "all other copies" in kept.message) == (403, True)
        (other,) = files(tmp_path, "cold")
        other.unlink()
        clock.advance(1)
        assert len([one async for one in scrub(older_than_s=0) if one.damage]) == 2
        assert (await erin.show(image_id))["os_stillage_damage"] in json.dumps(found[0].damage) + "its bytes are gone"
        assert (await erin("GET", f"/v2/images/{image_id}/file")).status == 500
        path.write_bytes(DATA)
        clock.advance(1)
        assert len([one async for one in scrub(older_than_s=0, damaged_only=True) if one.damage]) == 1
        assert (await erin("GET", f"/v2/images/{image_id}/file")).body == DATA


async def test_a_copy_that_cannot_be_opened_is_passed_over(town: Town, erin: Person, tmp_path: Path) -> None:
    async with two_copies(town, erin) as image_id:
        (path,) = files(tmp_path, "fast")
        path.unlink()
        assert (await erin("GET", f"/v2/images/{image_id}/file")).body == DATA
        (path,) = files(tmp_path, "cold")
        path.write_bytes(DATA[:5])
        assert (await erin("GET", f"/v2/images/{image_id}/file")).status == 500


async def test_one_store_is_as_before(serve: Any) -> None:
    async with serve() as town:
        erin = town.person()
        answer = await erin("POST", "/v2/images", {"disk_format": "raw", "container_format": "bare"})
        assert "openstack-image-store-ids" not in answer.headers
        image = await erin.stored(DATA)
        assert "stores" not in image
        refused = await erin("DELETE", f"/v2/stores/files/{image['id']}")
        assert (refused.status, "one store" in refused.message) == (404, True)


async def test_a_read_only_store_is_served_and_keeps_what_nobody_needs(
    serve: Any, tmp_path: Path, clock: Clock
) -> None:
    async with serve(stores=STORES) as town:
        image = await town.person().stored(DATA)
    frozen = [{**STORES[0], "default": False, "read_only": True}, {**STORES[1], "default": True}]
    async with again(tmp_path, clock, frozen) as town:
        erin = town.person()
        assert (await erin("GET", f"/v2/images/{image['id']}/file")).body == DATA
        assert (await erin("DELETE", f"/v2/images/{image['id']}")).status == 204
        await sweep(town, clock)
        assert len(files(tmp_path, "fast")) == 1
    async with again(tmp_path, clock, STORES) as town:
        await sweep(town, clock)
        assert files(tmp_path, "fast") == []


async def test_a_store_that_the_settings_lack_is_told_and_nothing_is_lost(
    serve: Any, tmp_path: Path, clock: Clock
) -> None:
    async with serve(stores=STORES) as town:
        image = await town.person().stored(DATA)
    async with again(tmp_path, clock, [STORES[1]]) as town:
        erin = town.person()
        answer = await erin("GET", f"/v2/images/{image['id']}/file")
        assert (answer.status, "the store 'fast', which this server does not have" in answer.message) == (500, True)
        await sweep(town, clock)
        services = town.application[SERVICES]
        assert [one async for one in Scrub(services.database, services.stores, clock=clock)(older_than_s=0)] == []
    async with again(tmp_path, clock, STORES) as town:
        erin = town.person()
        assert (await erin("GET", f"/v2/images/{image['id']}/file")).body == DATA
