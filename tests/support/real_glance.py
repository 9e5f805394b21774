"""A real Glance under uWSGI on loopback, whose users are a real Keystone's; `scripts/clients glance` installs it."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from clients import ENVIRONMENTS, executable
from real_keystone import SERVICE_PASSWORD, RealKeystone
from running import TIMEOUT_S
from server import Answer, eventually, free_port

SETTINGS = """
[DEFAULT]
log_file = {folder}/glance.log
enabled_backends = disk:file
[paste_deploy]
config_file = {environment}/etc/glance/glance-api-paste.ini
flavor = keystone
[database]
connection = sqlite:///{folder}/glance.db
[glance_store]
default_backend = disk
[disk]
filesystem_store_datadir = {folder}/images
[os_glance_staging_store]
filesystem_store_datadir = {folder}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {folder}/tasks
[keystone_authtoken]
auth_type = password
auth_url = {keystone}
www_authenticate_uri = {keystone}
username = stillage
password = {password}
project_name = service
user_domain_id = default
project_domain_id = default
"""
REGION = "Two"


class RealGlance:
    """In Keystone's catalogue it is the image service of the region `REGION`, with all three interfaces."""

    def __init__(self, folder: Path, keystone: RealKeystone) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        text = SETTINGS.format(
            folder=folder, environment=ENVIRONMENTS / "glance", keystone=keystone.url, password=SERVICE_PASSWORD
        )
        (folder / "glance-api.conf").write_text(text)
        for name in ("images", "staging", "tasks"):
            (folder / name).mkdir()
        environment = {"OS_GLANCE_CONFIG_DIR": str(folder), "PATH": "/usr/bin:/bin"}
        subprocess.run(
            [executable("glance", "glance-manage"), "--config-dir", str(folder), "db", "sync"],
            check=True,
            capture_output=True,
            env=environment,
        )
        self._register(keystone)
        with (folder / "uwsgi.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(executable("glance", "uwsgi"), "--http-socket", f"127.0.0.1:{self.port}"),
                    *("--module", "glance.wsgi.api:application", "--virtualenv", str(ENVIRONMENTS / "glance")),
                    *("--master", "--workers", "1", "--threads", "4", "--enable-threads", "--lazy-apps"),
                    *("--die-on-term", "--http-auto-chunked", "--http-chunked-input", "--need-app", "--no-orphans"),
                ],
                stdout=log,
                stderr=log,
                env=environment,
            )
        eventually(self._answers, "Glance answers")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(TIMEOUT_S)

    def stored(self, token: str, data: bytes, **attributes: Any) -> str:
        """Return the id of an image with *data*."""
        record = {"disk_format": "raw", "container_format": "bare", **attributes}
        made = self.call("POST", "/v2/images", token, json.dumps(record).encode(), "application/json")
        assert made.status == 201, made.body
        image_id = str(made.json["id"])
        sent = self.call("PUT", f"/v2/images/{image_id}/file", token, data, "application/octet-stream")
        assert sent.status == 204, sent.body
        return image_id

    def call(self, method: str, path: str, token: str = "", body: bytes | None = None, kind: str = "") -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, body, {"X-Auth-Token": token, "Content-Type": kind})
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self.folder / "uwsgi.log").read_text()
        try:
            return self.call("GET", "/versions").status == 200
        except OSError:
            return False

    def _register(self, keystone: RealKeystone) -> None:
        """Put Glance into the catalogue, and Keystone itself, which Glance looks up there."""
        keystone.ask("POST", "/v3/regions", keystone.admin, {"region": {"id": REGION}}, status=201)
        for kind, url in (("image", self.url), ("identity", keystone.url)):
            service = {"service": {"type": kind, "name": kind}}
            made = keystone.ask("POST", "/v3/services", keystone.admin, service, status=201).json["service"]["id"]
            for interface in ("public", "internal", "admin"):
                place = {"service_id": made, "interface": interface, "region_id": REGION, "url": url}
                keystone.ask("POST", "/v3/endpoints", keystone.admin, {"endpoint": place}, status=201)


@contextmanager
def real_glance(folder: Path, keystone: RealKeystone) -> Iterator[RealGlance]:
    made = RealGlance(folder, keystone)
    try:
        yield made
    finally:
        made.close()
