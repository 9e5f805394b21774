"""What holds for vmdk, vhd, vhdx and vdi alike: any bytes, any cut, any damage, and memory."""

import tracemalloc
from array import array
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disk_edits import patched, rule
from examining import examine
from samples import entries, load
from stillage.formats.base import Format
from stillage.formats.safety import Declaration, Policy, refusal
from stillage.formats.stream import Examination
from stillage.formats.tables.overlaps import Overlaps, TooManyPlaces
from stillage.formats.vdi import inspect as vdi
from stillage.formats.vhd import inspect as vhd
from stillage.formats.vhdx import inspect as vhdx
from stillage.formats.vmdk import inspect as vmdk
from stillage.formats.vmdk import tables as vmdk_tables
from vmdk_images import descriptor, stream

MODULES: dict[str, Format] = {"vmdk": vmdk, "vhd": vhd, "vhdx": vhdx, "vdi": vdi}
ENTRIES = [entry for name in MODULES for entry in entries(disk_format=name)]
STREAM = "stream.vmdk"  # made here, not a sample
NAMES = sorted([*(str(entry["file"]) for entry in ENTRIES), STREAM])
STARTS = {
    "vmdk": [load("vmdk-monosparse.vmdk")[:512], load("vmdk-streamopt.vmdk")[:512], b"COWD", b"version=1\n"],
    "vhd": [b"conectix", load("vhd-dynamic.vhd")[:512], load("vhd-dynamic.vhd")[:1536]],
    "vhdx": [b"vhdxfile", load("vhdx-dynamic.vhdx")[: 320 << 10]],
    "vdi": [load("vdi-dynamic.vdi")[:68], load("vdi-dynamic.vdi")[:512]],
}


def image_of(name: str) -> bytes:
    return stream() if name == STREAM else load(name)


def module_of(name: str) -> Format:
    return MODULES[name.rpartition(".")[2]]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["file"])
def test_every_sample_has_the_verdict_of_the_manifest(entry: dict[str, object]) -> None:
    declared = str(entry["disk_format"])
    findings = examine(image_of(str(entry["file"])))
    refused = refusal(findings, Declaration(declared), Policy())
    assert ("reject" if refused else "accept") == entry["verdict"], refused
    sizes = {facts.virtual_size for facts in findings.matched if facts.format == declared}
    assert sizes <= {entry["virtual_size"], None}
    assert entry["verdict"] == "reject" or sizes == {entry["virtual_size"]}


@settings(max_examples=60)
@given(name=st.sampled_from(NAMES), data=st.data())
def test_findings_do_not_depend_on_how_the_stream_is_cut(name: str, data: st.DataObject) -> None:
    image, module = image_of(name), module_of(name)
    places = st.integers(0, len(image)) | st.integers(0, min(len(image), 1 << 18)) | st.just(len(image) - 512)
    cuts = data.draw(st.lists(places, max_size=12))
    whole, cut = examine(image, formats=(module,)), examine(image, cuts=cuts, formats=(module,))
    assert (cut.matched, cut.hazards) == (whole.matched, whole.hazards)


@pytest.mark.parametrize("name", ["vmdk-monosparse.vmdk", "vmdk-streamopt.vmdk", "stream.vmdk", "vdi-dynamic.vdi"])
@pytest.mark.parametrize("step", [512, 1000, 4096, 65537])
def test_an_image_in_order_needs_no_second_look(name: str, step: int) -> None:
    image = image_of(name)
    examination = Examination((module_of(name),))
    for start, end in pairwise([*range(0, len(image), step), len(image)]):
        examination.feed(image[start:end])
    examination.close(None)
    assert not examination.findings.unread
    assert examination.findings.hazards == ()


@settings(max_examples=150)
@given(name=st.sampled_from(NAMES), data=st.data())
def test_damage_of_any_kind_is_only_ever_reported(name: str, data: st.DataObject) -> None:
    image = image_of(name)
    near = st.integers(0, min(len(image), 4096) - 1) | st.integers(-min(len(image), 1536), -1)
    places = near | st.integers(0, len(image) - 1)
    edits = data.draw(st.lists(st.tuples(places, st.binary(min_size=1, max_size=16)), min_size=1, max_size=4))
    damaged = patched(image, *edits)[: len(image) - data.draw(st.integers(0, 3) | st.integers(0, len(image)))]
    for size in (None, len(damaged)):
        examine(damaged, formats=tuple(MODULES.values()), size=size)


@settings(max_examples=100)
@given(name=st.sampled_from(sorted(STARTS)), data=st.data())
def test_any_bytes_behind_a_start_are_only_ever_reported(name: str, data: st.DataObject) -> None:
    start = data.draw(st.sampled_from(STARTS[name]))
    examine(start + data.draw(st.binary(max_size=3000)), formats=(MODULES[name],))


@pytest.mark.parametrize("name", [str(entry["file"]) for entry in ENTRIES if entry["verdict"] == "accept"])
def test_no_part_of_an_image_is_accepted(name: str) -> None:
    image, module = image_of(name), module_of(name)
    last = len(image) - 1
    for length in [*range(513, 9000, 509), last // 2, last - 1024, last - 512, last]:
        # Without its footer a fixed VHD is raw bytes; without the last byte of it, it is one of an older program.
        part = examine(image[:length], formats=(module,))
        assert part.hazards or not part.matched or (name, length) == ("vhd-fixed.vhd", last)


def test_pieces_that_share_a_unit_are_found_on_and_off_the_grid() -> None:
    assert Overlaps(4).first_overlap([8, 12, 4, 0]) is None
    assert Overlaps(4).first_overlap([8, 12, 8]) == 2
    assert Overlaps(4).first_overlap([9, 1, 5, 13]) is None
    assert Overlaps(4).first_overlap([8, 13, 2, 17]) is None
    assert Overlaps(4).first_overlap([8, 13, 16]) == 2
    assert Overlaps(4).first_overlap([8, 13, 11]) == 2


@given(length=st.integers(1, 9), starts=st.lists(st.integers(0, 120), max_size=25))
def test_overlaps_agree_with_counting_every_unit(length: int, starts: list[int]) -> None:
    taken: set[int] = set()
    expected = None
    for position, start in enumerate(starts):
        units = set(range(start, start + length))
        if units & taken:
            expected = position
            break
        taken |= units
    assert Overlaps(length).first_overlap(starts) == expected


def test_overlaps_end_where_their_memory_does() -> None:
    with pytest.raises(TooManyPlaces):
        Overlaps(8).first_overlap([0, 8 << 40])
    with pytest.raises(TooManyPlaces):
        Overlaps(8).first_overlap([0, 9, 8 << 30])


def largest_sparse() -> tuple[bytes, int]:
    """As many grain tables as are accepted: what the image begins with, and how long zeros make it."""
    tables = vmdk_tables.MAX_TABLES
    sectors = tables * 512 * 128
    first = 2048
    overhead = (first + 4 * tables).to_bytes(8, "little")
    edits = [(8, b"\1"), (12, sectors.to_bytes(8, "little")), (56, (21).to_bytes(8, "little")), (64, overhead)]
    text = descriptor(sectors, create_type="monolithicSparse").ljust(20 * 512, b"\0")
    directory = array("I", range(first, first + 4 * tables, 4)).tobytes()
    image = patched(image_of("vmdk-monosparse.vmdk")[: 21 * 512], *edits, (512, text)) + directory
    return image, (first + 4 * tables) * 512


def largest_stream() -> tuple[bytes, int]:
    image = stream([], vmdk_tables.MAX_TABLES * 512 * 128)
    return image, len(image)


def large_vhdx() -> tuple[bytes, int]:
    """64 TiB of disk in 8 MiB blocks, its whole BAT filled with numbers that begin well."""
    image = image_of("vhdx-dynamic.vhdx")
    image = patched(image, (2 << 20, b"".join((n << 20 | 6).to_bytes(8, "little") for n in range(4, 131_076))))
    return image, len(image)


LARGE = {"tables.vmdk": largest_sparse, "footer.vmdk": largest_stream, "full.vhdx": large_vhdx}
ACCEPTED = ("tables.vmdk", "footer.vmdk")


@pytest.mark.parametrize("name", [*NAMES, *LARGE])
def test_an_examination_stays_small(name: str) -> None:
    image, size = LARGE[name]() if name in LARGE else (image_of(name), len(image_of(name)))

    def read_at(offset: int, length: int) -> bytes:
        return image[offset : offset + length].ljust(min(length, size - offset), b"\0")

    examination = Examination(tuple(MODULES.values()))
    tracemalloc.start()
    for offset in range(0, size, 1 << 20):
        examination.feed(read_at(offset, 1 << 20))
    examination.close(read_at)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20
    assert name not in ACCEPTED or examination.findings.hazards == ()


def test_the_rules_have_ids_of_their_format_and_are_all_declared() -> None:
    for name, module in MODULES.items():
        ids = [declared.id for declared in module.RULES]
        assert len(ids) == len(set(ids))
        assert all(rule_id.startswith(f"{name}.") for rule_id in ids)


def test_two_formats_in_one_file_are_both_seen() -> None:
    footer = image_of("vhd-fixed.vhd")[-512:]
    both = image_of("vdi-static.vdi") + footer
    assert {facts.format for facts in examine(both).matched} >= {"vdi", "vhd"}
    assert refusal(examine(both), Declaration("vdi"), Policy()) is not None
    assert rule(vhd, both) == "vhd.size-mismatch"
