"""Images that become another format while they are imported: by setting, by property, in every way of importing."""

import hashlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fakes import Clock
from import_sources import File
from import_world import ImportWorld, import_world
from packed import packed, run
from samples import load
from stillage.formats.packing.base import Made
from stillage.formats.packing.outputs import Output
from stillage.formats.packing.packers import packer_of
from stillage.formats.readers import READERS
from stillage.formats.reading import DiskReader, open_disk

DISK = run("text", 1, 200_192) + bytes(1 << 20) + run("noise", 2, 70_144)
VMDK = packed(packer_of(Output("vmdk", "streamOptimized"), len(DISK), Made(bytes(16))), DISK)


@pytest.fixture
async def world(migrated_sqlite: Path, tmp_path: Path, clock: Clock) -> AsyncIterator[ImportWorld]:
    url = f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'stillage.sqlite')}"
    async with import_world(url, tmp_path, clock, import_convert_to="raw") as made:
        yield made


def require_disk(world: ImportWorld, image: dict[str, Any], disk_format: str, *stores: str) -> None:
    """The image is its disk as *disk_format*, in these stores and nowhere else, with the digests of that."""
    files = world.files()
    assert {store: len(held) for store, held in files.items()} == dict.fromkeys(stores, 1)
    (data,) = {file for held in files.values() for file in held}
    disk = open_disk(READERS[disk_format], lambda offset, length: data[offset : offset + length], len(data))
    assert DiskReader(disk, lambda offset, length: data[offset : offset + length]).read(0, len(DISK)) == DISK
    assert (image["status"], image["disk_format"], image["size"]) == ("active", disk_format, len(data))
    assert (image["checksum"], image["virtual_size"]) == (hashlib.md5(data).hexdigest(), len(DISK))
    assert set(image["stores"].split(",")) == set(stores)


async def test_a_file_of_the_web_becomes_what_the_setting_says(world: ImportWorld) -> None:
    image = await world.downloaded(File(VMDK), disk_format="vmdk")
    require_disk(world, image, "raw", "fast")
    assert await world.usage() == -(-len(DISK) // (1 << 20))


async def test_staged_bytes_become_what_the_property_says(world: ImportWorld) -> None:
    image_id = await world.staged(VMDK, disk_format="vmdk", os_stillage_convert_to="qcow2")
    require_disk(world, await world.imported(image_id, "glance-direct"), "qcow2", "fast")


async def test_every_store_gets_what_it_became(world: ImportWorld) -> None:
    image = await world.downloaded(File(VMDK), disk_format="vmdk", all_stores=True)
    require_disk(world, image, "raw", "fast", "cold")


async def test_nothing_stays_in_a_store_where_bytes_were_only_staged_and_converted(world: ImportWorld) -> None:
    image_id = await world.staged(VMDK, disk_format="vmdk")
    image = await world.imported(image_id, "glance-direct", stores=["cold"])
    await world.sweep()
    require_disk(world, image, "raw", "cold")


async def test_an_image_of_that_format_stays_as_it_is(world: ImportWorld) -> None:
    image = await world.downloaded(File(DISK))
    assert (image["status"], image["checksum"]) == ("active", hashlib.md5(DISK).hexdigest())


async def test_an_iso_stays_as_it_is(world: ImportWorld) -> None:
    iso = load("small.iso")
    image = await world.downloaded(File(iso), disk_format="iso")
    assert (image["status"], image["disk_format"], image["size"]) == ("active", "iso", len(iso))


async def test_a_copy_of_an_active_image_is_not_converted(world: ImportWorld) -> None:
    stored = await world.erin.stored(VMDK, disk_format="vmdk")
    image = await world.imported(stored["id"], "copy-image", stores=["cold"], person=world.ada)
    assert (image["disk_format"], image["size"]) == ("vmdk", len(VMDK))
