"""Views: any range of a converted image can be made alone, and our own inspectors accept the whole.

`STILLAGE_DISKS` says how many random disks become every output; `make disks` tries 1,000, with 10 ranges of each.
"""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examining import examine
from random_disks import MADE_AT, RandomDisk, disks, rendered
from stillage.errors import DiskDoesNotFit
from stillage.formats.block_map import BlockMap
from stillage.formats.safety import Declaration, Policy, format_found, refusal
from stillage.formats.views.outputs import OUTPUTS, view_of

EXAMPLES = int(os.environ.get("STILLAGE_DISKS", "0"))
WINDOW = 9 << 20
KINDS = pytest.mark.parametrize("kind", OUTPUTS, ids="-".join)


@KINDS
@settings(max_examples=EXAMPLES or 25)
@given(disk=disks(), cuts=st.data())
def test_any_range_of_a_view_is_that_of_the_whole(kind: tuple[str, str], disk: RandomDisk, cuts: st.DataObject) -> None:
    view = disk.view(*kind)
    # All of a large one would take long: its beginning, or its end.
    start = cuts.draw(st.sampled_from((0, max(0, view.size - WINDOW))))
    size = min(view.size, WINDOW)

    def inside(first: int, length: int) -> bytes:
        assert 0 <= first < first + length <= disk.size
        return disk.read(first, length)

    whole = rendered(view, inside, start, size)
    assert len(whole) == size
    for _ in range(10):
        first = cuts.draw(st.integers(0, size - 1))
        length = cuts.draw(st.integers(1, min(size - first, 200_000)))
        assert rendered(view, disk.read, start + first, length) == whole[first : first + length]


@KINDS
@settings(max_examples=EXAMPLES or 15)
@given(disk=disks())
def test_our_own_inspectors_accept_a_view_and_find_the_disk(kind: tuple[str, str], disk: RandomDisk) -> None:
    view = disk.view(*kind)
    if view.size > 32 << 20:
        return
    data = rendered(view, disk.read)
    findings = examine(data, size=len(data))
    assert refusal(findings, Declaration(kind[0]), Policy()) is None
    facts = format_found(findings)
    assert (facts.format, facts.subformat, facts.virtual_size) == (*kind, disk.size)


LARGEST = {
    ("qcow2", ""): 2 << 50,
    ("qcow", ""): 128 << 50,
    ("qed", ""): 64 << 40,
    ("vdi", "dynamic"): 512 << 40,
    ("vhd", "dynamic"): 2040 << 30,
    ("vhd", "fixed"): 2040 << 30,
    ("vhdx", "dynamic"): 64 << 40,
    ("vmdk", "monolithicSparse"): 4 << 40,
}


@pytest.mark.parametrize(("kind", "largest"), LARGEST.items(), ids=["-".join(kind) for kind in LARGEST])
def test_a_disk_that_a_format_cannot_hold_is_refused_with_the_numbers(kind: tuple[str, str], largest: int) -> None:
    def made(size: int) -> int:
        return view_of(*kind, size, BlockMap(size, [(size - 512, 512)]), b"", MADE_AT).size

    assert made(largest)
    with pytest.raises(DiskDoesNotFit, match=f"{largest} bytes, and this disk has {largest + 512}"):
        made(largest + 512)


def test_a_vmdk_whose_grains_reach_beyond_its_tables_is_refused() -> None:
    size = 3 << 40
    with pytest.raises(DiskDoesNotFit, match="at most 2199023255552 bytes"):
        view_of("vmdk", "monolithicSparse", size, BlockMap(size, [(0, size)]), b"", MADE_AT)


@KINDS
def test_the_same_disk_gives_the_same_file_and_another_one_other_identifiers(kind: tuple[str, str]) -> None:
    def head(identity: bytes) -> bytes:
        disk = RandomDisk(1 << 20, ((0, 512),))
        view = view_of(*kind, disk.size, BlockMap(disk.size, disk.runs), identity, MADE_AT)
        return rendered(view, disk.read)

    assert head(b"one") == head(b"one")
    has_identifier = kind[0] in ("vdi", "vhd", "vhdx", "vmdk")
    assert (head(b"one") != head(b"two")) == has_identifier
