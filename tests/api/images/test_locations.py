"""Locations: where a store keeps the bytes of an image, for services and, if the operator wants that, for owners."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

import builders
from image_api import Person, Town
from stillage.api.services import SERVICES
from stillage.ids import StoreId, UserId
from stillage.operations.locations import as_service
from stores import copied

Serve = Callable[..., AbstractAsyncContextManager[Town]]
DATA = b"x" * 512
MISSING = "00000000-0000-4000-8000-000000000000"
STORES = [
    {"id": "fast", "type": "files", "path": "fast", "default": True},
    {"id": "near", "type": "files", "path": "near", "weight": 5},
]


def path_of(url: str) -> Path:
    assert url.startswith("file:///")
    return Path(url2pathname(urlsplit(url).path))


@pytest.fixture
def nova(town: Town) -> Person:
    """A service that reads what it is given from the storage itself."""
    return town.person("lab", "service,reader", user="nova")


async def test_a_service_is_told_where_the_bytes_are(erin: Person, nova: Person) -> None:
    image = await erin.stored(DATA)
    answer = await nova("GET", f"/v2/images/{image['id']}/locations")
    assert answer.status == 200
    [location] = answer.json
    assert location["metadata"] == {"store": "files"}
    assert path_of(location["url"]).read_bytes() == DATA
    queued = (await erin.create())["id"]
    assert (await nova("GET", f"/v2/images/{queued}/locations")).json == []


async def test_nobody_else_is(erin: Person, ada: Person, olga: Person, nova: Person) -> None:
    image = await erin.stored(DATA)
    for person in (erin, ada):
        assert (await person("GET", f"/v2/images/{image['id']}/locations")).status == 403
    hidden = await olga("GET", f"/v2/images/{image['id']}/locations")
    missing = await olga("GET", f"/v2/images/{MISSING}/locations")
    assert hidden.status == missing.status == 404
    assert hidden.message.replace(image["id"], MISSING) == missing.message
    assert (await nova("GET", f"/v2/images/{MISSING}/locations")).status == 404


def test_a_service_that_vouches_for_a_user_counts_as_one() -> None:
    erin = builders.principal("lab", "member")
    assert as_service(erin) is erin
    vouched = replace(erin, vouched_by=UserId("nova"))
    assert as_service(vouched).roles == erin.roles | {"service"}


async def test_by_default_images_do_not_say_where_their_bytes_are(erin: Person) -> None:
    image = await erin.stored(DATA)
    assert not image.keys() & {"locations", "direct_url"}
    assert not (await erin.page())["images"][0].keys() & {"locations", "direct_url"}


async def test_the_owner_is_shown_where_they_are_if_the_operator_wants_that(serve: Serve, tmp_path: Path) -> None:
    async with serve(stores=STORES, show_image_direct_url=True, show_multiple_locations=True) as town:
        erin, olga, ada = town.person(), town.person("works", user="olga"), town.person("ops", "admin")
        assert (await erin.create())["locations"] == []
        image = await erin.stored(DATA, visibility="community")
        assert [each["metadata"]["store"] for each in image["locations"]] == ["fast"]
        assert image["direct_url"] == image["locations"][0]["url"]
        services = town.application[SERVICES]
        await copied(services.database, services.stores, image["id"], StoreId("near"))
        image = await erin.show(image["id"])
        assert [each["metadata"]["store"] for each in image["locations"]] == ["near", "fast"], "what is read first"
        assert image["direct_url"] == image["locations"][0]["url"]
        listed = {each["id"]: each for each in (await erin.page())["images"]}
        assert listed[image["id"]]["locations"] == image["locations"]
        assert (await ada.show(image["id"]))["direct_url"] == image["direct_url"]
        seen = await olga.show(image["id"])
        assert seen["locations"] == []
        assert "direct_url" not in seen


@pytest.mark.parametrize("setting", ["show_image_direct_url", "show_multiple_locations"])
async def test_each_setting_shows_one_of_them(serve: Serve, setting: str) -> None:
    async with serve(**{setting: True}) as town:
        image = await town.person().stored(DATA)
        shown = {"show_image_direct_url": "direct_url", "show_multiple_locations": "locations"}
        assert image.keys() & {"locations", "direct_url"} == {shown[setting]}


async def test_a_rule_decides_who_is_shown_them(serve: Serve, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text('get_image_location: "rule:context_is_admin"')
    async with serve(show_image_direct_url=True, policy_file=policy) as town:
        image = await town.person().stored(DATA)
        assert "direct_url" not in image
        assert "direct_url" in await town.person("ops", "admin").show(image["id"])


async def test_nobody_sets_locations_even_if_they_are_shown(serve: Serve) -> None:
    async with serve(show_multiple_locations=True) as town:
        ada = town.person("ops", "admin")
        assert (await ada("POST", "/v2/images", {"locations": []})).status == 403
        image = await ada.stored(DATA)
        place = {"url": "file:///etc/passwd", "metadata": {}}
        for operation in (
            {"op": "add", "path": "/locations/-", "value": place},
            {"op": "replace", "path": "/locations", "value": [place]},
            {"op": "remove", "path": "/locations/0"},
        ):
            assert (await ada.patch(image["id"], operation)).status == 403
        assert (await ada.show(image["id"]))["locations"] == image["locations"]
