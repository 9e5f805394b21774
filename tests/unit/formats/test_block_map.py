"""Which blocks of a disk hold data, and where the n-th of them is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillage.formats import block_map
from stillage.formats.block_map import BLOCK, BlockMap

FLAGS = st.lists(st.booleans(), min_size=1, max_size=60)


def of_blocks(flags: list[bool]) -> BlockMap:
    return BlockMap(len(flags) * BLOCK, [(n * BLOCK, BLOCK) for n, held in enumerate(flags) if held])


@given(flags=FLAGS)
def test_it_counts_and_ranks_like_a_list_of_flags(flags: list[bool]) -> None:
    data = of_blocks(flags)
    assert data.count == sum(flags)
    assert [data.holds(block) for block in range(len(flags))] == flags
    assert [data.rank(block) for block in range(len(flags) + 1)] == [sum(flags[:n]) for n in range(len(flags) + 1)]


@given(flags=FLAGS, first=st.integers(0, 60), stop=st.integers(0, 60))
def test_runs_are_cut_to_what_is_asked_for(flags: list[bool], first: int, stop: int) -> None:
    data = of_blocks(flags)
    found = {
        block: run.rank + block - run.first for run in data.runs(first, stop) for block in range(run.first, run.stop)
    }
    assert found == {n: sum(flags[:n]) for n in range(first, min(stop, len(flags))) if flags[n]}


@given(flags=FLAGS, asked=st.data())
def test_stored_blocks_are_found_by_their_rank(flags: list[bool], asked: st.DataObject) -> None:
    held = [n for n, held in enumerate(flags) if held]
    rank = asked.draw(st.integers(0, len(held)))
    count = asked.draw(st.integers(0, len(held) - rank))
    runs = of_blocks(flags).stored(rank, count)
    assert [block for run in runs for block in range(run.first, run.stop)] == held[rank : rank + count]


@given(flags=FLAGS, factor=st.integers(1, 9))
def test_a_coarser_block_holds_data_if_any_part_of_it_does(flags: list[bool], factor: int) -> None:
    data = of_blocks(flags).coarser(factor)
    assert [data.holds(n) for n in range(data.blocks)] == [
        any(flags[at : at + factor]) for at in range(0, len(flags), factor)
    ]
    assert data.block == factor * BLOCK


def test_the_last_block_may_be_short() -> None:
    data = BlockMap(BLOCK + 512, [(BLOCK, 512)])
    assert (data.blocks, data.count, list(data.runs())) == (2, 1, [(1, 2, 0)])


def test_data_behind_the_end_of_the_disk_counts_only_up_to_it() -> None:
    assert BlockMap(BLOCK, [(0, 5 * BLOCK)]).count == 1


def test_too_many_runs_are_joined_to_the_same_map_in_whatever_pieces_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_map, "MOST_RUNS", 4)
    whole = [(n * 3 * BLOCK, BLOCK) for n in range(20)]
    halves = [(at + part * BLOCK // 2, BLOCK // 2) for at, _ in whole for part in (0, 1)]
    data = BlockMap(60 * BLOCK, whole)
    assert list(data.runs()) == list(BlockMap(60 * BLOCK, halves).runs())
    assert len(list(data.runs())) <= 4
    assert all(data.holds(at // BLOCK) for at, _ in whole)
