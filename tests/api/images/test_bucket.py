"""A store in a bucket, as clients see it: like any other, but for a way around the server."""

import asyncio
import urllib.request
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import s3_server
from image_api import Person, Town
from stillage.config import load
from stillage.db.blobs import held_by
from stillage.errors import BadSettings
from stillage.ids import StoreId
from stillage.operations.upkeep.sweep import Sweep
from stillage.storage import stores_of

DATA = b"x" * 512
TABLE = {"id": "bucket", "type": "s3", "bucket": s3_server.BUCKET, "region": "us-east-1"}


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.SECRET)


@pytest.fixture
def table() -> dict[str, Any]:
    return {**TABLE, "endpoint": s3_server.endpoint(), "prefix": s3_server.settings().prefix}


@pytest.fixture
async def town(serve: Any, table: dict[str, Any]) -> AsyncIterator[Town]:
    async with serve(stores=[{**table, "redirect": True}]) as town:
        yield town


async def uploaded(erin: Person) -> str:
    image = await erin.create(disk_format="raw", container_format="bare")
    answer = await erin.upload(image["id"], DATA)
    assert answer.status == 204, answer.body
    return str(image["id"])


async def test_an_image_in_a_bucket_is_an_image_like_any_other(erin: Person, ada: Person) -> None:
    image_id = await uploaded(erin)
    path = f"/v2/images/{image_id}/file"
    assert (await erin("GET", path)).body == DATA
    ranged = await erin("GET", path, range="bytes=10-19")
    assert (ranged.status, ranged.body) == (206, DATA[10:20])
    (store,) = (await ada("GET", "/v2/info/stores/detail")).json["stores"]
    assert (store["type"], store["properties"]["s3_store_bucket"]) == ("s3", s3_server.BUCKET)
    assert s3_server.SECRET not in str(store)
    assert (await erin("DELETE", f"/v2/images/{image_id}")).status == 204


async def test_a_client_that_asks_for_it_is_sent_to_the_bucket(erin: Person) -> None:
    path = f"/v2/images/{await uploaded(erin)}/file"
    answer = await erin("GET", path, prefer="respond-async, Redirect")
    assert (answer.status, answer.body) == (307, b"")
    assert answer.headers["content-md5"] == (await erin("HEAD", path)).headers["content-md5"]
    with await asyncio.to_thread(urllib.request.urlopen, answer.headers["location"]) as bucket:
        assert bucket.read() == DATA
    assert (await erin("HEAD", path, prefer="redirect")).status == 200
    assert (await erin("GET", path)).status == 200


async def test_nobody_is_sent_to_a_bucket_whose_operator_does_not_want_it(serve: Any, table: dict[str, Any]) -> None:
    async with serve(stores=[{**table, "cache_bytes": 1}]) as town:
        erin = town.person()
        answer = await erin("GET", f"/v2/images/{await uploaded(erin)}/file", prefer="redirect")
        assert (answer.status, answer.body) == (200, DATA)


async def test_a_bucket_that_does_not_answer_is_a_sentence_and_not_ready(serve: Any, table: dict[str, Any]) -> None:
    async with serve(stores=[{**table, "bucket": "nowhere"}]) as town:
        erin = town.person()
        ready = await erin("GET", "/readyz")
        assert (ready.status, b"create it, or correct the setting" in ready.body) == (503, True)
        image = await erin.create(disk_format="raw", container_format="bare")
        answer = await erin.upload(image["id"], DATA)
        assert (answer.status, b"the bucket does not exist" in answer.body) == (503, True)
        assert "the bucket does not exist" in (await erin.show(image["id"]))["os_stillage_reason"]


def later() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


async def test_a_bucket_takes_no_more_than_its_capacity(serve: Any, table: dict[str, Any]) -> None:
    async with serve(stores=[{**table, "capacity": 3 * len(DATA)}]) as town:
        erin, ada = town.person(), town.person("ops", "admin", user="ada")
        image_ids = [await uploaded(erin) for _ in range(2)]
        image = await erin.create(disk_format="raw", container_format="bare")
        for first, status in ((256, 202), (0, 204)):  # from the first piece on all of it counts, once
            content_range = f"bytes {first}-{first + 255}/{len(DATA)}"
            answer = await erin.upload(image["id"], DATA[:256], content_range=content_range)
            assert answer.status == status, answer.body
        image = await erin.create(disk_format="raw", container_format="bare")
        full = await erin.upload(image["id"], b"x")
        assert full.status == 413, full.body
        assert b"the store has no room for this image of 1 bytes; ask the operator" in full.body
        (store,) = (await ada("GET", "/v2/info/stores/detail")).json["stores"]
        assert store["properties"]["capacity"] == 3 * len(DATA)
        # What is deleted counts until its bytes are gone.
        assert (await erin("DELETE", f"/v2/images/{image_ids[0]}")).status == 204
        services = town.worker.services
        await Sweep(services.database, services.stores, clock=later)()
        assert (await erin.upload(image["id"], DATA)).status == 204
        assert await services.database.read(held_by, StoreId("bucket")) == (3 * len(DATA), 3)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"endpoint": "https://key:HIDDEN@s3.example.org"}, "endpoint"),
        ({"endpoint": "https://s3.example.org/?token=HIDDEN"}, "must be http://HOST:PORT"),
        ({"endpoint": "key:HIDDEN"}, "docs/stores.md"),
        ({"prefix": "images"}, "prefix"),
        ({"part_size": 1}, "part_size"),
        ({"bucket": None}, "bucket"),
        ({"secret_key": "HIDDEN"}, "secret_key"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_without_their_secrets(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(BadSettings, match=why) as refused:
        load(stores=[{**TABLE, **changes}])
    assert "HIDDEN" not in str(refused.value)


def test_a_table_that_lacks_something_is_not_shown_with_all_that_it_has() -> None:
    with pytest.raises(BadSettings, match="bucket: Field required") as refused:
        load(stores=[{"id": "bucket", "type": "s3", "secret_access_key": "HIDDEN"}])
    assert "HIDDEN" not in str(refused.value)


async def nothing_held(_store: StoreId) -> tuple[int, int]:
    return 0, 0


def test_a_profile_that_does_not_exist_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(BadSettings, match="ProfileNotFound"):
        stores_of(load(stores=[TABLE]), nothing_held)
