"""GET /v2/images: pages, order, filters, and what is no query."""

from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from fakes import Clock
from image_api import Person


async def make(erin: Person, clock: Clock, *names: str, **attributes: object) -> None:
    for name in names:
        await erin.create(name=name, **attributes)
        clock.advance(1)


async def test_the_newest_come_first(erin: Person, clock: Clock) -> None:
    await make(erin, clock, "a", "b", "c")
    page = await erin.page()
    assert [image["name"] for image in page["images"]] == ["c", "b", "a"]
    assert (page["first"], page["schema"]) == ("/v2/images", "/v2/schemas/images")
    assert "next" not in page
    assert page["images"][0] == await erin.show(page["images"][0]["id"])


async def test_every_page_in_turn(erin: Person, clock: Clock) -> None:
    await make(erin, clock, *"abcde")
    seen: list[str] = []
    path: str | None = "?limit=2&sort=name:asc"
    while path:
        page = await erin.page(path)
        seen += [image["name"] for image in page["images"]]
        assert page["first"] == "/v2/images?limit=2&sort=name%3Aasc"
        path = page["next"].removeprefix("/v2/images") if "next" in page else None
    assert seen == list("abcde")


async def test_the_images_of_all_pages_are_counted(erin: Person, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    await make(erin, clock, *"abcde")
    answer = await erin("GET", "/v2/images?limit=2&count=1")
    assert (answer.json["count"], answer.headers["x-total-count"], len(answer.json["images"])) == (5, "5", 2)
    assert "count" not in answer.json["next"]
    assert (await erin.page("?count=1&name=contains:c"))["count"] == 1
    assert (await erin.page(f"?count=1&marker={answer.json['images'][1]['id']}"))["count"] == 5
    assert (await erin.page("?count=1&limit=0"))["count"] == 5
    monkeypatch.setattr("stillage.operations.images.COUNTED", 4)
    answer = await erin("GET", "/v2/images?count=1")
    assert (answer.json["count"], answer.json["count_is_more"]) == (4, True)
    assert "x-total-count" not in answer.headers


async def test_a_full_last_page_leads_to_an_empty_one(erin: Person, clock: Clock) -> None:
    await make(erin, clock, "a", "b")
    page = await erin.page("?limit=2")
    after = await erin.page(page["next"].removeprefix("/v2/images"))
    assert after["images"] == []
    assert "next" not in after


async def test_links_keep_repeated_parameters(erin: Person, clock: Clock) -> None:
    await make(erin, clock, "a", "b", tags=["x", "y z"])
    query = "?tag=x&tag=y%20z&sort_key=name&sort_key=id&sort_dir=asc&sort_dir=desc&limit=1"
    page = await erin.page(query)
    for link in (page["first"], page["next"]):
        kept = [pair for pair in parse_qsl(urlsplit(link).query) if pair[0] != "marker"]
        assert kept == parse_qsl(query[1:])
    assert [image["name"] for image in (await erin.page(page["next"].removeprefix("/v2/images")))["images"]] == ["b"]


@pytest.mark.parametrize(("limit", "count"), [("0", 0), ("1", 1), ("25", 25), ("26", 26), ("1000", 27), ("1001", 27)])
async def test_limits(erin: Person, limit: str, count: int) -> None:
    for _ in range(27):
        await erin.create()
    page = await erin.page(f"?limit={limit}")
    assert len(page["images"]) == count
    assert ("next" in page) == (count in (1, 25, 26))
    assert len((await erin.page())["images"]) == 25


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("sort_key=name&sort_dir=asc", "abc"),
        ("sort_key=name", "cba"),
        ("sort=name:asc", "abc"),
        ("sort=name", "cba"),
        ("sort=min_ram", None),
        ("sort_key=status&sort_key=name&sort_dir=asc&sort_dir=asc", "abc"),
        ("sort=status,name:asc", "abc"),
        ("sort=disk_format:asc,name:desc", "bac"),
        ("sort=created_at:asc", "abc"),
        ("sort=updated_at:desc", "cba"),
        ("sort=size:asc,name:asc", "abc"),
        ("sort=name:up", None),
        ("sort=name:asc&sort_key=id", None),
        ("sort_key=name&sort_dir=asc&sort_dir=desc", None),
        ("sort_key=name&sort_dir=up", None),
        ("sort_key=owner", None),
        ("sort=", None),
        ("sort_key=", None),
    ],
)
async def test_orders(erin: Person, clock: Clock, query: str, names: str | None) -> None:
    await make(erin, clock, "a", "b", disk_format="qcow2")
    await make(erin, clock, "c", disk_format="raw")
    answer = await erin("GET", f"/v2/images?{query}")
    if names is None:
        assert answer.status == 400
        assert answer.message
        return
    expected = {"bac": ["b", "a", "c"]}.get(names, list(names))
    assert [image["name"] for image in answer.json["images"]] == expected


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("name=a", "a"),
        ("name=A", ""),
        ("name=eq:a", "a"),
        ("name=in:a,b", "ab"),
        ('name=in:"a",nothing', "a"),
        ('name=in:"x,y",a', "ad"),
        ("name=eq:e:f", "e"),
        ("name=e:f", None),
        ("name=neq:a", None),
        ("name=contains:A", "a"),
        ("name=contains:,Y", "d"),
        ("name=contains:%25", ""),
        ("name=contains:_", ""),
        ("name=contains:%5C", ""),
        ("name=contains:", "abcde"),
        ("status=contains:queued", None),
        ('name=in:"a', None),
        ('name=in:a"b"', None),
        ("name=%25", ""),
        ("name=_", ""),
        ("name=a' OR '1'='1", ""),
        ("status=queued", "abcde"),
        ("status=active", ""),
        ("status=nonsense", ""),
        ("status=in:queued,active", "abcde"),
        ("status=deleted", ""),
        ("disk_format=raw", "a"),
        ("container_format=in:bare,ovf", "ab"),
        ("visibility=private", "b"),
        ("visibility=all", "abcde"),
        ("visibility=none", None),
        ("member_status=all", "abcde"),
        ("member_status=none", None),
        ("owner=lab", "abcde"),
        ("owner=works", ""),
        ("protected=true", "b"),
        ("protected=false", "acde"),
        ("protected=True", None),
        ("os_hidden=true", "h"),
        ("os_hidden=True", "h"),
        ("os_hidden=false", "abcde"),
        ("os_hidden=1", None),
        ("tag=t", "ab"),
        ("tag=t&tag=u", "b"),
        ("tag=%20t%20", "ab"),
        ("tag=nothing", ""),
        ("tag=%25", ""),
        ("min_disk_min=1", "ab"),
        ("min_disk_max=1", "acde"),
        ("min_ram=512", "b"),
        ("size_min=0", ""),
        ("size_max=10", ""),
        ("size_min=x", None),
        ("foo_min=1", None),
        ("created_at=gte:2026-01-02T03:04:06Z", "bcde"),
        ("created_at=lt:2026-01-02T03:04:06", "a"),
        ("created_at=2026-01-02T03:04:05Z", "a"),
        ("created_at=eq:2026-01-02 03:04:05", "a"),
        ("created_at=neq:2026-01-02T03:04:05%2B00:00", "bcde"),
        ("updated_at=gt:2026-01-02T05:04:05%2B02:00", "bcde"),
        ("created_at=like:2026", None),
        ("created_at=gt:yesterday", None),
        ("created_at=", None),
        ("changes-since=2026-01-01", None),
        ("colour=red", "a"),
        ("colour=red&shape=round", "a"),
        ("colour=in:red", ""),
        ("colour=re%25", ""),
        ("unknown=x", ""),
        ("deleted=true", "abcde"),
        ("checksum=x", ""),
        ("name=a&tag=t&colour=red&status=queued", "a"),
    ],
)
async def test_filters(erin: Person, clock: Clock, query: str, names: str | None) -> None:
    await erin.create(
        name="a", disk_format="raw", container_format="bare", tags=["t"], min_disk=1, colour="red", shape="round"
    )
    clock.advance(1)
    await erin.create(
        name="b",
        container_format="ovf",
        visibility="private",
        protected=True,
        tags=["t", "u"],
        min_disk=2,
        min_ram=512,
        colour="blue",
    )
    clock.advance(1)
    await make(erin, clock, "c", "x,y", "e:f")
    await make(erin, clock, "h", os_hidden=True)
    answer = await erin("GET", "/v2/images?sort=created_at:asc&" + quote(query, safe="=&%:,+"))
    if names is None:
        assert answer.status == 400
        assert answer.message
        return
    assert answer.status == 200, answer.body
    found = [{"x,y": "d", "e:f": "e"}.get(image["name"], image["name"]) for image in answer.json["images"]]
    assert "".join(found) == names


@pytest.mark.parametrize("limit", ["-1", "x", "", "1.5", "%2B1", "1e3", "٣", "0x10"])
async def test_a_limit_that_is_no_count(erin: Person, limit: str) -> None:
    answer = await erin("GET", f"/v2/images?limit={quote(limit, safe='%')}")
    assert answer.status == 400
    assert "limit" in answer.message


async def test_a_huge_limit_is_the_greatest(erin: Person) -> None:
    await erin.create()
    assert len((await erin.page("?limit=" + "9" * 5000))["images"]) == 1


async def test_a_marker_must_be_an_image_that_the_principal_sees(erin: Person, olga: Person) -> None:
    private = (await erin.create(visibility="private"))["id"]
    for marker in (private, "nothing", "", "%27", "0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a11"):
        answer = await olga("GET", f"/v2/images?marker={marker}")
        assert answer.status == 400, marker
        assert "marker" in answer.message
    assert await erin.names(f"?marker={private}") == []


async def test_a_body_is_no_matter(erin: Person) -> None:
    await erin.create(name="a")
    assert (await erin("GET", "/v2/images", b"{}")).json["images"][0]["name"] == "a"


async def test_filters_after_changes(erin: Person) -> None:
    """Filters read narrow tables, which must follow every way to change an image."""
    image_id = (await erin.stored(name="a", tags=["old"], colour="red"))["id"]
    await erin.set(image_id, name="b", colour="blue", tags=["new"])
    await erin("PUT", f"/v2/images/{image_id}/tags/more")
    for query, found in (("name=a", 0), ("name=b", 1), ("colour=red", 0), ("colour=blue", 1), ("tag=old", 0)):
        assert len(await erin.names(f"?{query}")) == found, query
    assert await erin.names("?tag=new&tag=more&status=active&size_min=512&size_max=512&colour=blue") == ["b"]
    await erin("DELETE", f"/v2/images/{image_id}/tags/more")
    assert await erin.names("?tag=more") == []


async def test_values_longer_than_an_index_entry_are_found(erin: Person) -> None:
    await erin.create(name="a", text="x" * 5000)
    await erin.create(name="b", text="x" * 4999 + "y")
    assert await erin.names("?text=" + "x" * 5000) == ["a"]
