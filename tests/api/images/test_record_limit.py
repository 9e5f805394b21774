"""A record has a limit as a whole, and so has a page of a list."""

from collections.abc import Callable
from typing import Any

import pytest

from image_api import Person

LIMIT = 128 << 10
VALUE = 64 << 10


def values(count: int, size: int = VALUE) -> dict[str, str]:
    return {f"p{number}": "x" * size for number in range(count)}


async def test_a_record_may_have_128_kib(erin: Person) -> None:
    await erin.create(**values(2))
    answer = await erin("POST", "/v2/images", {**values(2), "p2": "x"})
    assert answer.status == 413
    assert str(LIMIT) in answer.message
    assert str(LIMIT + 1) in answer.message
    assert len((await erin.page())["images"]) == 1


async def test_the_limit_is_in_bytes_and_not_in_characters(erin: Person) -> None:
    answer = await erin("POST", "/v2/images", {"text": "ü" * VALUE, "name": "x"})
    assert answer.status == 413


@pytest.mark.parametrize("more", [{"name": "n"}, {"tags": ["t"]}, {"p2": "v"}])
async def test_a_patch_cannot_pass_the_limit(erin: Person, more: dict[str, Any]) -> None:
    image = await erin.create(**values(2))
    operations = [{"op": "add", "path": f"/{name}", "value": value} for name, value in more.items()]
    answer = await erin.patch(image["id"], *operations)
    assert answer.status == 413
    assert str(LIMIT) in answer.message
    assert str(LIMIT + 1) in answer.message
    assert await erin.show(image["id"]) == image


async def test_a_tag_cannot_pass_the_limit(erin: Person) -> None:
    image = await erin.create(**values(2))
    answer = await erin("PUT", f"/v2/images/{image['id']}/tags/t")
    assert answer.status == 413
    assert str(LIMIT + 1) in answer.message


async def test_the_limit_is_a_setting(serve: Callable[..., Any]) -> None:
    async with serve(max_record_bytes=2048) as town:
        erin = town.person()
        await erin.create(**values(1, 2048))
        answer = await erin("POST", "/v2/images", values(1, 2049))
        assert (answer.status, "2048" in answer.message, "2049" in answer.message) == (413, True, True)


async def test_a_page_is_limited_in_bytes_and_the_next_one_goes_on(erin: Person) -> None:
    made = [(await erin.create(**values(2)))["id"] for _ in range(20)]
    seen: list[str] = []
    path: str | None = "?limit=1000"
    while path:
        answer = await erin("GET", f"/v2/images{path}")
        assert len(answer.body) < (1 << 20) + 2 * LIMIT
        seen += [image["id"] for image in answer.json["images"]]
        path = answer.json["next"].removeprefix("/v2/images") if "next" in answer.json else None
    assert sorted(seen) == sorted(made)


async def test_tags_and_properties_are_counted_before_they_are_looked_at(erin: Person) -> None:
    answer = await erin("POST", "/v2/images", {"tags": [1] * 129})
    assert (answer.status, "129" in answer.message) == (413, True)
    answer = await erin("POST", "/v2/images", {f"p{number}": 1 for number in range(129)})
    assert (answer.status, "129" in answer.message) == (413, True)
