"""The latest image of a family by address, list and download; images that are deprecated, obsolete, in use again."""

import pytest

from fakes import Clock
from image_api import Person, Town
from job_world import eventually

FAMILY = "ubuntu-24.04"
LATEST = f"{FAMILY}:latest"


async def member(person: Person, clock: Clock, name: str, **attributes: object) -> str:
    """Return the id of a new image of the family."""
    clock.advance(1)
    image = await person.stored(name.encode() * 512, name=name, **{"family": FAMILY} | attributes)
    return str(image["id"])


async def latest(person: Person) -> str | None:
    answer = await person("GET", f"/v2/images/{LATEST}")
    assert answer.status in (200, 404), answer.body
    return str(answer.json["name"]) if answer.status == 200 else None


async def act(person: Person, image_id: str, action: str, **body: str) -> None:
    answer = await person("POST", f"/v2/images/{image_id}/actions/{action}", body or None)
    assert answer.status == 204, answer.body


async def test_the_latest_of_a_family_is_shown_downloaded_and_listed(erin: Person, clock: Clock) -> None:
    await member(erin, clock, "a")
    newest = await member(erin, clock, "b")
    await member(erin, clock, "c", family="debian-13")
    for address in (LATEST, LATEST.replace(":", "%3A")):
        assert (await erin.show(address)) == await erin.show(newest)
        answer = await erin("GET", f"/v2/images/{address}/file")
        assert (answer.body, answer.headers["content-location"]) == (b"b" * 512, f"/v2/images/{newest}/file")
    assert await erin.names(f"?family={FAMILY}") == ["b", "a"]
    page = await erin.page(f"?family={FAMILY}&latest=true&limit=1&count=1")
    assert [image["name"] for image in page["images"]] == ["b"]
    assert (page["count"], "next" in page) == (1, False)
    assert await erin.names(f"?name={LATEST}") == ["b"]
    assert await erin.names(f"?family={FAMILY}&latest=true&name=a") == ["a"]
    assert await erin.names(f"?family={FAMILY}&latest=true&limit=0") == []


async def test_names_and_properties_that_look_like_it_mean_what_they_did(erin: Person, clock: Clock) -> None:
    await member(erin, clock, "a")
    await erin.create(name=LATEST, latest="true")
    assert (await erin("GET", f"/v2/images/{LATEST}")).status == 404  # so that clients look for the name
    assert await erin.names(f"?name={LATEST}") == [LATEST]
    assert await erin.names("?latest=true") == [LATEST]
    for address in ("nothing:latest", ":latest", FAMILY):
        assert (await erin("GET", f"/v2/images/{address}")).status == 404
    assert (await erin("DELETE", f"/v2/images/{LATEST}")).status == 404


async def test_hidden_images_with_the_name_come_first_too(erin: Person, clock: Clock) -> None:
    await member(erin, clock, "a")
    await erin.create(name=LATEST, os_hidden=True)
    assert await latest(erin) is None


@pytest.mark.parametrize(
    "attributes", [{"os_hidden": True}, {"lifecycle": "deprecated"}, {"lifecycle": "obsolete"}, {"family": "x"}]
)
async def test_an_image_that_should_not_be_used_is_not_the_latest(
    erin: Person, clock: Clock, attributes: dict[str, object]
) -> None:
    await member(erin, clock, "a", lifecycle="production")
    await member(erin, clock, "b", **attributes)
    await erin.create(name="queued", family=FAMILY)
    deactivated = await member(erin, clock, "c")
    await act(erin, deactivated, "deactivate")
    assert await latest(erin) == "a"
    assert await erin.names(f"?family={FAMILY}&latest=true") == ["a"]


async def test_nobodys_latest_is_what_a_default_list_would_not_show(
    erin: Person, olga: Person, ada: Person, clock: Clock
) -> None:
    public = await member(ada, clock, "public", visibility="public")
    await member(olga, clock, "foreign", visibility="private")
    await member(olga, clock, "community", visibility="community")
    offered = await member(olga, clock, "offered")
    await olga.share(offered, erin.project)
    assert [await latest(person) for person in (erin, ada)] == ["public", "public"]
    assert await ada.names(f"?family={FAMILY}&latest=true") == ["public"]
    assert (await erin.answer(offered, "accepted")).status == 200
    assert await latest(erin) == "offered"
    await act(ada, public, "deprecate")
    assert await latest(ada) is None


async def test_a_deprecated_image_is_marked_and_can_be_used(erin: Person, clock: Clock) -> None:
    await member(erin, clock, "a")
    image_id = await member(erin, clock, "b")
    await act(erin, image_id, "deprecate", replaced_by=LATEST)
    image = await erin.show(image_id)
    assert (image["lifecycle"], image["replaced_by"], image["status"]) == ("deprecated", LATEST, "active")
    assert (await erin("GET", f"/v2/images/{image_id}/file")).status == 200
    assert await erin.names() == ["b", "a"]
    assert await latest(erin) == "a"
    await act(erin, image_id, "reactivate")
    assert not {"lifecycle", "replaced_by"} & (await erin.show(image_id)).keys()
    assert await latest(erin) == "b"


async def test_an_obsolete_image_is_hidden_and_says_what_to_use(erin: Person, ada: Person, clock: Clock) -> None:
    image_id = await member(erin, clock, "a")
    await act(erin, image_id, "obsolete")
    image = await erin.show(image_id)
    assert (image["lifecycle"], image["os_hidden"], image["status"]) == ("obsolete", True, "deactivated")
    assert (await erin.names(), await erin.names("?os_hidden=true")) == ([], ["a"])
    refused = await erin("GET", f"/v2/images/{image_id}/file")
    assert (refused.status, f"is obsolete; use {LATEST} instead" in refused.json["error"]["message"]) == (403, True)
    assert (await ada("GET", f"/v2/images/{image_id}/file")).status == 200
    assert (await erin("POST", f"/v2/images/{image_id}/actions/deprecate")).status == 409
    await act(erin, image_id, "reactivate")
    image = await erin.show(image_id)
    assert ("lifecycle" in image, image["os_hidden"], image["status"]) == (False, False, "active")


async def test_dates_are_kept_as_properties_until_they_come(erin: Person, clock: Clock) -> None:
    image_id = await member(erin, clock, "a")
    await act(erin, image_id, "deprecate", at="2999-01-02", replaced_by="b")
    await act(erin, image_id, "obsolete", at="2999-02-03T04:05:06Z")
    image = await erin.show(image_id)
    dates = {name: image[name] for name in ("deprecate_at", "obsolete_at", "replaced_by")}
    assert dates == {
        "deprecate_at": "2999-01-02T00:00:00Z", "obsolete_at": "2999-02-03T04:05:06Z", "replaced_by": "b",
    }  # fmt: skip
    await act(erin, image_id, "reactivate")
    assert not dates.keys() & (await erin.show(image_id)).keys()


@pytest.mark.parametrize(
    ("path", "body"),
    [("deprecate", {"at": "tomorrow"}), ("deprecate", {"at": 7}), ("obsolete", {"until": "2999-01-02"}),
     ("obsolete", {"replaced_by": 7}), ("deprecate", ["a"]), ("deprecate", {"replaced_by": "x" * 256})],
)  # fmt: skip
async def test_bad_arguments(erin: Person, clock: Clock, path: str, body: object) -> None:
    image_id = await member(erin, clock, "a")
    answer = await erin("POST", f"/v2/images/{image_id}/actions/{path}", body)
    assert answer.status == 400, answer.body
    assert "lifecycle" not in await erin.show(image_id)


async def test_dates_in_properties_are_checked_and_need_the_right_to_what_they_do(
    erin: Person, rita: Person, clock: Clock
) -> None:
    image_id = await member(erin, clock, "a")
    for name, value in (("deprecate_at", "soon"), ("delete_at", "2999-02-30"), ("delete_at", "2001-01-01")):
        assert (await erin.patch(image_id, {"op": "add", "path": f"/{name}", "value": value})).status == 400
        assert (await erin("POST", "/v2/images", {name: value})).status == 400
    assert (await erin.set(image_id, delete_at="2999-01-02"))["delete_at"] == "2999-01-02"
    assert (await rita("POST", f"/v2/images/{image_id}/actions/deprecate")).status == 403


async def test_an_image_without_data_has_no_stages(erin: Person) -> None:
    image_id = (await erin.create(family=FAMILY))["id"]
    for action in ("deprecate", "obsolete", "reactivate"):
        assert (await erin("POST", f"/v2/images/{image_id}/actions/{action}")).status == 403


async def test_upkeep_does_what_the_dates_say_once(town: Town, erin: Person, clock: Clock) -> None:
    names = ("deprecate_at", "obsolete_at", "delete_at")
    ids = {name: await member(erin, clock, name, **{name: "2026-01-03"}) for name in names}
    kept = await member(erin, clock, "kept", delete_at="2026-01-03", protected=True)
    await town.worker.lifecycle()
    assert len(await erin.names()) == 4  # it is the 2nd
    clock.advance(86400)
    await town.worker.lifecycle()
    assert [(await erin.show(ids[name]))["lifecycle"] for name in names[:2]] == ["deprecated", "obsolete"]
    assert (await erin.show(ids["obsolete_at"]))["status"] == "deactivated"
    assert (await erin("GET", f"/v2/images/{ids['delete_at']}")).status == 404
    assert (await erin.show(kept))["delete_at"] == "2026-01-03"
    await act(erin, ids["obsolete_at"], "reactivate")
    await town.worker.lifecycle()
    assert (await erin.show(ids["obsolete_at"]))["status"] == "active"
    done = {("update/deprecate", "deprecate_at"), ("disable/obsolete", "obsolete_at"), ("delete", "delete_at")}

    async def recorded() -> bool:
        events = (await erin("GET", "/v2/audit?user=upkeep")).json["events"]
        return {(event["action"], event["target"]["id"]) for event in events} == {(verb, ids[at]) for verb, at in done}

    await eventually(recorded)
