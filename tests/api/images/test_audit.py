"""Every change is told of, also one that was refused; and nothing else is."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from fakes import Clock
from image_api import Person, Town
from server import Answer
from stillage.api.dialects import ROUTES, name_of

# It could change something by its method, and keeps nothing of what it is sent.
NO_CHANGES = {"POST /v2/images/inspect", "POST /v2/tasks", "POST /v2/{project_id}/images/resource_instances/action"}
NO_IMAGE = "0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a99"


async def told(person: Person, method: str, path: str, body: Any = None, **headers: str) -> tuple[Answer, Any]:
    """Return the answer, and the one event that there is of the request."""
    with capture_logs() as lines:
        answer = await person(method, path, body, **headers)
    (event,) = [line for line in lines if line["event"] == "audit"]
    assert event["reason"] == {"reasonType": "HTTP", "reasonCode": str(answer.status)}
    assert event["outcome"] == ("success" if answer.status < 400 else "failure")
    assert event["initiator"]["request_id"] == answer.headers["x-openstack-request-id"]
    assert event["initiator"]["host"]["address"] == "127.0.0.1"
    return answer, event


def test_every_route_that_can_change_something_is_in_the_table_of_its_dialect(town: Town) -> None:
    for dialect in town.application[ROUTES].dialects:
        router = web.UrlDispatcher()
        dialect.add_routes(router)
        could = {name_of(route) for route in router.routes() if route.method not in ("GET", "HEAD", "OPTIONS")}
        assert could - NO_CHANGES == set(dialect.changes)


async def test_an_event_says_who_did_what_from_where(town: Town, erin: Person, clock: Clock) -> None:
    answer, event = await told(erin, "POST", "/v2/images", {"name": "secret plan"}, user_agent="curl/8")
    assert event["typeURI"] == "http://schemas.dmtf.org/cloud/audit/1.0/event"
    assert (event["eventType"], event["action"], event["outcome"]) == ("activity", "create", "success")
    assert event["eventTime"] == clock().isoformat()
    assert event["target"] == {"id": answer.json["id"], "typeURI": "service/storage/image/images/image"}
    assert event["observer"] == {"id": "test", "typeURI": "service/storage/image", "name": "stillage"}
    assert event["requestPath"] == "/v2/images"
    initiator = event["initiator"]
    assert (initiator["id"], initiator["name"], initiator["project_id"]) == ("erin", "erin", "lab")
    assert initiator["typeURI"] == "service/security/account/user"
    assert initiator["credential"] == {"type": "token"}
    assert initiator["host"] == {"address": "127.0.0.1", "agent": "curl/8"}
    assert "secret plan" not in str(event)


async def test_each_kind_of_change_has_its_action(erin: Person, olga: Person) -> None:
    image = await erin.create(disk_format="raw", container_format="bare")
    path = f"/v2/images/{image['id']}"
    patch = [{"op": "add", "path": "/colour", "value": "red"}, {"op": "add", "path": "/name", "value": "x"}]
    media = "application/openstack-images-v2.1-json-patch"
    steps: list[tuple[Person, str, str, Any, str, dict[str, str]]] = [
        (erin, "PATCH", path, patch, "update", {"changed": "colour name"}),
        (erin, "PUT", f"{path}/file", b"x" * 512, "update/file", {}),
        (erin, "POST", f"{path}/actions/deactivate", None, "disable", {}),
        (erin, "POST", f"{path}/actions/reactivate", None, "enable", {}),
        (erin, "PUT", f"{path}/tags/blue", None, "create/tag", {"tag": "blue"}),
        (erin, "DELETE", f"{path}/tags/blue", None, "delete/tag", {"tag": "blue"}),
        (erin, "POST", f"{path}/members", {"member": "works"}, "create/member", {"member": "works"}),
        (
            olga,
            "PUT",
            f"{path}/members/works",
            {"status": "accepted"},
            "update/member",
            {"member": "works", "status": "accepted"},
        ),
        (erin, "DELETE", f"{path}/members/works", None, "delete/member", {"member": "works"}),
        (erin, "DELETE", path, None, "delete", {}),
    ]
    for who, method, url, body, action, parts in steps:
        headers = {"content_type": media} if method == "PATCH" else {}
        answer, event = await told(who, method, url, body, **headers)
        assert answer.status < 300, answer.body
        assert event["action"] == action
        assert event["target"]["id"] == image["id"]
        found = {part["name"]: part["content"] for part in event.get("attachments", [])}
        assert found == parts


async def test_refused_changes_are_told_of(town: Town, erin: Person, rita: Person) -> None:
    image = await erin.create()
    _, event = await told(rita, "DELETE", f"/v2/images/{image['id']}")
    assert (event["reason"]["reasonCode"], event["initiator"]["id"]) == ("403", "rita")
    _, event = await told(erin, "DELETE", f"/v2/images/{NO_IMAGE}")
    assert (event["reason"]["reasonCode"], event["target"]["id"]) == ("404", NO_IMAGE)
    _, event = await told(erin, "POST", "/v2/images", {"disk_format": "zip"})
    assert (event["reason"]["reasonCode"], event["target"]["id"]) == ("400", "unknown")
    _, event = await told(Person(town.session, "bad", ""), "POST", "/v2/images", {})
    assert (event["reason"]["reasonCode"], event["initiator"]["id"]) == ("401", "unknown")
    assert "credential" not in event["initiator"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2/images"),
        ("GET", f"/v2/images/{NO_IMAGE}"),
        ("POST", "/v2/images/inspect"),
        ("PUT", "/v2/nothing"),
        ("PUT", "/v2/images"),
        ("GET", "/healthz"),
    ],
)
async def test_what_changes_nothing_is_not_told_of(erin: Person, method: str, path: str) -> None:
    with capture_logs() as lines:
        await erin(method, path)
    assert [line["event"] for line in lines if line["event"] in ("audit", "request")] == ["request"]


async def test_long_texts_of_clients_are_cut(erin: Person) -> None:
    _, event = await told(erin, "DELETE", f"/v2/images/{'x' * 3000}", user_agent="y" * 3000)
    assert len(json.dumps(event)) < 2500


async def test_an_upload_that_is_cut_off_is_told_of(town: Town, erin: Person) -> None:
    image = await erin.create(disk_format="raw", container_format="bare")

    async def broken() -> Any:
        yield b"x" * 1000
        await asyncio.sleep(0)
        raise ConnectionResetError

    with capture_logs() as lines:
        with pytest.raises(Exception):  # noqa: B017, PT011 - the client's, of whatever kind
            await erin.upload(image["id"], broken())
        async with asyncio.timeout(60):
            while not [line for line in lines if line["event"] == "audit"]:  # noqa: ASYNC110 - a list wakes nobody
                await asyncio.sleep(0.01)
    (event,) = [line for line in lines if line["event"] == "audit"]
    assert (event["action"], event["outcome"]) == ("update/file", "failure")


async def test_events_are_in_the_file_before_the_answer_is_out(
    serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "audit.jsonl"
    async with serve(audit_file=file) as town:
        image = await town.person().create()
        (line,) = file.read_text().splitlines()
        assert json.loads(line)["target"]["id"] == image["id"]
        assert file.stat().st_mode & 0o777 == 0o600
        file.rename(tmp_path / "audit.jsonl.1")
        await town.person()("DELETE", f"/v2/images/{image['id']}")
        assert json.loads(file.read_text())["action"] == "delete"
        assert (tmp_path / "audit.jsonl.1").read_text().splitlines() == [line]
