"""Files that are two things at once, put together from good images of every format."""

import gzip
import io
import struct
import tarfile
from typing import Any

import pytest

from examining import examine
from samples import entries, load
from stillage.formats.safety import Declaration, Policy, format_found, refusal

DECLARED = (None, "raw", "qcow2", "qcow", "qed", "vmdk", "vhd", "vhdx", "vdi", "zvhd", "zvhd2", "iso")
GOOD: list[dict[str, Any]] = [
    next(e for e in entries(disk_format=declared, verdict="accept") if e["size"] >= 4096)
    for declared in DECLARED
    if declared not in (None, "raw", "iso")
]
MAGIC_FIRST = [entry for entry in GOOD if entry["disk_format"] != "vdi"]
ISO = load("small.iso")
FOOTER = load("vhd-fixed.vhd")[-512:]
TABLE = struct.pack("<B3xB3xII", 0x80, 0x83, 2048, 4096).ljust(64, b"\0") + b"\x55\xaa"


def tar_of(name: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    return file.getvalue()


def rule(data: bytes, declared: str | None) -> str | None:
    refused = refusal(examine(data), Declaration(declared), Policy())
    return None if refused is None else refused.rule


def named(entry: dict[str, Any]) -> str:
    return str(entry["file"])


@pytest.mark.parametrize("entry", GOOD, ids=named)
def test_a_header_in_the_system_area_of_an_iso_is_refused(entry: dict[str, Any]) -> None:
    both = load(entry["file"])[: 16 * 2048].ljust(16 * 2048, b"\0") + ISO[16 * 2048 :]
    for declared in DECLARED:
        assert rule(both, declared) == "format.ambiguous"


@pytest.mark.parametrize("entry", GOOD, ids=named)
def test_a_fixed_vhd_footer_at_the_end_of_another_image_is_refused(entry: dict[str, Any]) -> None:
    image = load(entry["file"])
    for both in (image + FOOTER, image[:-512] + FOOTER):
        for declared in DECLARED:
            if (declared, entry["disk_format"]) != ("vhd", "vhd"):
                assert rule(both, declared) is not None


@pytest.mark.parametrize("entry", GOOD, ids=named)
def test_a_partition_table_in_the_header_of_another_image_is_refused(entry: dict[str, Any]) -> None:
    image = load(entry["file"])
    both = image[:446] + TABLE + image[512:]
    for declared in DECLARED:
        if entry["disk_format"] != "vhd" or declared != "vhd":
            assert rule(both, declared) is not None


@pytest.mark.parametrize("entry", MAGIC_FIRST, ids=named)
def test_the_magic_of_another_format_before_that_of_vdi_is_refused(entry: dict[str, Any]) -> None:
    vdi = load("vdi-dynamic.vdi")
    both = load(entry["file"])[:64] + vdi[64:]
    for declared in DECLARED:
        assert rule(both, declared) is not None


@pytest.mark.parametrize("entry", MAGIC_FIRST, ids=named)
def test_a_magic_alone_on_a_partitioned_disk_is_refused(entry: dict[str, Any]) -> None:
    disk = load("raw-mbr.raw")
    both = load(entry["file"])[:8] + disk[8:]
    assert rule(both, "raw") is not None


@pytest.mark.parametrize("declared", ["zvhd", "zvhd2"])
@pytest.mark.parametrize("entry", GOOD, ids=named)
def test_a_whole_image_behind_another_is_refused(entry: dict[str, Any], declared: str) -> None:
    first = load(next(e["file"] for e in entries(disk_format=declared, verdict="accept")))
    reasons = {f"{declared}.trailing-data", "format.ambiguous"}  # a dynamic VHD ends with a footer too
    assert rule(first + load(entry["file"]), declared) in reasons


def test_a_partitioned_disk_in_a_fixed_vhd_is_an_ordinary_vhd() -> None:
    disk = load("raw-mbr.raw")
    vhd = disk.ljust(len(load("vhd-fixed.vhd")) - 512, b"\0") + FOOTER
    assert rule(vhd, "vhd") is None
    assert rule(vhd, "raw") == "format.mismatch"
    assert rule(vhd, None) is None


@pytest.mark.parametrize("start", [b"\x1f\x8b\x08\0", b"PK\x03\x04", b"\x7fELF\x02", b"a label\n" * 200])
def test_whatever_a_fixed_vhd_begins_with_belongs_to_the_guest(start: bytes) -> None:
    vhd = start + load("vhd-fixed.vhd")[len(start) :]
    assert rule(vhd, "vhd") is None
    assert rule(vhd, None) is None


@pytest.mark.parametrize("version", [1, 2])
def test_an_encrypted_disk_in_a_fixed_vhd_is_two_disks(version: int) -> None:
    vhd = b"LUKS\xba\xbe\0" + bytes([version]) + load("vhd-fixed.vhd")[8:]
    for declared in ("vhd", "raw", None):
        assert rule(vhd, declared) == "format.ambiguous"


def test_an_iso_with_a_partition_table_is_an_iso_and_a_raw_disk() -> None:
    hybrid = ISO[:446] + TABLE + ISO[512:]
    assert rule(hybrid, "iso") is None
    assert rule(hybrid, "raw") is None
    assert format_found(examine(hybrid)).format == "iso"


def test_an_iso_behind_a_luks_header_is_refused() -> None:
    both = b"LUKS\xba\xbe\0\1" + ISO[8:]
    for declared in DECLARED:
        assert rule(both, declared) == "format.ambiguous"


@pytest.mark.parametrize("declared", DECLARED)
def test_a_compressed_image_is_compressed_whatever_it_is_declared_to_be(declared: str | None) -> None:
    for entry in GOOD:
        assert rule(gzip.compress(load(entry["file"])[:100_000]), declared) == "foreign.gzip"


TEXT_DISK = b'createType="vmfs"\nRW 8192 VMFS "/etc/passwd"\n'
TEXT_DISKS = {
    "a comment that ends at LF": b"#\rX\nversion=1\n" + TEXT_DISK,
    "no first line": TEXT_DISK,
    "behind a page of words": b"words " * 20_000 + TEXT_DISK,
    "the name of a file in an archive": tar_of(TEXT_DISK.decode()),
}


@pytest.mark.parametrize("declared", [None, "raw", "iso", "ami", "ari", "aki", "ploop", "vhd", "vmdk"])
@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("name", TEXT_DISKS)
def test_text_that_a_reader_takes_for_a_vmdk_is_refused_as_whatever(
    name: str, declared: str | None, wrapped: bool
) -> None:
    text = TEXT_DISKS[name]
    for image in (text, text.ljust(len(ISO), b"\0") + FOOTER, text.ljust(16 * 2048, b"\0") + ISO[16 * 2048 :]):
        refused = refusal(examine(image), Declaration(declared, wrapped), Policy())
        assert refused is not None
        assert refused.rule in ("vmdk.extent-path", "vmdk.external-extent")
