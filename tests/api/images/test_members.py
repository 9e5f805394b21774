"""Sharing: members are added by the owner, and answer for themselves."""

from typing import Any

import pytest

from fakes import Clock
from image_api import Person, Town


async def members(person: Person, image_id: str) -> list[str]:
    answer = await person("GET", f"/v2/images/{image_id}/members")
    assert answer.status == 200, answer.body
    assert answer.json["schema"] == "/v2/schemas/members"
    return [member["member_id"] for member in answer.json["members"]]


async def test_sharing_from_beginning_to_end(erin: Person, olga: Person, clock: Clock) -> None:
    image_id = (await erin.stored(name="shared"))["id"]
    assert await members(erin, image_id) == []
    assert (await olga("GET", f"/v2/images/{image_id}")).status == 404

    pending = await erin.share(image_id, "works")
    assert pending == {
        "member_id": "works",
        "image_id": image_id,
        "status": "pending",
        "created_at": "2026-01-02T03:04:05Z",
        "updated_at": "2026-01-02T03:04:05Z",
        "schema": "/v2/schemas/member",
    }
    assert (await olga.show(image_id))["name"] == "shared"
    assert await olga.names() == []
    assert await olga.names("?visibility=shared&member_status=pending") == ["shared"]
    assert await members(erin, image_id) == await members(olga, image_id) == ["works"]

    clock.advance(60)
    accepted = await olga.answer(image_id, "accepted")
    assert (accepted.status, accepted.json) == (
        200,
        pending | {"status": "accepted", "updated_at": "2026-01-02T03:05:05Z"},
    )
    assert await olga.names() == ["shared"]
    shown = await olga("GET", f"/v2/images/{image_id}/members/works")
    assert (shown.status, shown.json) == (200, accepted.json)
    assert (await olga("GET", f"/v2/images/{image_id}/file")).status == 200

    for status in ("rejected", "rejected", "pending", "accepted", "rejected"):
        assert (await olga.answer(image_id, status)).json["status"] == status
    assert await olga.names() == []
    assert (await olga.show(image_id))["name"] == "shared", "a rejected image stays readable"

    assert (await erin("DELETE", f"/v2/images/{image_id}/members/works")).status == 204
    assert (await olga("GET", f"/v2/images/{image_id}")).status == 404
    assert (await erin("DELETE", f"/v2/images/{image_id}/members/works")).status == 404


@pytest.mark.parametrize(
    "body",
    [
        *({}, [], ["works"], "works", 1, b"", b"{", b"null"),
        *({"member": wrong} for wrong in ("", None, 1, ["works"], "x" * 256, "a\0b")),
    ],
)
async def test_a_body_that_names_no_project(erin: Person, body: Any) -> None:
    image_id = (await erin.create())["id"]
    answer = await erin("POST", f"/v2/images/{image_id}/members", body)
    assert answer.status == 400
    assert answer.message
    assert await members(erin, image_id) == []


@pytest.mark.parametrize(
    "body", [{}, {"status": "maybe"}, {"status": None}, {"status": ["accepted"]}, [], "accepted", b"", b"{", b"null"]
)
async def test_an_answer_that_is_none(erin: Person, olga: Person, body: Any) -> None:
    image_id = (await erin.create())["id"]
    await erin.share(image_id, "works")
    answer = await olga("PUT", f"/v2/images/{image_id}/members/works", body)
    assert answer.status == 400
    assert "accepted" in answer.message or "JSON" in answer.message


async def test_unknown_keys_beside_the_status_are_ignored(erin: Person, olga: Person) -> None:
    image_id = (await erin.create())["id"]
    await erin.share(image_id, "works")
    body = {"status": "accepted", "member": "works"}  # as openstacksdk sends it
    assert (await olga("PUT", f"/v2/images/{image_id}/members/works", body)).status == 200


async def test_a_project_is_a_member_once(erin: Person) -> None:
    image_id = (await erin.create())["id"]
    await erin.share(image_id, "works")
    again = await erin("POST", f"/v2/images/{image_id}/members", {"member": "works"})
    assert again.status == 409


async def test_the_owner_may_be_a_member_as_with_glance(erin: Person, rita: Person, olga: Person) -> None:
    image_id = (await erin.create(name="own"))["id"]
    path = f"/v2/images/{image_id}/members"
    own = await erin.share(image_id, "lab")
    assert (own["member_id"], own["image_id"], own["status"]) == ("lab", image_id, "pending")
    assert (await erin("POST", path, {"member": "lab"})).status == 409
    await erin.share(image_id, "works")
    assert set(await members(erin, image_id)) == {"lab", "works"}
    assert await members(olga, image_id) == ["works"], "of the others a member sees itself only"
    assert (await olga("GET", f"{path}/lab")).status == 404
    assert (await rita("GET", f"{path}/lab")).json == own
    for status in ("accepted", "rejected", "pending"):
        assert (await erin.answer(image_id, status)).json["status"] == status
        for query in ("", "?visibility=shared", f"?member_status={status}", "?member_status=all&visibility=all"):
            assert await erin.names(query) == ["own"], "it lists its image once, whatever it said to itself"
    assert (await rita.answer(image_id, "accepted")).status == 403
    assert (await erin("DELETE", f"{path}/lab")).status == 204
    assert await members(erin, image_id) == ["works"]
    assert await erin.names() == ["own"]


async def test_an_image_has_128_members(erin: Person) -> None:
    image_id = (await erin.create())["id"]
    for number in range(128):
        await erin.share(image_id, f"p{number:03}")
    answer = await erin("POST", f"/v2/images/{image_id}/members", {"member": "one-more"})
    assert answer.status == 413
    assert "128" in answer.message
    assert len(await members(erin, image_id)) == 128


@pytest.mark.parametrize("visibility", ["private", "community", "public"])
async def test_only_shared_images_have_members(erin: Person, olga: Person, ada: Person, visibility: str) -> None:
    image_id = (await erin.create())["id"]
    await erin.share(image_id, "works")
    await ada.set(image_id, visibility=visibility)
    path = f"/v2/images/{image_id}/members"
    for answer in (
        await erin("POST", path, {"member": "third"}),
        await erin("GET", path),
        await erin("DELETE", f"{path}/works"),
    ):
        assert answer.status == 403
        assert visibility in answer.message
    expected = 404 if visibility == "private" else 200
    assert (await olga("GET", f"/v2/images/{image_id}")).status == expected
    answered = await olga.answer(image_id, "accepted")
    assert answered.status == (404 if visibility == "private" else 403)

    await ada.set(image_id, visibility="shared")
    assert await members(erin, image_id) == ["works"], "members are kept"
    assert (await olga("GET", f"/v2/images/{image_id}")).status == 200
    assert (await olga.answer(image_id, "accepted")).status == 200


async def test_who_may_do_what(town: Town, erin: Person, rita: Person, olga: Person, ada: Person) -> None:
    ruth, third = town.person("works", "reader"), town.person("third")
    image_id = (await erin.create())["id"]
    path = f"/v2/images/{image_id}/members"
    await erin.share(image_id, "works")
    await erin.share(image_id, "fourth")

    # Adding and removing: the owner's members.
    for person, status in ((rita, 403), (olga, 403), (ruth, 403), (third, 404)):
        assert (await person("POST", path, {"member": "fifth"})).status == status
        assert (await person("DELETE", f"{path}/works")).status == status

    # Answering: the member itself.
    for person, status in ((erin, 403), (rita, 403), (ruth, 403), (third, 404)):
        assert (await person.answer(image_id, "accepted", "works")).status == status
    assert (await olga.answer(image_id, "accepted", "fourth")).status == 404
    assert (await ada.answer(image_id, "accepted", "works")).status == 200

    # Reading: the owner sees all, a member himself.
    assert set(await members(rita, image_id)) == {"works", "fourth"}
    assert await members(olga, image_id) == await members(ruth, image_id) == ["works"]
    assert set(await members(ada, image_id)) == {"works", "fourth"}
    assert (await third("GET", path)).status == 404
    for person, member, status in (
        (erin, "works", 200),
        (rita, "fourth", 200),
        (olga, "works", 200),
        (olga, "fourth", 404),
        (olga, "lab", 404),
        (third, "works", 404),
        (third, "third", 404),
        (erin, "nobody", 404),
        (ada, "works", 200),
    ):
        assert (await person("GET", f"{path}/{member}")).status == status, (person, member)


async def test_members_of_no_image(erin: Person) -> None:
    path = "/v2/images/nothing/members"
    assert (await erin("POST", path, {"member": "works"})).status == 404
    assert (await erin("GET", path)).status == 404
    assert (await erin.answer("nothing", "accepted")).status == 404
    assert (await erin("GET", f"{path}/works")).status == 404
    assert (await erin("DELETE", f"{path}/works")).status == 404


async def test_deleting_a_shared_image_ends_the_sharing(erin: Person, olga: Person) -> None:
    image_id = (await erin.create(name="shared"))["id"]
    await erin.share(image_id, "works")
    await olga.answer(image_id, "accepted")
    assert (await erin("DELETE", f"/v2/images/{image_id}")).status == 204
    assert await olga.names() == []
    assert (await olga("GET", f"/v2/images/{image_id}/members")).status == 404
