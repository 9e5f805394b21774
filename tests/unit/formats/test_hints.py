"""Hints about files that are accepted and may still be the wrong ones."""

import pytest

from stillage.formats.hints import BARE, SIGNATURES, hints_of

BOOTS = bytes(510) + b"\x55\xaa" + bytes(600)


@pytest.mark.parametrize(
    ("name", "found", "hint"),
    [
        ("disk.qcow2", "raw", "its name ends in .qcow2, and its bytes are raw"),
        ("DISK.VMDK", "qcow2", "its name ends in .vmdk, and its bytes are qcow2"),
        ("disk.raw", "vdi", "its name ends in .raw, and its bytes are vdi"),
    ],
)
def test_a_name_that_says_another_format(name: str, found: str, hint: str) -> None:
    assert hints_of(name, found, BOOTS) == [hint]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("disk.qcow2", "qcow2"),
        ("disk.img", "qcow2"),
        ("disk", "vdi"),
        ("d.raw", "iso"),
        ("d.iso", "raw"),
        ("d.vhd", None),
    ],
)
def test_a_name_that_says_the_right_format_or_none(name: str, found: str | None) -> None:
    assert hints_of(name, found, BOOTS) == []


def test_a_disk_without_any_structure() -> None:
    for head in (bytes(70_000), b"\x55" * 70_000, b"short"):
        assert hints_of("disk.img", "raw", head) == [BARE]
    assert hints_of("disk.img", "qcow2", bytes(70_000)) == [], (
        "only of a raw disk are the first bytes those of the disk"
    )
    assert hints_of("empty.img", "raw", b"") == []


@pytest.mark.parametrize(("at", "magic"), SIGNATURES)
def test_a_file_system_is_structure(at: int, magic: bytes) -> None:
    assert hints_of("disk.img", "raw", bytes(at) + magic + bytes(100)) == []
    assert hints_of("disk.img", "raw", bytes(at + 1) + magic + bytes(100)) == [BARE]
