"""The disk in every sample: its bytes, any part of them; of a broken one nothing but `MalformedImage` may come."""

import hashlib
import os
import tracemalloc
from contextlib import suppress
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from disk_reading import checked_extents, reader_of
from samples import entries, load
from stillage.formats.base import MalformedImage
from stillage.formats.disk import Packed, Stored
from stillage.formats.readers import READERS
from stillage.formats.reading import DiskReader

# Hashing the 65 GiB of one sample takes minutes: `make disks`.
ALL = bool(os.environ.get("STILLAGE_DISKS"))
LARGEST = 64 << 20
ENTRIES = [entry for entry in entries() if entry["disk_format"] in READERS]
ACCEPTED = [entry for entry in ENTRIES if entry["verdict"] == "accept"]
KNOWN = [entry for entry in ACCEPTED if entry["guest_sha256"] and (ALL or entry["virtual_size"] <= LARGEST)]
SMALL = [str(entry["file"]) for entry in ACCEPTED if entry["virtual_size"] <= LARGEST]
PIECE = 4 << 20
MOST_MEMORY = 16 << 20


def named(entry: dict[str, Any]) -> str:
    return str(entry["file"])


def reader(name: str) -> DiskReader:
    (entry,) = entries(file=name)
    return reader_of(load(name), entry["disk_format"])


@cache
def disk(name: str) -> bytes:
    return reader(name).read(0, LARGEST)


@pytest.mark.parametrize("entry", KNOWN, ids=named)
def test_the_guest_sees_the_bytes_of_the_manifest(entry: dict[str, Any]) -> None:
    opened = reader(entry["file"])
    assert opened.size == entry["virtual_size"]
    digest = hashlib.sha256()
    for at in range(0, opened.size, PIECE):
        digest.update(opened.read(at, PIECE))
    assert digest.hexdigest() == entry["guest_sha256"]


@pytest.mark.parametrize("entry", ACCEPTED, ids=named)
def test_the_extents_of_a_whole_disk_cover_it_within_the_file(entry: dict[str, Any]) -> None:
    for extent in checked_extents(reader(entry["file"])):
        if isinstance(extent, Stored):
            assert extent.offset + extent.length <= entry["size"]
        elif isinstance(extent, Packed):
            assert extent.offset < entry["size"]


@settings(max_examples=100)
@given(st.sampled_from(SMALL), st.data())
def test_any_range_is_that_part_of_the_disk(name: str, data: st.DataObject) -> None:
    whole, opened = disk(name), reader(name)
    first = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, 200_000))
    assert opened.read(first, length) == whole[first : first + length]
    checked_extents(opened, first, min(length, len(whole) - first))


def read_a_little(image: bytes, disk_format: str) -> None:
    """Read the map of a disk and the first extents of each kind; only `MalformedImage` may come of it."""
    with suppress(MalformedImage):
        opened = reader_of(image, disk_format)
        for number, extent in enumerate(opened.extents(0, 1 << 30)):
            if number < 64:
                opened.read(extent.at, min(extent.length, 1 << 16))


@pytest.mark.parametrize("entry", [entry for entry in entries() if entry["verdict"] != "accept"], ids=named)
def test_a_rejected_image_opened_all_the_same_is_read_or_malformed(entry: dict[str, Any]) -> None:
    image = load(entry["file"])
    tracemalloc.start()
    for disk_format in READERS:
        read_a_little(image, disk_format)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MOST_MEMORY


FRAGILE = [str(entry["file"]) for entry in ENTRIES if entry["size"] <= 1 << 20 and "amplify" not in entry["file"]]


@settings(max_examples=2000 if ALL else 100, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(FRAGILE), st.data())
def test_any_damage_is_read_or_malformed(name: str, data: st.DataObject) -> None:
    (entry,) = entries(file=name)
    image = bytearray(load(name))
    words = [at for at in range(0, min(len(image), 1 << 18), 8) if image[at : at + 8].strip(b"\0")] or [0]
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.sampled_from(words))
        new = data.draw(
            st.binary(min_size=1, max_size=8) | st.sampled_from(words).map(lambda w: bytes(image[w : w + 8]))
        )
        image[at : at + len(new)] = new
    read_a_little(bytes(image[: data.draw(st.just(len(image)) | st.integers(0, len(image)))]), entry["disk_format"])
