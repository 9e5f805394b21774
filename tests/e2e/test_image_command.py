"""`stillage image` against a real server, as a user types it."""

import json
from pathlib import Path
from typing import Any

import pytest

from clients import Shells
from sending import Ended, Person
from server import MakeServer, Server

DATA = b"disk" * 1024


@pytest.fixture
def server(shared_server: MakeServer) -> Server:
    return shared_server(tls=True)


@pytest.fixture
def person(server: Server, shells: Shells, tmp_path: Path) -> Person:
    return Person.of(server, tmp_path, shells)


def document(done: Ended, status: int = 0) -> Any:
    assert done.status == status, done
    return json.loads(done.out)


def test_an_image_is_listed_shown_changed_shared_saved_and_deleted(server: Server, person: Person) -> None:
    image_id = server.stored(DATA, name="kept [red]", tags=["of-the-command"], os_distro="debian")
    server.stored(DATA, name="other")
    listed = document(person.run("image", "list", "--json", "--tag", "of-the-command", "--name", "kept [red]"))
    assert [image["id"] for image in listed["images"]] == [image_id]
    table = person.run("image", "list", "--tag", "of-the-command")
    assert (table.status, "[red]" in table.out, "other" in table.out) == (0, True, False)
    assert len(document(person.run("image", "list", "--json", "--limit", "1"))["images"]) == 1
    nobodys = person.run("image", "list", "--json", "--tag", "of-the-command", "--owner", "nobody")
    assert document(nobodys)["images"] == []

    changes = (
        "--name",
        "renamed by the command",
        "--property",
        "a/b~c=1",
        "--remove-property",
        "os_distro",
        "--tag",
        "t2",
        "--min-disk",
        "3",
    )
    changed = document(person.run("image", "set", "kept [red]", *changes, "--json"))
    assert (
        changed.items()
        >= {
            "id": image_id,
            "name": "renamed by the command",
            "a/b~c": "1",
            "tags": ["of-the-command", "t2"],
            "min_disk": 3,
        }.items()
    )
    assert "os_distro" not in changed
    assert document(person.run("image", "show", "renamed by the command", "--json")) == changed
    assert image_id in person.run("image", "show", image_id).out

    assert (
        document(person.run("image", "set", "renamed by the command", "--visibility", "shared", "--json"))["visibility"]
        == "shared"
    )
    for _ in range(2):
        shared = document(person.run("image", "share", "renamed by the command", "p1", "p2", "--json"))
        assert sorted(member["member_id"] for member in shared["members"]) == ["p1", "p2"]
    left = document(person.run("image", "share", "renamed by the command", "--remove", "p1", "--json"))
    assert [member["member_id"] for member in left["members"]] == ["p2"]
    missing = document(person.run("image", "share", "renamed by the command", "--remove", "p1", "--json"), 3)
    assert "not shared with p1" in missing["error"]

    server.cli("project", "create", "by-name")
    (project,) = [each for each in json.loads(server.cli("project", "list", "--json")) if each["name"] == "by-name"]
    found = ("image", "share", image_id, "--cloud", "stillage-admin", "--json")
    named = document(person.run(*found, "by-name"))
    assert sorted(member["member_id"] for member in named["members"]) == sorted(["p2", project["id"]])
    assert [each["member_id"] for each in document(person.run(*found, "--remove", "by-name"))["members"]] == ["p2"]

    assert person.run("image", "save", "renamed by the command", "-o", "copy").status == 0
    assert (person.folder / "copy").read_bytes() == DATA

    deleted = document(person.run("image", "delete", "renamed by the command", "nothing", "--json"), 3)
    assert [(view["image"], view["status"]) for view in deleted["images"]] == [(image_id, 0), (None, 3)]
    assert server.api("GET", f"/v2/images/{image_id}").status == 404


def test_a_family_is_named_by_its_latest_and_its_images_are_retired(server: Server, person: Person) -> None:
    old, new = [server.stored(DATA, name=name, family="of-the-command") for name in ("f-1", "f-2")]
    latest = "of-the-command:latest"
    retired = document(person.run("image", "deprecate", latest, "--replaced-by", "f-1", "--json"))
    assert (retired["id"], retired["lifecycle"], retired["replaced_by"]) == (new, "deprecated", "f-1")
    assert document(person.run("image", "show", latest, "--json"))["id"] == old
    assert "lifecycle" not in document(person.run("image", "reactivate", "f-2", "--json"))
    dry = person.run("image", "retention", "of-the-command", "--keep-newest", "1", "--dry-run")
    assert (dry.status, "would delete" in dry.out, "f-1" in dry.out, "f-2" in dry.out) == (0, True, True, False)
    assert document(person.run("image", "restore", old, "--json"), 3)["code"] == "not_in_trash"


def test_every_error_is_one_sentence_a_status_and_json_if_asked(server: Server, person: Person) -> None:
    for _ in range(2):
        server.stored(DATA, name="twins of the command")
    gone = person.run("image", "show", "nothing")
    assert (gone.status, gone.out, gone.error) == (3, "", "stillage: there is no image 'nothing'\n")
    assert document(person.run("image", "show", "nothing", "--json"), 3)["error"] == "there is no image 'nothing'"
    assert document(person.run("image", "show", "twins of the command", "--json"), 2)["code"] == "unusable_file"
    assert document(person.run("image", "list", "--json", "--cloud", "nowhere"), 2)["code"] == "invalid_cloud"
    assert person.run("image", "set", "twins of the command").status == 2
    assert person.run("image", "list", "--status", "lost").status == 2
