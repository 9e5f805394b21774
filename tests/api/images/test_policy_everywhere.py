"""Every rule is asked wherever what it protects is shown: in lists as in single records, whoever asks."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes import Clock
from image_api import OCTETS, V2_1, Person, Town, image_api
from rule_texts import rule_texts
from stillage.config import load
from stillage.images.access import DEFAULT_RULES

ID = "0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a11"
Serve = Callable[..., AbstractAsyncContextManager[Town]]
RAW = {"disk_format": "raw", "container_format": "bare"}
IMAGE, MEMBERS = f"/v2/images/{ID}", f"/v2/images/{ID}/members"


def patch(name: str, value: str) -> list[dict[str, str]]:
    return [{"op": "replace", "path": f"/{name}", "value": value}]


# What people do, one after the other: each rule decides something of it.
STORY: list[tuple[str, str, str, Any]] = [
    ("erin", "POST", "/v2/images", {"id": ID, **RAW}),
    ("erin", "PATCH", IMAGE, patch("name", "n")),
    ("erin", "PUT", f"{IMAGE}/file", b"x" * 512),
    ("erin", "POST", MEMBERS, {"member": "works"}),
    ("olga", "GET", MEMBERS, None),
    ("olga", "GET", f"{MEMBERS}/works", None),
    ("olga", "PUT", f"{MEMBERS}/works", {"status": "accepted"}),
    ("olga", "GET", IMAGE, None),
    ("olga", "GET", "/v2/images", None),
    ("olga", "GET", f"{IMAGE}/file", None),
    ("erin", "DELETE", f"{MEMBERS}/works", None),
    ("erin", "PUT", "/v2/retention/f", {"keep_days": 1}),
    ("erin", "POST", f"{IMAGE}/actions/deprecate", None),
    ("erin", "POST", f"{IMAGE}/actions/obsolete", None),
    ("erin", "POST", f"{IMAGE}/actions/deactivate", None),
    ("erin", "POST", f"{IMAGE}/actions/reactivate", None),
    ("erin", "PATCH", IMAGE, patch("visibility", "community")),
    ("ada", "PATCH", IMAGE, patch("visibility", "public")),
    ("nova", "GET", f"{IMAGE}/locations", None),
    ("erin", "POST", f"{IMAGE}/locations", {"url": "https://example.net"}),  # it has data: 409
    ("ada", "GET", "/v2/cache", None),
    ("ada", "PUT", f"/v2/cache/{ID}", None),  # there is no cache: 404
    ("ada", "DELETE", f"/v2/cache/{ID}", None),
    ("ada", "GET", "/v2/info/stores/detail", None),
    ("ada", "GET", "/v2/tasks", None),
    ("ada", "GET", "/metrics", None),
    ("ada", "POST", f"{IMAGE}/import", {"method": {"name": "copy-image"}, "all_stores": True}),
    ("erin", "DELETE", f"/v2/stores/files/{ID}", None),  # there is no other store: 404
    ("erin", "DELETE", IMAGE, None),
]


LISTS = {"/v2/images": "images", MEMBERS: "members"}
ANSWERS = [
    201, 200, 204, 200, 1, 200, 200, 200, 1, 200, 204, 200, 204, 204, 204, 204, 200, 200,
    200, 409, 200, 404, 404, 200, 200, 200, 202, 404, 204,
]  # fmt: skip


async def story(town: Town) -> list[int]:
    """Return the status of each answer; of a list how much is in it."""
    people = {"erin": town.person(), "olga": town.person("works"), "ada": town.person("ops", "admin")}
    people["nova"] = town.person("lab", "service,reader")
    answers: list[int] = []
    for who, method, path, body in STORY:
        answer = await people[who](method, path, body, content_type=V2_1 if method == "PATCH" else OCTETS)
        counted = method == "GET" and path in LISTS and answer.status == 200
        answers.append(len(answer.json[LISTS[path]]) if counted else answer.status)
    return answers


def policy_file(folder: Path, rules: Mapping[str, str]) -> Path:
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump(dict(rules)))
    return path


async def test_without_a_policy_file_everything_is_answered(town: Town) -> None:
    assert await story(town) == ANSWERS


# The others decide something where locations are shown, and where there is a trash: see test_locations and test_trash.
@pytest.mark.parametrize("rule", sorted(DEFAULT_RULES.keys() - {"get_image_location", "restore_image"}))
async def test_an_answer_changes_with_each_rule(serve: Serve, tmp_path: Path, rule: str) -> None:
    async with serve(policy_file=policy_file(tmp_path, {rule: "!"})) as town:
        assert await story(town) != ANSWERS, f"nothing asks {rule}"


async def test_a_token_without_a_useful_role_learns_nothing(town: Town, erin: Person) -> None:
    public = (await erin.stored(name="n"))["id"]
    await town.person("ops", "admin").set(public, visibility="public")
    stranger = town.person("lab", "unknown")
    for method, path, status in (
        ("GET", "/v2/images", 403),
        ("GET", f"/v2/images?id={public}", 403),
        ("GET", "/v2/images?limit=0", 403),
        ("GET", "/v2/info/usage", 403),
        ("POST", "/v2/images/inspect", 403),
        ("GET", "/metrics", 403),
        ("GET", f"/v2/images/{public}", 404),
        ("GET", f"/v2/images/{public}/file", 404),
        ("HEAD", f"/v2/images/{public}/file", 404),
        ("OPTIONS", f"/v2/images/{public}/file", 404),
        ("GET", f"/v2/images/{public}/members", 404),
        ("GET", f"/v2/images/{public}/uploads", 404),
        ("GET", f"/v2/images/{public}/uploads/{ID}", 404),
        ("HEAD", f"/v2/images/{public}/uploads/{ID}", 404),
        ("POST", f"/v2/images/{public}/uploads", 404),
        ("GET", "/v2/schemas/image", 200),
        ("GET", "/v2/info/stores", 200),
        ("GET", "/v2/info/import", 200),
    ):
        answer = await stranger(method, path, b"{}" if method == "POST" else None)
        assert answer.status == status, (method, path, answer.body)
        assert b'"name"' not in answer.body or status == 200, path


async def test_who_is_an_administrator_is_for_the_rule_to_say(serve: Serve, tmp_path: Path) -> None:
    async with serve(policy_file=policy_file(tmp_path, {"context_is_admin": "role:chief"})) as town:
        erin, ada, chief = town.person(), town.person("ops", "admin"), town.person("ops", "chief")
        image_id = (await erin.stored(name="n"))["id"]
        await erin.share(image_id, "works")
        await erin("POST", f"/v2/images/{image_id}/actions/deactivate")
        path = f"/v2/images/{image_id}"
        assert (await ada.names(), await chief.names()) == ([], ["n"])
        for method, rest, body in (
            ("GET", path, None),
            ("GET", f"{path}/file", None),
            ("GET", f"{path}/members", None),
            ("GET", f"{path}/members/works", None),
            ("PUT", f"{path}/members/works", {"status": "accepted"}),
        ):
            assert (await ada(method, rest, body)).status == 404, rest
            assert (await chief(method, rest, body)).status == 200, rest
        assert (await erin("GET", f"{path}/file")).status == 403, "deactivated"
        refused = await ada("GET", "/metrics")
        assert refused.status == 403
        assert "context_is_admin" in refused.message
        assert (await chief("GET", "/metrics")).status == 200
        assert (await ada("POST", "/v2/images", {"owner": "lab"})).status == 403
        assert (await chief("POST", "/v2/images", {"owner": "lab"})).status == 201


async def test_glances_own_words_for_lists(serve: Serve, tmp_path: Path) -> None:
    rule = "rule:context_is_admin or (role:reader and project_id:%(project_id)s)"
    async with serve(policy_file=policy_file(tmp_path, {"get_images": rule})) as town:
        await town.person().create(name="n")
        assert await town.person(roles="reader").names() == ["n"]


async def test_pages_are_full_whatever_the_rule_leaves_out(serve: Serve, tmp_path: Path, clock: Clock) -> None:
    rule = '"community":%(visibility)s and project_id:%(project_id)s'
    async with serve(policy_file=policy_file(tmp_path, {"get_image": rule, "add_image": "@"})) as town:
        erin = town.person()
        for number in range(9):
            await erin.create(name=f"{number}", visibility="private" if number % 3 else "community")
            clock.advance(1)
        page = await erin.page("?limit=2")
        assert [image["name"] for image in page["images"]] == ["6", "3"]
        assert page["next"].endswith(page["images"][-1]["id"]), "a link names no image that is hidden"
        last = await erin.page(page["next"].removeprefix("/v2/images"))
        assert [image["name"] for image in last["images"]] == ["0"]
        assert "next" not in last


PEOPLE = {
    "erin": ("lab", "member"),
    "rita": ("lab", "reader"),
    "olga": ("works", "member"),
    "olaf": ("works", "reader,auditor"),
    "nora": ("lab", "unknown"),
    "ada": ("ops", "admin"),
}
EVERYTHING = "/v2/images?visibility=all&member_status=all&limit=2"
SHARES = {"lab": "works", "works": "lab"}
RULES = rule_texts("rule:context_is_admin")
POLICIES = st.fixed_dictionaries(
    {"get_images": st.sampled_from(["@", "role:reader"])},
    optional={"get_image": RULES, "get_members": RULES, "get_member": RULES, "context_is_admin": rule_texts()},
)


async def furnish(town: Town) -> list[dict[str, Any]]:
    """One image of each visibility in two projects. Each project shares with the other, and one of them accepts."""
    admin, made = town.person("ops", "admin"), []
    for owner, other in SHARES.items():
        for visibility in ("private", "shared", "community", "public"):
            image = await admin.create(owner=owner, visibility="shared")
            await admin.share(image["id"], other)
            await admin.share(image["id"], "third")
            made.append(await admin.set(image["id"], visibility=visibility))
    assert (await town.person("works").answer(made[1]["id"], "accepted")).status == 200
    return made


async def listed(person: Person, path: str) -> list[dict[str, Any]]:
    """All pages of a list; nothing if it is refused."""
    records: list[dict[str, Any]] = []
    next_path: str | None = path
    while next_path:
        answer = await person("GET", next_path)
        if answer.status != 200:
            return []
        records += answer.json.get("images", answer.json.get("members"))
        next_path = answer.json.get("next")
    return records


async def check_that_lists_agree(person: Person, name: str, world: list[dict[str, Any]]) -> None:
    images = {image["id"]: image for image in await listed(person, EVERYTHING)}
    may_list = (await person("GET", "/v2/images?limit=0")).status == 200
    for image in world:
        path = f"/v2/images/{image['id']}"
        shown = await person("GET", path)
        if image["id"] in images:
            assert shown.json == images[image["id"]], (name, image)
        elif may_list and name != "ada" and _is_listable(person.project, image):
            assert shown.status == 404, (name, image)
        members = {member["member_id"]: member for member in await listed(person, f"{path}/members")}
        for member_id in ("lab", "works", "third"):
            answer = await person("GET", f"{path}/members/{member_id}")
            if member_id in members:
                assert answer.json == members[member_id]
            elif members:
                assert answer.status == 404


def _is_listable(project: str, image: dict[str, Any]) -> bool:
    if image["visibility"] in ("public", "community"):
        return True
    return project == image["owner"] or (image["visibility"] == "shared" and project == SHARES.get(image["owner"]))


@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(policy=POLICIES, names=st.sets(st.sampled_from(sorted(PEOPLE)), min_size=1, max_size=2))
async def test_each_list_agrees_with_show_record_by_record(
    furnished: tuple[Path, list[dict[str, Any]]], clock: Clock, policy: dict[str, str], names: set[str]
) -> None:
    folder, world = furnished
    async with image_api(load(data=folder, tls=False, policy_file=policy_file(folder, policy)), clock) as town:
        for name in sorted(names):
            await check_that_lists_agree(town.person(*PEOPLE[name]), name, world)


@pytest.fixture
async def furnished(serve: Serve, tmp_path: Path) -> tuple[Path, list[dict[str, Any]]]:
    async with serve() as town:
        return tmp_path, await furnish(town)
