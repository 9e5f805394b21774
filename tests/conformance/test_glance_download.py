"""Images come from a real Glance with the token of a real Keystone's user. `make test-glance` runs these."""

import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from clients import ENVIRONMENTS
from real_glance import REGION, RealGlance, real_glance
from real_keystone import RealKeystone
from stillage.errors import SourceForbidden, SourceRefused
from stillage.operations.imports.sources import RemoteImage
from stillage.outgoing.connecting import trusting
from stillage.outgoing.fetch import Fetcher
from stillage.outgoing.glance import GlanceSource
from stillage.outgoing.peer import HttpPeer
from stillage.outgoing.transfer import Retries
from stillage.sources import SERVICES

pytestmark = [
    pytest.mark.glance,
    pytest.mark.skipif(not (ENVIRONMENTS / "glance").exists(), reason="make test-glance installs Glance"),
]
DATA = random.Random(5).randbytes(3 << 20)


@pytest.fixture(scope="module")
def keystone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKeystone]:
    made = RealKeystone(tmp_path_factory.mktemp("keystone"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def glance(keystone: RealKeystone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealGlance]:
    with real_glance(tmp_path_factory.mktemp("glance"), keystone) as made:
        yield made


@pytest.fixture
async def source(keystone: RealKeystone, glance: RealGlance, tmp_path: Path) -> AsyncIterator[GlanceSource]:
    peer = HttpPeer(keystone.url, "Keystone", timeout_s=30)
    fetcher = Fetcher(SERVICES, timeout_s=30, trust=trusting(None), most_redirects=0)
    yield GlanceSource(fetcher, {"Direct": glance.url}, peer, Retries())
    await fetcher.close()
    await peer.close()


async def read(source: GlanceSource, image: RemoteImage) -> bytes:
    async with source.open(image) as opened:
        return b"".join([chunk async for chunk in opened.chunks])


@pytest.fixture(scope="module")
def erin(keystone: RealKeystone) -> str:
    return keystone.token("erin", "lab")


@pytest.fixture(scope="module")
def image_id(glance: RealGlance, erin: str) -> str:
    return glance.stored(erin, DATA, name="disk", hw_disk_bus="scsi", os_distro="debian", secret_of_ours="x")


@pytest.mark.parametrize("interface", ["public", "internal", "admin"])
async def test_an_image_is_read_by_way_of_the_catalogue(
    source: GlanceSource, erin: str, image_id: str, interface: str
) -> None:
    async with source.open(RemoteImage(REGION, image_id, interface, erin)) as opened:
        assert opened.length == len(DATA)
        assert b"".join([chunk async for chunk in opened.chunks]) == DATA
        assert opened.described is not None
        assert (opened.described.disk_format, opened.described.container_format) == ("raw", "bare")
        assert opened.described.properties["hw_disk_bus"] == "scsi"
        assert opened.described.properties["os_distro"] == "debian"


async def test_an_image_is_read_from_a_region_of_the_settings(source: GlanceSource, erin: str, image_id: str) -> None:
    assert await read(source, RemoteImage("Direct", image_id, token=erin)) == DATA


async def test_a_download_from_glance_is_resumed(source: GlanceSource, erin: str, image_id: str) -> None:
    """The rest of a file is asked for as after a lost connection."""
    url = source._fetcher.require(f"{source._remotes['Direct']}/v2/images/{image_id}/file")
    answer = await source._fetcher.ask(url, {"X-Auth-Token": erin, "Range": "bytes=1000000-"})
    assert answer.status == 206
    assert answer.headers["Content-Range"] == f"bytes 1000000-{len(DATA) - 1}/{len(DATA)}"
    assert await answer.response.read() == DATA[1_000_000:]


async def test_whom_keystone_or_glance_does_not_let_in_reads_nothing(
    source: GlanceSource, glance: RealGlance, keystone: RealKeystone, erin: str, image_id: str
) -> None:
    for image in (
        RemoteImage(REGION, image_id, token="no-token"),
        RemoteImage("Direct", image_id, token="no-token"),
        RemoteImage("Direct", image_id, token=keystone.token("nova", "service")),
        RemoteImage("Direct", "4d5a2b1e-5c5d-4b52-9f0b-2f6f2f0c9a11", token=erin),
    ):
        with pytest.raises(SourceRefused):
            await read(source, image)
    with pytest.raises(SourceForbidden, match="no public endpoint"):
        await read(source, RemoteImage("Three", image_id, token=erin))


async def test_an_image_without_data_is_refused(source: GlanceSource, glance: RealGlance, erin: str) -> None:
    made = glance.call("POST", "/v2/images", erin, b'{"name": "empty"}', "application/json")
    with pytest.raises(SourceRefused, match="not active"):
        await read(source, RemoteImage(REGION, made.json["id"], token=erin))
