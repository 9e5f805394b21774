"""``openstack image …`` as people type it."""

from pathlib import Path

import pytest

from clients import Account, Done, digest
from samples import load
from server import Server, eventually

JSON = ("-f", "json")


def refusal(done: Done) -> str:
    """What the user reads: one sentence of ours, on standard error, and no noise of a program."""
    assert done.out == ""
    assert "<" not in done.error, "no HTML"
    return done.error


def test_an_image_from_its_file_to_its_deletion(erin: Account, disk: Path) -> None:
    made = erin.openstack(
        *("image", "create", "web 01", "--file", str(disk), "--disk-format", "raw", "--container-format", "bare"),
        *(
            "--min-disk",
            "1",
            "--property",
            "os_distro=debian",
            "--tag",
            "web",
            "--tag",
            "two words",
            "--private",
            *JSON,
        ),
    ).json
    assert (made["status"], made["size"], made["visibility"]) == ("active", disk.stat().st_size, "private")
    assert made["properties"]["os_hash_value"] == digest(disk)
    assert made["checksum"] == digest(disk, "md5")
    assert set(made["tags"]) == {"web", "two words"}

    # A name stands where an id is expected.
    shown = erin.openstack("image", "show", "web 01", *JSON).json
    assert (shown["id"], shown["properties"]["os_distro"], shown["min_disk"]) == (made["id"], "debian", 1)

    erin.openstack(
        *("image", "set", "web 01", "--name", "web-02", "--min-ram", "512", "--property", "os_version=13"),
        *("--tag", "new", "--os-distro", "ubuntu", "--protected", "--hidden"),
    )
    erin.openstack("image", "unset", "--tag", "two words", "--property", "os_version", made["id"])
    changed = erin.openstack("image", "show", "web-02", *JSON).json
    assert (changed["min_ram"], changed["protected"], set(changed["tags"])) == (512, True, {"web", "new"})
    assert changed["properties"]["os_distro"] == "ubuntu"
    assert "os_version" not in changed["properties"]

    assert "protected" in refusal(erin.openstack("image", "delete", made["id"], fails=True))
    erin.openstack("image", "set", made["id"], "--unprotected", "--unhidden", "--deactivate")
    assert erin.openstack("image", "show", made["id"], "-f", "value", "-c", "status").out.strip() == "deactivated"
    # openstacksdk takes the refusal for the file; it is kept from being taken for the image by its hash.
    assert "mismatch" in refusal(erin.openstack("image", "save", "--file", "no.img", made["id"], fails=True))
    erin.openstack("image", "set", made["id"], "--activate")

    erin.openstack("image", "save", "--file", "saved.img", "web-02")  # checks the hash itself
    assert (erin.home / "saved.img").read_bytes() == disk.read_bytes()
    erin.openstack("image", "delete", "web-02")
    assert "web-02" in refusal(erin.openstack("image", "show", "web-02", fails=True))


@pytest.mark.thorough
def test_the_latest_of_a_family_stands_for_an_image(erin: Account, disk: Path) -> None:
    made = [
        erin.openstack("image", "create", name, "--file", str(disk), "--property", "family=web-24.04", *JSON).json["id"]
        for name in ("web-1", "web-2")
    ]
    latest = erin.openstack("image", "show", "web-24.04:latest", *JSON).json
    assert (latest["id"], latest["properties"]["family"]) == (made[1], "web-24.04")
    erin.openstack("image", "save", "--file", "latest.img", "web-24.04:latest")
    assert digest(erin.home / "latest.img") == digest(disk)
    erin.openstack("image", "set", "web-24.04:latest", "--property", "lifecycle=deprecated")
    assert erin.openstack("image", "show", "web-24.04:latest", *JSON).json["id"] == made[0]
    listed = erin.openstack("image", "list", "--property", "family=web-24.04", *JSON).json
    assert [image["Name"] for image in listed] == ["web-1", "web-2"]


def test_images_from_standard_input(erin: Account, disk: Path) -> None:
    made = erin.openstack("image", "create", "piped", "--disk-format", "raw", *JSON, stdin=disk.read_bytes()).json
    assert (made["status"], made["size"]) == ("active", disk.stat().st_size)

    # In a script, without --file: an upload of nothing, with the size 0 declared.
    empty = erin.openstack("image", "create", "empty", "--disk-format", "raw", *JSON).json
    assert (empty["status"], empty["size"]) == ("active", 0)
    assert erin.openstack("image", "save", made["id"]).data == disk.read_bytes()
    erin.openstack("image", "delete", made["id"], empty["id"])


def test_lists(erin: Account) -> None:
    for attributes in (
        {"name": "list-0", "tags": ["odd"]},
        {"name": "list-1", "colour": "red"},
        {"name": "list-2", "os_hidden": True},
    ):
        assert erin.call("POST", "/v2/images", attributes).status == 201

    def names(*filters: str) -> list[str]:
        listed = erin.openstack("image", "list", *filters, *JSON).json
        return [image["Name"] for image in listed if str(image["Name"]).startswith("list-")]

    assert names("--sort", "name:asc") == ["list-0", "list-1"]
    assert names("--sort", "name:desc") == ["list-1", "list-0"]
    assert names("--tag", "odd") == ["list-0"]
    assert names("--property", "colour=red") == ["list-1"]
    assert names("--hidden") == ["list-2"]
    assert names("--shared", "--status", "queued", "--name", "list-1") == ["list-1"]
    assert names("--private") == []
    assert names("--limit", "1") == ["list-1"]
    first = erin.openstack("image", "show", "list-1", "-f", "value", "-c", "id").out.strip()
    assert names("--marker", first) == ["list-0"]


def test_sharing_between_two_projects(erin: Account, olga: Account, disk: Path) -> None:
    made = erin.openstack("image", "create", "shared", "--file", str(disk), "--shared", *JSON).json
    assert made["disk_format"] == "raw"
    works = olga.project_id

    shared = erin.openstack("image", "add", "project", "shared", works, *JSON).json
    assert (shared["member_id"], shared["status"]) == (works, "pending")
    pending = olga.openstack("image", "list", "--shared", "--member-status", "pending", *JSON).json
    assert [image["ID"] for image in pending] == [made["id"]]
    assert olga.openstack("image", "list", *JSON).json == []

    olga.openstack("image", "set", "--accept", made["id"])
    assert [image["Name"] for image in olga.openstack("image", "list", *JSON).json] == ["shared"]
    olga.openstack("image", "save", "--file", "theirs.img", "shared")
    assert digest(olga.home / "theirs.img") == digest(disk)
    members = erin.openstack("image", "member", "list", "shared", *JSON).json
    assert [(member["Member ID"], member["Status"]) for member in members] == [(works, "accepted")]
    assert erin.openstack("image", "member", "get", made["id"], works, *JSON).json["status"] == "accepted"

    said = refusal(olga.openstack("image", "set", "--name", "mine", made["id"], fails=True))
    assert "belongs to another project" in said
    assert "403" in said
    olga.openstack("image", "set", "--reject", made["id"])
    assert olga.openstack("image", "list", *JSON).json == []

    own = erin.openstack("image", "add", "project", "shared", erin.project_id, *JSON).json
    assert (own["member_id"], own["status"]) == (erin.project_id, "pending"), "Glance takes the owner as well"
    erin.openstack("image", "remove", "project", "shared", erin.project_id)
    erin.openstack("image", "remove", "project", "shared", works)
    assert "No Image found" in refusal(olga.openstack("image", "show", made["id"], fails=True))
    erin.openstack("image", "delete", "shared")


def test_what_a_user_reads_when_the_bytes_are_refused(erin: Account) -> None:
    (erin.home / "bad.qcow2").write_bytes(load("qcow2-v3-backing.qcow2"))
    done = erin.openstack(
        *("image", "create", "bad", "--file", "bad.qcow2", "--disk-format", "qcow2", "--container-format", "bare"),
        fails=True,
    )
    said = refusal(done)
    assert "415" in said
    assert "backing file" in said


def test_what_a_user_reads_when_he_asks_too_much(erin: Account, olga: Account) -> None:
    tags = [word for number in range(129) for word in ("--tag", f"t{number}")]
    said = refusal(erin.openstack("image", "create", "tags", *tags, "--file", "/dev/null", fails=True))
    assert "413" in said
    assert "too many tags: an image may have 128, this one would have 129" in said

    image_id = "0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a11"
    erin.openstack("image", "create", "one", "--id", image_id, "--disk-format", "raw")
    said = refusal(olga.openstack("image", "create", "two", "--id", image_id, "--disk-format", "raw", fails=True))
    assert "409" in said
    assert "is taken" in said
    said = refusal(erin.openstack("image", "set", "--public", image_id, fails=True))
    assert "403" in said
    assert "publicize_image" in said
    said = refusal(olga.openstack("image", "show", image_id, fails=True))
    assert image_id in said
    erin.openstack("image", "delete", image_id)


def test_an_administrator(erin: Account, admin: Account) -> None:
    made = admin.openstack("image", "create", "for all", "--public", "--disk-format", "raw", *JSON).json
    assert "for all" in erin.openstack("image", "list", "--public", "-f", "value", "-c", "Name").out
    said = refusal(erin.openstack("image", "delete", made["id"], fails=True))
    assert "belongs to another project" in said
    admin.openstack("image", "delete", made["id"])


def test_an_import_of_a_file_and_of_a_url(erin: Account, disk: Path, disk_url: str) -> None:
    raw = ("--disk-format", "raw", "--container-format", "bare")
    made = erin.openstack("image", "create", "direct", "--import", "--file", str(disk), *raw, *JSON).json
    record = erin.call("POST", "/v2/images", {"disk_format": "raw", "container_format": "bare"}).json["id"]
    erin.openstack("image", "import", "--method", "web-download", "--uri", disk_url, record)
    for image_id in (made["id"], record):
        eventually(lambda: hash_of(erin, image_id) == digest(disk) or None, "the image is imported")  # noqa: B023


def hash_of(erin: Account, image_id: str) -> str | None:
    value: str | None = erin.call("GET", f"/v2/images/{image_id}").json["os_hash_value"]
    return value


def test_stores_imports_and_versions(erin: Account, server: Server) -> None:
    assert "files" in erin.openstack("image", "stores", "list").out
    assert "import-methods" in erin.openstack("image", "import", "info").out
    versions = erin.openstack("versions", "show", "--service", "image", *JSON).json
    current = [version for version in versions if version["Status"] == "CURRENT"]
    assert [version["Endpoint"] for version in current] == [f"{server.url}/v2/"]
    assert server.url in erin.openstack("catalog", "show", "image", *JSON).out


@pytest.mark.parametrize("words", [["image", "import", "nothing"], ["cached", "image", "list"]])
def test_what_is_not_offered_says_so(erin: Account, words: list[str]) -> None:
    refusal(erin.openstack(*words, fails=True))
