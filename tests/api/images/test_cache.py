"""The cache of images, as administrators see it: what is in it, what waits, and how either is emptied."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import s3_server
from image_api import Person, Town

DATA = b"x" * 512
MISSING = "00000000-0000-4000-8000-000000000000"
EMPTY: dict[str, list[Any]] = {"cached_images": [], "queued_images": []}


@pytest.fixture
async def cached(serve: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    """A server whose store is a bucket with a cache on this machine."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.SECRET)
    bucket = {"id": "bucket", "type": "s3", "bucket": s3_server.BUCKET, "region": "us-east-1"}
    bucket |= {"endpoint": s3_server.endpoint(), "prefix": s3_server.settings().prefix}
    async with serve(stores=[{**bucket, "cache_bytes": 32 << 20}]) as town:
        yield town


async def in_cache(ada: Person) -> list[dict[str, Any]]:
    """Return what is cached when nothing waits any more."""
    async with asyncio.timeout(60):
        while (answer := (await ada("GET", "/v2/cache")).json)["queued_images"]:  # noqa: ASYNC110 - only the server knows
            await asyncio.sleep(0)
    listed: list[dict[str, Any]] = answer["cached_images"]
    return listed


async def test_without_a_cache_nothing_is_cached_and_nothing_can_be(ada: Person, erin: Person) -> None:
    image_id = (await erin.stored(DATA))["id"]
    assert (await ada("GET", "/v2/cache")).json == EMPTY
    for method, path in (
        ("PUT", f"/v2/cache/{image_id}"), ("DELETE", f"/v2/cache/{image_id}"), ("DELETE", "/v2/cache"),
        ("GET", f"/v2/cache/nodes/{image_id}"),
    ):  # fmt: skip
        answer = await ada(method, path)
        assert (answer.status, answer.json["error"]["stillage_code"]) == (404, "nothing_cached"), (method, path)


async def test_an_image_is_cached_when_it_is_asked_for(cached: Town) -> None:
    erin, ada = cached.person(), cached.person("ops", "admin")
    image_id = (await erin.stored(DATA))["id"]
    assert (await ada("GET", "/v2/cache")).json == EMPTY
    assert (await ada("PUT", f"/v2/cache/{image_id}")).status == 202
    [one] = await in_cache(ada)
    assert (one["image_id"], one["size"], one["hits"]) == (image_id, len(DATA), 1)
    assert (await erin("GET", f"/v2/images/{image_id}/file")).body == DATA
    [one] = await in_cache(ada)
    assert one["hits"] == 2
    assert one["last_accessed"] >= one["last_modified"] > 0
    assert (await ada("DELETE", f"/v2/cache/{image_id}")).status == 204
    assert (await ada("GET", "/v2/cache")).json == EMPTY
    assert (await erin("GET", f"/v2/images/{image_id}/file")).body == DATA


@pytest.mark.parametrize(("target", "left"), [(None, 0), ("", 0), ("cache", 0), ("Queue", 1)])
async def test_the_cache_is_emptied(cached: Town, target: str | None, left: int) -> None:
    erin, ada = cached.person(), cached.person("ops", "admin")
    image_id = (await erin.stored(DATA))["id"]
    await ada("PUT", f"/v2/cache/{image_id}")
    assert len(await in_cache(ada)) == 1
    headers = {} if target is None else {"x_image_cache_clear_target": target}
    assert (await ada("DELETE", "/v2/cache", **headers)).status == 204
    assert len(await in_cache(ada)) == left


async def test_what_is_asked_for_wrongly_is_refused(cached: Town) -> None:
    erin, ada = cached.person(), cached.person("ops", "admin")
    queued = (await erin.create())["id"]
    assert (await ada("PUT", f"/v2/cache/{queued}")).status == 400
    assert (await ada("PUT", f"/v2/cache/{MISSING}")).status == 404
    assert (await ada("DELETE", f"/v2/cache/{MISSING}")).status == 404
    assert (await ada("DELETE", "/v2/cache", x_image_cache_clear_target="all")).status == 400
    assert (await ada("GET", f"/v2/cache/nodes/{queued}")).status == 409


async def test_only_administrators_see_or_change_it(cached: Town) -> None:
    erin, olga = cached.person(), cached.person("works", user="olga")
    image_id = (await erin.stored(DATA))["id"]
    for method, path in (
        ("GET", "/v2/cache"), ("DELETE", "/v2/cache"), ("PUT", f"/v2/cache/{image_id}"),
        ("DELETE", f"/v2/cache/{image_id}"), ("GET", f"/v2/cache/nodes/{image_id}"),
    ):  # fmt: skip
        assert (await erin(method, path)).status == 403, (method, path)
    hidden, missing = await olga("PUT", f"/v2/cache/{image_id}"), await olga("PUT", f"/v2/cache/{MISSING}")
    assert hidden.status == missing.status == 404
    assert hidden.message.replace(image_id, MISSING) == missing.message
