"""A pytest plugin: fixtures with an image service of its own for the tests of clients. It keeps nothing.

pytest loads this module in every session of an environment that has Stillage, so it imports next to nothing, and
starts a server only for a test that asks for one. docs/emulator.md shows how to use it.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CLOUD = "stillage"
START_S = 60.0
"""Only how long a server is waited for that does not start."""
POLL_S = 0.01


@dataclass(frozen=True)
class ImsEndpoint:
    """Where IMS is, and the key that signs requests to it.

    Attributes:
        url: Without a path; the calls of IMS begin with ``/v1`` or ``/v2``.
        auth_url: Of the identity API, for clients that use a token.
    """

    url: str
    auth_url: str
    region: str
    project_id: str
    access_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True)
class OpenStackCloud:
    """A cloud for openstacksdk and for commands.

    Attributes:
        name: In clouds.yaml.
        config_file: The clouds.yaml, which also has `stillage-admin`.
        environment: The variables that name both; they are set while the test runs.
    """

    name: str
    config_file: Path
    environment: Mapping[str, str]


class StillageServer:
    """A running server, and the calls that let it fail.

    Attributes:
        url: Of the image API, without ``/v2``.
        endpoint: What `--ready-file` has: URLs, users, passwords, keys.
        clouds_file: A clouds.yaml with `stillage` and `stillage-admin`.
        log_file: What the server wrote.
    """

    def __init__(self, endpoint: Mapping[str, str], clouds_file: Path, log_file: Path) -> None:
        self.url = endpoint["url"]
        self.endpoint = endpoint
        self.clouds_file = clouds_file
        self.log_file = log_file
        self._may_fail = False

    @property
    def ims(self) -> ImsEndpoint:
        names = ("url", "auth_url", "region", "project_id", "access_key", "secret_key")
        return ImsEndpoint(**{name: self.endpoint[name] for name in names})

    @property
    def cloud(self) -> OpenStackCloud:
        environment = {"OS_CLIENT_CONFIG_FILE": str(self.clouds_file), "OS_CLOUD": CLOUD}
        return OpenStackCloud(CLOUD, self.clouds_file, environment)

    def fail(self, **rule: Any) -> str:
        """Let requests fail from now on, as docs/emulator.md says: ``fail(status=503, method="PUT", times=1)``.

        Returns:
            The id of the fault, for `heal`.
        """
        self._may_fail = True
        return str(self.emulate("POST", "/faults", rule)["id"])

    def heal(self, fault: str | None = None) -> None:
        """Remove one fault, or all."""
        self._may_fail = fault is not None
        self.emulate("DELETE", "/faults" if fault is None else f"/faults/{fault}")

    def requests(self, *, method: str | None = None, path: str | None = None) -> Sequence[Mapping[str, Any]]:
        """Return the requests that came, the oldest first. *path*: a pattern, in which ``*`` is any text."""
        from urllib.parse import urlencode  # noqa: PLC0415 - see above

        query = {name: value for name, value in {"method": method, "path": path}.items() if value is not None}
        found: Sequence[Mapping[str, Any]] = self.emulate("GET", f"/requests?{urlencode(query)}")["requests"]
        return found

    def set_clock(self, **change: Any) -> str:
        """Set the server's clock, as docs/emulator.md says: ``set_clock(advance_s=3600)``. Returns its time."""
        return str(self.emulate("PUT", "/clock", change)["time"])

    def reset(self) -> None:
        """Remove the faults that `fail` has added, and forget all requests. Images and the clock stay."""
        if self._may_fail:
            self.heal()
        self.emulate("DELETE", "/requests")

    def emulate(self, method: str, path: str, document: Any = None) -> Any:
        """Call the emulator's API, ``/_emulator``, as the administrator; return its JSON."""
        from base64 import b64encode  # noqa: PLC0415 - see above
        from http.client import HTTPConnection  # noqa: PLC0415
        from urllib.parse import urlsplit  # noqa: PLC0415

        at = urlsplit(self.endpoint["emulator_url"])
        password = b64encode(f"admin:{self.endpoint['admin_password']}".encode()).decode()
        headers = {"Authorization": f"Basic {password}", "Content-Type": "application/json"}
        connection = HTTPConnection(at.hostname or "", at.port, timeout=START_S)
        try:
            connection.request(method, at.path + path, None if document is None else json.dumps(document), headers)
            answer = connection.getresponse()
            body = json.loads(answer.read() or b"null")
        finally:
            connection.close()
        if answer.status >= 400:
            raise ValueError(body["error"]["message"])
        return body


@pytest.fixture(scope="session")
def stillage_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StillageServer]:
    """An image service that all tests of the session share."""
    folder = tmp_path_factory.mktemp("stillage")
    ready_file, clouds_file, log_file = (folder / name for name in ("ready.json", "clouds.yaml", "server.log"))
    words = ["--ephemeral", "--ends-with-stdin", "--ready-file", str(ready_file), "--clouds", str(clouds_file)]
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith("STILLAGE_")}
    with log_file.open("wb") as log:
        # Its input ends with us, however we end, and it ends with its input.
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", "stillage", "serve", *words],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=environment,
        )
    try:
        _wait_for(ready_file, process, log_file)
        yield StillageServer(json.loads(ready_file.read_text()), clouds_file, log_file)
    finally:
        _end(process)


@pytest.fixture
def openstack_cloud(stillage_server: StillageServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenStackCloud]:
    """The cloud of openstacksdk while the test runs: ``openstack.connect()`` finds it.

    Faults, and the record of requests, end with the test.
    """
    cloud = stillage_server.cloud
    for name in [name for name in os.environ if name.startswith("OS_")]:
        monkeypatch.delenv(name)
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    yield cloud
    stillage_server.reset()


@pytest.fixture
def ims_endpoint(stillage_server: StillageServer) -> Iterator[ImsEndpoint]:
    """URL, project and access key (AK/SK) for clients of IMS. Faults and the record end with the test."""
    yield stillage_server.ims
    stillage_server.reset()


def _wait_for(ready_file: Path, process: "subprocess.Popen[bytes]", log_file: Path) -> None:
    deadline = time.monotonic() + START_S
    while not ready_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"the Stillage server did not start:\n{log_file.read_text()[-4000:]}", pytrace=False)
        time.sleep(POLL_S)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
