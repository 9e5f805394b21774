import struct
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examining import examine
from samples import entries as sample_entries
from samples import load
from stillage.formats.qed import inspect as qed
from stillage.formats.raw import inspect as raw
from stillage.formats.safety import Declaration, Policy, refusal
from stillage.formats.stream import Examination

SAMPLES = sample_entries(disk_format="qed")
GOOD = [e["file"] for e in SAMPLES if e["verdict"] == "accept"]
CLUSTER = 4096
DATA = 5 * CLUSTER


@dataclass
class Qed:
    """Header, L1 table, L2 table, data; tables have two clusters."""

    cluster_size: int = CLUSTER
    table_size: int = 2
    header_size: int = 1
    features: int = 0
    compatible: int = 0
    l1_offset: int = CLUSTER
    size: int = 4 << 20
    l1: tuple[int, ...] = (3 * CLUSTER,)
    l2: tuple[int, ...] = ()
    clusters: int = 4

    def build(self) -> bytes:
        fields = (self.cluster_size, self.table_size, self.header_size, self.features, self.compatible, 0)
        header = struct.pack("<4sIIIQQQQQII", b"QED\0", *fields, self.l1_offset, self.size, 0, 0)
        tables = [struct.pack(f"<{len(table)}Q", *table).ljust(2 * CLUSTER, b"\0") for table in (self.l1, self.l2)]
        return header.ljust(CLUSTER, b"\0") + b"".join(tables) + bytes(self.clusters * CLUSTER)


def broken_rule(data: bytes, *, size: int | None = None, policy: Policy | None = None) -> str | None:
    refused = refusal(examine(data, size=size), Declaration("qed"), policy or Policy())
    return None if refused is None else refused.rule


@pytest.mark.parametrize("entry", SAMPLES, ids=lambda entry: entry["file"])
@pytest.mark.parametrize("is_declared", [True, False])
def test_a_sample_gets_its_verdict_and_virtual_size(entry: dict[str, Any], is_declared: bool) -> None:
    data = load(entry["file"])
    findings = examine(data, size=len(data) if is_declared else None)
    refused = refusal(findings, Declaration("qed"), Policy())
    assert (refused is None) == (entry["verdict"] == "accept"), refused
    assert [f.virtual_size for f in findings.matched if f.format == "qed"] == [entry["virtual_size"]]


HEADER_HAZARDS = {
    "qed.backing-file": [Qed(features=1), Qed(features=5)],
    "qed.dirty": [Qed(features=2)],
    "qed.unknown-features": [Qed(features=8), Qed(features=1 << 63)],
    "qed.bad-header": [
        Qed(cluster_size=2048),
        Qed(cluster_size=1 << 27),
        Qed(cluster_size=5000),
        Qed(cluster_size=0),
        Qed(table_size=0),
        Qed(table_size=3),
        Qed(table_size=32),
        Qed(header_size=0),
        Qed(header_size=0xFFFFFFFF),
        Qed(size=1000),
        Qed(size=1 << 40),
    ],
    "qed.overlap": [Qed(l1_offset=0), Qed(header_size=2)],
    "qed.misaligned": [Qed(l1_offset=CLUSTER + 512)],
}
TABLE_HAZARDS = {
    "qed.out-of-bounds": [
        Qed(l1_offset=1 << 50),
        Qed(l1=(DATA + 3 * CLUSTER,)),
        Qed(l2=(DATA + 4 * CLUSTER,)),
    ],
    "qed.misaligned": [Qed(l1=(3 * CLUSTER + 8,)), Qed(l1=(1,)), Qed(l2=(DATA + 512,)), Qed(l2=(DATA + 1,))],
    "qed.overlap": [
        Qed(l1=(3 * CLUSTER, 3 * CLUSTER)),
        Qed(l1=(3 * CLUSTER, 4 * CLUSTER)),
        Qed(l1=(2 * CLUSTER,)),
        Qed(l2=(2 * CLUSTER,)),
        Qed(l2=(4 * CLUSTER,)),
        Qed(l2=(DATA, 0, DATA)),
    ],
}


@pytest.mark.parametrize(
    ("rule", "image"), [(rule, image) for rule, images in HEADER_HAZARDS.items() for image in images]
)
def test_a_bad_header_is_found_in_the_first_block(rule: str, image: Qed) -> None:
    examination = Examination((raw, qed))
    examination.feed(image.build()[:512])
    assert rule in {hazard.rule.id for hazard in examination.findings.hazards}


@pytest.mark.parametrize(
    ("rule", "image"), [(rule, image) for rule, images in TABLE_HAZARDS.items() for image in images]
)
@pytest.mark.parametrize("is_declared", [True, False])
def test_a_bad_table_entry_is_found(rule: str, image: Qed, is_declared: bool) -> None:
    data = image.build()
    assert broken_rule(data, size=len(data) if is_declared else None) == rule


def test_a_table_where_no_file_can_reach_is_refused_with_and_without_a_size() -> None:
    data = Qed(l1=(1 << 63,)).build()
    assert broken_rule(data, size=len(data)) == "qed.out-of-bounds"
    assert broken_rule(data, size=None) == "structure.beyond-any-file"


def test_an_image_built_by_hand_is_accepted() -> None:
    assert broken_rule(Qed(l2=(DATA, 0, 1, DATA + CLUSTER), compatible=1 << 40).build()) is None


def test_the_mark_of_an_unclean_end_is_a_matter_of_policy() -> None:
    assert broken_rule(Qed(features=2).build(), policy=Policy(allowed=frozenset({"qed.dirty"}))) is None


@pytest.mark.parametrize("name", GOOD)
def test_a_file_that_is_cut_short_is_refused(name: str) -> None:
    data = load(name)
    for length in {4, 8, 63, 64, *range(4096, len(data), 65536), len(data) - 1}:
        assert broken_rule(data[:length]) is not None, length
    assert broken_rule(data[:63]) == "qed.truncated"


@given(name=st.sampled_from([e["file"] for e in SAMPLES]), cuts=st.lists(st.integers(0, 1 << 20), max_size=8))
@settings(max_examples=40, deadline=None)
def test_facts_do_not_depend_on_how_the_stream_is_cut(name: str, cuts: list[int]) -> None:
    whole, cut = examine(load(name)), examine(load(name), cuts=cuts)
    assert (cut.matched, set(cut.hazards)) == (whole.matched, set(whole.hazards))


@given(rest=st.binary(max_size=400))
@settings(max_examples=100, deadline=None)
def test_any_bytes_behind_the_magic_only_give_findings(rest: bytes) -> None:
    assert examine(b"QED\0" + rest).complete


@given(
    name=st.sampled_from(GOOD),
    changes=st.lists(
        st.tuples(
            st.one_of(st.integers(4, 64), st.integers(0x10000, 0x10020), st.integers(0x50000, 0x50040)),
            st.binary(min_size=1, max_size=8),
        ),
        min_size=1,
        max_size=4,
    ),
)
@settings(max_examples=100, deadline=None)
def test_any_mutation_of_a_sample_only_gives_findings(name: str, changes: list[tuple[int, bytes]]) -> None:
    data = bytearray(load(name))
    for at, replacement in changes:
        data[at : at + len(replacement)] = replacement
    assert examine(bytes(data)).complete


def test_every_rule_of_the_module_is_broken_by_a_test_here() -> None:
    others = {"qed.truncated", "qed.too-fine"}  # the latter is the layout's, tested with QCOW2
    assert {rule.id for rule in qed.RULES} == {*HEADER_HAZARDS, *TABLE_HAZARDS, *others}
