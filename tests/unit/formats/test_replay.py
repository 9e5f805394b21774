"""What an inspector asks for twice comes from what is held, cut anywhere."""

from hypothesis import given
from hypothesis import strategies as st

from stillage.formats.base import Facts, Inspection, Region, Tail
from stillage.formats.replay import replay

DATA = bytes(range(200))


def served(inspection: Inspection) -> list[Region]:
    """The regions that reach the stream while *inspection* runs."""
    asked: list[Region] = []
    found = next(inspection, None)
    while found is not None:
        data = b""
        if isinstance(found, Region):
            asked.append(found)
            data = DATA[found.offset :][: found.length]
        try:
            found = inspection.send(data)
        except StopIteration:
            break
    return asked


@given(wants=st.lists(st.tuples(st.integers(0, 220), st.integers(0, 60))), start=st.integers(0, 100))
def test_every_want_is_answered_and_nothing_that_is_held_is_asked_for_again(
    wants: list[tuple[int, int]], start: int
) -> None:
    end = start + 50

    def inspect() -> Inspection:
        for offset, length in wants:
            assert (yield Region(offset, length)) == DATA[offset:][:length]
            yield Facts("raw")
            yield Tail(0)

    for region in served(replay(DATA[start:end], start, inspect())):
        assert not start <= region.offset < end


def test_an_inspection_that_wants_nothing_ends() -> None:
    def inspect() -> Inspection:
        yield from ()

    assert served(replay(DATA, 0, inspect())) == []
