"""The clients that people use, each from its own environment, against a real server over TLS.

`scripts/clients` makes the environments; `make test` calls it.
"""

import hashlib
import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from server import Answer, Server

ENVIRONMENTS = Path(__file__).parents[2] / ".tools" / "clients"
PREFORK = Path(__file__).parent / "prefork.py"
# Only how long a client that hangs is waited for.
TIMEOUT_S = 120


@dataclass(frozen=True)
class Done:
    """What a client said at its end."""

    code: int
    data: bytes
    error: str

    @property
    def out(self) -> str:
        return self.data.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.data)

    def checked(self, command: Sequence[str], *, fails: bool) -> "Done":
        """Return this if it ended as it was meant to, and without a traceback."""
        shown = f"{' '.join(command)[:200]}\nended with {self.code}\n{self.data!r}\n{self.error}"
        assert (self.code != 0) == fails, shown
        assert "Traceback" not in self.error, shown
        return self


@dataclass(frozen=True)
class Account:
    """Somebody who uses clients: a user in his project, with a home of his own.

    Attributes:
        home: The working folder; clients keep what they cache in it.
        cloud: The name in clouds.yaml.
        image_url: What clients use instead of the image URL in the catalogue.
    """

    server: Server
    shells: "Shells"
    home: Path
    user: str
    password: str
    project: str
    project_id: str = ""
    cloud: str = "mine"
    image_url: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What such a user has in his shell: for clients that read clouds.yaml, and for those that do not."""
        auth_url = f"{self.server.url}/identity/v3"
        authority = str(self.server.data_folder / "tls" / "ca.pem")
        auth = {
            "auth_url": auth_url,
            "username": self.user,
            "password": self.password,
            "project_name": self.project,
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        }
        cloud = {"auth": auth, "region_name": "RegionOne", "cacert": authority}
        if self.image_url:
            cloud["image_endpoint_override"] = self.image_url
        clouds = self.home / "clouds.yaml"
        clouds.write_text(json.dumps({"clouds": {self.cloud: cloud}}))
        return {
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PATH": f"{ENVIRONMENTS}/openstackclient/bin:{ENVIRONMENTS}/glanceclient/bin:{os.environ['PATH']}",
            "OS_CLIENT_CONFIG_FILE": str(clouds),
            "OS_CLOUD": self.cloud,
            **{f"OS_{name.upper()}": value for name, value in auth.items()},
            "OS_CACERT": authority,
            "OS_REGION_NAME": "RegionOne",
            "URL": self.server.url,
            "COLUMNS": "200",
        }

    def run(self, *command: str, stdin: bytes = b"", fails: bool = False, folder: Path | None = None) -> Done:
        """Run *command*, at home or in *folder*, and return what it said. *fails*: it is meant to."""
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=TIMEOUT_S,
            cwd=folder or self.home,
            env=self.environment,
        )
        return Done(done.returncode, done.stdout, done.stderr.decode()).checked(command, fails=fails)

    def openstack(self, *arguments: str, stdin: bytes = b"", fails: bool = False) -> Done:
        """``openstack ARGUMENTS``. No ``--os-cloud`` needed: the environment has it."""
        return self._shell("openstackclient", ("openstack", *arguments), stdin, fails=fails)

    def glance(self, *arguments: str, stdin: bytes = b"", fails: bool = False) -> Done:
        return self._shell("glanceclient", ("glance", *arguments), stdin, fails=fails)

    def _shell(self, environment: str, command: Sequence[str], stdin: bytes, *, fails: bool) -> Done:
        return self.shells.run(environment, command, self.home, self.environment, stdin).checked(command, fails=fails)

    def python(self, environment: str, script: str, **values: Any) -> Any:
        """Run *script* in a client's environment with *values* as its globals; return what it put into ``result``."""
        begin = f"import json\nglobals().update(json.loads({json.dumps(values)!r}))\n"
        done = self.run(executable(environment, "python"), "-c", f"{begin}{script}\nprint(json.dumps(result))")
        return json.loads(done.out.splitlines()[-1])

    def token(self) -> str:
        """A new token, by password."""
        domain = {"name": "Default"}
        user = {"name": self.user, "password": self.password, "domain": domain}
        identity = {"methods": ["password"], "password": {"user": user}}
        scope = {"project": {"name": self.project, "domain": domain}}
        path = "/identity/v3/auth/tokens"
        answer = self.server.call("POST", path, {"auth": {"identity": identity, "scope": scope}})
        assert answer.status == 201, answer.body
        return answer.headers["x-subject-token"]

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send a request of one's own, without any client."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.server.call(method, path, body, headers={"X-Auth-Token": self.token(), **named})


class Shells:
    """Command lines, the clients' and our own, each imported once; see `prefork.py`."""

    WARM_UP: ClassVar[Mapping[str, Sequence[str]]] = {
        "openstackclient": ("openstackclient.shell:main", "openstack", "image", "list", "--help"),
        "stillage": ("stillage.cli.main:run", "stillage", "user", "--help"),
        "glanceclient": ("glanceclient.shell:main", "glance", "help", "image-list"),
    }

    def __init__(self, home: Path) -> None:
        self._home = home
        self._running: dict[str, subprocess.Popen[str]] = {}

    def run(
        self, environment: str, command: Sequence[str], home: Path, variables: Mapping[str, str], stdin: bytes = b""
    ) -> Done:
        """Run *command* in *home* with the environment *variables*."""
        if environment not in self._running:
            self._running[environment] = self._start(environment)
        process = self._running[environment]
        assert process.stdin
        assert process.stdout
        files = {name: home / f".{name}" for name in ("stdin", "stdout", "stderr")}
        for path in files.values():
            path.unlink(missing_ok=True)
        files["stdin"].write_bytes(stdin)
        named = {name: str(path) for name, path in files.items()}
        line = named | {"words": list(command), "folder": str(home), "environment": dict(variables)}
        process.stdin.write(json.dumps(line) + "\n")
        process.stdin.flush()
        code = int(process.stdout.readline())
        return Done(code, files["stdout"].read_bytes(), files["stderr"].read_text())

    def close(self) -> None:
        for process in self._running.values():
            process.communicate(timeout=TIMEOUT_S)

    def _start(self, environment: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [
                sys.executable if environment == "stillage" else executable(environment, "python"),
                str(PREFORK),
                *self.WARM_UP[environment],
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=self._home,
            env={"HOME": str(self._home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
        )
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        return process


def executable(environment: str, name: str) -> str:
    path = ENVIRONMENTS / environment / "bin" / name
    if not path.exists():
        pytest.fail(f"{path} is not there; 'make test' makes it, and so does 'scripts/clients'")
    return str(path)


def node_modules(name: str) -> Path:
    """Where JavaScript's client *name* is; a test that needs it is skipped where there is no node to run it."""
    path = ENVIRONMENTS / name / "node_modules"
    if not path.exists():
        pytest.skip(f"{path} is not there: 'scripts/clients' makes it where node and npm are")
    return path


def make_account(server: Server, shells: Shells, home: Path, user: str, project: str, role: str = "member") -> Account:
    """Make *project*, and *user* in it, with the commands that an operator has."""

    def stillage(*words: str, stdin: str = "") -> str:
        command = ["stillage", *words, "--data", str(server.data_folder)]
        return (
            shells.run("stillage", command, home, server.environment(), stdin.encode())
            .checked(command, fails=False)
            .out
        )

    project_id = stillage("project", "create", project).split()[-1]
    stillage("user", "create", user, "--project", project, "--role", role, "--password-stdin", stdin=f"{user}-pass\n")
    return Account(server, shells, home, user, f"{user}-pass", project, project_id)


@dataclass(frozen=True)
class Fault:
    """A proxy answers the next request of this kind itself, with *status*, after it has read the whole body."""

    method: str
    path: str
    status: int


class FaultProxy:
    """Stands before a server, with its certificate, and fails as it is told.

    Attributes:
        faults: Those still to come.
        seen: Method, path and length of the body of every request that came.
    """

    def __init__(self, server: Server, faults: Sequence[Fault]) -> None:
        self.server = server
        self.faults = list(faults)
        self.seen: list[tuple[str, str, int]] = []
        self.url = ""

    @contextmanager
    def running(self) -> Iterator["FaultProxy"]:
        proxy = self

        class Handler(_Forwarding):
            owner = proxy

        listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        listener.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        folder = self.server.data_folder / "tls"
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        listener.socket = context.wrap_socket(listener.socket, server_side=True)
        self.url = f"https://127.0.0.1:{listener.server_address[1]}"
        thread = Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            listener.shutdown()
            listener.server_close()
            thread.join()

    def fault_for(self, method: str, path: str) -> int | None:
        for fault in self.faults:
            if fault.method == method and re.fullmatch(fault.path, path):
                self.faults.remove(fault)
                return fault.status
        return None


class _Forwarding(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: FaultProxy

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the signature is theirs
        pass

    def _forward(self) -> None:
        body = self._body()
        self.owner.seen.append((self.command, self.path, len(body)))
        status = self.owner.fault_for(self.command, self.path)
        if status is not None:
            self._answer(status, {"Content-Type": "application/json"}, b'{"error": {"message": "a fault on purpose"}}')
            return
        host, port = self.owner.server.address
        connection = HTTPSConnection(host, port, context=self.owner.server.trust, timeout=TIMEOUT_S)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "transfer-encoding"}
        if "transfer-encoding" in self.headers:
            headers["Content-Length"] = str(len(body))
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        self._answer(answer.status, dict(answer.getheaders()), answer.read())
        connection.close()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _forward  # noqa: N815 - the names are theirs

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "server", "date"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def digest(path: Path, algorithm: str = "sha512") -> str:

    return hashlib.new(algorithm, path.read_bytes()).hexdigest()
