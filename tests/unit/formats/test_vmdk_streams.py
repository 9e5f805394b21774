"""Streams of grains (streamOptimized): markers, tables behind their grains, the footer."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from disk_edits import le32, le64, patched, rule
from samples import load
from stillage.formats.vmdk import inspect as vmdk
from vmdk_images import GRAIN, GRAIN_BYTES, grain, header, marker, stream

PACKED = load("vmdk-streamopt.vmdk")  # its tables are in front, and it has no footer
STREAM = stream()
TABLE_AT, REDUNDANT_TABLE_AT = 27 * 512, 22 * 512


@given(
    numbers=st.lists(st.integers(0, 2000), max_size=30, unique=True),
    end=st.integers(2001, 3000),
)
def test_streams_with_any_grains_are_accepted(numbers: list[int], end: int) -> None:
    image = stream(numbers, end * GRAIN)
    assert rule(vmdk, image) is None
    assert rule(vmdk, image, size=len(image)) is None


@pytest.mark.parametrize(
    ("at", "new", "expected"),
    [
        (GRAIN_BYTES, le64(GRAIN), "vmdk.tables-differ"),
        (GRAIN_BYTES, le64(1), "vmdk.grain-data"),
        (GRAIN_BYTES, le64(64 * GRAIN), "vmdk.grain-data"),
        (GRAIN_BYTES + 8, le32(2 * GRAIN_BYTES + 1), "vmdk.grain-data"),
        (GRAIN_BYTES + 12, b"\x79\x9c", "vmdk.grain-data"),
        (GRAIN_BYTES + 12, b"\x78\x9d", "vmdk.grain-data"),
        (GRAIN_BYTES, bytes(16), "vmdk.footer"),
        (GRAIN_BYTES, marker(9, 1), "vmdk.marker"),
        (GRAIN_BYTES, marker(1, 1 << 60), "vmdk.marker"),
        (-1024, b"VMDK", "vmdk.footer"),
        (-1024 + 4, le32(2), "vmdk.footer"),
        (-1024 + 56, le64(1), "vmdk.footer"),
        (-1024 + 28, le64(7), "vmdk.footer"),
        (-1024 + 80, b"\1", "vmdk.footer"),
        (-512, marker(1, 4), "vmdk.footer"),
    ],
)
def test_a_stream_says_one_thing_throughout(at: int, new: bytes, expected: str) -> None:
    assert rule(vmdk, patched(STREAM, (at, new))) == expected


def test_a_grain_that_no_table_names_is_refused() -> None:
    assert rule(vmdk, stream([0, 1, 5], forget=[1])) == "vmdk.tables-differ"


def test_grains_whose_places_add_up_to_those_of_the_tables_are_refused() -> None:
    # 128 and 130 for one place of the table are not 258, nor are two places exchanged the same two places.
    body = STREAM[:GRAIN_BYTES] + grain(0) + grain(0)
    named = struct.pack("<512I", GRAIN + GRAIN + len(grain(0)) // 512, *[0] * 511)
    at = len(body) // 512 + 1
    body += marker(1, 4) + named + marker(2, 1) + le32(at).ljust(512, b"\0")
    assert rule(vmdk, body) == "vmdk.tables-differ"
    swapped = struct.pack("<512I", GRAIN + len(grain(0)) // 512, GRAIN, *[0] * 510)
    body = STREAM[:GRAIN_BYTES] + grain(0) + grain(1)
    body += marker(1, 4) + swapped + marker(2, 1) + le32(at).ljust(512, b"\0")
    assert rule(vmdk, body) == "vmdk.tables-differ"


def test_a_grain_that_is_there_twice_is_refused() -> None:
    assert rule(vmdk, stream([0, 1, 1])) == "vmdk.tables-differ"


def test_a_stream_with_a_table_or_a_directory_too_many_is_refused() -> None:
    front = STREAM[:GRAIN_BYTES] + grain(0)
    table = marker(1, 4) + bytes(2048)
    directory = marker(2, 1) + bytes(512)
    assert rule(vmdk, front + table + table) == "vmdk.marker"
    assert rule(vmdk, STREAM[:GRAIN_BYTES] + directory + directory) == "vmdk.marker"
    assert rule(vmdk, STREAM[:GRAIN_BYTES] + marker(2, 1) + le32(77).ljust(512, b"\0")) == "vmdk.tables-differ"


def test_bytes_behind_the_end_of_a_stream_are_refused() -> None:
    assert rule(vmdk, STREAM + bytes(512)) == "vmdk.trailing-data"
    assert rule(vmdk, PACKED + b"\0") == "vmdk.trailing-data"
    assert rule(vmdk, patched(PACKED, (-600, b"!"))) == "vmdk.trailing-data"


def test_a_stream_whose_tables_are_in_front_must_hold_their_grains() -> None:
    for at in (TABLE_AT, REDUNDANT_TABLE_AT):
        assert rule(vmdk, patched(PACKED, (at, le32(999)))) in ("vmdk.copies-differ", "vmdk.tables-differ")
    both = patched(PACKED, (TABLE_AT, le32(999)), (REDUNDANT_TABLE_AT, le32(999)))
    assert rule(vmdk, both) == "vmdk.tables-differ"


def test_the_footer_may_differ_in_the_mark_of_a_clean_shutdown() -> None:
    at = len(STREAM) - 1024
    footer = patched(STREAM[at : at + 512], (72, b"\1"))
    assert rule(vmdk, stream(footer=footer)) is None
    assert rule(vmdk, stream(footer=header())) == "vmdk.footer"
