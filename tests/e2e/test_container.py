"""The steps of packaging/Containerfile, done without a container engine: what they make serves, and is healthy."""

import json
import os
import subprocess
import sysconfig
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from containerfile import ROOT, Container
from server import eventually, free_port

pytestmark = [pytest.mark.thorough, pytest.mark.xdist_group("installed")]


@pytest.fixture
def container(tmp_path: Path) -> Container:
    """Built from the wheel of `make dist`, with the packages that these tests run with in place of an index."""
    if os.geteuid() != 0:
        pytest.skip("only root can give /data to the container's user")
    subprocess.run([ROOT / "scripts" / "dist", tmp_path / "dist"], check=True, capture_output=True, timeout=600)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    root = tmp_path / "root"
    root.mkdir()
    python = Path(sysconfig.get_path("scripts"))  # has pip and python, as the image of the build has
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "HOME": str(tmp_path)}
    made = Container(root, {"dist/*.whl": wheel}, {"PATH": f"{python}:{os.environ['PATH']}", **offline})
    made.build()
    (packages,) = (root / "opt/stillage/lib").glob("python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    return made


def files_of(container: Container) -> set[Path]:
    return {path for path in (container.root / "opt").rglob("*") if path.is_file()}


def test_the_container_serves_from_compiled_code_and_is_healthy(container: Container) -> None:
    command = container.root / "opt/stillage/bin"
    assert not list(command.glob("pip*"))
    before = files_of(container)
    modules = {path for path in before if path.suffix == ".py" and "site-packages" in path.parts}
    assert modules
    assert {Path(cache_from_source(path)) for path in modules} <= before
    data = container.root / "data"
    assert (data.stat().st_mode & 0o777, data.stat().st_uid) == (0o700, 10001)
    assert container.words["USER"] == "10001:10001"
    words = json.loads(container.words["ENTRYPOINT"]) + json.loads(container.words["CMD"])
    port = free_port()
    environment = container.environment | {"STILLAGE_LISTEN": f"127.0.0.1:{port}"}
    check = json.loads(container.placed(container.words["HEALTHCHECK"].partition(" CMD ")[2]))
    server = subprocess.Popen([command / words[0], *words[1:]], env=environment, stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: is_healthy([command / check[0], *check[1:]], environment), "it is healthy", within_s=120)
    finally:
        server.terminate()
    assert server.wait(120) == 0
    assert files_of(container) == before, "a read-only root needs nothing written"


def is_healthy(check: list[Path | str], environment: dict[str, str]) -> bool:
    return subprocess.run(check, env=environment, check=False, timeout=60).returncode == 0
