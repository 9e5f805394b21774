"""A real `stillage serve`, in a process of its own, in a data folder of its own, on a port that was free."""

import json
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import yaml

from proc_files import descriptors, is_worker, open_files, peak_memory, proc_number
from running import TIMEOUT_S, Run, Spawn, popen

T = TypeVar("T")

# As installed: what a user starts, and what the server prints as the way to start itself.
COMMAND = Path(sys.executable).with_name("stillage")
READY = re.compile(r"^Stillage is ready at (\S+)$", re.MULTILINE)
POLL_S = 0.01
MIB = 1 << 20


def eventually(ask: Callable[[], T | None], what: str, *, within_s: float = TIMEOUT_S) -> T:
    """Return the first true answer of *ask*. Fails, naming *what*, when there is none within *within_s*."""
    deadline = time.monotonic() + within_s
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        time.sleep(POLL_S)
    return answer


@dataclass(frozen=True)
class Answer:
    """One answer of the HTTP API. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """The sentence for the user."""
        return str(self.json["error"]["message"])


MakeServer = Callable[..., "Server"]
"""Returns a server made with `Server`'s named arguments."""


class Server:
    """Starts at `start`. Everything that it ever wrote is in `output` and `log`.

    Args:
        data_folder: For ``--data``.
        tls: HTTPS or plain HTTP.
        command: What to run instead of the installed command.
        arguments: More of them for ``serve``.
        settings: ``idle_timeout_s=1`` becomes ``STILLAGE_IDLE_TIMEOUT_S=1``.

    Attributes:
        settings_file: For ``--config``.
        credentials: More variables of its environment.
        spawn: How it is started.
    """

    def __init__(
        self,
        data_folder: Path,
        *,
        tls: bool = False,
        command: tuple[str, ...] = (str(COMMAND),),
        arguments: tuple[str, ...] = (),
        **settings: object,
    ) -> None:
        self.data_folder = data_folder
        self.tls = tls
        self.command = command
        self.arguments = arguments
        self.settings = settings
        self.settings_file: Path | None = None
        self.credentials: Mapping[str, str] = {}
        self.spawn: Spawn = popen
        self.url = ""
        self._runs: list[Run] = []
        self._tokens: dict[tuple[str, str], str] = {}

    def start(self) -> "Server":
        """Start, and return when it has said that it is ready."""
        run = self.launch()
        try:
            eventually(lambda: run.has_ended or READY.search(run.output), "the server says that it is ready or ends")
        except AssertionError as error:
            run.end(signal.SIGABRT)  # after which every thread has said where it was
            raise AssertionError(f"{error}\n{run.log}") from error
        found = READY.search(run.output)
        assert found, f"the server did not start:\n{run.log}"
        self.url = found[1]
        return self

    def launch(self) -> "Run":
        """Start, and return at once."""
        run = Run([*self.command, *self.words], self.environment(), self.spawn)
        self._runs.append(run)
        return run

    @property
    def words(self) -> list[str]:
        """What stands behind the command."""
        return [
            "serve",
            "--data",
            str(self.data_folder),
            "--listen",
            "127.0.0.1:0",
            *self.config,
            *self.arguments,  # the last wins
            "--tls" if self.tls else "--no-tls",
        ]

    def environment(self) -> dict[str, str]:
        """The environment without anybody's own settings, but with this server's."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("STILLAGE_")}
        inherited["PYTHONFAULTHANDLER"] = "1"
        named = {f"STILLAGE_{name.upper()}": str(value) for name, value in self.settings.items()}
        return {**inherited, **self.credentials, **named}

    @property
    def config(self) -> list[str]:
        """Names its settings file to a command, if it has one."""
        return [] if self.settings_file is None else ["--config", str(self.settings_file)]

    @property
    def run(self) -> "Run":
        return self._runs[-1]

    @property
    def is_running(self) -> bool:
        return bool(self._runs) and self.run.process.poll() is None

    @property
    def alive(self) -> "list[Server]":
        """Itself; of several nodes those that run."""
        return [self]

    @property
    def pid(self) -> int:
        return int(self.run.process.pid)

    @property
    def output(self) -> str:
        return "".join(run.output for run in self._runs)

    @property
    def log(self) -> str:
        return "".join(run.log for run in self._runs)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The log's lines."""
        return [event for run in self._runs for event in run.events]

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        assert parts.hostname
        assert parts.port
        return parts.hostname, parts.port

    @property
    def trust(self) -> ssl.SSLContext:
        """Trusts this server's authority and nobody else."""
        context = ssl.create_default_context(cafile=self.data_folder / "tls" / "ca.pem")
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    @property
    def clouds(self) -> dict[str, Any]:
        clouds: dict[str, Any] = yaml.safe_load((self.data_folder / "clouds.yaml").read_text())["clouds"]
        return clouds

    def kill(self) -> None:
        """End it as a power cut would."""
        self.run.end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        return self.run.end(signal.SIGTERM)

    def restart(self) -> None:
        if not self.run.has_ended:
            self.stop()
        self.start()

    def close(self) -> None:
        """End whatever still runs."""
        for run in self._runs:
            run.end(signal.SIGKILL)

    # Calls

    def call(self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Send one request on a connection of its own. *body*: bytes as they are, anything else as JSON."""
        sent = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        host, port = self.address
        if self.tls:
            connection: HTTPConnection = HTTPSConnection(host, port, timeout=TIMEOUT_S, context=self.trust)
        else:
            connection = HTTPConnection(host, port, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def api(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """As `call`, with the demo user's token. Headers: ``content_type="…"``."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call(method, path, body, headers={"X-Auth-Token": self.token(), **named})

    def login(self, cloud: str = "stillage") -> Answer:
        """Log in as clouds.yaml says."""
        auth = self.clouds[cloud]["auth"]
        domain = {"name": auth["user_domain_name"]}
        user = {"name": auth["username"], "password": auth["password"], "domain": domain}
        scope = {"project": {"name": auth["project_name"], "domain": domain}}
        identity = {"methods": ["password"], "password": {"user": user}}
        path = urlsplit(auth["auth_url"]).path
        return self.call("POST", f"{path}/auth/tokens", {"auth": {"identity": identity, "scope": scope}})

    def token(self, user: str = "demo", project: str = "demo") -> str:
        """A token of *user* in *project*, made once: by logging in where the password is known."""
        if (user, project) not in self._tokens:
            cloud = {("demo", "demo"): "stillage", ("admin", "demo"): "stillage-admin"}.get((user, project))
            if cloud is None:
                token = self.cli("token", "--user", user, "--project", project).strip()
            else:
                token = self.login(cloud).headers["x-subject-token"]
            self._tokens[user, project] = token
        return self._tokens[user, project]

    def use_tokens_of(self, other: "Server") -> None:
        """Use the tokens of another node on the same database, and let it make those that are missing."""
        self.token = other.token  # type: ignore[method-assign]

    def cli(self, *arguments: str, stdin: str = "") -> str:
        """Return what ``stillage ARGUMENTS --data HOME`` prints."""
        done = subprocess.run(
            [str(COMMAND), *arguments, "--data", str(self.data_folder), *self.config],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
            env=self.environment(),
        )
        assert done.returncode == 0, f"stillage {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    # Images

    def create(self, **attributes: Any) -> str:
        """Make a record, raw unless *attributes* say otherwise, and return its id."""
        answer = self.api("POST", "/v2/images", {"container_format": "bare", "disk_format": "raw"} | attributes)
        assert answer.status == 201, answer.body
        return str(answer.json["id"])

    def show(self, image_id: str) -> dict[str, Any]:
        answer = self.api("GET", f"/v2/images/{image_id}")
        assert answer.status == 200, answer.body
        document: dict[str, Any] = answer.json
        return document

    def upload(self, image_id: str, data: bytes, **headers: str) -> Answer:
        headers.setdefault("content_type", "application/octet-stream")
        return self.api("PUT", f"/v2/images/{image_id}/file", data, **headers)

    def download(self, image_id: str, **headers: str) -> Answer:
        return self.api("GET", f"/v2/images/{image_id}/file", **headers)

    def stored(self, data: bytes, **attributes: Any) -> str:
        """Return the id of an image that is active with *data*."""
        image_id = self.create(**attributes)
        answer = self.upload(image_id, data)
        assert answer.status == 204, answer.body
        return image_id

    def await_status(self, image_id: str, status: str) -> dict[str, Any]:
        """Return the image as soon as it has *status*."""

        def ask() -> dict[str, Any] | None:
            image = self.show(image_id)
            return image if image["status"] == status else None

        return eventually(ask, f"image {image_id} is {status}")

    # What the process does

    def blobs(self) -> set[str]:
        """Every file in the blob folder, whatever its name."""
        root = self.data_folder / "blobs"
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}

    @property
    def workers(self) -> list[int]:
        """Its worker processes, where it has several. Whatever else it started is none of them."""
        with suppress(OSError):
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
            return [int(child) for child in children if is_worker(child)]
        return []

    def open_blobs(self, pid: int | None = None) -> set[str]:
        """Every file of the blob folder that the server, or its worker *pid*, has open, also those without a name."""
        return open_files(self.data_folder / "blobs", pid or self.pid)

    def connections(self) -> int:
        """How many sockets the server has, also those that it listens on."""
        return sum(target.startswith("socket:") for target in descriptors(self.pid))

    def bytes_read(self) -> int:
        """How many bytes the process has taken from its sockets and files until now."""
        return proc_number(self.pid, "io", "rchar")

    def forget_peak_memory(self) -> None:
        """From here on `peak_memory` counts anew: a login is meant to take memory."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def peak_memory(self) -> int:
        return peak_memory(self.pid)

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port for a server that is started again at the same address.

    It is none that the kernel hands out: who asks again and again on this machine would some day be given it for the
    own end, be connected with itself, and keep the server from it.
    """
    first_handed_out = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in random.sample(range(first_handed_out // 2, first_handed_out), 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")
