import struct
import sys
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examining import examine
from samples import entries, load
from stillage.formats.base import Facts
from stillage.formats.codecs.zstd_frames import MOST_FRAMES
from stillage.formats.safety import Declaration, Policy, refusal
from stillage.formats.stream import Examination
from stillage.formats.zvhd2 import inspect as zvhd2
from stillage.formats.zvhd2.inspect import SECOND
from zvhd_images import BLOCK, GIB, PAGE, SEGMENT, Zvhd2, checksummed, deflated, guest_block, header_page, patched

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COOKIE = b"z2strm\0\0"
PLAIN = Zvhd2().image()
HEADER, RECORDS, MID, INDEX, BITMAP, FINAL = range(6)
EMPTY_STORED = b"\0\0\0\xff\xff"
"""A stored deflate block of no bytes, which ends on a byte boundary."""


def rule(data: bytes, *, size: int | None = None) -> str | None:
    hazards = examine(data, formats=(zvhd2,), size=size).hazards
    return hazards[0].rule.id if hazards else None


def facts(data: bytes) -> Facts | None:
    return next(iter(examine(data, formats=(zvhd2,)).matched), None)


def with_part(number: int, at: int, new: bytes, *, sealed: bool = False, image: Zvhd2 | None = None) -> bytes:
    """The image with other bytes in one of its parts; *sealed* makes the checksum of a page right again."""
    parts = (image or Zvhd2()).parts()
    changed = patched(parts[number], at, new)
    parts[number] = checksummed(changed[:512]) if sealed else changed
    return b"".join(parts)


def with_payload(payload: bytes, *, method: int = 1) -> bytes:
    return Zvhd2([0], payloads=[payload], method=method).image()


@pytest.mark.parametrize("entry", entries(disk_format="zvhd2"), ids=lambda entry: entry["file"])
def test_every_sample_has_the_verdict_and_size_of_the_manifest(entry: dict[str, object]) -> None:
    findings = examine(load(str(entry["file"])))
    refused = refusal(findings, Declaration("zvhd2"), Policy())
    assert ("reject" if refused else "accept") == entry["verdict"]
    assert [f.virtual_size for f in findings.matched if f.format == "zvhd2"] == [entry["virtual_size"]]


@pytest.mark.parametrize(("method", "name"), [(0, "zlib"), (1, "zstd")])
def test_an_image_is_recognised_with_its_sizes_and_its_compression(method: int, name: str) -> None:
    data = Zvhd2(method=method).image()
    details = {"original_size": str(9 * BLOCK), "creator_version": "1.4", "compression": name}
    assert facts(data) == Facts("zvhd2", virtual_size=GIB, details=details)
    assert rule(data) is None


@pytest.mark.parametrize("full_index", [0, 1])
@pytest.mark.parametrize("numbers", [[], [0], [8], list(range(9))], ids=str)
def test_images_with_any_blocks_are_accepted(numbers: list[int], full_index: int) -> None:
    assert rule(Zvhd2(numbers, full_index=full_index).image()) is None


@pytest.mark.parametrize("full_index", [0, 1])
@pytest.mark.parametrize("numbers", [[0, SEGMENT - 1, SEGMENT, 2 * SEGMENT], [SEGMENT + 5], [2 * SEGMENT]], ids=str)
def test_large_disks_have_several_segments_of_index_and_bitmap(numbers: list[int], full_index: int) -> None:
    size = (2 * SEGMENT + 1) * BLOCK
    large = Zvhd2(numbers, original=size, current=size, full_index=full_index)
    assert rule(large.image()) is None
    assert rule(with_part(BITMAP, 2 * PAGE, b"\2", image=large)) == "zvhd2.bitmap"


@pytest.mark.parametrize("begins", [b"", b"z2strm", b"z2strm of text", b"z2strm\0\1", b"stream\0\0"])
def test_other_beginnings_are_other_formats(begins: bytes) -> None:
    assert facts(begins.ljust(8192, b" ")) is None


@pytest.mark.parametrize(
    ("at", "new", "broken"),
    [
        (8, b"\3", "zvhd2.unknown-variant"),
        (12, b"\1", "zvhd2.unknown-variant"),
        (86, b"\1", "zvhd2.unknown-variant"),
        (87, b"\2", "zvhd2.unknown-variant"),
        (140, b"\2", "zvhd2.unknown-variant"),
        (142, b"\1", "zvhd2.unknown-variant"),
        (511, b"\1", "zvhd2.unknown-variant"),
        (40, bytes(8), "zvhd2.size"),
        (48, struct.pack("<Q", 1 << 63), "zvhd2.size"),
        (88, struct.pack("<I", 1 << 20), "zvhd2.geometry"),
        (88, bytes(4), "zvhd2.geometry"),
        (92, bytes(4), "zvhd2.geometry"),
        (92, b"\xff\xff\xff\xff", "zvhd2.geometry"),
        (141, b"\2", "zvhd2.method"),
    ],
)
def test_a_header_that_cannot_be_is_refused_in_the_first_block(at: int, new: bytes, broken: str) -> None:
    examination = Examination((zvhd2,))
    examination.feed(with_part(HEADER, at, new, sealed=True)[: 64 << 10])
    assert [hazard.rule.id for hazard in examination.findings.hazards] == [broken]


def test_a_header_whose_bytes_changed_is_refused() -> None:
    assert rule(with_part(HEADER, 50, b"\1")) == "zvhd2.checksum"


@pytest.mark.parametrize(
    ("at", "new", "broken"),
    [
        (0, b"HW", "zvhd2.record"),
        (12, b"\xff\xff\xff\xff", "zvhd2.record-size"),
        (16, struct.pack("<I", 9), "zvhd2.block-number"),
        (40, b"\1", "zvhd2.unknown-variant"),
        (48, b"\xff", "zvhd2.payload"),
    ],
)
def test_a_record_that_cannot_be_is_refused(at: int, new: bytes, broken: str) -> None:
    assert rule(with_part(RECORDS, at, new)) == broken


def test_a_record_may_say_how_it_is_compressed_as_the_format_declares_it() -> None:
    assert rule(with_part(RECORDS, 20, b"\1\0\0\0\0\0\x20\0")) is None


FRAME = zstd.compress(guest_block(0))


def streamed(content: bytes, **options: int) -> bytes:
    """A frame whose writer did not know how long it would become."""
    parameters: dict[int, int] = {zstd.CompressionParameter[name]: value for name, value in options.items()}
    packer = zstd.ZstdCompressor(options=parameters)
    return packer.compress(content) + packer.flush()


@pytest.mark.parametrize(
    "payload",
    [
        FRAME,
        streamed(guest_block(0)),
        streamed(guest_block(0), window_log=22),
        streamed(guest_block(0), checksum_flag=1),
        zstd.compress(guest_block(0)[:100]) + zstd.compress(guest_block(0)[100:]),
        zstd.compress(b"") + FRAME,
    ],
    ids=["plain", "streamed", "wide window", "checksum", "two frames", "empty frame first"],
)
def test_zstd_frames_of_any_writer_are_accepted(payload: bytes) -> None:
    assert rule(with_payload(payload)) is None


@pytest.mark.parametrize(
    ("payload", "broken"),
    [
        (zstd.compress(bytes(BLOCK - 1)), "zvhd2.payload"),
        (zstd.compress(bytes(BLOCK + 1)), "zvhd2.bomb"),
        (zstd.compress(bytes(64 << 20)), "zvhd2.bomb"),
        (streamed(bytes(64 << 20), window_log=20), "zvhd2.bomb"),
        (streamed(guest_block(0), window_log=27), "zvhd2.payload"),
        (FRAME[:-1], "zvhd2.payload"),
        (FRAME + b"x", "zvhd2.payload"),
        (FRAME + b"\x28\xb5\x2f\xfd", "zvhd2.payload"),
        (FRAME + FRAME, "zvhd2.bomb"),
        (FRAME + zstd.compress(b"x"), "zvhd2.bomb"),
        (zstd.compress(b"") * MOST_FRAMES + FRAME, "zvhd2.payload"),
        (zlib.compress(guest_block(0)), "zvhd2.payload"),
        (b"no frame at all", "zvhd2.payload"),
    ],
)
def test_zstd_payloads_that_are_not_one_block_are_refused(payload: bytes, broken: str) -> None:
    assert rule(with_payload(payload)) == broken


def test_many_small_frames_cost_no_more_than_a_few() -> None:
    assert rule(with_payload(zstd.compress(b"") * 200_000)) == "zvhd2.payload"


@pytest.mark.parametrize(
    ("payload", "broken"),
    [
        (deflated(bytes(BLOCK - 1)), "zvhd2.payload"),
        (deflated(bytes(BLOCK + 1)), "zvhd2.bomb"),
        (deflated(bytes(64 << 20)), "zvhd2.bomb"),
        (zlib.compress(guest_block(0)), "zvhd2.payload"),
        (deflated(guest_block(0)) + b"\xff", "zvhd2.payload"),
        (FRAME, "zvhd2.payload"),
    ],
)
def test_zlib_payloads_that_are_not_one_block_are_refused(payload: bytes, broken: str) -> None:
    assert rule(with_payload(payload, method=0)) == broken


def test_zlib_payloads_may_end_with_empty_blocks() -> None:
    assert rule(with_payload(deflated(guest_block(0)) + EMPTY_STORED * 1000, method=0)) is None


def test_each_zlib_payload_is_a_stream_of_its_own() -> None:
    apart = [deflated(guest_block(0)), deflated(guest_block(3))]
    assert rule(Zvhd2(payloads=apart, method=0).image()) is None
    assert rule(Zvhd2(payloads=[apart[0], apart[1][2:]], method=0).image()) == "zvhd2.payload"


@pytest.mark.parametrize(
    ("at", "new"), [(48, b"\1"), (70, b"x"), (96, b"\1"), (136, b"\3"), (136, b"\2\0\0\1"), (200, b"\1")]
)
def test_the_mid_page_repeats_the_header_and_counts_the_records(at: int, new: bytes) -> None:
    assert rule(with_part(MID, at, new)) == "zvhd2.mid-page"


@pytest.mark.parametrize("full_index", [0, 1])
@pytest.mark.parametrize(
    ("entry", "new"),
    [
        (0, struct.pack("<QII", 2 * PAGE, 0, PAGE)),
        (0, struct.pack("<QII", PAGE, 0, 2 * PAGE)),
        (0, struct.pack("<QII", 1 << 60, 0, PAGE)),
        (0, struct.pack("<QII", PAGE, 1, PAGE)),
        (0, bytes(16)),
    ],
)
def test_the_index_lists_the_records_where_they_are(entry: int, new: bytes, full_index: int) -> None:
    image = Zvhd2(full_index=full_index)
    assert rule(with_part(INDEX, 16 * entry, new, image=image)) == "zvhd2.index"


def test_two_entries_for_one_record_are_refused() -> None:
    index = Zvhd2().parts()[INDEX]
    assert rule(with_part(INDEX, 16, index[:16])) == "zvhd2.index"
    assert rule(with_part(INDEX, 0, index[16:32] + index[:16])) == "zvhd2.index"


def test_an_entry_of_a_full_index_stands_at_its_blocks_number() -> None:
    image = Zvhd2(full_index=1)
    index = image.parts()[INDEX]
    moved = patched(index, 16 * 3, bytes(16) + index[16 * 3 : 16 * 4])
    assert rule(with_part(INDEX, 0, moved, image=image)) == "zvhd2.index"
    extra = index[:16]
    assert rule(with_part(INDEX, 16, extra, image=image)) == "zvhd2.index"


def test_an_index_that_is_larger_than_its_size_can_say_is_refused_before_it_comes() -> None:
    blocks = 1 << 29
    begun = SECOND.pack(BLOCK, blocks, *[0] * 9, 1, 1)
    page = header_page(b"z2strm\0\0", blocks * BLOCK, blocks * BLOCK, format_version=1, second=begun)
    assert rule(page + page) == "zvhd2.index"


def test_a_zero_block_in_a_full_index_has_no_offset_or_no_length() -> None:
    image = Zvhd2(full_index=1)
    assert rule(with_part(INDEX, 16, struct.pack("<QII", 0, 1, PAGE), image=image)) is None
    assert rule(with_part(INDEX, 16, struct.pack("<QII", PAGE, 1, 0), image=image)) is None


@pytest.mark.parametrize("full_index", [0, 1])
def test_what_follows_the_last_entry_does_not_matter(full_index: int) -> None:
    used = 9 if full_index else 2
    image = Zvhd2(full_index=full_index)
    assert rule(with_part(INDEX, 16 * used, b"\xee" * 1000, image=image)) is None


@pytest.mark.parametrize(("at", "new"), [(0, b"\0"), (0, b"\x0b"), (0, b"\x01"), (PAGE - 1, b"\x80")])
def test_the_bitmap_has_a_bit_for_each_record_and_no_other(at: int, new: bytes) -> None:
    assert rule(with_part(BITMAP, at, new)) == "zvhd2.bitmap"


@pytest.mark.parametrize(
    ("at", "new"),
    [(0, b"conectix"), (8, b"\3"), (40, b"\1"), (48, b"\1"), (70, b"x"), (86, b"\1"), (142, b"\1"), (511, b"\1")]
    + [(at, b"\x7f\x7f") for at in range(88, 142, 4)],
)
def test_the_final_page_agrees_with_the_file_before_it(at: int, new: bytes) -> None:
    assert rule(with_part(FINAL, at, new, sealed=True)) == "zvhd2.final-page"


def test_the_final_page_has_a_right_checksum() -> None:
    assert rule(with_part(FINAL, 64, b"\0\0\0\0")) == "zvhd2.final-page"


def test_the_final_page_may_have_another_timestamp() -> None:
    assert rule(with_part(FINAL, 24, b"\1\2\3\4", sealed=True)) is None


def test_nothing_follows_the_final_page() -> None:
    assert rule(PLAIN + b"\0") == "zvhd2.trailing-data"
    assert rule(PLAIN + PLAIN[-PAGE:]) == "zvhd2.trailing-data"


@given(
    length=st.integers(8, len(PLAIN) - 1) | st.integers(8, 5 * PAGE) | st.integers(len(PLAIN) - 9000, len(PLAIN) - 1)
)
@settings(max_examples=60, deadline=None)
def test_an_image_that_was_cut_short_is_refused(length: int) -> None:
    assert rule(PLAIN[:length]) == "zvhd2.truncated"


def test_a_cut_shows_after_the_mid_page_when_the_size_is_declared() -> None:
    before_index = len(b"".join(Zvhd2().parts()[:INDEX]))
    examination = Examination((zvhd2,), size=len(PLAIN) - 1)
    examination.feed(PLAIN[:before_index])
    assert [hazard.rule.id for hazard in examination.findings.hazards] == ["zvhd2.truncated"]


@given(cuts=st.lists(st.integers(0, len(PLAIN)), max_size=10))
@settings(max_examples=30, deadline=None)
def test_the_findings_do_not_depend_on_how_the_stream_is_cut(cuts: list[int]) -> None:
    assert examine(PLAIN, cuts=cuts, formats=(zvhd2,)) == examine(PLAIN, formats=(zvhd2,))


@given(rest=st.binary(max_size=9000))
@settings(max_examples=60, deadline=None)
def test_any_bytes_after_the_cookie_have_a_defined_end(rest: bytes) -> None:
    assert rule(COOKIE + rest) in {r.id for r in zvhd2.RULES}


@given(payload=st.binary(min_size=1, max_size=6000), method=st.sampled_from([0, 1]), prefix=st.booleans())
@settings(max_examples=80, deadline=None)
def test_any_payload_has_a_defined_end(payload: bytes, method: int, prefix: bool) -> None:
    begun = (b"\x28\xb5\x2f\xfd" if method else b"\x78\x9c") if prefix else b""
    assert rule(with_payload(begun + payload, method=method)) in {"zvhd2.payload", "zvhd2.bomb", None}


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_any_change_to_a_sample_has_a_defined_end(data: st.DataObject) -> None:
    original = load(data.draw(st.sampled_from([e["file"] for e in entries(disk_format="zvhd2")])))
    places = st.integers(0, min(30_000, len(original))) | st.integers(max(0, len(original) - 9000), len(original))
    changed = patched(original, data.draw(places), data.draw(st.binary(max_size=64)))
    assert rule(changed) in {None, *(r.id for r in zvhd2.RULES)}
