"""No password, token, secret or signature is ever written: a server is used, and misused, and what it wrote is read."""

import json
from datetime import UTC, datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from server import Answer, MakeServer, Server, eventually
from stillage.identity.signing.signature import sign_request

TOKENS = "/identity/v3/auth/tokens"
DEFAULT = {"name": "Default"}


class Known:
    """The secrets that were used, by name."""

    def __init__(self) -> None:
        self._secrets: dict[str, str] = {}

    def __setitem__(self, name: str, secret: str) -> None:
        assert len(secret) >= 12, "what is short may stand anywhere"
        self._secrets[name] = secret

    def __getitem__(self, name: str) -> str:
        return self._secrets[name]

    def require_unwritten(self, where: str, text: bytes) -> None:
        for name, secret in self._secrets.items():
            assert secret.encode() not in text, f"{name} is written in {where}"


class Receiver:
    """Keeps what is sent to a webhook."""

    def __init__(self) -> None:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                owner.received.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.received: list[bytes] = []
        self._listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._listener.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._listener.server_address[1]}"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for batch in self.received for event in json.loads(batch)]

    def close(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()


def log_in(server: Server, identity: dict[str, Any]) -> Answer:
    return server.call("POST", TOKENS, {"auth": {"identity": identity}})


def by_password(name: str, password: str) -> dict[str, Any]:
    user = {"name": name, "domain": DEFAULT, "password": password}
    return {"methods": ["password"], "password": {"user": user}}


def by_credential(credential_id: str, secret: str) -> dict[str, Any]:
    return {"methods": ["application_credential"], "application_credential": {"id": credential_id, "secret": secret}}


def with_token(token: str, **more: str) -> dict[str, str]:
    return {"X-Auth-Token": token, **more}


def use_tokens(server: Server, known: Known) -> None:
    """Log in and out, rightly and wrongly."""
    demo = server.clouds["stillage"]["auth"]
    known["demo's password"], known["a wrong password"] = demo["password"], "wrong-password-of-demo"
    known["a password in the place of a name"] = "password-typed-as-a-name"
    login = log_in(server, by_password("demo", known["demo's password"]))
    known["a token"] = login.headers["x-subject-token"]
    assert log_in(server, by_password("demo", known["a wrong password"])).status == 401
    assert log_in(server, by_password(known["a password in the place of a name"], "x" * 12)).status == 401
    child = log_in(server, {"methods": ["token"], "token": {"id": known["a token"]}})
    known["a token of a token"] = child.headers["x-subject-token"]
    known["a bad token"] = "gst1-bad-token-that-nobody-has"
    for token in (known["a bad token"], "x" + known["a token"]):
        assert server.call("GET", "/v2/images", headers=with_token(token)).status == 401
        subject = {"X-Subject-Token": token}
        assert server.call("GET", TOKENS, headers=with_token(known["a token"], **subject)).status == 404
    subject = {"X-Subject-Token": known["a token of a token"]}
    assert server.call("DELETE", TOKENS, headers=with_token(known["a token"], **subject)).status == 204

    path = f"/v3/users/{login.json['token']['user']['id']}/application_credentials"
    known["a chosen secret"] = "secret-that-demo-chose"
    wanted = {"application_credential": {"name": "ci", "secret": known["a chosen secret"]}}
    made = server.call("POST", path, wanted, headers=with_token(known["a token"])).json["application_credential"]
    token = log_in(server, by_credential(made["id"], known["a chosen secret"])).headers["x-subject-token"]
    known["a credential's token"] = token
    known["a wrong secret"] = "secret-that-nobody-chose"
    assert log_in(server, by_credential(made["id"], known["a wrong secret"])).status == 401


def use_signatures(server: Server, known: Known) -> None:
    """Make keys, and sign with them, rightly and wrongly."""
    path = "/v3.0/OS-CREDENTIAL"
    user_id = server.call("GET", TOKENS, headers=with_token(known["a token"], **{"X-Subject-Token": known["a token"]}))
    wanted = {"credential": {"user_id": user_id.json["token"]["user"]["id"], "description": "ci"}}
    key = server.call("POST", f"{path}/credentials", wanted, headers=with_token(known["a token"])).json["credential"]
    known["a secret key"] = key["secret"]
    asked = {"auth": {"identity": {"methods": ["token"], "token": {"id": known["a token"]}}}}
    pair = server.call("POST", f"{path}/securitytokens", asked).json["credential"]
    known["a temporary secret key"], known["a security token"] = pair["secret"], pair["securitytoken"]
    known["another secret key"] = "a-secret-key-that-is-not-the-keys"
    security = {"X-Security-Token": known["a security token"]}
    for access, secret, headers, status in (
        (key["access"], known["a secret key"], {}, 200),
        (key["access"], known["another secret key"], {}, 401),
        (pair["access"], known["a temporary secret key"], security, 200),
        (pair["access"], known["a temporary secret key"], {}, 401),
    ):
        signed = sign_request(
            "GET",
            f"{server.url}/v2/images",
            headers,
            access_key=access,
            secret=secret,
            payload=sha256(b"").hexdigest(),
            now=datetime.now(UTC),
        )
        known[f"a signature {len(known._secrets)}"] = signed["Authorization"].rpartition("Signature=")[2]
        assert server.call("GET", "/v2/images", headers=headers | signed).status == status


def use_images(server: Server, known: Known) -> None:
    """Upload, well and badly, with a token."""
    headers = with_token(known["a token"])
    record = {"disk_format": "qcow2", "container_format": "bare"}
    image_id = server.call("POST", "/v2/images", record, headers=headers).json["id"]
    octets = headers | {"Content-Type": "application/octet-stream"}
    assert server.call("PUT", f"/v2/images/{image_id}/file", b"no image", headers=octets).status == 415
    assert server.call("PATCH", f"/v2/images/{image_id}", b"{", headers=headers).status == 415
    assert server.call("DELETE", f"/v2/images/{image_id}", headers=headers).status == 204


@pytest.fixture
def receiver() -> Any:
    made = Receiver()
    yield made
    made.close()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_secret_is_ever_written(own_server: MakeServer, tmp_path: Path, receiver: Receiver, log_format: str) -> None:
    known = Known()
    webhook_key = "key-of-the-webhook"
    known["the admin's password"], known["the webhook's key"] = "password-of-the-admin", webhook_key
    audit = tmp_path / "audit.jsonl"
    server = own_server(
        admin_password=known["the admin's password"],
        audit_file=audit,
        audit_webhook=f"{receiver.url}/?key={webhook_key}",
        log_format=log_format,
        log_level="debug",
    ).start()
    use_tokens(server, known)
    use_signatures(server, known)
    use_images(server, known)
    metrics = server.call("GET", "/metrics", headers=with_token(server.token("admin")))
    assert metrics.status == 200
    lines = audit.read_text().splitlines()
    eventually(lambda: len(receiver.events) == len(lines), "the webhook has heard of everything")
    assert receiver.events == [json.loads(line) for line in lines]
    assert server.stop() == 0
    assert {"authenticate", "revoke", "create", "update/file", "delete"} <= {
        json.loads(line)["action"] for line in lines
    }

    known.require_unwritten("standard output", server.output.encode())
    known.require_unwritten("the log", server.log.encode())
    known.require_unwritten("the metrics", metrics.body)
    known.require_unwritten("the webhook", b"".join(receiver.received))
    known.require_unwritten("the audit file", audit.read_bytes())
    for file in server.data_folder.rglob("*"):
        if file.is_file() and file.name != "clouds.yaml":  # the one place for passwords, for its owner only
            known.require_unwritten(file.name, file.read_bytes())
