"""What `make dist` builds, installed by itself: it serves, has its console, and says which extra is missing."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from zipfile import ZipFile

import pytest

from server import Server

pytestmark = [pytest.mark.thorough, pytest.mark.xdist_group("installed")]

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "stillage"
UV = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
NOT_INSTALLED = {"__pycache__"}


def run(*words: object, variables: Mapping[str, str] = {}, check: bool = True) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STILLAGE_")} | dict(
        variables
    )
    done = subprocess.run(
        [str(word) for word in words], check=False, capture_output=True, text=True, timeout=120, env=environment
    )
    assert not check or done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(ROOT / "scripts" / "dist", folder)
    (found,) = folder.glob("*.whl")
    assert len(list(folder.glob("*.tar.gz"))) == 1
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in an environment that has the wheel and what it needs, without extras."""
    environment = tmp_path_factory.mktemp("environment") / "venv"
    run(UV, "venv", "--quiet", "--python", sys.executable, environment)
    run(
        UV,
        "pip",
        "install",
        "--quiet",
        "--python",
        environment / "bin" / "python",
        wheel,
        variables={"UV_SYSTEM_CERTS": "1"},
    )
    return environment / "bin" / "stillage"


@pytest.fixture(scope="module")
def server(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("data"), tls=True, command=(str(installed),))
    yield made.start()
    made.stop()


def test_the_wheel_has_every_file_of_the_package(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        packed = {name.removeprefix("stillage/") for name in archive.namelist() if name.startswith("stillage/")}
    files = {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*") if path.is_file()}
    assert packed == {path.as_posix() for path in files if not NOT_INSTALLED & set(path.parts)}


def test_an_image_goes_there_and_back(installed: Path, server: Server, tmp_path: Path) -> None:
    disk, copy = tmp_path / "disk.img", tmp_path / "copy.img"
    disk.write_bytes(os.urandom(1 << 20))
    options = {"OS_CLIENT_CONFIG_FILE": str(server.data_folder / "clouds.yaml"), "OS_CLOUD": "stillage"}
    run(installed, "upload", disk, "--name", "web-01", variables=options)
    run(installed, "download", "web-01", "--output", copy, variables=options)
    assert copy.read_bytes() == disk.read_bytes()


def test_the_console_is_there(server: Server) -> None:
    answer = server.call("GET", "/console/")
    assert answer.status == 200
    assert b"main.js" in answer.body


DATABASE = 'database_url = "postgresql+psycopg://stillage@localhost/stillage"'
STORE = '[[stores]]\nid = "far"\ntype = "s3"\nbucket = "images"\ndefault = true'


SERVE = ("serve", "--listen", "127.0.0.1:0")


@pytest.mark.parametrize(
    ("words", "settings", "extra"),
    [
        (SERVE, DATABASE, "postgresql"),
        (("db", "upgrade"), DATABASE, "postgresql"),
        (SERVE, STORE, "s3"),
        (SERVE, "", "otel"),
    ],
)
def test_a_missing_extra_is_a_sentence(
    installed: Path, words: tuple[str, ...], settings: str, extra: str, tmp_path: Path
) -> None:
    (tmp_path / "stillage.toml").write_text(settings)
    named = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"} if extra == "otel" else {}
    options = ("--data", tmp_path / "data", "--config", tmp_path / "stillage.toml")
    done = run(installed, *words, *options, variables=named, check=False)
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("stillage: ")
    assert f"pip install 'stillage[{extra}]'" in last
    assert "Traceback" not in done.stderr
