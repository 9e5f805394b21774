"""The files of packaging/: the unit of systemd, the container, and two nodes with compose and on Kubernetes."""

import json
import re
import runpy
import shutil
import subprocess
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import kubernetes_validate
import pytest
import yaml

from running import TIMEOUT_S
from server import COMMAND
from stillage import config

PACKAGING = Path(__file__).parents[2] / "packaging"
COMPOSE = yaml.safe_load((PACKAGING / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
MANIFESTS = list(yaml.safe_load_all((PACKAGING / "kubernetes" / "stillage.yaml").read_text()))
LEAST_EXPOSED = 20
"""Tenths of what `systemd-analyze security` counts: below 2 it is called OK."""


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a command that there is on this machine."""
    path = tmp_path / "stillage.service"
    text = (PACKAGING / "stillage.service").read_text()
    path.write_text(text.replace("/opt/stillage/bin/stillage", str(COMMAND)))
    return path


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
@pytest.mark.parametrize(
    "words", [("verify",), ("security", "--offline=true", f"--threshold={LEAST_EXPOSED}")], ids=lambda words: words[0]
)
def test_systemd_accepts_the_unit_and_finds_it_hardened(unit: Path, words: tuple[str, ...]) -> None:
    line = ["systemd-analyze", *words, str(unit)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert unit.name not in done.stderr


def test_the_container_runs_without_root_from_compiled_code_and_has_a_health_check() -> None:
    text = (PACKAGING / "Containerfile").read_text().replace("\\\n", " ")
    build, last = re.split(r"^FROM .*$", text, flags=re.MULTILINE)[1:]
    assert "compileall" in build
    words = dict(line.split(maxsplit=1) for line in last.splitlines() if line and line[0].isupper())
    assert words["USER"] == "10001:10001"
    assert words["VOLUME"] == "/data"
    assert "healthy.py" in words["HEALTHCHECK"]
    copied = [line.split()[1] for line in last.splitlines() if line.startswith("COPY packaging")]
    assert all((PACKAGING.parent / path).is_file() for path in copied)


@pytest.mark.parametrize("status", [200, 503])
def test_a_container_is_healthy_when_its_server_is_ready(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("STILLAGE_TLS", "0")
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        monkeypatch.setenv("STILLAGE_LISTEN", f"0.0.0.0:{server.server_port}")
        Thread(target=server.handle_request, daemon=True).start()
        assert runpy.run_path(str(PACKAGING / "healthy.py"))["is_ready"]() is (status == 200)


def test_the_nodes_of_compose_have_settings_that_the_server_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.environ", {})
    for name in ("node1", "node2"):
        given = {
            k.removeprefix("STILLAGE_").lower(): v for k, v in SERVICES[name]["environment"].items() if "STILLAGE" in k
        }
        settings = config.load(PACKAGING / "compose.toml", data=tmp_path, **given)
        assert (settings.node_name, settings.stores[0].type, settings.tls) == (name, "s3", False)
        assert SERVICES[name]["read_only"]
        assert SERVICES[name]["cap_drop"] == ["ALL"]


def test_what_compose_names_is_there() -> None:
    named = {volume.split(":")[0] for one in SERVICES.values() for volume in one.get("volumes", [])}
    assert {name for name in named if not name.startswith(".")} == set(COMPOSE["volumes"])
    files = {name for name in named if Path(name).suffix}
    assert all((PACKAGING / name).is_file() for name in files)
    assert {one for service in SERVICES.values() for one in service.get("depends_on", {})} <= set(SERVICES)
    proxies = tomllib.loads((PACKAGING / "compose.toml").read_text())["trusted_proxies"]
    assert [COMPOSE["networks"]["default"]["ipam"]["config"][0]["subnet"]] == proxies


def test_the_container_file_follows_the_rules_of_good_ones() -> None:
    """Fixed bases, files copied and not fetched, commands without a shell, and neither root nor a cache at the end."""
    text = re.sub(r"^#.*\n|\\\n", "", (PACKAGING / "Containerfile").read_text(), flags=re.MULTILINE)
    steps = [line.split(maxsplit=1) for line in text.splitlines() if line]
    of = {name: [rest for each, rest in steps if each == name] for name, _ in steps}
    assert "ADD" not in of
    assert [base for base in of["FROM"] if not re.fullmatch(r"docker\.io/\S+:[\d.]+-\S+( AS \w+)?", base)] == []
    assert [line for line in of["RUN"] if "pip install" in line and "--no-cache-dir" not in line] == []
    assert [line for name in ("ENTRYPOINT", "CMD") for line in of[name] if not isinstance(json.loads(line), list)] == []
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", of["USER"][-1])
    stages = {base.partition(" AS ")[2] for base in of["FROM"]}
    assert {source for line in of["COPY"] for source in re.findall(r"--from=(\S+)", line)} <= stages


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: manifest["kind"])
def test_kubernetes_knows_every_member_of_the_manifests(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_the_pods_of_kubernetes_have_settings_that_the_server_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.environ", {})
    found = {manifest["kind"]: manifest for manifest in MANIFESTS}
    (tmp_path / "stillage.toml").write_text(found["ConfigMap"]["data"]["stillage.toml"])
    pod = found["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    variables = [one["name"] for one in container["env"] if one["name"].startswith("STILLAGE_")]
    values = {"STILLAGE_DATABASE_URL": "postgresql+psycopg://stillage@database/stillage"}
    given = {name.removeprefix("STILLAGE_").lower(): values.get(name, "some-value") for name in variables}
    settings = config.load(tmp_path / "stillage.toml", data=tmp_path, **given)
    assert (settings.tls, settings.stores[0].type) == (False, "s3")
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    listens = [config.address_of(listen)[1] for listen in (settings.listen, settings.metrics_listen or "")]
    assert listens == [ports["http"], ports["metrics"]]
    assert pod["terminationGracePeriodSeconds"] > settings.shutdown_grace_s + 5
    assert found["Deployment"]["spec"]["replicas"] == 2
