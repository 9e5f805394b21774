"""``glance …`` as people type it, and glanceclient as Nova and Cinder use it."""

import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from clients import Account, Done, digest, executable
from samples import load
from server import eventually


def fields(done: Done) -> dict[str, str]:
    """What a table of properties says."""
    return dict(re.findall(r"^\| (\S+) +\| (.*?) +\|$", done.out, re.MULTILINE))


def column(done: Done) -> list[str]:
    """The second column of a list: names or members."""
    return re.findall(r"^\| [0-9a-f-]{36} +\| (.*?) +\|", done.out, re.MULTILINE)


def test_an_image_from_its_file_to_its_deletion(erin: Account, disk: Path) -> None:
    made = fields(
        erin.glance(
            *("image-create", "--name", "g1", "--file", str(disk), "--disk-format", "raw"),
            *("--container-format", "bare", "--property", "a=b", "--tags", "t1", "--min-disk", "1"),
        )
    )
    assert (made["status"], made["size"], made["a"]) == ("active", str(disk.stat().st_size), "b")
    assert made["checksum"] == digest(disk, "md5")
    image_id = made["id"]

    changed = fields(
        erin.glance("image-update", image_id, "--name", "g1b", "--property", "c=d", "--remove-property", "a")
    )
    assert (changed["name"], changed["c"]) == ("g1b", "d")
    assert "a" not in changed
    erin.glance("image-tag-update", image_id, "t2")
    erin.glance("image-tag-delete", image_id, "t1")
    assert fields(erin.glance("image-show", image_id))["tags"] == '["t2"]'

    assert "g1b" in column(erin.glance("image-list", "--property-filter", "c=d", "--tag", "t2"))
    assert column(erin.glance("image-list", "--property-filter", "name=nothing")) == []
    assert column(erin.glance("image-list", "--sort", "name:desc", "--limit", "1", "--visibility", "shared"))

    erin.glance("image-deactivate", image_id)
    said = erin.glance("image-download", image_id, "--file", "no.img", fails=True).error
    assert "deactivated" in said
    erin.glance("image-reactivate", image_id)
    erin.glance("image-download", image_id, "--file", "saved.img")
    assert (erin.home / "saved.img").read_bytes() == disk.read_bytes()
    erin.glance("image-delete", image_id)
    assert image_id in erin.glance("image-show", image_id, fails=True).error


def test_a_record_first_and_its_data_later(erin: Account, disk: Path) -> None:
    made = fields(erin.glance("image-create", "--name", "later", "--disk-format", "raw", "--container-format", "bare"))
    # Standard input is no terminal here, so nothing is uploaded: an active image of no bytes.
    assert (made["status"], made["size"]) == ("active", "0")
    piped = fields(
        erin.glance("image-create", "--disk-format", "raw", "--container-format", "bare", stdin=disk.read_bytes())
    )
    assert (piped["status"], piped["size"]) == ("active", str(disk.stat().st_size))

    record = erin.call("POST", "/v2/images", {"disk_format": "raw", "container_format": "bare"}).json["id"]
    erin.glance("image-upload", record, "--file", str(disk))
    assert erin.glance("image-download", record).data == disk.read_bytes()
    again = erin.glance("image-upload", record, "--file", str(disk), fails=True).error
    assert "active" in again


def test_sharing_between_two_projects(erin: Account, olga: Account, disk: Path) -> None:
    made = fields(
        erin.glance(
            "image-create",
            "--name",
            "shared",
            "--file",
            str(disk),
            "--disk-format",
            "raw",
            "--container-format",
            "bare",
        )
    )
    member = (made["id"], olga.project_id)
    assert "pending" in erin.glance("member-create", *member).out
    assert "shared" in column(olga.glance("image-list", "--member-status", "pending", "--visibility", "shared"))
    assert "accepted" in olga.glance("member-update", *member, "accepted").out
    assert "shared" in column(olga.glance("image-list"))
    assert olga.project_id in erin.glance("member-list", "--image-id", made["id"]).out
    olga.glance("image-download", made["id"], "--file", "theirs.img")
    assert digest(olga.home / "theirs.img") == digest(disk)
    said = olga.glance("image-update", made["id"], "--name", "mine", fails=True).error
    assert "belongs to another project" in said
    erin.glance("member-delete", *member)
    assert "no image" in olga.glance("image-show", made["id"], fails=True).error
    erin.glance("image-delete", made["id"])


def test_what_a_user_reads_when_he_is_refused(erin: Account, olga: Account) -> None:
    (erin.home / "bad.qcow2").write_bytes(load("qcow2-v3-backing.qcow2"))
    said = erin.glance(
        *("image-create", "--file", "bad.qcow2", "--disk-format", "qcow2", "--container-format", "bare"), fails=True
    ).error
    assert "backing file" in said

    tags = ("--tags", *(f"t{number}" for number in range(129)))
    said = erin.glance("image-create", "--disk-format", "raw", "--container-format", "bare", *tags, fails=True).error
    assert "too many tags: an image may have 128, this one would have 129" in said

    image_id = "0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a12"
    body = ("--disk-format", "raw", "--container-format", "bare", "--id", image_id)
    erin.glance("image-create", *body)
    said = olga.glance("image-create", *body, fails=True).error
    assert "is taken" in said
    said = erin.glance("image-update", image_id, "--visibility", "public", fails=True).error
    assert "publicize_image" in said
    said = olga.glance("image-show", image_id, fails=True).error
    assert "no image" in said


@pytest.mark.parametrize("disk_format", ["zvhd", "zvhd2", "qed", "qcow"])
def test_formats_that_glance_does_not_have_pass_the_clients_own_check(erin: Account, disk_format: str) -> None:
    body = {"disk_format": "raw", "container_format": "bare"}
    image_id = erin.call("POST", "/v2/images", body).json["id"]
    assert fields(erin.glance("image-update", image_id, "--disk-format", disk_format))["disk_format"] == disk_format


def test_schemas_stores_and_imports(erin: Account) -> None:
    assert "disk_format" in erin.glance("explain", "image").out
    assert "files" in erin.glance("stores-info").out
    assert "import-methods" in erin.glance("import-info").out


def test_imports_of_a_file_and_of_a_url(erin: Account, disk: Path, disk_url: str) -> None:
    raw = ("--disk-format", "raw", "--container-format", "bare")
    made = fields(erin.glance("image-create-via-import", "--name", "direct", *raw, stdin=disk.read_bytes()))
    assert imported(erin, made["id"]) == digest(disk)
    # The client refuses a URL if its standard input is no terminal: `script` gives it one.
    from_web = ("--import-method", "web-download", "--uri", disk_url, "--stores", "files")
    line = [executable("glanceclient", "glance"), "image-create-via-import", "--name", "fetched", *from_web, *raw]
    fetched = erin.run("script", "--quiet", "--return", "--command", shlex.join(line), os.devnull).out
    assert imported(erin, re.findall(r"^\| id +\| (\S+) +\|", fetched, re.MULTILINE)[0]) == digest(disk)


def imported(erin: Account, image_id: str) -> str | None:
    """Return the digest of the image as soon as it is active."""

    def ask() -> str | None:
        image = erin.call("GET", f"/v2/images/{image_id}").json
        return str(image["os_hash_value"]) if image["status"] == "active" else None

    return eventually(ask, f"image {image_id} is active")


LIBRARY = """
import glanceclient, hashlib, io
from keystoneauth1 import session
from keystoneauth1.identity import v3
import os

auth = v3.Password(**{name: os.environ["OS_" + name.upper()] for name in (
    "auth_url", "username", "password", "project_name", "user_domain_name", "project_domain_name")})
keystone = session.Session(auth=auth, verify=os.environ["OS_CACERT"])
glance = glanceclient.Client("2", session=keystone, endpoint_override=image_url or None)
"""


def test_the_library_as_nova_and_cinder_use_it(erin: Account, disk: Path) -> None:
    result: dict[str, Any] = erin.python(
        "glanceclient",
        LIBRARY
        + """
data = open(disk, "rb").read()
image = glance.images.create(name="snapshot", disk_format="raw", container_format="bare", base_image_ref="x")
glance.images.upload(image.id, io.BytesIO(data))
read = b"".join(glance.images.data(image.id))
glance.images.update(image.id, remove_props=["base_image_ref"], name="renamed", min_disk=2)
shown = glance.images.get(image.id)
empty = glance.images.create(name="volume", disk_format="raw", container_format="bare")
glance.images.upload(empty.id, b"")
enum = glance.schemas.get("image").raw()["properties"]["disk_format"]["enum"]
pages = [i.name for i in glance.images.list(page_size=1, filters={"name": "renamed"}, sort_key=["name", "created_at"])]
result = {"same": read == data, "name": shown.name, "min_disk": shown.min_disk, "gone": "base_image_ref" not in shown,
          "empty": [glance.images.get(empty.id).status, glance.images.get(empty.id).size], "pages": pages,
          "enum": enum, "none": glance.images.data(empty.id).wrapped is None}
glance.images.delete(image.id)
""",
        disk=str(disk),
        image_url="",
    )
    assert result.pop("enum")[:1] == [None]
    expected = {
        "same": True,
        "name": "renamed",
        "min_disk": 2,
        "gone": True,
        "empty": ["active", 0],
        "pages": ["renamed"],
    }
    result.pop("none", None)
    assert result == expected


def test_a_url_in_the_place_of_the_catalogues(erin: Account) -> None:
    for path in ("", "/"):
        erin.glance("--os-image-url", erin.server.url + path, "image-list", "--limit", "1")


def test_an_upload_that_meets_a_401_is_refused_and_can_be_repeated(erin: Account, disk: Path) -> None:
    """The client logs in again and sends what is left of the file: nothing, with the size of before."""
    result = erin.python(
        "glanceclient",
        LIBRARY
        + """
image = glance.images.create(name="again", disk_format="raw", container_format="bare")
token = keystone.get_token()
keystone.delete(os.environ["OS_AUTH_URL"] + "/auth/tokens", headers={"X-Subject-Token": token})
try:
    with open(disk, "rb") as file:
        glance.images.upload(image.id, file, image_size=os.path.getsize(disk))
    said = "nothing"
except Exception as error:
    said = str(error)
after = glance.images.get(image.id)
with open(disk, "rb") as file:
    glance.images.upload(image.id, file, image_size=os.path.getsize(disk))
result = [said, after.status, after.size, glance.images.get(image.id).size]
""",
        disk=str(disk),
        image_url="",
    )
    said, status, size, size_after = result
    expected = f"size mismatch: expected {disk.stat().st_size} bytes, got 0 bytes"
    assert expected in said
    assert (status, size, size_after) == ("queued", None, disk.stat().st_size)
