"""PUT and DELETE /v2/images/{image_id}/tags/{tag}."""

import pytest

from fakes import Clock
from image_api import Person


@pytest.mark.parametrize(
    ("path", "tag"),
    [
        ("web", "web"),
        ("two%20words", "two words"),
        ("gr%C3%BCn", "grün"),
        ("a%2Cb", "a,b"),
        ("key=value", "key=value"),
        ("%25", "%"),
        ("a+b", "a+b"),
        (".%2e", ".."),
        ("x" * 255, "x" * 255),
        ("%F0%9F%90%8F" * 255, "🐏" * 255),
    ],
)
async def test_a_tag_is_added_once_and_removed_once(erin: Person, path: str, tag: str) -> None:
    image = await erin.create(tags=["other"])
    address = f"/v2/images/{image['id']}/tags/{path}"
    for _ in range(2):
        answer = await erin("PUT", address)
        assert (answer.status, answer.body) == (204, b"")
    assert (await erin.show(image["id"]))["tags"] == ["other", tag]
    assert (await erin("DELETE", address)).status == 204
    assert (await erin("DELETE", address)).status == 404
    assert (await erin.show(image["id"]))["tags"] == ["other"]


@pytest.mark.parametrize("path", ["x" * 256, "%00", "a%00b"])
async def test_a_tag_that_cannot_be(erin: Person, path: str) -> None:
    image = await erin.create()
    answer = await erin("PUT", f"/v2/images/{image['id']}/tags/{path}")
    assert answer.status == 400
    assert "tag" in answer.message
    assert (await erin("DELETE", f"/v2/images/{image['id']}/tags/{path}")).status in (400, 404)


@pytest.mark.parametrize("path", ["a/b", "", "a/"])
async def test_a_slash_is_another_address(erin: Person, path: str) -> None:
    image = await erin.create()
    assert (await erin("PUT", f"/v2/images/{image['id']}/tags/{path}")).status == 404


async def test_an_image_has_128_tags(erin: Person) -> None:
    image = await erin.create(tags=[str(n) for n in range(128)])
    assert (await erin("PUT", f"/v2/images/{image['id']}/tags/0")).status == 204
    answer = await erin("PUT", f"/v2/images/{image['id']}/tags/one-more")
    assert answer.status == 413
    assert "128" in answer.message
    assert len((await erin.show(image["id"]))["tags"]) == 128


async def test_tags_are_for_whoever_may_change_the_image(erin: Person, rita: Person, olga: Person, ada: Person) -> None:
    image = await erin.create(tags=["a"])
    for method in ("PUT", "DELETE"):
        assert (await rita(method, f"/v2/images/{image['id']}/tags/a")).status == 403
        assert (await olga(method, f"/v2/images/{image['id']}/tags/a")).status == 404
    await erin.share(image["id"], "works")
    for method in ("PUT", "DELETE"):
        assert (await olga(method, f"/v2/images/{image['id']}/tags/a")).status == 403
    assert (await erin.show(image["id"]))["tags"] == ["a"]
    assert (await ada("PUT", f"/v2/images/{image['id']}/tags/b")).status == 204
    assert (await erin("PUT", "/v2/images/nothing/tags/a")).status == 404


async def test_other_methods_are_none(erin: Person) -> None:
    image = await erin.create(tags=["a"])
    for method in ("GET", "POST", "PATCH", "HEAD"):
        answer = await erin(method, f"/v2/images/{image['id']}/tags/a")
        assert answer.status == 405
        assert set(answer.headers["allow"].split(",")) == {"DELETE", "PUT"}


async def test_a_new_tag_moves_updated_at(erin: Person, clock: Clock) -> None:
    image = await erin.create(tags=["a"])
    clock.advance(1)
    await erin("PUT", f"/v2/images/{image['id']}/tags/a")
    assert (await erin.show(image["id"]))["updated_at"] == image["updated_at"], "nothing happened"
    await erin("PUT", f"/v2/images/{image['id']}/tags/b")
    assert (await erin.show(image["id"]))["updated_at"] == "2026-01-02T03:04:06Z"
