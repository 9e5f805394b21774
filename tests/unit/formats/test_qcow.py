import struct
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examining import examine
from samples import entries as sample_entries
from samples import load
from stillage.formats.qcow import inspect as qcow
from stillage.formats.raw import inspect as raw
from stillage.formats.safety import Declaration, Policy, refusal
from stillage.formats.stream import Examination

SAMPLES = sample_entries(disk_format="qcow")
GOOD = [e["file"] for e in SAMPLES if e["verdict"] == "accept"]
COMPRESSED = 1 << 63
CLUSTER = 4096
DATA = 2 * CLUSTER


@dataclass
class Qcow:
    """Header and L1 table, one L2 table, then data; a cluster each."""

    version: int = 1
    backing: tuple[int, int] = (0, 0)
    size: int = 4 << 20
    cluster_bits: int = 12
    l2_bits: int = 9
    encryption: int = 0
    l1_offset: int = 48
    l1: tuple[int, ...] = (CLUSTER, 0)
    l2: tuple[int, ...] = ()
    clusters: int = 4

    def build(self) -> bytes:
        header = struct.pack(
            ">4sIQIIQBBHIQ",
            b"QFI\xfb",
            self.version,
            *self.backing,
            0,
            self.size,
            self.cluster_bits,
            self.l2_bits,
            0,
            self.encryption,
            self.l1_offset,
        )
        l1 = struct.pack(f">{len(self.l1)}Q", *self.l1)
        l2 = struct.pack(f">{len(self.l2)}Q", *self.l2)
        return (header + l1).ljust(CLUSTER, b"\0") + l2.ljust(CLUSTER, b"\0") + bytes(self.clusters * CLUSTER)


def packed(offset: int, length: int) -> int:
    return COMPRESSED | length << 51 | offset


def broken_rule(data: bytes, *, size: int | None = None) -> str | None:
    refused = refusal(examine(data, size=size), Declaration("qcow"), Policy())
    return None if refused is None else refused.rule


@pytest.mark.parametrize("entry", SAMPLES, ids=lambda entry: entry["file"])
@pytest.mark.parametrize("is_declared", [True, False])
def test_a_sample_gets_its_verdict_and_virtual_size(entry: dict[str, Any], is_declared: bool) -> None:
    data = load(entry["file"])
    findings = examine(data, size=len(data) if is_declared else None)
    refused = refusal(findings, Declaration("qcow"), Policy())
    assert (refused is None) == (entry["verdict"] == "accept"), refused
    assert [f.virtual_size for f in findings.matched if f.format == "qcow"] == [entry["virtual_size"]]


def test_the_magic_of_qcow_on_a_raw_disk_is_refused() -> None:
    assert refusal(examine(load("poly-mbr-qcow-magic.img")), Declaration("raw"), Policy()) is not None


HEADER_HAZARDS = {
    "qcow.backing-file": [Qcow(backing=(56, 9)), Qcow(backing=(1 << 50, 0))],
    "qcow.encrypted": [Qcow(encryption=1), Qcow(encryption=7)],
    "qcow.bad-header": [
        Qcow(cluster_bits=8),
        Qcow(cluster_bits=17),
        Qcow(cluster_bits=255),
        Qcow(l2_bits=5),
        Qcow(l2_bits=14),
        Qcow(size=0),
        Qcow(size=1),
    ],
    "qcow.bad-table": [Qcow(size=1 << 60), Qcow(size=(1 << 64) - 1)],
    "qcow.overlap": [Qcow(l1_offset=0), Qcow(l1_offset=40)],
}
TABLE_HAZARDS = {
    "qcow.out-of-bounds": [
        Qcow(l1_offset=1 << 60),
        Qcow(l1=(1 << 62, 0)),
        Qcow(l2=(DATA + 4 * CLUSTER,)),
        Qcow(l2=(1 << 60,)),
        Qcow(l2=(packed(DATA + 4 * CLUSTER - 10, 11),)),
    ],
    "qcow.misaligned": [Qcow(l1=(CLUSTER + 512, 0)), Qcow(l2=(DATA + 512,)), Qcow(l1=(COMPRESSED | CLUSTER + 1, 0))],
    "qcow.overlap": [
        Qcow(l1=(CLUSTER, CLUSTER)),
        Qcow(l2=(CLUSTER,)),
        Qcow(l2=(DATA, DATA)),
        Qcow(l2=(packed(100, 10),)),
        Qcow(l2=(packed(CLUSTER + 100, 10),)),
        Qcow(l2=(DATA, packed(DATA + 10, 10))),
        Qcow(l2=(packed(DATA + 10, 10), DATA)),
        Qcow(l1_offset=CLUSTER, l2=(CLUSTER, 0)),
    ],
    "qcow.bad-table": [Qcow(l2=(packed(DATA, 0),))],
    "qcow.shared-compressed": [Qcow(l2=(packed(DATA, 4095),) * 100)],
}


@pytest.mark.parametrize(
    ("rule", "image"), [(rule, image) for rule, images in HEADER_HAZARDS.items() for image in images]
)
def test_a_bad_header_is_found_in_the_first_block(rule: str, image: Qcow) -> None:
    examination = Examination((raw, qcow))
    examination.feed(image.build()[:512])
    assert rule in {hazard.rule.id for hazard in examination.findings.hazards}


@pytest.mark.parametrize(
    ("rule", "image"), [(rule, image) for rule, images in TABLE_HAZARDS.items() for image in images]
)
@pytest.mark.parametrize("is_declared", [True, False])
def test_a_bad_table_entry_is_found(rule: str, image: Qcow, is_declared: bool) -> None:
    data = image.build()
    assert broken_rule(data, size=len(data) if is_declared else None) == rule


def test_compressed_clusters_lie_anywhere_and_end_with_the_file() -> None:
    data = Qcow(l2=(packed(DATA, 1000), packed(DATA + 1000, 4095), DATA + 2 * CLUSTER)).build()
    assert broken_rule(data) is None
    data = Qcow(l2=(packed(DATA, 1000), packed(DATA + 1000, 4095))).build()
    assert broken_rule(data[: DATA + 5095]) is None
    assert broken_rule(data[: DATA + 5094]) == "qcow.out-of-bounds"


def test_the_l1_table_may_be_anywhere() -> None:
    image = Qcow(l1_offset=DATA + CLUSTER, l2=(DATA,))
    data = bytearray(image.build())
    data[DATA + CLUSTER : DATA + CLUSTER + 8] = struct.pack(">Q", CLUSTER)
    assert broken_rule(bytes(data)) is None
    data[CLUSTER : CLUSTER + 8] = struct.pack(">Q", DATA + CLUSTER)
    assert broken_rule(bytes(data)) == "qcow.overlap"


@pytest.mark.parametrize("name", GOOD)
def test_a_file_that_is_cut_short_is_refused(name: str) -> None:
    data = load(name)
    for length in {4, 7, 8, 47, 48, 55, 63, *range(4096, len(data), 4096), len(data) - 1}:
        assert broken_rule(data[:length]) is not None, length
    assert broken_rule(data[:47]) == "qcow.truncated"


@given(name=st.sampled_from([e["file"] for e in SAMPLES]), cuts=st.lists(st.integers(0, 1 << 18), max_size=8))
@settings(max_examples=40, deadline=None)
def test_facts_do_not_depend_on_how_the_stream_is_cut(name: str, cuts: list[int]) -> None:
    whole, cut = examine(load(name)), examine(load(name), cuts=cuts)
    assert (cut.matched, set(cut.hazards)) == (whole.matched, set(whole.hazards))


@given(rest=st.binary(max_size=400))
@settings(max_examples=100, deadline=None)
def test_any_bytes_behind_the_magic_only_give_findings(rest: bytes) -> None:
    assert examine(b"QFI\xfb\0\0\0\1" + rest).complete


@given(
    name=st.sampled_from(GOOD),
    changes=st.lists(st.tuples(st.integers(8, 9000), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4),
)
@settings(max_examples=100, deadline=None)
def test_any_mutation_of_a_sample_only_gives_findings(name: str, changes: list[tuple[int, bytes]]) -> None:
    data = bytearray(load(name))
    for at, replacement in changes:
        data[at : at + len(replacement)] = replacement
    assert examine(bytes(data)).complete


def test_every_rule_of_the_module_is_broken_by_a_test_here() -> None:
    others = {"qcow.truncated", "qcow.too-fine"}  # the latter is the layout's, tested with QCOW2
    assert {rule.id for rule in qcow.RULES} == {*HEADER_HAZARDS, *TABLE_HAZARDS, *others}


@pytest.mark.parametrize(("size", "expected"), [(2, 0), (1000, 512), ((4 << 20) - 1, (4 << 20) - 512)])
def test_a_disk_that_ends_within_a_sector_ends_before_it(size: int, expected: int) -> None:
    data = Qcow(size=size).build()
    assert broken_rule(data) is None
    assert [found.virtual_size for found in examine(data).matched if found.format == "qcow"] == [expected]
