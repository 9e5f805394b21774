from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examining import examine
from stillage.formats.base import (
    LONGEST,
    MAX_REGION,
    Facts,
    Hazard,
    Inspection,
    MalformedImage,
    NotThisFormat,
    Region,
    Rule,
    Stream,
    Tail,
    Want,
)
from stillage.formats.stream import (
    BEYOND,
    MOST_HAZARDS,
    SECOND_LOOK_BYTES,
    SECOND_LOOK_READS,
    TOO_SCATTERED,
    Examination,
    Findings,
)

RULE = Rule("test.rule", "Something that a test looks for.")
DATA = bytes(range(256)) * 40


@dataclass
class Scripted:
    """An inspector that a test writes in its own lines."""

    script: Callable[[Stream], Inspection]
    FORMAT: str = "scripted"
    RULES: tuple[Rule, ...] = (RULE,)

    def inspect(self, stream: Stream) -> Inspection:
        return self.script(stream)


@dataclass
class Requester:
    """Asks for these things in this order and keeps what it was sent."""

    wants: list[Want]
    sent: list[bytes] = field(default_factory=list)
    FORMAT: str = "requester"
    RULES: tuple[Rule, ...] = ()

    def inspect(self, stream: Stream) -> Inspection:  # noqa: ARG002 - the protocol's
        for want in self.wants:
            self.sent.append((yield want))


def asked(data: bytes, *wants: Want, cuts: list[int] | None = None) -> list[bytes]:
    requester = Requester(list(wants))
    examine(data, cuts=cuts or [], formats=(requester,))
    return requester.sent


def hazards_of(script: Callable[[Stream], Inspection], data: bytes = DATA) -> list[str]:
    return [hazard.rule.id for hazard in examine(data, formats=(Scripted(script),)).hazards]


regions = st.builds(Region, st.integers(0, len(DATA) + 100), st.integers(0, 3000))
tails = st.builds(Tail, st.integers(0, 4096))


@given(wants=st.lists(regions | tails, max_size=12), cuts=st.lists(st.integers(0, len(DATA)), max_size=8))
def test_what_is_sent_is_what_was_asked_for_in_any_order_and_with_any_cut(wants: list[Want], cuts: list[int]) -> None:
    expected = [
        DATA[want.offset : want.offset + want.length]
        if isinstance(want, Region)
        else DATA[len(DATA) - min(want.length, len(DATA)) :]
        for want in wants
    ]
    assert asked(DATA, *wants, cuts=cuts) == expected


@given(wants=st.lists(regions | tails, max_size=12), cuts=st.lists(st.integers(0, len(DATA)), max_size=8))
def test_a_block_that_nobody_waits_for_tells_nobody_anything(wants: list[Want], cuts: list[int]) -> None:
    requester = Requester(list(wants))
    examination = Examination((requester,))
    for start, end in pairwise([0, *sorted(cuts), len(DATA)]):
        before, findings = len(requester.sent), examination.findings
        indifferent = examination.is_indifferent_to(DATA[start:end])
        examination.feed(DATA[start:end])
        if indifferent:
            assert len(requester.sent) == before
            assert examination.findings is findings


def test_nobody_waits_for_what_lies_before_the_next_region() -> None:
    examination = Examination((Requester([Region(0, 4), Region(5000, 4)]),))
    assert not examination.is_indifferent_to(DATA[:10])
    examination.feed(DATA[:10])
    assert examination.is_indifferent_to(DATA[10:5000])
    assert not examination.is_indifferent_to(DATA[10:5001])


def test_a_region_ahead_is_served_while_the_stream_passes() -> None:
    requester = Requester([Region(10, 4), Region(5000, 4)])
    examination = Examination((requester,))
    examination.feed(DATA[:12])
    assert requester.sent == []
    examination.feed(DATA[12:6000])
    assert requester.sent == [DATA[10:14], DATA[5000:5004]]


def test_a_region_that_has_gone_by_waits_for_the_second_look() -> None:
    requester = Requester([Region(9000, 4), Region(0, 4), Region(9500, 4)])
    examination = Examination((requester,))
    examination.feed(DATA[:8000])
    examination.feed(DATA[8000:])
    assert requester.sent == [DATA[9000:9004]]
    examination.close(lambda offset, length: DATA[offset : offset + length])
    assert requester.sent[1:] == [DATA[0:4], DATA[9500:9504]]


@given(cuts=st.lists(st.integers(0, 10_000)))
def test_a_short_step_back_needs_no_second_look_however_the_stream_is_cut(cuts: list[int]) -> None:
    requester = Requester([Region(4990, 10), Region(1000, 3990), Region(4980, 40)])
    examination = Examination((requester,))
    for start, end in pairwise([0, *sorted(cuts), len(DATA)]):
        examination.feed(DATA[start:end])
    assert requester.sent == [DATA[4990:5000], DATA[1000:4990], DATA[4980:5020]]


def test_a_region_of_the_block_at_hand_needs_no_second_look() -> None:
    requester = Requester([Region(5000, 4), Region(0, 4)])
    examination = Examination((requester,))
    examination.feed(DATA)
    assert requester.sent == [DATA[5000:5004], DATA[:4]]


def test_without_stored_bytes_the_findings_say_that_something_was_not_read() -> None:
    examination = Examination((Requester([Region(9000, 4), Region(0, 4)]),))
    examination.feed(DATA[:8000])
    examination.feed(DATA[8000:])
    examination.close(None)
    assert examination.findings.unread
    assert examination.findings.complete


def test_what_lies_ahead_or_has_no_length_needs_no_stored_bytes() -> None:
    requester = Requester([Region(5000, 4), Region(0, 0), Region(len(DATA), 9), Tail(3)])
    examination = Examination((requester,))
    examination.feed(DATA[:5500])
    examination.feed(DATA[5500:])
    examination.close(None)
    assert requester.sent == [DATA[5000:5004], b"", b"", DATA[-3:]]
    assert not examination.findings.unread


@pytest.mark.parametrize("offset", [0, 3, len(DATA), len(DATA) + 1, 1 << 62])
def test_a_region_without_length_is_empty_wherever_it_lies(offset: int) -> None:
    assert asked(DATA, Region(5, 2), Region(offset, 0), Region(7, 1)) == [DATA[5:7], b"", DATA[7:8]]


def test_a_region_across_the_end_comes_short_and_one_behind_it_empty() -> None:
    end = len(DATA)
    wants = (Region(end - 3, 10), Region(end, 10), Region(1 << 62, 10))
    assert asked(DATA, *wants) == [DATA[-3:], b"", b""]
    assert asked(DATA, *wants, cuts=[end - 1]) == [DATA[-3:], b"", b""]


def test_an_empty_stream_sends_nothing() -> None:
    assert asked(b"", Region(0, 10), Tail(10), Region(0, 0)) == [b"", b"", b""]


def test_the_size_is_exact_once_a_tail_was_sent() -> None:
    seen: list[int | None] = []

    def script(stream: Stream) -> Inspection:
        seen.append(stream.size)
        yield Tail(0)
        seen.append(stream.size)

    examine(DATA, formats=(Scripted(script),))
    examine(DATA, formats=(Scripted(script),), size=12)
    assert seen == [None, len(DATA), 12, len(DATA)]


@pytest.mark.parametrize("cut", [1, 4095, 4096, 4097, len(DATA) - 1])
def test_a_tail_is_put_together_from_small_blocks(cut: int) -> None:
    assert asked(DATA, Tail(4096), cuts=list(range(0, len(DATA), cut))) == [DATA[-4096:]]


def test_the_second_look_has_a_budget_of_bytes() -> None:
    pieces = SECOND_LOOK_BYTES // MAX_REGION + 1
    requester = Requester([Region(9000, 1), *[Region(0, MAX_REGION)] * pieces])
    findings = examine(DATA, cuts=[8500], formats=(requester,))
    assert [hazard.rule for hazard in findings.hazards] == [TOO_SCATTERED]
    assert len(requester.sent) == pieces


def test_the_second_look_has_a_budget_of_reads() -> None:
    requester = Requester([Region(9000, 1), *[Region(0, 1)] * (SECOND_LOOK_READS + 1)])
    findings = examine(DATA, cuts=[8500], formats=(requester,))
    assert [hazard.rule for hazard in findings.hazards] == [TOO_SCATTERED]
    assert len(requester.sent) == SECOND_LOOK_READS + 1


def test_budgets_are_of_one_inspector_and_not_of_all() -> None:
    greedy = Requester([Region(9000, 1), *[Region(0, 1)] * (SECOND_LOOK_READS + 1)])
    modest = Requester([Region(9000, 1), Region(0, 4)])
    examine(DATA, cuts=[8500], formats=(greedy, modest))
    assert modest.sent == [DATA[9000:9001], DATA[:4]]


def test_facts_replace_facts_and_hazards_add_up() -> None:
    def script(stream: Stream) -> Inspection:
        yield Facts("scripted")
        yield Hazard(RULE, 0, "one")
        yield Facts("scripted", virtual_size=7)
        yield Region(0, 1)
        yield Hazard(RULE, 1, "two")

    findings = examine(DATA, formats=(Scripted(script),))
    assert findings.matched == (Facts("scripted", virtual_size=7),)
    assert [hazard.message for hazard in findings.hazards] == ["one", "two"]


def test_a_format_that_is_not_there_leaves_no_trace() -> None:
    def script(stream: Stream) -> Inspection:
        yield Region(0, 4)
        raise NotThisFormat

    findings = examine(DATA, formats=(Scripted(script),))
    assert (findings.matched, findings.hazards, findings.undecided) == ((), (), frozenset())


def test_a_malformed_image_ends_its_inspection_with_a_hazard() -> None:
    def script(stream: Stream) -> Inspection:
        yield Facts("scripted")
        yield Region(0, 4)
        raise MalformedImage(RULE, 3, "broken")

    findings = examine(DATA, formats=(Scripted(script),))
    assert findings.hazards == (Hazard(RULE, 3, "broken"),)
    assert findings.matched == (Facts("scripted"),)


def test_an_undecided_format_is_one_that_waits_and_has_no_facts() -> None:
    def script(stream: Stream) -> Inspection:
        yield Region(100, 4)
        yield Facts("scripted")
        yield Region(200, 4)

    examination = Examination((Scripted(script),))
    assert examination.findings.undecided == {"scripted"}
    examination.feed(DATA[:150])
    assert examination.findings.undecided == frozenset()


def test_findings_are_the_same_object_while_nothing_new_was_found() -> None:
    examination = Examination((Requester([Region(5000, 4)]),))
    examination.feed(DATA[:10])
    before = examination.findings
    examination.feed(DATA[10:20])
    assert examination.findings is before


def test_one_inspector_can_report_only_so_many_hazards() -> None:
    def script(stream: Stream) -> Inspection:
        yield Region(0, 1)
        for number in range(100_000):
            yield Hazard(RULE, number, "again")

    findings = examine(DATA, formats=(Scripted(script),))
    assert [hazard.offset for hazard in findings.hazards] == list(range(MOST_HAZARDS))


@pytest.mark.parametrize(
    "want", [Region(0, MAX_REGION + 1), Region(-1, 4), Region(0, -1), Tail(4097), Tail(-1)], ids=str
)
def test_an_inspector_that_asks_for_too_much_is_a_mistake_of_ours(want: Want) -> None:
    def script(stream: Stream) -> Inspection:
        yield Region(0, 1)
        yield want

    with pytest.raises(AssertionError, match="scripted asks for"):
        hazards_of(script)


def test_an_error_in_an_inspector_ends_the_examination_rather_than_pass_the_image() -> None:
    def script(stream: Stream) -> Inspection:
        head = yield Region(0, 4)
        yield Facts("scripted", virtual_size=head[9])

    with pytest.raises(IndexError):
        hazards_of(script)


def test_an_inspector_that_holds_the_largest_region_holds_no_more_than_that() -> None:
    requester = Requester([Region(0, MAX_REGION), Region(MAX_REGION, 1)])
    examination = Examination((requester,))
    block = bytes(1 << 20)
    for _ in range(5):
        examination.feed(block)
    assert [len(sent) for sent in requester.sent] == [MAX_REGION, 1]


@given(cuts=st.lists(st.integers(0, len(DATA)), max_size=10))
def test_findings_do_not_depend_on_how_the_stream_is_cut(cuts: list[int]) -> None:
    def script(stream: Stream) -> Inspection:
        head = yield Region(300, 7)
        yield Facts("scripted", virtual_size=int.from_bytes(head, "big"))
        back = yield Region(10, 300)
        yield Hazard(RULE, len(back), back.hex())
        tail = yield Tail(9)
        yield Hazard(RULE, stream.size, tail.hex())

    def found(cuts: list[int]) -> Findings:
        return examine(DATA, cuts=cuts, formats=(Scripted(script),))

    assert found(cuts) == found([])


@pytest.mark.parametrize(("offset", "length"), [(LONGEST, 1), (LONGEST - 511, 512), (1 << 73, 2)])
def test_what_lies_further_on_than_any_file_reaches_is_refused_at_once(offset: int, length: int) -> None:
    requester = Requester([Region(0, 1), Region(offset, length), Region(1, 1)])
    examination = Examination((requester,))
    examination.feed(DATA)
    assert [hazard.rule for hazard in examination.findings.hazards] == [BEYOND]
    assert examination.findings.hazards[0].offset is None
    assert requester.sent == [DATA[:1]]


def test_the_last_byte_of_the_longest_file_may_be_asked_for() -> None:
    requester = Requester([Region(LONGEST - 1, 1)])
    assert examine(DATA, formats=(requester,)).hazards == ()
    assert requester.sent == [b""]


def test_no_stream_is_longer_than_the_longest_file() -> None:
    Examination((), size=LONGEST)
    with pytest.raises(ValueError, match="at most 9223372036854775807 bytes"):
        Examination((), size=LONGEST + 1)
