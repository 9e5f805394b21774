import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examining import examine
from samples import load
from stillage.formats.base import Facts
from stillage.formats.iso import inspect as iso
from stillage.formats.safety import Declaration, Policy, refusal
from stillage.formats.stream import Examination

SECTOR = 2048
SAMPLE = load("small.iso")


def both(number: int, code: str) -> bytes:
    return struct.pack("<" + code, number) + struct.pack(">" + code, number)


def descriptor(kind: int, body: bytes = b"") -> bytes:
    return (bytes([kind]) + b"CD001\1" + body).ljust(SECTOR, b"\0")


def primary(blocks: int = 32, *, size: int = 2048, name: bytes = b"DISC") -> bytes:
    body = bytes(33) + name.ljust(32) + bytes(8) + both(blocks, "I")
    return descriptor(1, body.ljust(121, b"\0") + both(size, "H"))


BOOT = descriptor(0, b"EL TORITO SPECIFICATION")
END = descriptor(255)


def image(*descriptors: bytes, sectors: int = 32) -> bytes:
    return (bytes(16 * SECTOR) + b"".join(descriptors)).ljust(sectors * SECTOR, b"\0")


def facts(data: bytes) -> Facts | None:
    return next(iter(examine(data, formats=(iso,)).matched), None)


def rule(data: bytes, *, size: int | None = None) -> str | None:
    hazards = examine(data, formats=(iso,), size=size).hazards
    return hazards[0].rule.id if hazards else None


def test_the_sample_is_accepted_as_iso_and_as_raw() -> None:
    findings = examine(SAMPLE)
    assert refusal(findings, Declaration("iso"), Policy()) is None
    assert refusal(findings, Declaration("raw"), Policy()) is None
    assert facts(SAMPLE) == Facts("iso", 387072, details={"volume": "STILLAGE", "bootable": "no"})


def test_a_volume_is_told_by_name_and_whether_it_boots() -> None:
    data = image(primary(), BOOT, END)
    assert facts(data) == Facts("iso", len(data), details={"volume": "DISC", "bootable": "yes"})
    assert rule(data) is None


@pytest.mark.parametrize(
    "data",
    [
        image(BOOT, primary(), END),
        image(primary(), descriptor(2), descriptor(3), END),
        image(primary(), primary(), END),
        image(primary()),
        image(primary(64, size=1024), END),
        image(primary(128, size=512), END),
        image(primary(1), END),
        image(primary(32 + 150), END),
    ],
    ids=["boot first", "more kinds", "twice", "no end", "1 KiB", "512", "longer file", "no padding"],
)
def test_images_of_many_writers_are_accepted(data: bytes) -> None:
    assert rule(data) is None
    assert facts(data) is not None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(100_000),
        image()[: 16 * SECTOR],
        image(b"\1CD002\1"),
        image(b"\1CD001\2"),
        image(b"\7CD001\1"),
        image(b"\0BEA01\1"),
        image(b"\0BEA01\1".ljust(SECTOR, b"\0") + b"\0NSR04\1"),
    ],
)
def test_other_bytes_are_other_formats(data: bytes) -> None:
    assert facts(data) is None


@pytest.mark.parametrize("version", [b"NSR02", b"NSR03"])
def test_udf_that_stands_alone_is_iso_to_the_api(version: bytes) -> None:
    data = image(b"\0BEA01\1".ljust(SECTOR, b"\0") + b"\0" + version + b"\1")
    assert facts(data) == Facts("iso", len(data), "udf")
    assert rule(data) is None


@pytest.mark.parametrize(
    ("data", "broken"),
    [
        (image(END), "iso.descriptors"),
        (image(BOOT, END), "iso.descriptors"),
        (image(*[BOOT] * 64, sectors=100), "iso.descriptors"),
        (image(primary(), *[BOOT] * 64, sectors=100), "iso.descriptors"),
        (image(primary(), BOOT)[: 18 * SECTOR - 1], "iso.truncated"),
        (image(primary())[: 16 * SECTOR + 7], "iso.truncated"),
        (image(primary(0), END), "iso.volume-size"),
        (image(primary(size=0), END), "iso.volume-size"),
        (image(primary(size=4096), END), "iso.volume-size"),
        (image(primary(32 + 153), END), "iso.truncated"),
        (image(primary(0xFFFFFFFF), END), "iso.truncated"),
    ],
)
def test_a_volume_that_cannot_be_is_refused(data: bytes, broken: str) -> None:
    assert rule(data) == broken


@pytest.mark.parametrize("at", [80, 84, 128, 130])
def test_numbers_are_spelled_alike_in_both_byte_orders(at: int) -> None:
    start = 16 * SECTOR + at
    assert rule(SAMPLE[:start] + b"\x77" + SAMPLE[start + 1 :]) == "iso.volume-size"


def test_a_short_file_shows_at_its_descriptors_when_the_size_is_declared() -> None:
    examination = Examination((iso,), size=18 * SECTOR)
    examination.feed(image(primary(1000), END)[: 18 * SECTOR])
    assert [hazard.rule.id for hazard in examination.findings.hazards] == ["iso.truncated"]


def test_a_name_is_shown_without_what_could_move_a_cursor() -> None:
    found = facts(image(primary(name=b"A\x1b[2J\xffB"), END))
    assert found is not None
    assert found.details["volume"] == "A\ufffd[2J\ufffdB"


@given(cuts=st.lists(st.integers(0, len(SAMPLE)), max_size=8))
@settings(max_examples=30, deadline=None)
def test_the_findings_do_not_depend_on_how_the_stream_is_cut(cuts: list[int]) -> None:
    assert examine(SAMPLE, cuts=cuts, formats=(iso,)) == examine(SAMPLE, formats=(iso,))


@given(at=st.integers(16 * SECTOR, 20 * SECTOR), new=st.binary(max_size=40), length=st.integers(0, len(SAMPLE)))
@settings(max_examples=100, deadline=None)
def test_any_change_and_any_cut_have_a_defined_end(at: int, new: bytes, length: int) -> None:
    changed = (SAMPLE[:at] + new + SAMPLE[at + len(new) :])[:length]
    assert rule(changed) in {None, *(r.id for r in iso.RULES)}


@pytest.mark.parametrize("more", [1, 511, 512])
@pytest.mark.parametrize("start", [image(primary(), END), image(b"\0BEA01\1".ljust(SECTOR, b"\0"), b"\0NSR02\1")])
def test_a_disc_that_ends_within_a_sector_ends_behind_it(start: bytes, more: int) -> None:
    found = facts(start + bytes(more))
    assert found is not None
    assert found.virtual_size == len(start) + 512
