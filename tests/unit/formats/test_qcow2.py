import struct
import tracemalloc
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from examining import examine
from qcow2_images import COMPRESSED, COPIED, Qcow2, entries, extension
from samples import entries as sample_entries
from samples import load
from stillage.formats.qcow2 import inspect as qcow2
from stillage.formats.raw import inspect as raw
from stillage.formats.safety import Declaration, Policy, refusal
from stillage.formats.stream import Examination, Findings
from stillage.formats.tables import clusters

CLUSTER = 1 << 16
DATA = 5 * CLUSTER
NAME, BITMAPS, LUKS, DATA_FILE = 0x6803F857, 0x23852875, 0x0537BE77, 0x44415441

# Files in two formats are tested where both are known.
SAMPLES = [e for e in sample_entries(disk_format="qcow2") if e["reasons"] != ["ambiguous"]]
GOOD = [e["file"] for e in SAMPLES if e["verdict"] == "accept"]
SMALL = [e["file"] for e in SAMPLES if e["size"] < 1 << 20]


def broken_rule(data: bytes, *, size: int | None = None, policy: Policy | None = None) -> str | None:
    refused = refusal(examine(data, size=size), Declaration("qcow2"), policy or Policy())
    return None if refused is None else refused.rule


def findings_of_start(data: bytes, length: int = 1 << 16) -> Findings:
    """What is known after the first block, while the stream goes on."""
    examination = Examination((raw, qcow2))
    examination.feed(data[:length])
    return examination.findings


@pytest.mark.parametrize("entry", SAMPLES, ids=lambda entry: entry["file"])
@pytest.mark.parametrize("is_declared", [True, False])
def test_a_sample_gets_its_verdict_and_virtual_size(entry: dict[str, Any], is_declared: bool) -> None:
    data = load(entry["file"])
    findings = examine(data, size=len(data) if is_declared else None)
    refused = refusal(findings, Declaration("qcow2"), Policy())
    assert (refused is None) == (entry["verdict"] == "accept"), refused
    assert [f.virtual_size for f in findings.matched if f.format == "qcow2"] == [entry["virtual_size"]]


def test_an_image_built_by_hand_is_accepted() -> None:
    image = Qcow2(l2=[COPIED | DATA, 0, COPIED | DATA + CLUSTER, 1, COPIED | DATA + 2 * CLUSTER | 1])
    assert broken_rule(image.build()) is None


HEADER_HAZARDS = {
    "qcow2.backing-file": [Qcow2(backing=(600, 9)), Qcow2(backing=(600, 0)), Qcow2(version=2, backing=(1 << 60, 9))],
    "qcow2.data-file": [
        Qcow2(incompatible=4),
        Qcow2(autoclear=2),
        Qcow2(extensions=extension(DATA_FILE, b"/etc/passwd")),
        Qcow2(version=2, more={72: extension(DATA_FILE, b"/etc/passwd")}),
        Qcow2(extensions=extension(NAME, bytes(48)) + extension(1, b"?") + extension(DATA_FILE, b"")),
    ],
    "qcow2.dirty": [Qcow2(incompatible=1)],
    "qcow2.corrupt": [Qcow2(incompatible=2)],
    "qcow2.unknown-features": [Qcow2(incompatible=1 << 5), Qcow2(incompatible=1 << 63)],
    "qcow2.encrypted": [
        Qcow2(encryption=1),
        Qcow2(encryption=2),
        Qcow2(encryption=3),
        Qcow2(extensions=extension(LUKS, entries(DATA, 592))),
    ],
    "qcow2.internal-snapshot": [Qcow2(snapshots=(1, DATA)), Qcow2(version=2, snapshots=(1 << 31, 0))],
    "qcow2.version": [Qcow2(version=0), Qcow2(version=4)],
    "qcow2.bad-header": [
        Qcow2(cluster_bits=16, more={20: struct.pack(">I", bits)}) for bits in (0, 8, 22, 64, 0xFFFFFFFF)
    ]
    + [
        Qcow2(refcount_order=7),
        Qcow2(header_length=96),
        Qcow2(header_length=108),
        Qcow2(header_length=CLUSTER + 8),
        Qcow2(incompatible=16, cluster_bits=13),
    ],
    "qcow2.compression-type": [Qcow2(compression=1), Qcow2(incompatible=8), Qcow2(incompatible=8, compression=2)],
    "qcow2.bad-extension": [
        Qcow2(extensions=struct.pack(">II", 1, CLUSTER)),
        Qcow2(extensions=extension(1, b"") * 2),
        Qcow2(extensions=b"".join(extension(n, b"") for n in range(1, 102))),
        Qcow2(autoclear=1),
        Qcow2(autoclear=1, extensions=extension(BITMAPS, bytes(8))),
        Qcow2(extensions=extension(LUKS, entries(DATA, 1 << 40))),
    ],
    "qcow2.bad-table": [
        Qcow2(l1_entries=0),
        Qcow2(size=1 << 60),
        Qcow2(l1_entries=(4 << 20) + 1),
        Qcow2(refcount_clusters=0),
        Qcow2(refcount_clusters=129),
    ],
    "qcow2.misaligned": [Qcow2(more={40: entries(3 * CLUSTER + 8)}), Qcow2(more={48: entries(CLUSTER + 512)})],
    "qcow2.overlap": [
        Qcow2(l1_cluster=1),
        Qcow2(l1_cluster=0),
        Qcow2(more={48: entries(0)}),
        Qcow2(refcount_clusters=4),
    ],
}


@pytest.mark.parametrize(
    ("rule", "image"), [(rule, image) for rule, images in HEADER_HAZARDS.items() for image in images]
)
def test_a_bad_header_is_found_in_the_first_block(rule: str, image: Qcow2) -> None:
    assert rule in {hazard.rule.id for hazard in findings_of_start(image.build()).hazards}


def test_a_backing_format_without_a_backing_file_is_harmless() -> None:
    assert broken_rule(Qcow2(extensions=extension(0xE2792ACA, b"raw")).build()) is None


def test_unknown_compatible_and_autoclear_features_may_be_ignored() -> None:
    assert broken_rule(Qcow2(compatible=1 << 40, autoclear=1 << 40).build()) is None


def test_marks_and_snapshots_are_a_matter_of_policy() -> None:
    allowed = frozenset({"qcow2.dirty", "qcow2.corrupt"})
    assert broken_rule(Qcow2(incompatible=3).build(), policy=Policy(allowed=allowed)) is None


TABLE_HAZARDS = {
    "qcow2.out-of-bounds": [
        Qcow2(l2=[COPIED | DATA + 4 * CLUSTER]),
        Qcow2(l2=[COPIED | 1 << 55]),
        Qcow2(l1=[COPIED | 1 << 40]),
        Qcow2(l1_cluster=1 << 30),
        Qcow2(refcount_table=[2 * CLUSTER, 1 << 50]),
        Qcow2(l2=[COMPRESSED | DATA + 4 * CLUSTER - 512 | 1 << 54]),
        Qcow2(cluster_bits=14, incompatible=16, l2=[COPIED | 9 << 14, 1], clusters=4),
        Qcow2(encryption=2, extensions=extension(LUKS, entries(DATA, 9 * CLUSTER))),
    ],
    "qcow2.misaligned": [
        Qcow2(l2=[COPIED | DATA + 512]),
        Qcow2(l1=[COPIED | 4 * CLUSTER + 512]),
        Qcow2(refcount_table=[2 * CLUSTER + 512]),
    ],
    "qcow2.overlap": [
        Qcow2(l2=[COPIED]),
        Qcow2(l2=[COPIED | 3 * CLUSTER]),
        Qcow2(l2=[COPIED | 4 * CLUSTER]),
        Qcow2(l2=[COPIED | 2 * CLUSTER]),
        Qcow2(l2=[COPIED | DATA, COPIED | DATA]),
        Qcow2(l2=[COPIED | DATA + CLUSTER, COPIED | DATA, 0, COPIED | DATA + CLUSTER]),
        Qcow2(l2=[COPIED | DATA, COMPRESSED | DATA + 100]),
        Qcow2(l2=[COMPRESSED | DATA + 100, COPIED | DATA]),
        Qcow2(l2=[COMPRESSED | 3 * CLUSTER + 100]),
        Qcow2(l2=[COMPRESSED | 100]),
        Qcow2(l1_entries=2, size=1 << 29, l1=[4 * CLUSTER, 4 * CLUSTER]),
        Qcow2(l1=[CLUSTER]),
        Qcow2(l1=[2 * CLUSTER]),
        Qcow2(refcount_table=[2 * CLUSTER, 4 * CLUSTER]),
        Qcow2(refcount_table=[3 * CLUSTER]),
        Qcow2(encryption=2, extensions=extension(LUKS, entries(CLUSTER, 592))),
    ],
    "qcow2.reserved-bits": [
        Qcow2(l1=[4 * CLUSTER | 1]),
        Qcow2(l1=[4 * CLUSTER | 1 << 56]),
        Qcow2(l2=[DATA | 2]),
        Qcow2(l2=[DATA | 1 << 61]),
        Qcow2(version=2, l2=[DATA | 1]),
        Qcow2(l2=[COPIED | COMPRESSED | DATA]),
        Qcow2(cluster_bits=9, size=1 << 15, l2=[COMPRESSED | 1 << 57]),
        Qcow2(refcount_table=[2 * CLUSTER | 1]),
        *(
            Qcow2(incompatible=16, l2=l2)
            for l2 in (
                [COPIED | DATA | 1, 0],
                [COPIED | DATA, 1 << 32 | 1],
                [0, 1],
                [COMPRESSED | DATA, 1 << 40],
            )
        ),
    ],
}


@pytest.mark.parametrize(
    ("rule", "image"), [(rule, image) for rule, images in TABLE_HAZARDS.items() for image in images]
)
@pytest.mark.parametrize("is_declared", [True, False])
def test_a_bad_table_entry_is_found(rule: str, image: Qcow2, is_declared: bool) -> None:
    data = image.build()
    allowed = Policy(allowed=frozenset({"qcow2.encrypted"}))
    assert broken_rule(data, size=len(data) if is_declared else None, policy=allowed) == rule


def test_a_hazard_says_at_which_entry() -> None:
    image = Qcow2(l2=[COPIED | DATA, 0, 0, COPIED | 3 * CLUSTER])
    refused = refusal(examine(image.build()), Declaration("qcow2"), Policy())
    assert refused is not None
    assert refused.offset == 4 * CLUSTER + 3 * 8
    assert str(refused) == "guest data is placed at byte 196608, where the L1 table is already"


def test_compressed_clusters_may_share_host_clusters_and_end_in_the_last_sector() -> None:
    packed = [COMPRESSED | DATA + 1000 * n | 1 << 54 for n in range(4)]
    data = Qcow2(l2=packed).build()
    assert broken_rule(data[: DATA + 3 * 1000 + 513]) is None
    assert broken_rule(data[: DATA + 3 * 1000 + 1]) == "qcow2.out-of-bounds"


def test_compressed_clusters_cannot_be_worth_more_bytes_than_the_file_has() -> None:
    image = Qcow2(cluster_bits=21, size=64 << 30, l1_entries=1, clusters=1, l2=[COMPRESSED | 5 << 21 | 8 << 49] * 9000)
    assert broken_rule(image.build()) == "qcow2.shared-compressed"


def test_the_last_cluster_may_end_with_the_disk_and_not_before() -> None:
    image = Qcow2(size=CLUSTER + 1000, l2=[COPIED | DATA, COPIED | DATA + CLUSTER])
    data = image.build()
    assert broken_rule(data[: DATA + CLUSTER + 1000]) is None
    assert broken_rule(data[: DATA + CLUSTER + 999]) == "qcow2.out-of-bounds"


def test_a_cluster_may_end_with_the_last_subcluster_in_use() -> None:
    data = Qcow2(incompatible=16, l2=[COPIED | DATA, 0b101]).build()
    assert broken_rule(data[: DATA + 3 * 2048]) is None
    assert broken_rule(data[: DATA + 3 * 2048 - 1]) == "qcow2.out-of-bounds"


def test_tables_in_any_order_are_found() -> None:
    # The L1 table lies behind the L2 table, the refcount table's second block behind the data.
    image = Qcow2(l1_cluster=8, more={8 * CLUSTER: entries(COPIED | 4 * CLUSTER)}, l2=[COPIED | DATA])
    assert broken_rule(image.build()) is None
    image.l2 = [COPIED | 8 * CLUSTER]
    assert broken_rule(image.build()) == "qcow2.overlap"


def with_snapshot(*, l1: int = COPIED | 4 * CLUSTER, l1_at: int = 7, l1_entries: int = 1, extra: int = 16) -> Qcow2:
    entry = struct.pack(">QIHHIIQII", l1_at * CLUSTER, l1_entries, 1, 4, 0, 0, 0, 0, extra) + bytes(16) + b"1name"
    return Qcow2(
        snapshots=(1, 6 * CLUSTER), l2=[COPIED | DATA], more={6 * CLUSTER: entry, l1_at * CLUSTER: entries(l1)}
    )


@pytest.mark.parametrize(
    ("image", "rule"),
    [
        (with_snapshot(), None),
        (with_snapshot(l1=8 * CLUSTER), None),
        (with_snapshot(l1=2 * CLUSTER), "qcow2.overlap"),
        (with_snapshot(l1=6 * CLUSTER), "qcow2.overlap"),
        (with_snapshot(l1=DATA), "qcow2.overlap"),
        (with_snapshot(l1=9 * CLUSTER), "qcow2.out-of-bounds"),
        (with_snapshot(l1_entries=1 << 30), "qcow2.bad-table"),
        (with_snapshot(extra=1 << 30), "qcow2.bad-table"),
        (Qcow2(snapshots=(1, 9 * CLUSTER)), "qcow2.out-of-bounds"),
        (Qcow2(snapshots=(1, 0)), "qcow2.overlap"),
        (Qcow2(snapshots=(5000, DATA)), "qcow2.bad-table"),
    ],
)
def test_snapshots_are_checked_where_the_policy_allows_them(image: Qcow2, rule: str | None) -> None:
    allowed = Policy(allowed=frozenset({"qcow2.internal-snapshot"}))
    assert broken_rule(image.build(), policy=allowed) == rule


def with_bitmap(
    *, count: int = 1, kind: int = 1, flags: int = 0, table: int = 7, entry: int = 8 * CLUSTER, believed: bool = True
) -> Qcow2:
    directory = struct.pack(">QIIBBHI", table * CLUSTER, 1, flags, kind, 16, 4, 0) + b"name" + bytes(4)
    return Qcow2(
        autoclear=int(believed),
        extensions=extension(BITMAPS, struct.pack(">IIQQ", count, 0, len(directory), 6 * CLUSTER)),
        l2=[COPIED | DATA],
        more={6 * CLUSTER: directory, 7 * CLUSTER: entries(entry)},
    )


@pytest.mark.parametrize(
    ("image", "rule"),
    [
        (with_bitmap(), None),
        (with_bitmap(entry=1), None),
        (with_bitmap(kind=9, believed=False), None),
        (with_bitmap(count=0), "qcow2.bad-bitmap"),
        (with_bitmap(count=2), "qcow2.bad-bitmap"),
        (with_bitmap(kind=2), "qcow2.bad-bitmap"),
        (with_bitmap(flags=8), "qcow2.bad-bitmap"),
        (with_bitmap(table=3), "qcow2.overlap"),
        (with_bitmap(table=99), "qcow2.out-of-bounds"),
        (with_bitmap(entry=DATA), "qcow2.overlap"),
        (with_bitmap(entry=8 * CLUSTER | 1), "qcow2.reserved-bits"),
        (with_bitmap(entry=8 * CLUSTER + 512), "qcow2.misaligned"),
    ],
)
def test_saved_bitmaps_are_checked(image: Qcow2, rule: str | None) -> None:
    assert broken_rule(image.build()) == rule


@pytest.mark.parametrize("name", GOOD)
def test_a_file_that_is_cut_short_is_refused(name: str) -> None:
    data = load(name)
    # At each cluster, and just before and behind the fields of the header. The end of the L1 table may be the end.
    last = len(data) - 600 if "zlib" in name or "zstd" in name else len(data) - 1
    least = min(last, 0x30000)
    for length in {4, 7, 71, 72, 103, 104, 111, 112, 120, 1000, *range(4096, least, 4096), least, last}:
        if length <= last:
            assert broken_rule(data[:length]) is not None, length


@given(name=st.sampled_from(SMALL), cuts=st.lists(st.integers(0, 1 << 20), max_size=8))
@settings(max_examples=60, deadline=None)
def test_facts_do_not_depend_on_how_the_stream_is_cut(name: str, cuts: list[int]) -> None:
    whole, cut = examine(load(name)), examine(load(name), cuts=cuts)
    assert (cut.matched, set(cut.hazards)) == (whole.matched, set(whole.hazards))


@given(rest=st.binary(max_size=400), version=st.integers(2, 3))
@example(rest=b"\xff" * 400, version=3)
@settings(max_examples=150, deadline=None)
def test_any_bytes_behind_the_magic_only_give_findings(rest: bytes, version: int) -> None:
    assert examine(b"QFI\xfb" + version.to_bytes(4, "big") + rest).complete


@given(
    name=st.sampled_from(GOOD),
    changes=st.lists(
        st.tuples(
            st.one_of(st.integers(8, 120), st.integers(0x10000, 0x10020), st.integers(0x30000, 0x40040)),
            st.binary(min_size=1, max_size=8),
        ),
        min_size=1,
        max_size=4,
    ),
)
@settings(max_examples=150, deadline=None)
def test_any_mutation_of_a_sample_only_gives_findings(name: str, changes: list[tuple[int, bytes]]) -> None:
    data = bytearray(load(name))
    for at, replacement in changes:
        if at + len(replacement) <= len(data):
            data[at : at + len(replacement)] = replacement
    assert examine(bytes(data)).complete


def peak_memory(blocks: list[bytes]) -> tuple[int, Findings]:
    """Return what an examination of *blocks* allocates at most, and what it finds before it ends."""
    tracemalloc.start()
    try:
        examination = Examination((raw, qcow2))
        for block in blocks:
            examination.feed(block)
            if examination.findings.hazards:
                break
        return tracemalloc.get_traced_memory()[1], examination.findings
    finally:
        tracemalloc.stop()


def test_a_32_mib_l1_table_of_tiny_clusters_takes_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    # An eighth of the limit shows the same in an eighth of the time: tracemalloc is slow.
    monkeypatch.setattr(clusters, "MAX_TABLE_BYTES", clusters.MAX_TABLE_BYTES // 8)
    # Every entry names an L2 table of its own, anywhere in a file whose size nobody declared.
    head = Qcow2(cluster_bits=9, size=128 << 30, l1_entries=4 << 20).build()[: 3 << 9]
    table = entries(*((n * 7919 + (1 << 20)) << 9 & (1 << 50) - 1 for n in range(1 << 20)))
    peak, findings = peak_memory([head, *(table[at : at + (1 << 20)] for at in range(0, len(table), 1 << 20))])
    assert [hazard.rule.id for hazard in findings.hazards] == ["qcow2.too-fine"]
    assert peak < 1 << 20


def test_data_scattered_over_petabytes_takes_little_memory() -> None:
    count = 1 << 16
    table = entries(*(COPIED | (n * 65_537 + 100) << 21 for n in range(1, count + 1)))
    image = Qcow2(cluster_bits=21, size=count << 21, clusters=0)
    head = image.build()[: 4 << 21]
    peak, findings = peak_memory([*(head[at : at + (1 << 20)] for at in range(0, len(head), 1 << 20)), table])
    assert not findings.hazards  # until the end shows how far the file reaches
    assert peak < 8 << 20


def test_a_header_that_is_cut_short_is_refused() -> None:
    data = Qcow2().build()
    assert {broken_rule(data[:length]) for length in (4, 71, 72, 103, 112, 119)} == {"qcow2.truncated"}


def test_every_rule_of_the_module_is_broken_by_a_test_here() -> None:
    others = {"qcow2.bad-bitmap", "qcow2.shared-compressed", "qcow2.too-fine", "qcow2.truncated"}
    assert {rule.id for rule in qcow2.RULES} == {*HEADER_HAZARDS, *TABLE_HAZARDS, *others}


@pytest.mark.parametrize(("size", "expected"), [(0, 0), (511, 0), (1000, 512), ((4 << 20) - 1, (4 << 20) - 512)])
def test_a_disk_that_ends_within_a_sector_ends_before_it(size: int, expected: int) -> None:
    data = Qcow2(size=size).build()
    assert broken_rule(data) is None
    assert [found.virtual_size for found in examine(data).matched if found.format == "qcow2"] == [expected]
