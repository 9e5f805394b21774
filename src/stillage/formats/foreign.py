"""Archives, compressed files, programs and text: name what is no disk image, and how to get at the disk inside.

This inspector never claims a file: it reports what the first and the last bytes look like, and `formats.safety` decides
whether that speaks against the image. Sources: RFC 1952 (gzip), RFC 8878 (zstd), the xz and LZ4 file and frame format
descriptions, POSIX.1 pax (ustar), PKWARE APPNOTE (zip), System V ABI (ELF), DMTF DSP0243 (OVF, OVA), and the published
signatures of the others.
"""

import codecs
from collections.abc import Callable
from typing import NamedTuple

from stillage.formats.base import Hazard, Inspection, NotThisFormat, Region, Rule, Stream, Tail
from stillage.formats.ploop.inspect import MAGICS

FORMAT = "foreign"
HEAD = 1024
TRAILER = 512
ZVHD_RECORD = Region(4096, 12)

TAR_HEADER = 512
TAR = slice(257, 263)
TAR_MAGICS = (b"ustar\0", b"ustar ")
TAR_NAME = slice(0, 100)
TAR_CHECKSUM = slice(148, 156)
CPIO_HEADER = 110
LIKE_QCOW_VERSIONS = tuple(version.to_bytes(4, "big") for version in (1, 2, 3))
NOT_TEXT = bytes(range(9)) + b"\x0b" + bytes(range(14, 27)) + bytes(range(28, 32)) + b"\x7f"


class Foreign(NamedTuple):
    rule: Rule
    matches: Callable[[bytes], bool]


def _rule(what: str, description: str, fix: str | None) -> Rule:
    return Rule(f"foreign.{what}", f"The file is {description}, not a disk image.", fix)


def _begins(what: str, description: str, fix: str | None, *magics: bytes) -> Foreign:
    return Foreign(_rule(what, description, fix), lambda head: head.startswith(magics))


OVA = _rule("ova", "an OVA package (a tar archive with an OVF description and disks)", "tar -xf IN")
TAR_ARCHIVE = _rule("tar", "a tar archive", "tar -xf IN")
OVF = _rule("ovf", "an OVF description, which only names the disks", None)
HTML = _rule("html", "a web page, perhaps the error that a download ended with", None)
XML = _rule("xml", "an XML document", None)
TEXT = _rule("text", "plain text", None)
PARALLELS = _rule("parallels", "a Parallels or ploop expanding disk", "qemu-img convert -f parallels -O qcow2 IN OUT")
DMG = _rule("dmg", "an Apple disk image (UDIF)", "qemu-img convert -f dmg -O qcow2 IN OUT")
LIKE_QCOW = Rule(
    "foreign.qcow-signature",
    "The file begins with three bytes that libvirt takes for a qcow, qcow2 or qed, and with it for the name of a "
    "backing file.",
)
ZVHD = _rule("zvhd-without-header", "a ZVHD or ZVHD2 whose first bytes are damaged", None)


def _is_like_qcow(head: bytes) -> bool:
    """Whether libvirt, which compares three bytes of a signature of four, sees a qcow, qcow2 or qed."""
    if head.startswith(b"QED"):
        return head[3:4] != b"\0"
    return head.startswith(b"QFI") and head[3:4] != b"\xfb" and head[4:8] in LIKE_QCOW_VERSIONS


def _is_gzip(head: bytes) -> bool:
    return head.startswith(b"\x1f\x8b\x08") and len(head) > 3 and not head[3] & 0xE0


def _is_bzip2(head: bytes) -> bool:
    return head.startswith(b"BZh") and head[3:4] in b"123456789" and head[4:10] == b"\x31\x41\x59\x26\x53\x59"


def _is_tar(head: bytes) -> bool:
    if len(head) < TAR_HEADER or head[TAR] not in TAR_MAGICS:
        return False
    stored = head[TAR_CHECKSUM]
    digits = stored.strip(b" \0")
    # The checksum counts its own eight bytes as blanks.
    expected = sum(head[:TAR_HEADER]) - sum(stored) + 8 * ord(" ")
    return digits.isdigit() and not digits.strip(b"01234567") and int(digits, 8) == expected


def _is_ova(head: bytes) -> bool:
    return _is_tar(head) and head[TAR_NAME].rstrip(b"\0").lower().endswith(b".ovf")


def _is_cpio(head: bytes) -> bool:
    return head.startswith((b"070701", b"070702")) and len(head) >= CPIO_HEADER and head[:CPIO_HEADER].isalnum()


def _markup(head: bytes) -> bytes:
    return head.removeprefix(codecs.BOM_UTF8).lstrip().lower()


def _is_written(head: bytes) -> bool:
    """Whether there is nothing but writing: a disk may begin with a few words too."""
    return bool(head) and len(head.translate(None, NOT_TEXT)) == len(head)


def _is_html(head: bytes) -> bool:
    return _is_written(head) and _markup(head).startswith((b"<!doctype html", b"<html"))


def _is_xml(head: bytes) -> bool:
    return _is_written(head) and _markup(head).startswith(b"<?xml")


def _is_ovf(head: bytes) -> bool:
    return _is_xml(head) and b"envelope" in _markup(head)


def _is_text(head: bytes) -> bool:
    if not _is_written(head):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


# Those that QEMU or libvirt finds when it is not told the format, so that what we took for the guest's bytes would be a
# disk to it, with another size, or with the file of a host behind it.
PROBED = (
    Foreign(PARALLELS, lambda head: head.startswith(MAGICS)),
    _begins("bochs", "a Bochs growing disk", "qemu-img convert -f bochs -O qcow2 IN OUT", b"Bochs Virtual HD Image"),
    # Its header names a file that the disk is based on.
    _begins("cow", "a user-mode Linux copy-on-write disk (COW)", None, b"OOOM\0\0\0\2"),
    _begins(
        "cloop",
        "a compressed loop disk (cloop)",
        "qemu-img convert -f cloop -O qcow2 IN OUT",
        b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop",
    ),
    Foreign(LIKE_QCOW, _is_like_qcow),
)
# The first that matches is named.
FOREIGN = (
    *PROBED,
    Foreign(_rule("gzip", "compressed with gzip", "gunzip -c IN > OUT"), _is_gzip),
    Foreign(_rule("bzip2", "compressed with bzip2", "bunzip2 -c IN > OUT"), _is_bzip2),
    _begins("xz", "compressed with xz", "xz -dc IN > OUT", b"\xfd7zXZ\0"),
    _begins("zstd", "compressed with zstd", "zstd -dc IN > OUT", b"\x28\xb5\x2f\xfd"),
    _begins("lz4", "compressed with lz4", "lz4 -dc IN > OUT", b"\x04\x22\x4d\x18"),
    _begins("lzip", "compressed with lzip", "lzip -dc IN > OUT", b"LZIP\x01"),
    _begins("lzop", "compressed with lzop", "lzop -dc IN > OUT", b"\x89LZO\0\r\n\x1a\n"),
    _begins("zip", "a zip archive", "unzip IN", b"PK\x03\x04", b"PK\x05\x06"),
    _begins("7z", "a 7z archive", "7z x IN", b"7z\xbc\xaf\x27\x1c"),
    _begins("rar", "a rar archive", "unrar x IN", b"Rar!\x1a\x07"),
    _begins("cab", "a Microsoft cabinet", "cabextract IN", b"MSCF\0\0\0\0"),
    Foreign(OVA, _is_ova),
    Foreign(TAR_ARCHIVE, _is_tar),
    Foreign(_rule("cpio", "a cpio archive", "cpio -id < IN"), _is_cpio),
    _begins("ar", "an ar archive or a Debian package", None, b"!<arch>\n"),
    _begins("rpm", "an RPM package", None, b"\xed\xab\xee\xdb"),
    _begins("elf", "a program or library (ELF)", None, b"\x7fELF\x01", b"\x7fELF\x02"),
    _begins("pdf", "a PDF document", None, b"%PDF-"),
    _begins(
        "ciso",
        "a compressed ISO (CISO)",
        "ciso 0 IN OUT",
        b"CISO\0\0",
        b"CISO\x18\0\0\0",
        b"ZISO\0\0",
        b"ZISO\x18\0\0\0",
    ),
    _begins(
        "ewf",
        "an EnCase evidence file (EWF)",
        "ewfexport -f raw -t OUT IN",
        b"EVF\x09\x0d\x0a\xff\0",
        b"EVF2\x0d\x0a\x81",
    ),
    _begins("aff", "an advanced forensics file (AFF)", "affconvert -r IN", b"AFF10\r\n\0"),
    _begins("android-sparse", "an Android sparse image", "simg2img IN OUT", b"\x3a\xff\x26\xed"),
    _begins("sparseimage", "an Apple sparse disk", "hdiutil convert IN -format UDTO -o OUT", b"sprs\0\0\0"),
    _begins("wim", "a Windows image file (WIM)", None, b"MSWIM\0\0\0"),
    _begins("partclone", "a Partclone backup", "partclone.restore -C -s IN -O OUT", b"partclone-image"),
    _begins("chd", "a MAME compressed disk (CHD)", "chdman extractraw -i IN -o OUT", b"MComprHD"),
    Foreign(HTML, _is_html),
    Foreign(OVF, _is_ovf),
    Foreign(XML, _is_xml),
    Foreign(TEXT, _is_text),
)
RULES = (*(kind.rule for kind in FOREIGN), ZVHD, DMG)
DISKS = frozenset({*(kind.rule.id for kind in PROBED), DMG.id})
"""Rules of what is a disk to other programs, which so never is the content of one to us."""


def inspect(stream: Stream) -> Inspection:
    head = yield Region(0, HEAD)
    for rule, matches in FOREIGN:
        if matches(head):
            yield Hazard(rule, 0, _sentence(rule))
            break
    else:
        if (yield ZVHD_RECORD) == b"hwstream bg\0" and not head.startswith((b"stream\0\0", b"z2strm\0\0")):
            yield Hazard(ZVHD, 0, _sentence(ZVHD))
    trailer = yield Tail(TRAILER)
    if trailer.startswith(b"koly\0\0\0\x04\0\0\x02\0"):
        at = None if stream.size is None else stream.size - len(trailer)
        yield Hazard(DMG, at, _sentence(DMG))
    raise NotThisFormat


def _sentence(rule: Rule) -> str:
    """The rule's meaning, as part of a verdict."""
    return rule.meaning[0].lower() + rule.meaning[1:].rstrip(".")
