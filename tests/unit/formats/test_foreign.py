import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examining import examine
from samples import entries, load
from stillage.formats import foreign
from stillage.formats.safety import Declaration, Policy, refusal
from zvhd_images import zvhd as zvhd_image

CONTENT = bytes(range(256)) * 40


def archive(*names: str, form: int = tarfile.USTAR_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(CONTENT)
            tar.addfile(member, io.BytesIO(CONTENT))
    return file.getvalue()


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("disk.img", CONTENT)
    return file.getvalue()


def name_of(data: bytes) -> str | None:
    hazards = examine(data, formats=(foreign,)).hazards
    return hazards[0].rule.id if hazards else None


def refused_as(data: bytes, declared: str | None, policy: Policy | None = None) -> str | None:
    refused = refusal(examine(data), Declaration(declared), policy or Policy())
    return None if refused is None else refused.rule


KNOWN = {
    "gzip": gzip.compress(CONTENT),
    "bzip2": bz2.compress(CONTENT),
    "xz": lzma.compress(CONTENT),
    "zstd": b"\x28\xb5\x2f\xfd\x60\0\x27" + CONTENT,
    "lz4": b"\x04\x22\x4d\x18\x64\x40\xa7" + CONTENT,
    "lzip": b"LZIP\x01\x14" + CONTENT,
    "lzop": b"\x89LZO\0\r\n\x1a\n" + CONTENT,
    "zip": zipped(),
    "7z": b"7z\xbc\xaf\x27\x1c\0\4" + CONTENT,
    "rar": b"Rar!\x1a\x07\x01\0" + CONTENT,
    "cab": b"MSCF\0\0\0\0" + CONTENT,
    "ova": archive("machine.ovf", "machine-disk1.vmdk"),
    "tar": archive("disk.raw"),
    "cpio": b"070701" + b"0" * 104 + b"TRAILER!!!" + CONTENT,
    "ar": b"!<arch>\ndebian-binary   " + CONTENT,
    "rpm": b"\xed\xab\xee\xdb\3\0" + CONTENT,
    "elf": b"\x7fELF\x02\x01\x01" + CONTENT,
    "pdf": b"%PDF-1.7\n" + CONTENT,
    "parallels": load("parallels.hdd")[: 64 << 10],
    "bochs": b"Bochs Virtual HD Image\0" + CONTENT,
    "cloop": b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount\n" + CONTENT,
    "cow": b"OOOM\0\0\0\2/etc/passwd".ljust(1100, b"\0") + CONTENT,
    "qcow-signature": b"QFI\0\0\0\0\2" + CONTENT,
    "ciso": b"CISO\x18\0\0\0" + CONTENT,
    "ewf": b"EVF\x09\x0d\x0a\xff\0\1\1\0" + CONTENT,
    "aff": b"AFF10\r\n\0" + CONTENT,
    "android-sparse": b"\x3a\xff\x26\xed\1\0\0\0" + CONTENT,
    "sparseimage": b"sprs\0\0\0\3" + CONTENT,
    "wim": b"MSWIM\0\0\0\xd0\0\0\0" + CONTENT,
    "partclone": b"partclone-image\0" + CONTENT,
    "chd": b"MComprHD\0\0\0\x7c" + CONTENT,
    "html": b"\n<!DOCTYPE HTML>\n<html><title>404 Not Found</title></html>\n",
    "ovf": b'<?xml version="1.0"?>\n<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1">\n',
    "xml": b"\xef\xbb\xbf<?xml version='1.0' encoding='UTF-8'?><Error><Code>NoSuchKey</Code></Error>",
    "text": "ein Text, der mehr als ASCII enthält\n".encode() * 40,
    "zvhd-without-header": load("zvhd-bad-magic.zvhd"),
    "dmg": CONTENT + b"koly\0\0\0\4\0\0\2\0".ljust(512, b"\0"),
}


def test_every_foreign_kind_is_known_by_an_example() -> None:
    assert {f"foreign.{name}" for name in KNOWN} == {rule.id for rule in foreign.RULES}


@pytest.mark.parametrize("name", KNOWN)
def test_a_foreign_file_is_named(name: str) -> None:
    assert name_of(KNOWN[name]) == f"foreign.{name}"


@pytest.mark.parametrize("declared", ["raw", "qcow2", "iso", "zvhd2"])
@pytest.mark.parametrize("name", [name for name in KNOWN if name != "text"])
def test_a_foreign_file_is_refused_whatever_it_is_declared_to_be(name: str, declared: str) -> None:
    assert refused_as(KNOWN[name], declared) == f"foreign.{name}"


def test_text_is_refused_unless_it_is_declared_raw() -> None:
    assert refused_as(KNOWN["text"], "raw") is None
    assert refused_as(KNOWN["text"], "qcow2") == "foreign.text"
    assert refused_as(KNOWN["text"], "raw", Policy(text_as_raw=False)) == "foreign.text"


DISKS = [rule.partition(".")[2] for rule in sorted(foreign.DISKS)]
LIKE_QCOW = [b"QFI\0\0\0\0\1", b"QFIx\0\0\0\2", b"QFI\xfa\0\0\0\3", b"QED ", b"QEDx\1"]


@pytest.mark.parametrize("declared", ["raw", "iso", "ami", "ari", "aki", "ploop", None])
@pytest.mark.parametrize("name", DISKS)
def test_what_is_a_disk_to_other_programs_is_none_of_ours(name: str, declared: str | None) -> None:
    if (name, declared) != ("parallels", "ploop"):
        assert refused_as(KNOWN[name], declared) == f"foreign.{name}"


@pytest.mark.parametrize("declared", ["raw", "iso", "ami", "ploop", None])
@pytest.mark.parametrize("name", DISKS)
def test_a_disc_that_is_a_disk_to_other_programs_is_refused(name: str, declared: str | None) -> None:
    iso = load("small.iso")
    if name == "dmg":
        assert refused_as(iso + KNOWN[name][-512:], declared) == "foreign.dmg"
    else:
        both = KNOWN[name][:2048] + iso[len(KNOWN[name][:2048]) :]
        assert refused_as(both, declared) in (f"foreign.{name}", "format.ambiguous")


@pytest.mark.parametrize("name", DISKS)
def test_a_package_is_no_way_around_what_is_a_disk(name: str) -> None:
    refused = refusal(examine(KNOWN[name]), Declaration("raw", wrapped=True), Policy())
    assert name == "qcow-signature" or (refused is not None and refused.rule == f"foreign.{name}")


def test_an_encrypted_disk_is_no_package() -> None:
    refused = refusal(examine(load("luks1.raw")), Declaration("raw", wrapped=True), Policy())
    assert refused is not None
    assert refused.rule == "luks.encrypted"


@pytest.mark.parametrize("head", LIKE_QCOW)
def test_three_bytes_of_a_signature_are_enough_for_libvirt(head: bytes) -> None:
    assert name_of(head.ljust(600, b"\0") + CONTENT) == "foreign.qcow-signature"


def test_an_archive_may_begin_with_a_file_of_any_name() -> None:
    data = archive("QED.ovf", "disk.vmdk")
    assert refusal(examine(data), Declaration("vmdk", wrapped=True), Policy()) is None


def test_what_is_a_disk_is_named_before_anything_else_that_the_file_is() -> None:
    assert refused_as(archive("WithoutFreeSpace"), "ami") == "foreign.parallels"
    assert refused_as(archive("Bochs Virtual HD Image.ovf"), "aki") == "foreign.bochs"
    assert refused_as(KNOWN["elf"] + KNOWN["dmg"][-512:], "aki") == "foreign.dmg"
    assert refused_as(KNOWN["text"] + KNOWN["dmg"][-512:], "raw") == "foreign.dmg"


def test_the_end_of_another_format_is_the_guests() -> None:
    assert refused_as(load("qcow2-v3-plain.qcow2")[:-512] + KNOWN["dmg"][-512:], "qcow2") is None


def test_a_kernel_is_what_an_amazon_kernel_image_holds() -> None:
    assert refused_as(KNOWN["elf"], "aki") is None
    assert refused_as(KNOWN["cpio"], "ari") is None


@pytest.mark.parametrize("entry", entries(verdict="accept"), ids=lambda entry: entry["file"])
def test_no_good_image_is_taken_for_a_foreign_file(entry: dict[str, object]) -> None:
    assert name_of(load(str(entry["file"]))) in (None, "foreign.text")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(512),
        bytes(100_000),
        b"\x1f\x8b\x08",
        b"\x1f\x8b\x08\xff" + CONTENT,
        b"BZh9" + CONTENT,
        b"QFI\0\0\0\0\4".ljust(600, b"\0"),
        b"QE" + CONTENT,
        b"OOOM\0\0\0\0".ljust(600, b"\0"),
        b"CISO the city".ljust(2000, b"\0"),
        b"sprsible".ljust(2000, b"\0"),
        b"070701".ljust(2000, b"\0"),
        b"MZ" + CONTENT,
        b"hsqs" + CONTENT,
        b"<html>".ljust(512, b"\0") + CONTENT,
        b"<?xml version='1.0'?>".ljust(512, b"\0"),
        b"a label of the disk\n".ljust(512, b"\0"),
        b"\xffcaf\xe9" * 300,
        bytes(257) + b"ustar\x0000" + bytes(300),
        archive("disk.raw")[:500],
        b"x" + archive("disk.raw"),
        CONTENT + b"koly".ljust(512, b"\0"),
        zvhd_image(),
        b"hwstream bg\0" + bytes(9000),
    ],
)
def test_a_disk_that_merely_resembles_a_foreign_file_is_a_disk(data: bytes) -> None:
    assert name_of(data) is None


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_archives_of_every_kind_are_known(form: int) -> None:
    assert name_of(archive("disk.raw", form=form)) == "foreign.tar"
    assert name_of(archive("machine.OVF", form=form)) == "foreign.ova"


def test_a_tar_archive_has_a_right_checksum() -> None:
    changed = b"y" + archive("disk.raw")[1:]
    assert name_of(changed) is None


@pytest.mark.parametrize("length", [1, 10, 1023, 1024, 5000])
def test_text_of_any_length_is_text_even_when_a_letter_is_cut(length: int) -> None:
    assert name_of(("é" * 3000).encode()[:length]) == "foreign.text"


@given(data=st.binary(max_size=600), start=st.sampled_from(sorted(KNOWN)), cut=st.integers(0, 300))
@settings(max_examples=150, deadline=None)
def test_any_bytes_have_a_defined_end(data: bytes, start: str, cut: int) -> None:
    assert name_of(KNOWN[start][:cut] + data) in {None, *(rule.id for rule in foreign.RULES)}
