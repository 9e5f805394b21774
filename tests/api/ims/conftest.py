"""One server for each profile, for all operations of IMS: its people, and the buckets of their projects."""

import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from described import Described
from fakes import cheap_passwords
from image_api import Town, image_api
from ims_steps import Walk, disc
from stillage import authentication
from stillage.config import load

# IMS is the same in both, but for what the image API lets images be.
PROFILES = ["ims", pytest.param("openstack", marks=pytest.mark.thorough)]
RAW = bytes(range(256)) * 4096


def now() -> datetime:
    return datetime.now(UTC)


def fill(buckets: Path) -> None:
    """Make the buckets that steps name."""
    incoming = buckets / "lab" / "incoming"
    (incoming / "more").mkdir(parents=True)
    (incoming / "web.img").write_bytes(RAW)
    (incoming / "more" / "disk.qcow2").write_bytes(b"QFI\xfb" + bytes(508))
    (incoming / "small.iso").write_bytes(disc())
    (buckets / "lab" / "outgoing").mkdir()
    (buckets / "lab" / "outgoing" / "there").write_bytes(b"x")
    (buckets / "works" / "secrets").mkdir(parents=True)
    (buckets / "works" / "secrets" / "web.img").write_bytes(RAW)


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=PROFILES)
async def town(
    request: pytest.FixtureRequest, migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    data = tmp_path_factory.mktemp("ims")
    shutil.copy(migrated_sqlite, data / "stillage.db")
    (data / "secret.key").write_bytes(bytes(32))
    fill(data / "buckets")
    settings = load(data=data, tls=False, profile=request.param, spare_bytes=0, max_project_images=None)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(authentication, "Passwords", cheap_passwords)  # of no use here: nobody logs in here
        async with image_api(settings, now) as town, town.worker.engine.running():
            yield town


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def described(town: Town) -> Described:
    async with town.session.get("/openapi.json") as response:
        return Described(await response.json())


@pytest.fixture
def walk(town: Town, described: Described) -> Walk:
    return Walk.in_town(town, described)
