"""Who sees what, and who may do what with what he sees: every principal for every visibility."""

import pytest

from image_api import Person, Town

# Principals by name: project, roles.
PRINCIPALS = {
    "owner": ("lab", "member"),
    "owner's reader": ("lab", "reader"),
    "stranger": ("works", "member"),
    "stranger's reader": ("works", "reader"),
    "nobody's": ("works", "unknown"),
    "member": ("accepted", "member"),
    "member's reader": ("accepted", "reader"),
    "pending": ("pending", "member"),
    "rejected": ("rejected", "member"),
    "admin": ("ops", "admin"),
}
KINDS = ("private", "shared", "community", "public")
ALL = dict.fromkeys(KINDS, True)
OPEN = {"private": False, "shared": False, "community": True, "public": True}
SHARED = {**OPEN, "shared": True}

READS = {
    "owner": ALL,
    "owner's reader": ALL,
    "stranger": OPEN,
    "stranger's reader": OPEN,
    "nobody's": dict.fromkeys(KINDS, False),
    "member": SHARED,
    "member's reader": SHARED,
    "pending": SHARED,
    "rejected": SHARED,
    "admin": ALL,
}
LISTS = {
    "owner": set(KINDS),
    "owner's reader": set(KINDS),
    "stranger": {"public"},
    "stranger's reader": {"public"},
    "member": {"public", "shared"},
    "member's reader": {"public", "shared"},
    "pending": {"public"},
    "rejected": {"public"},
    "admin": {"private", "shared", "public"},  # community images of others only on demand
}
WRITERS = {"owner", "admin"}
DOWNLOADERS = {"owner", "stranger", "member", "pending", "rejected", "admin"}

WRITES = [
    ("PATCH", "", b'[{"op": "add", "path": "/a", "value": "b"}]'),
    ("PUT", "/file", b"x" * 512),
    ("PUT", "/tags/t", None),
    ("DELETE", "/tags/there", None),
    ("POST", "/actions/deactivate", None),
    ("DELETE", "", None),
]


async def images_of(town: Town) -> dict[str, str]:
    """One active image of each visibility, by name the ids; the shared one has three members."""
    owner, admin = town.person(), town.person("ops", "admin")
    made = {}
    for kind in KINDS:
        made[kind] = (await owner.stored(name=kind, tags=["there"]))["id"]
        await admin.set(made[kind], visibility=kind)
    for status in ("accepted", "pending", "rejected"):
        await owner.share(made["shared"], status)
        await town.person(status).answer(made["shared"], status)
    return made


@pytest.mark.parametrize("principal", PRINCIPALS)
async def test_each_principal(town: Town, principal: str) -> None:
    ids = await images_of(town)
    person = town.person(*PRINCIPALS[principal])
    listing = await person("GET", "/v2/images")
    if principal in LISTS:
        assert {image["name"] for image in listing.json["images"]} == LISTS[principal]
    for kind in KINDS:
        path = f"/v2/images/{ids[kind]}"
        reads = READS[principal][kind]
        assert (await person("GET", path)).status == (200 if reads else 404), kind
        download = 404 if not reads else 200 if principal in DOWNLOADERS else 403
        assert (await person("GET", f"{path}/file")).status == download, kind
        for method, rest, body in WRITES:
            media_type = (
                "application/openstack-images-v2.1-json-patch" if method == "PATCH" else "application/octet-stream"
            )
            answer = await person(method, path + rest, body, content_type=media_type)
            if principal in WRITERS:
                done = 409 if rest == "/file" else 200 if method == "PATCH" else 204
                assert answer.status == done, (kind, method, rest, answer.body)
            else:
                assert answer.status == (403 if reads else 404), (kind, method, rest)
                assert answer.message


async def test_what_a_list_shows_by_visibility(town: Town) -> None:
    await images_of(town)
    stranger, member = town.person("works"), town.person("accepted")
    pending = town.person("pending")
    assert await stranger.names("?visibility=community") == ["community"]
    assert set(await stranger.names("?visibility=all")) == {"community", "public"}
    assert await stranger.names("?visibility=private") == []
    assert await stranger.names("?visibility=shared&member_status=all") == []
    assert await member.names("?visibility=shared") == ["shared"]
    assert await pending.names("?visibility=shared") == []
    for status in ("pending", "all"):
        assert await pending.names(f"?visibility=shared&member_status={status}") == ["shared"]
    assert await pending.names("?visibility=shared&member_status=rejected") == []
    assert await town.person().names("?visibility=community") == ["community"]


async def test_a_project_that_changes_visibility(erin: Person, olga: Person) -> None:
    image_id = (await erin.create(name="n"))["id"]
    await erin.share(image_id, "works")
    await olga.answer(image_id, "accepted")
    for visibility, status in (("private", 404), ("community", 200), ("shared", 200)):
        await erin.set(image_id, visibility=visibility)
        assert (await olga("GET", f"/v2/images/{image_id}")).status == status
    assert await olga.names() == ["n"]


async def test_an_administrator_lists_everybodys_images(erin: Person, ada: Person) -> None:
    await erin.create(name="n", visibility="private")
    assert await ada.names() == ["n"]
    assert await ada.names("?owner=lab&visibility=private") == ["n"]
    assert await ada.names("?owner=works") == []
