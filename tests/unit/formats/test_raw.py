import json
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examining import examine
from samples import entries, load
from stillage.formats.base import Facts
from stillage.formats.raw import inspect as raw
from stillage.formats.safety import Declaration, Policy, refusal
from stillage.formats.stream import Examination

MIB = 1 << 20
DISK = 72 << 10
# Clients activate images with an upload of no bytes, so whether that is an image is decided before there are bytes.
EMPTY = "empty-file.raw"


def facts(data: bytes, *, size: int | None = None) -> Facts:
    return examine(data, formats=(raw,), size=size).matched[0]


def hazards(data: bytes) -> list[str]:
    return [hazard.rule.id for hazard in examine(data, formats=(raw,)).hazards]


def boot_sector(*partitions: tuple[int, int, int, int], code: bytes = b"\xfa\xeb\xfc") -> bytes:
    table = b"".join(struct.pack("<B3xB3xII", *partition) for partition in partitions)
    return code.ljust(446, b"\0") + table.ljust(64, b"\0") + b"\x55\xaa"


def gpt_disk(sector: int, *, size: int = 92, checksum: int | None = None) -> bytes:
    begun = struct.pack("<8sIII", b"EFI PART", 0x10000, size, 0).ljust(92, b"\1").ljust(size, b"\0")
    begun = begun[:16] + bytes(4) + begun[20:]
    right = zlib.crc32(begun[:size]) if checksum is None else checksum
    header = begun[:16] + struct.pack("<I", right) + begun[20:]
    return boot_sector((0, 0xEE, 1, 2047)).ljust(sector, b"\0") + header.ljust(DISK - sector, b"\0")


def luks1(payload_sectors: int, *, size: int = MIB) -> bytes:
    header = struct.pack(">6sH32s32s32sI", b"LUKS\xba\xbe", 1, b"aes", b"xts-plain64", b"sha256", payload_sectors)
    return header.ljust(size, b"\0")


def luks2(area: bytes, *, header_size: int = 16384, size: int = DISK) -> bytes:
    binary = struct.pack(">6sHQ", b"LUKS\xba\xbe", 2, header_size).ljust(4096, b"\0")
    return (binary + area).ljust(size, b"\0")


def segments(offset: object) -> bytes:
    return json.dumps({"keyslots": {}, "segments": {"0": {"type": "crypt", "offset": offset}}}).encode()


@pytest.mark.parametrize("entry", entries(disk_format="raw"), ids=lambda entry: entry["file"])
def test_every_sample_has_the_verdict_size_and_kind_of_the_manifest(entry: dict[str, object]) -> None:
    findings = examine(load(str(entry["file"])))
    refused = refusal(findings, Declaration("raw"), Policy())
    if entry["file"] != EMPTY:
        assert ("reject" if refused else "accept") == entry["verdict"]
    found = next(f for f in findings.matched if f.format == "raw")
    assert entry["virtual_size"] in (None, found.virtual_size)
    if entry["reasons"] != ["ambiguous"]:
        assert (found.subformat or "raw") == entry["detected"]


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (b"", 0),
        (b"x", 512),
        (bytes(511), 512),
        (bytes(512), 512),
        (bytes(513), 1024),
        (bytes(16384), 16384),
        (b"\xff" * 5000, 5120),
        (bytes(16384 + 77), 16384 + 512),
    ],
)
def test_any_bytes_are_a_raw_disk_of_their_length_in_whole_sectors(data: bytes, size: int) -> None:
    assert facts(data) == Facts("raw", virtual_size=size)
    assert facts(data, size=len(data)) == Facts("raw", virtual_size=size)
    assert hazards(data) == []


def test_the_declared_size_is_the_virtual_size_until_the_real_one_is_known() -> None:
    examination = Examination((raw,), size=MIB)
    assert examination.findings.matched == (Facts("raw", virtual_size=MIB),)
    examination.feed(bytes(100))
    examination.close(None)
    assert examination.findings.matched == (Facts("raw", virtual_size=512),)


@pytest.mark.parametrize(
    ("sector", "kind"),
    [
        (boot_sector((0x80, 0x83, 2048, 4096)), "mbr"),
        (boot_sector((0, 0, 0, 0), (0, 7, 63, 1000)), "mbr"),
        (boot_sector((0, 0xEE, 1, 100)), "mbr"),
        (boot_sector(), ""),
        (boot_sector((0, 0x83, 0, 4096)), ""),
        (boot_sector((0, 0x83, 2048, 0)), ""),
        (boot_sector((0x4E, 0x83, 2048, 4096)), ""),
        (boot_sector((0x80, 0x83, 2048, 4096))[:510] + b"\xaa\x55", ""),
        (boot_sector((0x80, 0x83, 2048, 4096))[:511], ""),
    ],
)
def test_a_partition_table_is_one_that_could_be_used(sector: bytes, kind: str) -> None:
    assert facts(sector + bytes(4096 * (len(sector) == 512))).subformat == kind


@pytest.mark.parametrize("sector", [512, 4096])
def test_a_gpt_is_found_behind_sectors_of_either_size(sector: int) -> None:
    assert facts(gpt_disk(sector)).subformat == "gpt"
    assert hazards(gpt_disk(sector)) == []


@pytest.mark.parametrize(
    "data", [gpt_disk(512, checksum=1), gpt_disk(512, size=93)[:900], gpt_disk(512, size=4096), gpt_disk(2048)]
)
def test_a_gpt_that_firmware_would_not_use_is_a_table_of_the_old_kind(data: bytes) -> None:
    assert facts(data).subformat == "mbr"


def test_a_luks1_container_is_encrypted_and_as_large_as_what_follows_its_header() -> None:
    assert facts(luks1(1000)) == Facts("raw", MIB - 512_000, "luks", {"luks_version": "1"})
    assert hazards(luks1(1000)) == ["luks.encrypted"]


def test_a_luks2_container_is_as_large_as_its_json_says() -> None:
    assert facts(luks2(segments("65536"))) == Facts("raw", DISK - 65536, "luks", {"luks_version": "2"})
    assert hazards(luks2(segments("65536"))) == ["luks.encrypted"]


@pytest.mark.parametrize(
    "data",
    [
        luks2(b""),
        luks2(b"[" * 12_000),
        luks2(b'{"a":' * 2_000),
        luks2(b"\xff\xfe"),
        luks2(b"1" * 9_000),
        luks2(b"[]"),
        luks2(segments("-1")),
        luks2(segments([])),
        luks2(segments("9" * 5000)),
        luks2(segments("65536"), header_size=0),
        luks2(segments("65536"), header_size=4 * MIB),
        luks2(segments("65536"), header_size=1 << 63),
    ],
)
def test_a_luks2_container_whose_size_cannot_be_told_is_as_large_as_the_file(data: bytes) -> None:
    assert facts(data).virtual_size == len(data)
    assert hazards(data) == ["luks.encrypted"]


def test_a_container_ends_with_a_whole_sector() -> None:
    assert facts(luks1(8, size=MIB + 1)).virtual_size == MIB + 512 - 8 * 512


@pytest.mark.parametrize("data", [luks1(1 << 31, size=4096), luks2(segments(str(1 << 63))), luks1(4097, size=4096)])
def test_a_container_that_is_all_header_has_no_disk(data: bytes) -> None:
    assert facts(data).virtual_size == 0


@pytest.mark.parametrize("data", [b"LUKS\xba\xbe", luks1(8)[:100], luks2(b"")[:12], b"LUKS\xba\xbe\0\7" + bytes(600)])
def test_a_container_cut_short_or_of_another_version_is_encrypted_all_the_same(data: bytes) -> None:
    assert hazards(data) == ["luks.encrypted"]


def test_encryption_shows_in_the_first_block() -> None:
    examination = Examination((raw,))
    examination.feed(luks1(1000)[: 64 << 10])
    assert [hazard.rule.id for hazard in examination.findings.hazards] == ["luks.encrypted"]


STARTS = (b"", b"LUKS\xba\xbe\0\1", b"LUKS\xba\xbe\0\2" + bytes(6) + b"\x40\0", boot_sector((0, 131, 1, 1)))


@given(
    start=st.sampled_from(STARTS),
    rest=st.binary(max_size=10_000),
    cuts=st.lists(st.integers(0, 10_000), max_size=6),
)
@settings(max_examples=100, deadline=None)
def test_any_bytes_have_a_defined_end_and_the_cut_does_not_matter(start: bytes, rest: bytes, cuts: list[int]) -> None:
    found = examine(start + rest, cuts=cuts, formats=(raw,))
    assert found == examine(start + rest, formats=(raw,))
    assert {hazard.rule for hazard in found.hazards} <= set(raw.RULES)
