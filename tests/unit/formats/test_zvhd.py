import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examining import examine
from samples import entries, load
from stillage.formats.base import Facts
from stillage.formats.codecs.zlib_stream import Inflater
from stillage.formats.safety import Declaration, Policy, refusal
from stillage.formats.stream import Examination
from stillage.formats.zvhd import inspect as zvhd
from zvhd_images import BLOCK, GIB, PAGE, checksummed, continued, deflated, guest_block, header_page, patched, record
from zvhd_images import zvhd as image

COOKIE = b"stream\0\0"
PLAIN = image()
RECORD = PAGE
"""Where the first record begins."""


def rule(data: bytes, *, size: int | None = None) -> str | None:
    hazards = examine(data, formats=(zvhd,), size=size).hazards
    return hazards[0].rule.id if hazards else None


def facts(data: bytes) -> Facts | None:
    return next(iter(examine(data, formats=(zvhd,)).matched), None)


def resealed(data: bytes, at: int, new: bytes) -> bytes:
    """The image with other bytes in both copies of its header, whose checksum is right."""
    page = checksummed(patched(data[:PAGE], at, new)[:512])
    return page + data[PAGE:-PAGE] + page


@pytest.mark.parametrize("entry", entries(disk_format="zvhd"), ids=lambda entry: entry["file"])
def test_every_sample_has_the_verdict_and_size_of_the_manifest(entry: dict[str, object]) -> None:
    findings = examine(load(str(entry["file"])))
    refused = refusal(findings, Declaration("zvhd"), Policy())
    assert ("reject" if refused else "accept") == entry["verdict"]
    assert [f.virtual_size for f in findings.matched if f.format == "zvhd"] == [entry["virtual_size"]]


def test_an_image_is_recognised_with_its_sizes() -> None:
    details = {"original_size": str(9 * BLOCK), "creator_version": "1.4"}
    assert facts(PLAIN) == Facts("zvhd", virtual_size=GIB, details=details)
    assert rule(PLAIN) is None


@pytest.mark.parametrize("numbers", [[], [0], [511], list(range(0, 40, 3))], ids=str)
def test_images_with_any_blocks_are_accepted(numbers: list[int]) -> None:
    assert rule(image(numbers)) is None


@pytest.mark.parametrize(
    "begins", [b"", b"s", b"stream", b"stream of text", b"stream\0\1", b"streak\0\0", b"Stream\0\0"]
)
def test_other_beginnings_are_other_formats(begins: bytes) -> None:
    assert facts(begins.ljust(8192, b" ")) is None


def test_the_size_is_known_after_the_header_page() -> None:
    examination = Examination((zvhd,))
    examination.feed(PLAIN[:PAGE])
    assert examination.findings.matched[0].virtual_size == GIB


@pytest.mark.parametrize(
    ("at", "new", "broken"),
    [
        (8, b"\3", "zvhd.unknown-variant"),
        (12, b"\1", "zvhd.unknown-variant"),
        (86, b"\1", "zvhd.unknown-variant"),
        (87, b"\1", "zvhd.unknown-variant"),
        (511, b"\1", "zvhd.unknown-variant"),
        (40, bytes(8), "zvhd.size"),
        (40, struct.pack("<Q", GIB + 1), "zvhd.size"),
        (48, bytes(8), "zvhd.size"),
        (48, struct.pack("<Q", GIB + 1), "zvhd.size"),
        (48, struct.pack("<Q", 1 << 63), "zvhd.size"),
    ],
)
def test_a_header_that_cannot_be_is_refused_in_the_first_block(at: int, new: bytes, broken: str) -> None:
    examination = Examination((zvhd,))
    examination.feed(resealed(PLAIN, at, new)[: 64 << 10])
    assert [hazard.rule.id for hazard in examination.findings.hazards] == [broken]


@pytest.mark.parametrize("at", [0, 9, 40, 55, 68, 511])
def test_a_header_whose_bytes_changed_is_refused(at: int) -> None:
    changed = patched(PLAIN, at, bytes([PLAIN[at] ^ 0x40]))
    assert rule(changed) == ("zvhd.checksum" if at else None)
    assert (facts(changed) is None) == (at == 0)


@pytest.mark.parametrize(("minor", "accepted"), [(1, True), (4, False)])
def test_only_old_writers_may_have_hidden_the_disk_after_adding_up(minor: int, accepted: bool) -> None:
    page = checksummed(patched(PLAIN[:512], 32, struct.pack("<HH", minor, 1)))
    hidden = patched(page, 85, b"\1")
    assert (rule(hidden + PLAIN[PAGE:-PAGE] + hidden) is None) == accepted


def test_what_stands_behind_the_header_in_its_page_does_not_matter() -> None:
    stale = PLAIN[:512] + b"\xcc" * 3584
    assert rule(stale + PLAIN[PAGE:-PAGE] + stale) is None


@pytest.mark.parametrize(
    ("at", "new", "broken"),
    [
        (RECORD, b"HW", "zvhd.record"),
        (RECORD + 12, bytes(4), "zvhd.record-size"),
        (RECORD + 12, struct.pack("<I", BLOCK + BLOCK // 16 + 1), "zvhd.record-size"),
        (RECORD + 12, b"\xff\xff\xff\xff", "zvhd.record-size"),
        (RECORD + 16, struct.pack("<I", 512), "zvhd.block-number"),
        (RECORD + 20, b"\1", "zvhd.unknown-variant"),
        (RECORD + 47, b"\1", "zvhd.unknown-variant"),
        (RECORD + 48, b"\xff", "zvhd.payload"),
    ],
)
def test_a_record_that_cannot_be_is_refused(at: int, new: bytes, broken: str) -> None:
    assert rule(patched(PLAIN, at, new)) == broken


@pytest.mark.parametrize("numbers", [[3, 3], [3, 2], [0, 512]])
def test_blocks_ascend_and_stay_inside_the_disk(numbers: list[int]) -> None:
    assert rule(image(numbers)) == "zvhd.block-number"


def test_a_record_ends_as_records_do() -> None:
    end = PLAIN.index(b"end\0")
    assert rule(patched(PLAIN, end, b"End\0")) == "zvhd.record"


def with_payload(payload: bytes) -> bytes:
    return image([0], payloads=[payload])


@pytest.mark.parametrize("length", [0, 1, BLOCK - 1])
def test_a_payload_that_expands_to_less_than_a_block_is_refused(length: int) -> None:
    assert rule(with_payload(deflated(bytes(length)))) == "zvhd.payload"


@pytest.mark.parametrize("length", [BLOCK + 1, BLOCK + 258, 2 * BLOCK, 64 * BLOCK])
def test_a_payload_that_expands_to_more_than_a_block_is_refused(length: int) -> None:
    assert rule(with_payload(deflated(bytes(length)))) == "zvhd.bomb"


def test_a_bomb_is_expanded_to_one_byte_more_than_a_block() -> None:
    produced: list[int] = []

    class Counting(Inflater):
        def expand(self, piece: bytes, limit: int) -> int:
            produced.append(super().expand(piece, limit))
            return produced[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zvhd, "Inflater", Counting)
        assert rule(with_payload(deflated(bytes(40 * BLOCK)))) == "zvhd.bomb"
    assert sum(produced) == BLOCK + 1


def test_a_zlib_stream_that_is_finished_is_refused() -> None:
    assert rule(with_payload(zlib.compress(guest_block(0)))) == "zvhd.payload"


def test_one_zlib_stream_runs_through_all_records() -> None:
    apart = [deflated(guest_block(n)) for n in (0, 1)]
    assert rule(image([0, 1], payloads=apart)) == "zvhd.payload"
    assert rule(image([0, 1], payloads=continued(map(guest_block, (0, 1))))) is None


def test_a_payload_that_carries_bytes_over_into_the_next_record_is_refused() -> None:
    first, second = continued(map(guest_block, (0, 1)))
    assert rule(image([0, 1], payloads=[first[:-20], first[-20:] + second])) == "zvhd.payload"


def test_a_payload_over_several_pieces_and_blocks_is_expanded_whole() -> None:
    noise = zlib.compress(bytes(64), 0) + b"".join(
        zlib.crc32(bytes([n % 251, n >> 8])).to_bytes(4) for n in range(60_000)
    )
    block = (noise * 10)[:BLOCK]
    data = with_payload(zlib_stored := continued([block])[0])
    assert len(zlib_stored) > 200_000
    assert rule(data) is None


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (lambda page: patched(page, 70, b"x"), "zvhd.trailer"),
        (lambda page: checksummed(patched(page[:512], 70, b"x")), "zvhd.trailer"),
        (lambda page: checksummed(patched(page[:512], 48, struct.pack("<Q", 2 * GIB))), "zvhd.trailer"),
        (lambda page: b"conectix" + page[8:], "zvhd.record"),
        (lambda page: page + b"\0", "zvhd.trailing-data"),
        (lambda page: page + page, "zvhd.trailing-data"),
    ],
)
def test_the_closing_page_repeats_the_header_and_is_the_last(change: object, broken: str) -> None:
    assert callable(change)
    assert rule(PLAIN[:-PAGE] + change(PLAIN[-PAGE:])) == broken


@given(length=st.integers(8, len(PLAIN) - 1))
@settings(max_examples=60, deadline=None)
def test_an_image_that_was_cut_short_is_refused(length: int) -> None:
    assert rule(PLAIN[:length]) == "zvhd.truncated"


def test_a_cut_inside_a_record_shows_at_its_head_when_the_size_is_declared() -> None:
    examination = Examination((zvhd,), size=RECORD + 100)
    examination.feed(PLAIN[: RECORD + 48])
    assert [hazard.rule.id for hazard in examination.findings.hazards] == ["zvhd.truncated"]


@given(cuts=st.lists(st.integers(0, len(PLAIN)), max_size=10))
@settings(max_examples=30, deadline=None)
def test_the_findings_do_not_depend_on_how_the_stream_is_cut(cuts: list[int]) -> None:
    assert examine(PLAIN, cuts=cuts, formats=(zvhd,)) == examine(PLAIN, formats=(zvhd,))


@given(rest=st.binary(max_size=9000))
@settings(max_examples=60, deadline=None)
def test_any_bytes_after_the_cookie_have_a_defined_end(rest: bytes) -> None:
    assert rule(COOKIE + rest) in {r.id for r in zvhd.RULES}


@given(rest=st.binary(max_size=9000), size=st.sampled_from([None, 1, PAGE, 1 << 62]))
@settings(max_examples=60, deadline=None)
def test_any_bytes_after_a_right_header_have_a_defined_end(rest: bytes, size: int | None) -> None:
    data = header_page(COOKIE, GIB, GIB) + record(0, rest or b"x") + rest
    assert rule(data, size=size) in {r.id for r in zvhd.RULES}


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_any_change_to_a_sample_has_a_defined_end(data: st.DataObject) -> None:
    original = load(data.draw(st.sampled_from([e["file"] for e in entries(disk_format="zvhd") if e["size"] < 50_000])))
    at = data.draw(st.integers(0, len(original)))
    changed = patched(original, at, data.draw(st.binary(max_size=64)))
    assert rule(changed) in {None, *(r.id for r in zvhd.RULES)}
