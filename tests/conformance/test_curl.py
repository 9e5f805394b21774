"""The documented curl lines, word by word."""

import json
from pathlib import Path

import pytest

from clients import Account, Done, digest
from samples import load


def curl(account: Account, *arguments: str, stdin: bytes = b"", token: str | None = None) -> Done:
    """curl with the server's authority and a token."""
    trust = ("--cacert", str(account.server.data_folder / "tls" / "ca.pem"))
    header = ("-H", f"X-Auth-Token: {account.token() if token is None else token}")
    return account.run("curl", "-sS", "--max-time", "60", *trust, *header, *arguments, stdin=stdin)


def create(account: Account, **attributes: object) -> str:
    body = {"container_format": "bare", "disk_format": "raw"} | attributes
    done = curl(account, f"{account.server.url}/v2/images", "-d", json.dumps(body))
    return str(done.json["id"])


def upload(account: Account, image_id: str, *data: str, stdin: bytes = b"", token: str | None = None) -> Done:
    """The line of the documents; ``-i`` shows every answer, the 100 too."""
    url = f"{account.server.url}/v2/images/{image_id}/file"
    content = ("-H", "Content-Type:application/octet-stream")
    return curl(account, "-i", url, "-X", "PUT", *content, *data, stdin=stdin, token=token)


def heads(done: Done) -> list[int]:
    """The statuses in what ``curl -i`` shows."""
    return [int(line.split()[1]) for line in done.out.splitlines() if line.startswith("HTTP/")]


def test_the_documented_line_from_record_to_download(erin: Account, disk: Path) -> None:
    image_id = create(erin, name="by curl", tags=["t"])
    done = upload(erin, image_id, "-T", str(disk))
    assert heads(done) == [100, 204]
    url = f"{erin.server.url}/v2/images/{image_id}"
    image = curl(erin, url).json
    assert (image["status"], image["size"], image["os_hash_value"]) == ("active", disk.stat().st_size, digest(disk))
    curl(erin, f"{url}/file", "-o", "saved.img")
    assert digest(erin.home / "saved.img") == image["os_hash_value"]
    part = curl(erin, f"{url}/file", "-r", "256-511").data
    assert part == bytes(range(256))
    (erin.home / "half.img").write_bytes(disk.read_bytes()[:1000])
    curl(erin, f"{url}/file", "-C", "-", "-o", "half.img")
    assert digest(erin.home / "half.img") == image["os_hash_value"], "a download goes on where it stopped"
    media_type = "Content-Type: application/openstack-images-v2.1-json-patch"
    patch = '[{"op": "replace", "path": "/name", "value": "renamed"}]\n'
    assert curl(erin, url, "-X", "PATCH", "-H", media_type, "-d", patch).json["name"] == "renamed"
    assert curl(erin, "-G", f"{erin.server.url}/v2/images", "-d", "name=renamed", "-d", "tag=t").json["images"]
    assert heads(curl(erin, "-i", "-X", "DELETE", url)) == [204]
    assert heads(curl(erin, "-i", url)) == [404]


def test_other_ways_to_send_the_bytes(erin: Account, disk: Path) -> None:
    data = disk.read_bytes()
    for arguments, stdin in ((("-T", "-"), data), (("--data-binary", f"@{disk}"), b""), (("-T", "/dev/null"), b"")):
        image_id = create(erin)
        assert heads(upload(erin, image_id, *arguments, stdin=stdin))[-1] == 204
        image = curl(erin, f"{erin.server.url}/v2/images/{image_id}").json
        assert (image["status"], image["size"]) == ("active", 0 if "/dev/null" in arguments else len(data))


@pytest.mark.parametrize("status", [401, 403, 404, 409, 415])
def test_a_refusal_comes_instead_of_the_100(erin: Account, olga: Account, disk: Path, status: int) -> None:
    image_id, data, token, who = create(erin), ("-T", str(disk)), None, erin
    more: tuple[str, ...] = ()
    if status == 401:
        token = "bad"
    elif status == 403:
        member = json.dumps({"member": olga.project_id})
        curl(erin, f"{erin.server.url}/v2/images/{image_id}/members", "-d", member)
        who = olga
    elif status == 404:
        image_id = "nothing"
    elif status == 409:
        upload(erin, image_id, *data)
    elif status == 415:
        more = ("-H", "Content-Encoding: gzip")
    done = upload(who, image_id, *data, *more, token=token)
    assert heads(done) == [status]
    assert json.loads(done.out.splitlines()[-1])["error"]["message"]


def test_refused_bytes_are_told_with_rule_place_and_remedy(erin: Account) -> None:
    (erin.home / "bad.qcow2").write_bytes(load("qcow2-v3-backing.qcow2"))
    done = upload(erin, create(erin, disk_format="qcow2"), "-T", "bad.qcow2")
    assert heads(done)[-1] == 415
    error = json.loads(done.out.splitlines()[-1])["error"]
    assert (error["rule"], error["found"]) == ("qcow2.backing-file", "qcow2")
    assert error["fix"].startswith("qemu-img convert")


def test_a_declared_size_that_is_not_kept(erin: Account, disk: Path) -> None:
    image_id = create(erin)
    done = upload(erin, image_id, "-T", "-", "-H", "X-OpenStack-Image-Size: 3000", stdin=b"")
    assert heads(done)[-1] == 400
    assert "expected 3000 bytes, got 0 bytes" in done.out
    assert heads(upload(erin, image_id, "-T", str(disk)))[-1] == 204
