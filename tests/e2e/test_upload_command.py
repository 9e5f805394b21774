"""`stillage upload` against a real server, as a user types it."""

import hashlib
import json
import random
from pathlib import Path

import pytest

from clients import Shells
from samples import load
from sending import Person
from server import MIB, MakeServer, Server
from stillage.formats.hints import BARE

DATA = random.Random(7).randbytes(3 * MIB + 4321)


@pytest.fixture
def server(shared_server: MakeServer) -> Server:
    """As `make serve` starts it."""
    return shared_server(tls=True)


@pytest.fixture
def person(server: Server, shells: Shells, tmp_path: Path) -> Person:
    (tmp_path / "disk.raw").write_bytes(DATA)
    return Person.of(server, tmp_path, shells)


def test_a_file_becomes_an_image_that_is_the_file(server: Server, person: Person) -> None:
    done = person.upload(
        "disk.raw", "--name", "web", "--property", "os_distro=debian", "--property", "x=a=b", "--tag", "t1",
        "--min-disk", "2", "--min-ram", "64", "--visibility", "private", "--protected",
    )  # fmt: skip
    assert (done.status, len(done.views)) == (0, 1)
    view = done.views[0]
    image = server.show(view["image"])
    wanted = {
        "name": "web", "status": "active", "disk_format": "raw", "container_format": "bare", "os_distro": "debian",
        "x": "a=b", "tags": ["t1"], "min_disk": 2, "min_ram": 64, "visibility": "private", "protected": True,
        "size": len(DATA), "checksum": hashlib.md5(DATA).hexdigest(),
    }  # fmt: skip
    assert image.items() >= wanted.items()
    assert view["verified"] == {"md5": image["checksum"], "sha512": hashlib.sha512(DATA).hexdigest()}
    assert server.download(view["image"]).body == DATA
    assert view["hints"] == [BARE]
    assert person.kept("uploads") == []


def test_of_a_file_that_changed_a_little_a_little_is_sent(server: Server, person: Person) -> None:
    data = random.Random(11).randbytes(5 * MIB)
    (person.folder / "disk.raw").write_bytes(data)
    first = person.upload("disk.raw").views[0]
    assert (first["sent"], first["taken"]) == (5 * MIB, 0)
    changed = data[:-1] + bytes([data[-1] ^ 1])
    (person.folder / "disk.raw").write_bytes(changed)
    view = person.upload("disk.raw").views[0]
    assert (view["sent"], view["taken"]) == (MIB, 4 * MIB)
    assert server.download(view["image"]).body == changed
    (person.folder / "copy.raw").write_bytes(changed)
    done = person.run("upload", "copy.raw")
    assert (done.status, "5.2 MB taken from what the server already had" in done.out) == (0, True), done
    assert f"copy.raw: hint: {BARE}\n" in done.error


def test_a_clouds_yaml_of_make_serve_is_all_that_is_needed(server: Server, shells: Shells, tmp_path: Path) -> None:
    (tmp_path / "disk.qcow2").write_bytes(load("qcow2-v3-plain.qcow2"))
    person = Person(tmp_path, shells, {"OS_CLIENT_CONFIG_FILE": str(server.data_folder / "clouds.yaml")})
    done = person.run("upload", "disk.qcow2", "--os-cloud", "stillage")
    assert done.status == 0, done.error
    assert done.out.startswith("disk.qcow2: image ")
    assert "verified by md5 and sha512" in done.out


def test_the_server_on_this_machine_needs_no_clouds_yaml(server: Server, shells: Shells, tmp_path: Path) -> None:
    (tmp_path / "disk.qcow2").write_bytes(load("qcow2-v3-plain.qcow2"))
    by_settings = Person(tmp_path, shells, {"STILLAGE_DATA": str(server.data_folder)})
    assert by_settings.run("upload", "disk.qcow2", "--name", "local").status == 0
    nobody = Person(tmp_path, shells)
    assert nobody.run("download", "local", "-o", "copy", "--data", str(server.data_folder)).status == 0
    refused = nobody.upload("disk.qcow2")
    assert (refused.status, refused.views[0]["code"]) == (2, "invalid_cloud"), "JSON even without a cloud"


def test_several_files_are_sent_and_the_status_is_the_worst(server: Server, person: Person) -> None:
    (person.folder / "evil.qcow2").write_bytes(load("qcow2-v3-backing.qcow2"))
    done = person.upload("evil.qcow2", "disk.raw", "missing")
    assert done.status == 2
    assert [view["status"] for view in done.views] == [1, 0, 2]
    assert [view["code"] for view in done.views] == ["refused_locally", None, "unusable_file"]
    assert "backing file" in done.views[0]["error"]
    assert (done.views[0]["rule"], done.views[0]["offset"]) == ("qcow2.backing-file", 8)
    assert done.views[0]["fix"].startswith("qemu-img ")
    assert "evil.qcow2" in done.views[0]["fix"]
    assert done.views[0]["image"] is None
    assert server.show(done.views[1]["image"])["name"] == "disk.raw"


def test_what_the_server_would_refuse_is_not_sent_and_no_record_is_made(server: Server, person: Person) -> None:
    before = server.api("GET", "/v2/images?limit=1").json["images"][:1]
    done = person.upload("disk.raw", "--disk-format", "qcow2")
    assert (done.status, done.views[0]["sent"], done.views[0]["image"]) == (1, 0, None)
    assert server.api("GET", "/v2/images?limit=1").json["images"][:1] == before


def test_a_refusal_of_the_server_leaves_no_record(server: Server, person: Person) -> None:
    (person.folder / "evil.qcow2").write_bytes(load("qcow2-v3-backing.qcow2"))
    done = person.upload("--no-inspect", "evil.qcow2", "--disk-format", "qcow2")
    assert done.status == 3
    assert "backing file" in done.views[0]["error"]
    assert done.views[0]["code"] == "content_rejected", "the server's own"
    assert (done.views[0]["rule"], done.views[0]["offset"]) == ("qcow2.backing-file", 8)
    assert server.api("GET", f"/v2/images/{done.views[0]['image']}").status == 404
    assert person.kept("uploads") == []


def test_a_queued_image_can_be_filled_and_no_other(server: Server, person: Person) -> None:
    image_id = server.create(name="waiting")
    assert person.upload("--image", image_id, "disk.raw").status == 0
    assert server.show(image_id)["status"] == "active"
    again = person.upload("--image", image_id, "disk.raw")
    assert (again.status, "is active" in again.views[0]["error"]) == (3, True)
    assert person.upload("--image", "nothing", "disk.raw").status == 3


def test_an_empty_raw_file_is_an_image_of_nothing(server: Server, person: Person) -> None:
    (person.folder / "empty").touch()
    done = person.upload("empty", "--disk-format", "raw")
    assert (done.status, server.show(done.views[0]["image"])["size"]) == (0, 0)


@pytest.mark.parametrize(
    "arguments",
    [
        ("disk.raw", "--disk-format", "nix"),
        ("disk.raw", "--property", "novalue"),
        ("disk.raw", "--piece-size", "1"),
        ("disk.raw", "disk.raw", "--name", "x"),
        ("disk.raw", "--image", "x", "--tag", "y"),
        ("disk.raw", "--os-cloud", "nowhere"),
        ("/dev/null",),
    ],
)
def test_wrong_use_is_status_2(person: Person, arguments: tuple[str, ...]) -> None:
    assert person.run("upload", *arguments).status == 2


def test_a_refused_login_names_no_secret(server: Server, person: Person) -> None:
    clouds = server.clouds
    clouds["stillage"]["auth"]["password"] = "wrong-secret"
    (person.folder / "clouds.yaml").write_text(json.dumps({"clouds": clouds}))
    person.variables["OS_CLIENT_CONFIG_FILE"] = str(person.folder / "clouds.yaml")
    done = person.run("upload", "disk.raw")
    assert (done.status, "login was refused" in done.error) == (3, True)
    assert "wrong-secret" not in done.error + done.out


def test_an_application_credential_and_a_token_log_in_too(server: Server, person: Person) -> None:
    auth = server.clouds["stillage"]["auth"]
    common = {"OS_AUTH_URL": auth["auth_url"], "OS_CACERT": str(server.data_folder / "tls" / "ca.pem")}
    project = server.login().json["token"]
    made = server.api(
        "POST",
        f"/identity/v3/users/{project['user']['id']}/application_credentials",
        {"application_credential": {"name": "ci"}},
    ).json["application_credential"]
    for login in (
        {"OS_APPLICATION_CREDENTIAL_ID": made["id"], "OS_APPLICATION_CREDENTIAL_SECRET": made["secret"]},
        {"OS_TOKEN": server.token(), "OS_PROJECT_ID": project["project"]["id"]},
    ):
        somebody = Person(person.folder, person.shells, common | login)
        assert somebody.upload("disk.raw").status == 0


def test_access_keys_sign_every_request(server: Server, person: Person) -> None:
    key = json.loads(server.cli("accesskey", "create", "demo", "--json"))
    key = key[0] if isinstance(key, list) else key
    auth = server.clouds["stillage"]["auth"]
    common = {"OS_AUTH_URL": auth["auth_url"], "OS_CACERT": str(server.data_folder / "tls" / "ca.pem")}
    keys = {"OS_ACCESS_KEY": key["access"], "OS_SECRET_KEY": key["secret"]}
    for more in ({}, {"OS_PROJECT_NAME": "demo"}):
        signer = Person(person.folder, person.shells, common | keys | more)
        done = signer.upload("disk.raw", "--name", "two words: ü/ä")
        assert done.status == 0, done
        fetched = signer.download(done.views[0]["image"], "-o", "fetched", "--force")
        assert (fetched.status, (person.folder / "fetched").read_bytes() == DATA) == (0, True)
    wrong = Person(person.folder, person.shells, common | keys | {"OS_SECRET_KEY": "not-the-secret"})
    refused = wrong.run("upload", "disk.raw")
    assert (refused.status, "verify aksk signature fail" in refused.error) == (3, True)
    assert "not-the-secret" not in refused.error


def test_nobody_at_the_address_is_status_4_and_a_strange_certificate_status_2(server: Server, person: Person) -> None:
    auth = {f"OS_{name.upper()}": value for name, value in server.clouds["stillage"]["auth"].items()}
    person.variables = auth
    stranger = person.run("upload", "disk.raw")
    assert (stranger.status, "cacert" in stranger.error) == (2, True)
    person.variables = auth | {"OS_AUTH_URL": "http://127.0.0.1:9/v3"}
    nobody = person.run("upload", "disk.raw", "--give-up-after", "0.1")
    assert (nobody.status, "cannot reach" in nobody.error) == (4, True)
