"""Addresses that download one image for a short time, and nothing else."""

import asyncio
from typing import Any

import pytest

from fakes import Clock
from image_api import Person, Town
from server import Answer

DATA = b"the bytes of an image" * 100


@pytest.fixture
def nobody(town: Town) -> Person:
    return Person(town.session, "", "")


async def link_to(person: Person, image_id: str, body: Any = None) -> Answer:
    return await person("POST", f"/v2/images/{image_id}/links", body)


def path_of(town: Town, answer: Answer) -> str:
    assert answer.status == 201, answer.body
    url: str = answer.json["url"]
    assert url.startswith(f"{town.url}/v2/images/")
    return url.removeprefix(town.url)


async def test_whoever_has_the_address_may_download_the_image(town: Town, erin: Person, nobody: Person) -> None:
    image = await erin.stored(DATA)
    path = path_of(town, await link_to(erin, image["id"]))
    whole, part = await nobody("GET", path), await nobody("GET", path, range="bytes=4-8")
    assert (whole.status, whole.body) == (200, DATA)
    assert (part.status, part.body) == (206, DATA[4:9])
    assert whole.headers["content-security-policy"] == "sandbox"
    assert (await nobody("HEAD", path)).headers["content-length"] == str(len(DATA))


async def test_an_address_opens_nothing_else(town: Town, erin: Person, nobody: Person) -> None:
    image, other = await erin.stored(DATA), await erin.stored(DATA)
    path = path_of(town, await link_to(erin, image["id"]))
    link = path.rpartition("/")[2]
    assert (await nobody("GET", f"/v2/images/{image['id']}/file/{link}")).status in (401, 404)
    middle = len(path) - 20
    forged = f"{path[:middle]}{'A' if path[middle] != 'A' else 'B'}{path[middle + 1 :]}"
    for each in (f"/v2/images/{other['id']}/links/{link}", forged, path[:-60], f"{path}%C3%A4"):
        refused = await nobody("GET", each)
        assert (refused.status, refused.json["error"]["stillage_code"]) == (404, "link_invalid"), each
    for method in ("PUT", "DELETE", "POST"):
        assert (await nobody(method, path)).status in (401, 404, 405)
    assert (await nobody("GET", f"/v2/images/{image['id']}/links/other")).status == 401


async def test_an_address_is_soon_over(town: Town, erin: Person, nobody: Person, clock: Clock) -> None:
    image = await erin.stored(DATA)
    path, shorter = [path_of(town, await link_to(erin, image["id"], body)) for body in (None, {"expires_s": 10})]
    clock.advance(11)
    assert [(await nobody("GET", each)).status for each in (path, shorter)] == [200, 404]
    clock.advance(900)
    assert (await nobody("GET", path)).status == 404


@pytest.mark.parametrize("expires_s", [0, -1, 86401, "900", None, True, 1.5])
async def test_a_time_that_cannot_be_is_refused(erin: Person, expires_s: Any) -> None:
    image = await erin.stored(DATA)
    assert (await link_to(erin, image["id"], {"expires_s": expires_s})).status == 400


async def test_only_who_may_download_makes_one_and_while_they_may_it_works(
    town: Town, erin: Person, rita: Person, olga: Person, nobody: Person
) -> None:
    image = await erin.stored(DATA)
    assert [(await link_to(person, image["id"])).status for person in (rita, olga)] == [403, 404]
    await erin.share(image["id"], "works")
    path = path_of(town, await link_to(olga, image["id"]))
    assert (await nobody("GET", path)).status == 200
    await erin("DELETE", f"/v2/images/{image['id']}/members/works")
    assert (await nobody("GET", path)).status == 404
    own = path_of(town, await link_to(erin, image["id"]))
    await erin("POST", f"/v2/images/{image['id']}/actions/deactivate")
    assert (await nobody("GET", own)).status == 403


async def test_the_secret_of_an_address_is_not_logged(
    town: Town, erin: Person, nobody: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    image = await erin.stored(DATA)
    path = path_of(town, await link_to(erin, image["id"]))
    capsys.readouterr()
    await nobody("GET", path)
    logged = ""
    async with asyncio.timeout(60):  # the line of a request follows its answer
        while "/links/…" not in logged:
            await asyncio.sleep(0.01)
            logged += "".join(capsys.readouterr())
    assert path.rpartition("/")[2] not in logged
