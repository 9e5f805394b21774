import struct
from collections.abc import Callable

import pytest

from disk_edits import early_rule, facts, le32, le64, patched, rule, rules_broken
from examining import examine
from samples import load
from stillage.formats.base import Facts
from stillage.formats.vmdk import inspect as vmdk
from vmdk_images import AT_END, GRAIN, GRAIN_BYTES, descriptor, grain, stream

MIB = 1 << 20


SPARSE = load("vmdk-monosparse.vmdk")
PACKED = load("vmdk-streamopt.vmdk")  # its tables are in front, and it has no footer
STREAM = stream()
DIRECTORY_AT, TABLE_AT = 26 * 512, 27 * 512
REDUNDANT_DIRECTORY_AT, REDUNDANT_TABLE_AT = 21 * 512, 22 * 512
# Without the second set of tables, which lies between the descriptor and the directory.
SINGLE = patched(SPARSE, (8, le32(1)), (REDUNDANT_DIRECTORY_AT, bytes(DIRECTORY_AT - REDUNDANT_DIRECTORY_AT)))
GRAINS = struct.unpack("<512I", SPARSE[TABLE_AT : TABLE_AT + 2048])
STORED = [position for position, sector in enumerate(GRAINS) if sector]


def with_text(text: bytes) -> bytes:
    return patched(SPARSE, (512, text.ljust(20 * 512, b"\0")))


def with_descriptor(more: str = "", *, parent: str = "ffffffff", create_type: str = "monolithicSparse") -> bytes:
    return with_text(descriptor(8192, create_type=create_type, parent=parent, more=more))


def with_extents(*extents: str) -> bytes:
    return with_text(descriptor(8192, create_type="monolithicSparse", extents=extents))


def with_grains(edits: dict[int, int]) -> bytes:
    """The sparse image with other entries in its grain table and in the redundant one."""
    entries = list(GRAINS)
    for position, sector in edits.items():
        entries[position] = sector
    table = struct.pack("<512I", *entries)
    return patched(SPARSE, (TABLE_AT, table), (REDUNDANT_TABLE_AT, table))


@pytest.mark.parametrize(
    ("image", "size", "kind"),
    [(SPARSE, 4 * MIB, "monolithicSparse"), (PACKED, 4 * MIB, "streamOptimized"), (STREAM, 4 * MIB, "streamOptimized")],
)
def test_an_image_is_recognised_with_its_size_and_kind(image: bytes, size: int, kind: str) -> None:
    assert facts(vmdk, image) == Facts("vmdk", size, kind, {"grain_size": "65536"})
    assert rule(vmdk, image) is None
    assert rule(vmdk, image, size=len(image)) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"KDMW".ljust(600, b"\0"),
        b"# a script\necho version=1\n",
        b"#\n" * 50_000,
        b"versions=1\n",
        b"version=one\n",
        b"#cloud-config\nversion: 1\n",
    ],
)
def test_other_bytes_are_not_a_vmdk(data: bytes) -> None:
    assert facts(vmdk, data) is None
    assert rule(vmdk, data) is None


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: patched(SPARSE, (4, le32(4))), "vmdk.version"),
        (lambda: patched(SPARSE, (8, le32(1 << 20 | 3))), "vmdk.unknown-features"),
        (lambda: patched(SPARSE, (73, b"\n \n\n")), "vmdk.line-ends"),
        (lambda: patched(SPARSE, (72, b"\1")), "vmdk.dirty"),
        (lambda: patched(SPARSE, (12, le64(0))), "vmdk.capacity"),
        (lambda: patched(SPARSE, (12, le64(1 << 55))), "vmdk.capacity"),
        (lambda: patched(SPARSE, (12, le64(1 << 54))), "vmdk.table-size"),
        (lambda: patched(SPARSE, (20, le64(100))), "vmdk.grain-size"),
        (lambda: patched(SPARSE, (20, le64(1 << 40))), "vmdk.grain-size"),
        (lambda: patched(SPARSE, (44, le32(4096))), "vmdk.table-size"),
        (lambda: patched(SPARSE, (28, le64(0))), "vmdk.no-descriptor"),
        (lambda: patched(SPARSE, (512, bytes(20 * 512))), "vmdk.no-descriptor"),
        (lambda: patched(SPARSE, (36, le64(0))), "vmdk.places"),
        (lambda: patched(SPARSE, (36, le64(1000))), "vmdk.places"),
        (lambda: patched(SPARSE, (28, le64(1 << 62))), "vmdk.places"),
        (lambda: patched(SPARSE, (56, le64(5))), "vmdk.places"),
        (lambda: patched(SPARSE, (56, le64(1 << 60))), "vmdk.places"),
        (lambda: patched(SPARSE, (56, le64(AT_END))), "vmdk.places"),
        (lambda: patched(SPARSE, (48, le64(1))), "vmdk.places"),
        (lambda: patched(SPARSE, (64, le64(1 << 40))), "vmdk.truncated"),
        (lambda: patched(SPARSE, (77, b"\1")), "vmdk.compression"),
        (lambda: patched(SPARSE, (8, le32(0x10003))), "vmdk.compression"),
        (lambda: patched(STREAM, (77, b"\0")), "vmdk.compression"),
        (lambda: patched(STREAM, (8, le32(0x20001))), "vmdk.compression"),
    ],
)
def test_a_bad_header_is_refused_in_the_first_block(build: Callable[[], bytes], expected: str) -> None:
    image = build()
    assert early_rule(vmdk, image) == expected
    assert rule(vmdk, image, size=len(image)) == expected


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: with_descriptor(parent="12345678"), "vmdk.parent"),
        (lambda: with_descriptor('parentFileNameHint="base.vmdk"\n'), "vmdk.parent"),
        (lambda: with_descriptor(' PARENTFILENAMEHINT = "base.vmdk"\n'), "vmdk.parent"),
        (lambda: with_descriptor(create_type="monolithicFlat"), "vmdk.create-type"),
        (lambda: with_descriptor(create_type=""), "vmdk.create-type"),
        (lambda: with_descriptor('encryptionKeys="vmware:key/list"\n'), "vmdk.encrypted"),
        (lambda: with_descriptor('changeTrackPath="disk-ctk.vmdk"\n'), "vmdk.external-file"),
        (lambda: with_descriptor('createType="monolithicFlat"\n'), "vmdk.descriptor"),
        (lambda: with_descriptor("nonsense\n"), "vmdk.descriptor"),
        (lambda: with_descriptor("RW many SPARSE\n"), "vmdk.descriptor"),
        (lambda: with_descriptor("RW " + "9" * 5000 + ' FLAT "a"\n'), "vmdk.descriptor"),
        (with_extents, "vmdk.descriptor"),
        (lambda: with_extents('RW 8192 FLAT "mono-flat.vmdk" 0'), "vmdk.external-extent"),
        (lambda: with_extents('rdonly 8192 flat "mono-flat.vmdk" 0'), "vmdk.external-extent"),
        (lambda: with_extents('RW 8192 SPARSE "mono.vmdk"', 'RW 8192 SPARSE "s2.vmdk"'), "vmdk.external-extent"),
        (lambda: with_extents("RW 8192 ZERO"), "vmdk.external-extent"),
        (lambda: with_extents('RW 8192 SPARSE "/etc/passwd"'), "vmdk.extent-path"),
        (lambda: with_extents('RW 8192 SPARSE "..\\\\secret"'), "vmdk.extent-path"),
        (lambda: with_extents('RW 8192 SPARSE "json:{}"'), "vmdk.extent-path"),
        (lambda: with_extents('RW 8192 SPARSE ".."'), "vmdk.extent-path"),
        (lambda: with_extents('RW 9000 SPARSE "mono.vmdk"'), "vmdk.size-mismatch"),
        (lambda: with_extents('RW 8000 SPARSE "mono.vmdk"'), "vmdk.size-mismatch"),
        (lambda: with_extents('RW 8191 SPARSE "mono.vmdk"'), None),
        (lambda: with_text(descriptor(8192).ljust(20 * 512, b"\n")), "vmdk.descriptor"),
        (lambda: with_text(descriptor(8192) + b"\0" + descriptor(8192, parent="12345678")), "vmdk.parent"),
        (lambda: with_text(descriptor(8192) + b"\0" + descriptor(8191)), "vmdk.descriptor"),
        (lambda: with_text(descriptor(8192) + b"\0\0\0" + b'RW 1 FLAT "/etc/passwd" 0'), "vmdk.descriptor"),
        (lambda: with_text(descriptor(8192) + b'\0"\n'), None),
        (lambda: with_text(descriptor(8192).replace(b"\n", b"\r\n")), None),
    ],
)
def test_a_descriptor_leads_nowhere_else(build: Callable[[], bytes], expected: str | None) -> None:
    image = build()
    assert early_rule(vmdk, image) == expected
    assert rule(vmdk, image) == expected


@pytest.mark.parametrize("start", [b"", b"\n\n", b"\xef\xbb\xbf", b"#" * 600 + b"\n", b"# a comment\r\n"])
def test_a_descriptor_file_is_refused_however_it_begins(start: bytes) -> None:
    text = start + descriptor(100, create_type="monolithicFlat", extents=['RW 100 FLAT "flat.vmdk" 0'])
    assert facts(vmdk, text) == Facts("vmdk", 51200, "monolithicFlat")
    assert early_rule(vmdk, text.ljust(1 << 16, b"\0")) == "vmdk.external-extent"
    assert rule(vmdk, text) == "vmdk.external-extent"


HINT = b'parentFileNameHint="/etc/passwd"'


@pytest.mark.parametrize(
    "build",
    [
        lambda: with_descriptor("#" + HINT.decode()),
        lambda: with_descriptor('# parentfilenamehint=""\n# PARENTFILENAMEHINT="x"'),
        lambda: with_descriptor('parentFileNameHint=""\nddb.comment = "parentFileNameHint"'),
        lambda: with_descriptor(f'ddb.comment = "{HINT.decode()}'),
        lambda: with_descriptor('parentFileNameHint = ""'),
        lambda: with_descriptor('parentFileNameHint="" /etc/passwd"'),
        lambda: with_descriptor("parentFileNameHint=\n/etc/passwd"),
        lambda: with_extents('RW 8192 SPARSE "mono.vmdk" ' + HINT.decode()),
        lambda: with_text(descriptor(8192) + b"\0" + HINT),
        lambda: patched(SINGLE, (512 + 20 * 512 + 5, HINT)),
        lambda: patched(SINGLE, (REDUNDANT_DIRECTORY_AT - 5, HINT)),
        lambda: patched(SPARSE, (TABLE_AT + 2048, HINT)),
        lambda: patched(SPARSE, (512 + (20 << 10) - len(HINT), HINT)),
        lambda: patched(STREAM, (21 * 512, HINT)),
        lambda: with_descriptor("# parentCID=12345678"),
        lambda: with_descriptor('ddb.comment = "parentCID=12345678"'),
        lambda: with_descriptor("#PARENTCID=0"),
        lambda: with_descriptor(parent="ffffffff0"),
        lambda: with_descriptor(parent="ffffffff 0"),
        lambda: patched(SPARSE, (TABLE_AT + 2048, b"parentCID=12345678")),
    ],
)
def test_a_word_that_a_reader_takes_for_a_parent_is_refused_wherever_it_stands(build: Callable[[], bytes]) -> None:
    image = build()
    assert early_rule(vmdk, image) == "vmdk.parent"
    assert rule(vmdk, image) == "vmdk.parent"
    assert rule(vmdk, image, size=len(image)) == "vmdk.parent"


@pytest.mark.parametrize("more", ['parentFileNameHint=""', 'parentFileNameHint=""  ', '# parentFileNameHint=""'])
def test_one_empty_name_of_a_parent_is_none(more: str) -> None:
    assert rule(vmdk, with_descriptor(more)) is None


def test_what_the_guest_writes_is_not_taken_for_a_parent() -> None:
    assert rule(vmdk, patched(SPARSE, (GRAIN_BYTES, HINT))) is None
    in_front = patched(STREAM[:GRAIN_BYTES], (64, le64(21)))[: 21 * 512]
    assert "vmdk.parent" not in rules_broken(vmdk, in_front + grain(0, b"\x78\x9c" + HINT))


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: patched(SPARSE, (28, le64(2)), (36, le64(19))), "vmdk.places"),
        (lambda: patched(SINGLE, (REDUNDANT_DIRECTORY_AT, b"x")), "vmdk.gap"),
        (lambda: patched(SINGLE, (DIRECTORY_AT - 1, b"x")), "vmdk.gap"),
        (lambda: patched(STREAM, (GRAIN_BYTES - 1, b"x")), "vmdk.gap"),
        (lambda: patched(STREAM, (50 * 512, descriptor())), "vmdk.gap"),
    ],
)
def test_there_is_one_descriptor_in_the_second_sector_and_nothing_beside_it(
    build: Callable[[], bytes], expected: str
) -> None:
    image = build()
    assert rule(vmdk, image) == expected
    assert rule(vmdk, image, size=len(image)) == expected


@pytest.mark.parametrize(
    "text",
    [
        descriptor(8192).replace(b"parentCID=ffffffff\n", b""),
        descriptor(8192).replace(b"parentCID", b"ParentCID"),
        descriptor(8192).replace(b"parentCID=", b"parentCID = "),
        descriptor(8192).replace(b"CID=fffffffe", b"CID=none"),
        descriptor(8192).replace(b"version", b"# the CID\nversion"),
        descriptor(8192).replace(b"version=1\n", b"version=1\r"),
        descriptor(8192).replace(b"version=1\n", b"#\rversion=1\n"),
        descriptor(8192).replace(b"version=1\n", b"version=1\n\x0bddb.a = 1\n"),
        descriptor(8192).replace(b"version=1\n", b"version=1\n# \x1b[2J\n"),
        descriptor(8192).replace(b"createType", b"\xa0createType=1\ncreateType\xa0"),
    ],
)
def test_a_descriptor_that_readers_understand_in_different_ways_is_refused(text: bytes) -> None:
    assert rule(vmdk, with_text(text)) in ("vmdk.descriptor", "vmdk.create-type")


def test_the_content_ids_stand_where_readers_look_for_them() -> None:
    for comment, expected in ((9000, None), (11_000, "vmdk.descriptor")):
        text = descriptor(8192).replace(b"version", b"#" * comment + b"\nversion").ljust(25 * 512, b"\0")
        assert rule(vmdk, patched(SINGLE, (36, le64(25)), (512, text))) == expected


FLAT = b'createType="monolithicFlat"\nRW 8192 FLAT "/etc/passwd" 0\n'


@pytest.mark.parametrize(
    "text",
    [
        b"#\rX\nversion=1\n" + FLAT,
        b"#\0\nversion=1\n" + FLAT,
        b"#\0\nversion=1\n" + bytes(4096),
        b"#\n  \r\nversion=3\r\n" + FLAT,
        b"#a\rversion=1\r" + FLAT,
        b"# Disk DescriptorFile\rversion=1\n" + FLAT,
        b"#disk descriptor file\n" + FLAT,
        b"X\n" + FLAT,
        b"\x1b" + FLAT.replace(b"\n", b" "),
        FLAT + bytes(100_000),
        b"X" * 100_000 + FLAT,
        b" " * 600 + b"\n#\n" + FLAT,
        b'rw 1flat "a"createtype',
        b'createType RW\n \n-1\nFLAT\n"/etc/passwd" 0',
    ],
)
def test_what_any_reader_takes_for_a_descriptor_is_refused(text: bytes) -> None:
    for image in (text, text.ljust(1 << 16, b"\0")):
        assert facts(vmdk, image) is not None
        assert "vmdk.external-extent" in rules_broken(vmdk, image)


@pytest.mark.parametrize(
    "text",
    [
        b"createType=1\n\0" + FLAT,
        FLAT.replace(b"createType", b"type"),
        FLAT.replace(b"RW", b"R"),
        b"#!/bin/sh\nexit\nversion=1\n",
        b"# a disk\n# descriptors\nfile",
        b"X" * (1 << 20) + FLAT,
    ],
)
def test_text_that_no_reader_takes_for_a_descriptor_is_none(text: bytes) -> None:
    assert facts(vmdk, text) is None
    assert rule(vmdk, text) is None


def test_a_descriptor_file_without_its_first_comment_is_recognised() -> None:
    assert rule(vmdk, b'version=1\nRW 100 FLAT "flat.vmdk" 0\n') == "vmdk.external-extent"


def test_a_descriptor_file_with_a_path_or_a_parent_is_refused_for_that() -> None:
    assert rule(vmdk, descriptor(extents=['RW 100 FLAT "/etc/passwd" 0'])) == "vmdk.extent-path"
    assert rule(vmdk, descriptor(parent="12345678")) == "vmdk.parent"
    assert rule(vmdk, descriptor(extents=[])) == "vmdk.descriptor"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"COWD" + struct.pack("<4I", 1, 3, 8192, 1), "vmfsSparse"),
        (struct.pack("<QQQ", 0xCAFEBABE, 0x200000001, 8192), "seSparse"),
    ],
)
def test_a_delta_of_an_esx_host_is_refused(head: bytes, kind: str) -> None:
    image = head.ljust(70_000, b"\0")
    assert facts(vmdk, image) == Facts("vmdk", 4 * MIB, kind)
    assert early_rule(vmdk, image) == "vmdk.delta"


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: patched(SPARSE, (DIRECTORY_AT, le32(1))), "vmdk.directory"),
        (lambda: patched(SPARSE, (DIRECTORY_AT, le32(0))), "vmdk.copies-differ"),
        (lambda: patched(SPARSE, (DIRECTORY_AT, le32(0xFFFFFFF0))), "vmdk.truncated"),
        (lambda: patched(SPARSE, (TABLE_AT + 4 * STORED[0], le32(0))), "vmdk.copies-differ"),
        (lambda: with_grains({STORED[0]: 5}), "vmdk.grain-place"),
        (lambda: with_grains({STORED[0]: 1}), "vmdk.grain-place"),
        (lambda: with_grains({STORED[0]: 0xFFFFFF00}), "vmdk.truncated"),
        (lambda: with_grains({STORED[0]: GRAINS[STORED[1]]}), "vmdk.grain-overlap"),
        (lambda: with_grains({STORED[0]: GRAINS[STORED[1]] + 1}), "vmdk.grain-overlap"),
        (lambda: with_grains({100: 128}), "vmdk.grain-place"),
        (lambda: with_grains({STORED[0]: 0}), None),
        (lambda: patched(with_grains({STORED[0]: 1}), (4, le32(2)), (8, le32(7))), None),
    ],
)
def test_tables_and_grains_lie_in_the_file_and_apart(build: Callable[[], bytes], expected: str | None) -> None:
    image = build()
    assert early_rule(vmdk, image) == expected
    assert rule(vmdk, image, size=len(image)) == expected


def test_two_directory_entries_do_not_share_a_table() -> None:
    # Twice the disk, so that there are two tables; the second lies where the first does.
    sectors = 2 * 512 * GRAIN
    text = descriptor(sectors, create_type="monolithicSparse").ljust(20 * 512, b"\0")
    image = patched(SINGLE, (12, le64(sectors)), (512, text))
    assert rule(vmdk, patched(image, (DIRECTORY_AT + 4, le32(27)))) == "vmdk.directory"
    assert rule(vmdk, patched(image, (DIRECTORY_AT + 4, le32(29)))) == "vmdk.directory"
    assert rule(vmdk, patched(image, (DIRECTORY_AT + 4, le32(31)))) is None


def test_a_grain_does_not_lie_over_a_table_between_the_grains() -> None:
    moved = patched(SINGLE, (DIRECTORY_AT, le32(len(SPARSE) // 512)))
    table = SPARSE[TABLE_AT : TABLE_AT + 2048]
    assert rule(vmdk, moved + table) is None
    over = patched(table, (4 * STORED[0], le32(len(SPARSE) // 512 - 1)))
    assert rule(vmdk, moved + over + bytes(GRAIN_BYTES)) == "vmdk.grain-overlap"


@pytest.mark.parametrize("directory_at", [1 << 55, (1 << 64) - 2, 1 << 63])
def test_a_directory_further_on_than_any_file_reaches_is_refused_at_once(directory_at: int) -> None:
    image = patched(SPARSE, (56, le64(directory_at)), (64, le64((1 << 64) - 1)))
    for size in (None, (1 << 63) - 1):
        broken = examine(image, formats=(vmdk,), size=size).hazards
        assert broken
        assert all(hazard.offset is None or hazard.offset < 1 << 63 for hazard in broken)
    assert early_rule(vmdk, image) in ("vmdk.truncated", "structure.beyond-any-file")


def test_far_more_data_than_the_tables_know_is_refused() -> None:
    assert rule(vmdk, SPARSE + bytes(MIB)) is None
    assert rule(vmdk, SPARSE + bytes(MIB) + b"\0") == "vmdk.trailing-data"


@pytest.mark.parametrize("image", [SPARSE, PACKED, STREAM])
@pytest.mark.parametrize("length", [100, 511, 600, 11_000, 13_500, 14_000, 60_000, 65_600, -512, -1])
def test_a_cut_image_is_refused(image: bytes, length: int) -> None:
    cut = image[:length]
    assert "vmdk.truncated" in rules_broken(vmdk, cut)
    assert "vmdk.truncated" in rules_broken(vmdk, cut, size=len(cut))
