"""What is measured: a Stillage server and the floor, each a process of its own, started and stopped here."""

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, cast
from uuid import uuid4

from stillage.cli.server import certificate

HOST = "127.0.0.1"
PASSWORD = "bench-password"
TICKS = os.sysconf("SC_CLK_TCK")
PEAK_RESET = "5"
NO_HEADERS: Mapping[str, str] = {}


@dataclass(frozen=True)
class Setup:
    """What a server and its floor have in common."""

    tls: bool = False
    algorithm: str = "sha512"
    workers: int = 1


class Target(Protocol):
    """A running server process."""

    pid: int
    port: int
    headers: dict[str, str]

    def new_image(self) -> str:
        """Return the path of an image that waits for its bytes."""

    def delete(self, path: str) -> None: ...


def cpu_seconds(pid: int) -> float:
    """User and system time since the process began, of all its threads, also ended ones, and of its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return (int(fields[11]) + int(fields[12])) / TICKS + sum(cpu_seconds(int(child)) for child in children)


def reset_peak_memory(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text(PEAK_RESET)


def peak_memory(pid: int) -> int:
    """The largest resident set since the last reset."""
    return _memory(pid, "VmHWM")


def memory(pid: int) -> int:
    """The resident set now."""
    return _memory(pid, "VmRSS")


def _memory(pid: int, which: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(which))


def login(user: str, password: str, project: str) -> dict[str, Any]:
    """The body of a request for a token."""
    named = {"name": user, "domain": {"id": "default"}, "password": password}
    scope = {"project": {"name": project, "domain": {"id": "default"}}}
    return {"auth": {"identity": {"methods": ["password"], "password": {"user": named}}, "scope": scope}}


class _Process:
    """A child that says one line when it is ready. Its errors go to *log*."""

    def __init__(self, command: list[str], log: Path, env: dict[str, str]) -> None:
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, *command], stdout=subprocess.PIPE, stderr=errors, env=os.environ | env, text=True
            )
        self._log = log
        self.pid = self._process.pid

    def read_until(self, wanted: str) -> str:
        """Return the first line of output that contains *wanted*; it is ready then."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if wanted in line:
                return line.strip()
        raise RuntimeError(f"the server did not start: {self._log.read_text()[-2000:]}")

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


class FloorTarget:
    """See `bench.floor`."""

    def __init__(self, folder: Path, setup: Setup, made: certificate.Certificate) -> None:
        self._folder = folder / "images"
        self._folder.mkdir(parents=True)
        command = ["-m", "bench.floor", "--dir", str(self._folder), "--digest", setup.algorithm]
        if setup.tls:
            command += ["--cert", str(made.chain), "--key", str(made.key)]
        self._process = _Process(command, folder / "log", {})
        self.pid = self._process.pid
        self.port = int(self._process.read_until(""))
        self.headers: dict[str, str] = {}
        self.stop = self._process.stop

    def new_image(self) -> str:
        return f"/{uuid4()}"

    def adopt(self, file: Path) -> str:
        """Return the path of an image whose bytes are those of *file*, not a copy of them."""
        path = self.new_image()
        (self._folder / path.lstrip("/")).hardlink_to(file)
        return path

    def delete(self, path: str) -> None:
        (self._folder / path.lstrip("/")).unlink()


class BareTarget:
    """See `bench.bare`."""

    def __init__(self, folder: Path, status: int, content: bytes) -> None:
        folder.mkdir(parents=True)
        (folder / "content").write_bytes(content)
        self._process = _Process(["-m", "bench.bare", str(status), str(folder / "content")], folder / "log", {})
        self.port = int(self._process.read_until(""))
        self.stop = self._process.stop


class StillageTarget:
    """``stillage serve``."""

    def __init__(
        self,
        folder: Path,
        setup: Setup,
        made: certificate.Certificate,
        *,
        database_url: str | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True)
        self.database_url = database_url or f"sqlite:///{folder / 'data' / 'stillage.db'}"
        self.blobs = folder / "data" / "blobs"
        env = {"STILLAGE_HASH_ALGORITHM": setup.algorithm, "STILLAGE_ADMIN_PASSWORD": PASSWORD}
        env["STILLAGE_DATABASE_URL"] = self.database_url
        if setup.tls:
            env |= {"STILLAGE_TLS_CERTIFICATE": str(made.chain), "STILLAGE_TLS_KEY": str(made.key)}
        command = ["-m", "stillage", "serve", "--data", str(folder / "data"), "--listen", f"{HOST}:0"]
        command += ["--workers", str(setup.workers), *arguments]
        command.append("--tls" if setup.tls else "--no-tls")
        self._process = _Process(command, folder / "log", env)
        self.pid = self._process.pid
        self.port = int(self._process.read_until("ready at").rpartition(":")[2])
        self.stop = self._process.stop
        self._ca = made.authority if setup.tls else None
        self.headers = {"Content-Type": "application/octet-stream", "X-Auth-Token": self._log_in()}

    def newest_blob(self) -> Path:
        """The file of the image that was stored last."""
        return max((path for path in self.blobs.rglob("*") if path.is_file()), key=lambda path: path.stat().st_mtime_ns)

    def new_image(self) -> str:
        image = {"name": "bench", "disk_format": "raw", "container_format": "bare"}
        made = json.loads(self.call("POST", "/v2/images", image)[1])
        return f"/v2/images/{made['id']}/file"

    def delete(self, path: str) -> None:
        self.call("DELETE", path.removesuffix("/file"))

    def images(self) -> list[str]:
        """Return the ids of the images that there are."""
        return [str(image["id"]) for image in json.loads(self.call("GET", "/v2/images")[1])["images"]]

    def _log_in(self) -> str:
        self.headers = {}
        headers, content = self.call("POST", "/identity/v3/auth/tokens", login("admin", PASSWORD, "demo"))
        self.project = str(json.loads(content)["token"]["project"]["id"])
        return str(headers["X-Subject-Token"])

    def call(
        self, verb: str, path: str, document: Any = None, headers: Mapping[str, str] = NO_HEADERS
    ) -> tuple[Any, bytes]:
        """Return the head and the body of a successful answer."""
        connection = self._connect()
        try:
            body = None if document is None else json.dumps(document)
            connection.request(verb, path, body, self.headers | {"Content-Type": "application/json"} | dict(headers))
            answer = connection.getresponse()
            content = answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"{verb} {path}: {answer.status} {content.decode()}")
            return answer.headers, content
        finally:
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        if self._ca is None:
            return http.client.HTTPConnection(HOST, self.port)
        return http.client.HTTPSConnection(HOST, self.port, context=ssl.create_default_context(cafile=self._ca))


T = TypeVar("T", FloorTarget, StillageTarget)


class Targets:
    """Starts each server when it is first asked for, and stops all at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._certificate = certificate.ensure(folder / "tls", [HOST])
        self._running: dict[tuple[type[FloorTarget | StillageTarget], Setup], FloorTarget | StillageTarget] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def floor(self, setup: Setup) -> FloorTarget:
        return self._get(FloorTarget, replace(setup, workers=1))

    def stillage(self, setup: Setup) -> StillageTarget:
        return self._get(StillageTarget, setup)

    def _get(self, kind: type[T], setup: Setup) -> T:
        if (kind, setup) not in self._running:
            folder = (
                self._folder / f"{kind.__name__}-{'tls' if setup.tls else 'plain'}-{setup.algorithm}-{setup.workers}"
            )
            made = kind(folder, setup, self._certificate)
            self._stack.callback(made.stop)
            self._running[kind, setup] = made
        return cast(T, self._running[kind, setup])
