"""Requests as they were recorded from clients that cannot be had here, byte by byte where it matters.

gophercloud stands for the Terraform provider and the Packer plugin, which call nothing else.
"""

import json
import socket
from dataclasses import dataclass
from typing import Any

import pytest

from clients import Account
from server import Server

V21 = "application/openstack-images-v2.1-json-patch"


@dataclass
class Recorded:
    """One connection to the server over TLS, kept open as these clients do."""

    connection: socket.socket
    token: str

    def __post_init__(self) -> None:
        self.file = self.connection.makefile("rb")

    def __call__(self, line: str, body: bytes | None = None, /, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Send *line* with exactly these headers; *body* with a length unless it is said to be chunked."""
        named = {"Host": "images.example.test", **{name.replace("_", "-"): text for name, text in headers.items()}}
        named["X-Auth-Token"] = self.token
        chunked = named.get("Transfer-Encoding") == "chunked"
        if body is not None and not chunked:
            named["Content-Length"] = str(len(body))
        head = f"{line} HTTP/1.1\r\n" + "".join(f"{name}: {text}\r\n" for name, text in named.items()) + "\r\n"
        self.connection.sendall(head.encode())
        if chunked:
            assert body is not None
            pieces = [body[start : start + 512] for start in range(0, len(body), 512)]
            coded = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
            self.connection.sendall(coded + b"0\r\n\r\n")
        elif body:
            self.connection.sendall(body)
        return self._answer()

    def _answer(self) -> tuple[int, dict[str, str], bytes]:
        status = int(self.file.readline().split()[1])
        headers = {}
        while line := self.file.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        assert "transfer-encoding" not in headers, "every answer has a length"
        length = 0 if status == 204 else int(headers["content-length"])
        return status, headers, self.file.read(length)


@pytest.fixture
def client(erin: Account, server: Server) -> Any:
    plain = socket.create_connection(server.address)
    with server.trust.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
        made = Recorded(connection, erin.token())
        yield made
        made.file.close()


def test_gophercloud_through_a_terraform_resource(client: Recorded) -> None:
    agent = {"User_Agent": "gophercloud/v1.14.1", "Accept_Encoding": "gzip"}
    status, _, body = client(
        "POST /v2/images",
        b'{"container_format":"bare","disk_format":"raw","id":"6f6e2a0e-0a7c-4f5e-9d8d-2b8a0a1c7e01","k":"v",'
        b'"name":"gc1","protected":false,"tags":["a"],"visibility":"shared"}',
        Accept="application/json",
        Content_Type="application/json",
        **agent,
    )
    image = json.loads(body)
    assert (status, image["id"]) == (201, "6f6e2a0e-0a7c-4f5e-9d8d-2b8a0a1c7e01")
    path = f"/v2/images/{image['id']}"
    octets = {"Content_Type": "application/octet-stream", "Transfer_Encoding": "chunked"}
    status, _, _ = client(f"PUT {path}/file", b"x" * 3000, Accept="application/json", **octets, **agent)
    assert status == 204
    status, _, body = client(f"GET {path}", Accept="application/json", **agent)
    shown = json.loads(body)
    assert (status, shown["status"], shown["k"]) == (200, "active", "v")
    # Its types: numbers or null, times with Z, a list of tags, and text for everything that it does not know.
    assert isinstance(shown["size"], int)
    assert all(isinstance(shown[name], int) for name in ("min_disk", "min_ram"))
    assert all(shown[name].endswith("Z") for name in ("created_at", "updated_at"))
    known = {"size", "virtual_size", "min_disk", "min_ram", "tags", "protected", "os_hidden"}
    assert all(isinstance(value, str) for name, value in shown.items() if name not in known)
    status, _, body = client(
        f"PATCH {path}",
        b'[{"op":"replace","path":"/name","value":"gc2"},{"op":"replace","path":"/os_hidden","value":false},'
        b'{"op":"replace","path":"/tags","value":["b"]},{"op":"remove","path":"/k"},'
        b'{"op":"add","path":"/n","value":"w"},{"op":"replace","path":"/visibility","value":"private"}]',
        Accept="application/json",
        Content_Type=V21,
        **agent,
    )
    changed = json.loads(body)
    assert (status, changed["name"], changed["tags"], changed["n"]) == (200, "gc2", ["b"], "w")
    assert "k" not in changed
    status, headers, data = client(f"GET {path}/file", Accept="application/json", **agent)
    assert (status, data, headers["content-md5"]) == (200, b"x" * 3000, shown["checksum"])
    assert "content-encoding" not in headers
    status, _, body = client("GET /v2/images?limit=1&name=gc2", Accept="application/json", **agent)
    following = json.loads(body)["next"]
    assert following.startswith("/v2/images?")
    status, _, body = client(f"GET {following}", Accept="application/json", **agent)
    assert (status, json.loads(body)["images"]) == (200, [])
    assert client(f"DELETE {path}", Accept="application/json", **agent)[0] == 204
    assert client(f"GET {path}", Accept="application/json", **agent)[0] == 404


def test_packer_shares_what_it_made(client: Recorded, olga: Account) -> None:
    _, _, body = client("POST /v2/images", b'{"name":"packer"}', Accept="application/json")
    path = f"/v2/images/{json.loads(body)['id']}"
    patch = b'[{"op":"replace","path":"/visibility","value":"shared"},{"op":"replace","path":"/min_disk","value":5}]'
    assert client(f"PATCH {path}", patch, Content_Type=V21)[0] == 200
    member = json.dumps({"member": olga.project_id}).encode()
    status, _, body = client(f"POST {path}/members", member, Accept="application/json")
    assert (status, json.loads(body)["status"]) == (200, "pending")
    status, _, body = client(f"GET {path}/members", Accept="application/json")
    assert [found["member_id"] for found in json.loads(body)["members"]] == [olga.project_id]
    assert client(f"DELETE {path}/members/{olga.project_id}")[0] == 204
    # gophertelekomcloud sends a body with its DELETE.
    assert client(f"DELETE {path}", b"{}\n", Content_Type="application/json")[0] == 204
    assert client("GET /v2/images?limit=1")[0] == 200, "the connection is still in step"


def test_huaweicloudsdkims_with_a_token(client: Recorded) -> None:
    agent = {
        "User_Agent": "huaweicloud-usdk-python/3.0",
        "Accept": "*/*",
        "Content_Type": "application/json;charset=utf-8",
    }
    body = b'{"__os_version": "CentOS 7.3 64bit", "container_format": "bare", "disk_format": "qcow2", "min_disk": 40}'
    status, _, answer = client("POST /v2/images", body, **agent)
    image = json.loads(answer)
    assert (status, image["__os_version"]) == (201, "CentOS 7.3 64bit")
    path = f"/v2/images/{image['id']}"
    assert client(f"PUT {path}/tags/a%20b", **agent)[0] == 204
    patch = b'[{"op":"add","path":"/__description","value":"d"}]'
    assert client(f"PATCH {path}", patch, **(agent | {"Content_Type": V21}))[0] == 200
    _, _, answer = client("GET /v2/images?__os_version=CentOS%207.3%2064bit&tag=a%20b", **agent)
    assert [found["id"] for found in json.loads(answer)["images"]] == [image["id"]]
    assert client(f"DELETE {path}/tags/a%20b", **agent)[0] == 204
    for name in ("image", "images", "member", "members"):
        assert client(f"GET /v2/schemas/{name}", **agent)[0] == 200
    status, _, answer = client("GET /", **agent)
    assert (status, json.loads(answer)["versions"][0]["status"]) == (300, "CURRENT")
    assert client("GET /v2", **agent)[0] == 300
    assert client(f"DELETE {path}", **agent)[0] == 204


def test_glanceclients_headers_on_requests_without_a_body(client: Recorded) -> None:
    plain = {"Content_Type": "application/octet-stream", "Accept": "*/*", "Accept_Encoding": "gzip, deflate"}
    _, _, body = client("POST /v2/images", b"{}\n", Accept="", Content_Type="application/json")
    path = f"/v2/images/{json.loads(body)['id']}"
    for line in (f"GET {path}", "GET /versions", "GET /v2/images?limit=200&sort_key=name&sort_dir=asc"):
        assert client(line, **plain)[0] in (200, 300)
    assert client(f"PUT {path}/tags/x", **plain)[0] == 204
    assert client(f"DELETE {path}", **plain)[0] == 204


def test_an_empty_accept_is_no_reason_to_refuse(client: Recorded) -> None:
    _, _, body = client("POST /v2/images", b'{"disk_format": "raw"}', Accept="")
    path = f"/v2/images/{json.loads(body)['id']}"
    assert (
        client(f"PATCH {path}", b'[{"op": "add", "path": "/name", "value": "n"}]', Accept="", Content_Type=V21)[0]
        == 200
    )
    octets = {"Accept": "", "Content_Type": "application/octet-stream"}
    assert client(f"PUT {path}/file", b"x" * 3000, X_OpenStack_Image_Size="3000", **octets)[0] == 204
    assert client(f"GET {path}/file", Accept="application/json")[0] == 200


def test_nova_activates_an_image_without_data(client: Recorded) -> None:
    _, _, body = client("POST /v2/images", b'{"disk_format": "raw", "container_format": "bare"}')
    path = f"/v2/images/{json.loads(body)['id']}"
    mapping = json.dumps([{"op": "add", "path": "/block_device_mapping", "value": '[{"boot_index": 0}]'}]).encode()
    assert client(f"PATCH {path}", mapping, Content_Type=V21)[0] == 200
    assert client(f"PUT {path}/file", b"", Content_Type="application/octet-stream")[0] == 204
    _, _, body = client(f"GET {path}")
    image = json.loads(body)
    assert (image["status"], image["size"], image["block_device_mapping"]) == ("active", 0, '[{"boot_index": 0}]')
