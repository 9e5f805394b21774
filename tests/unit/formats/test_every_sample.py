"""Every sample before all inspectors together: the verdict of the manifest, however the stream is cut."""

import tracemalloc
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examining import examine
from samples import entries, load, manifest
from stillage.errors import ContentRejected
from stillage.formats.registry import FORMATS, rules
from stillage.formats.safety import REACHES_OUT, Declaration, Policy, format_found, refusal
from stillage.formats.stream import Examination, Findings

Entry = dict[str, Any]

ENTRIES = entries()
NAMES = [str(entry["file"]) for entry in ENTRIES]
# Small to read and quick to inspect: one image expands to 128 MiB, by right.
SMALL = [str(entry["file"]) for entry in ENTRIES if entry["size"] <= 1 << 20 and "amplify" not in entry["file"]]
FINE = [str(entry["file"]) for entry in ENTRIES if entry["size"] <= 64 << 10]
POLICY = Policy()
DECLARED = (None, "raw", "qcow2", "qcow", "qed", "vmdk", "vhd", "vhdx", "vdi", "zvhd", "zvhd2", "iso")
RULE_IDS = {rule.id for rule in rules()}

# Clients activate images with an upload of no bytes, so whether that is an image is decided before there are bytes.
EMPTY = "empty-file.raw"
# With no header and no region table that can be believed, the size that the metadata would give is not to be had.
SIZE_UNKNOWN = {"vhdx-headers-bad-crc.vhdx", "vhdx-region-bad-crc.vhdx"}
LEADS_ELSEWHERE = {"backing_file", "external_data_file", "external_extent", "absolute_extent_path", "differencing"}
LEADING = [entry for entry in ENTRIES if LEADS_ELSEWHERE & set(entry["reasons"])]
# The only structure of all that leads elsewhere and lies behind the first MiB.
LATE = {"vhdx-differencing.vhdx"}


def named(entry: Entry) -> str:
    return str(entry["file"])


@cache
def found(name: str) -> Findings:
    """What all inspectors find in the sample, fed in one piece."""
    return examine(load(name))


def refusal_of(findings: Findings, declared: str | None) -> ContentRejected | None:
    return refusal(findings, Declaration(declared), POLICY)


def outcome(findings: Findings, declared: str | None) -> tuple[str, int | None, str] | None:
    refused = refusal_of(findings, declared)
    return None if refused is None else (refused.rule, refused.offset, str(refused))


def test_the_manifest_is_complete() -> None:
    assert len(ENTRIES) == 177
    for entry in ENTRIES:
        assert len(load(entry["file"])) == entry["size"]


@pytest.mark.parametrize("entry", ENTRIES, ids=named)
def test_the_verdict_and_the_size_are_those_of_the_manifest(entry: Entry) -> None:
    findings = found(entry["file"])
    declared = entry["disk_format"]
    refused = refusal_of(findings, declared)
    if entry["file"] != EMPTY:
        assert ("reject" if refused else "accept") == entry["verdict"], refused
    sizes = [facts.virtual_size for facts in findings.matched if facts.format == declared]
    if entry["verdict"] == "accept":
        assert sizes == [entry["virtual_size"]]
        assert format_found(findings).format == declared
    elif entry["virtual_size"] is not None and entry["file"] not in SIZE_UNKNOWN:
        # What is refused may be so broken that its size is unknown; a known one is right.
        assert set(sizes) <= {entry["virtual_size"], None}


@pytest.mark.parametrize("entry", ENTRIES, ids=named)
def test_the_verdict_is_the_same_when_nothing_was_declared(entry: Entry) -> None:
    refused = refusal_of(found(entry["file"]), None)
    undeclared_is_fine = {EMPTY}
    if entry["file"] not in undeclared_is_fine:
        assert ("reject" if refused else "accept") == entry["verdict"], refused


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e["verdict"] == "accept"], ids=named)
def test_a_good_image_is_refused_as_any_other_format_for_the_mismatch_alone(entry: Entry) -> None:
    findings = found(entry["file"])
    own = entry["disk_format"]
    for declared in set(DECLARED) - {None, own} - ({"raw"} if own == "iso" else set()):
        refused = refusal_of(findings, declared)
        assert refused is not None
        assert refused.rule in {"format.mismatch", "foreign.text"}
    assert refusal(findings, Declaration("vmdk"), Policy(require_format_match=False)) is None or own == "raw"


@pytest.mark.parametrize("entry", LEADING, ids=named)
def test_an_image_that_leads_elsewhere_is_refused_for_that_whatever_is_declared(entry: Entry) -> None:
    for declared in DECLARED:
        refused = refusal_of(found(entry["file"]), declared)
        assert refused is not None, declared
        assert refused.rule.partition(".")[2] in REACHES_OUT, declared
        assert refused.offset is not None, declared


@pytest.mark.parametrize("entry", LEADING, ids=named)
@pytest.mark.parametrize("padding", [b"\0" * 5000, b"harmless text\n" * 100], ids=["zeros", "text"])
def test_an_image_that_leads_elsewhere_is_refused_with_padding_too(entry: Entry, padding: bytes) -> None:
    refused = refusal_of(examine(load(entry["file"]) + padding), "raw")
    assert refused is not None


@pytest.mark.parametrize("entry", [e for e in LEADING if e["file"] not in LATE], ids=named)
def test_where_an_image_leads_shows_in_the_first_block(entry: Entry) -> None:
    examination = Examination(FORMATS)
    examination.feed(load(entry["file"])[: 64 << 10])
    for declared in DECLARED:
        refused = refusal_of(examination.findings, declared)
        if entry["size"] < 64 << 10 and refused is None:
            continue  # it was not over yet: its inspector still waits for the end of a short text
        assert refused is not None
        assert refused.rule.partition(".")[2] in REACHES_OUT or entry["size"] < 64 << 10


@pytest.mark.parametrize("declared", ["qcow2", "vhdx", "vmdk", "zvhd2"])
def test_a_wrong_declaration_shows_in_the_first_block(declared: str) -> None:
    for name in ("vdi-dynamic.vdi", "raw-mbr.raw", "small.iso", "luks1.raw"):
        examination = Examination(FORMATS)
        examination.feed(load(name)[: 64 << 10])
        assert refusal_of(examination.findings, declared) is not None


@pytest.mark.parametrize("name", SMALL)
def test_the_findings_do_not_depend_on_how_the_stream_is_cut(name: str) -> None:
    data = load(name)
    for step in (512, 4096, 65_536 + 1):
        assert examine(data, cuts=range(step, len(data), step)) == found(name), step


@given(name=st.sampled_from(SMALL), data=st.data())
@settings(max_examples=60, deadline=None)
def test_the_findings_do_not_depend_on_any_cut(name: str, data: st.DataObject) -> None:
    image = load(name)
    cuts = data.draw(st.lists(st.integers(0, len(image)) | st.integers(0, min(len(image), 600)), max_size=8))
    assert examine(image, cuts=cuts) == found(name)


@pytest.mark.parametrize("name", FINE)
def test_the_findings_are_the_same_byte_by_byte(name: str) -> None:
    data = load(name)[:4096]
    assert examine(data, cuts=range(len(data))) == examine(data)


@pytest.mark.parametrize("entry", ENTRIES, ids=named)
def test_a_declared_size_changes_no_verdict(entry: Entry) -> None:
    with_size = examine(load(entry["file"]), size=entry["size"])
    for declared in (entry["disk_format"], "raw"):
        without_size = found(entry["file"])
        assert (refusal_of(with_size, declared) is None) == (refusal_of(without_size, declared) is None), declared


@given(name=st.sampled_from(SMALL), declared=st.sampled_from(DECLARED), data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_changed_sample_has_a_defined_verdict(name: str, declared: str | None, data: st.DataObject) -> None:
    image = bytearray(load(name))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(image)) | st.integers(0, min(len(image), 1200)))
        image[at : at + data.draw(st.sampled_from([0, 4, 8]))] = data.draw(
            st.binary(max_size=16) | st.sampled_from([b"\xff" * 8, bytes(8), b"\0\0\0\0\0\0\0\1", b"\x80" + bytes(7)])
        )
    refused = refusal_of(examine(bytes(image)), declared)
    assert refused is None or refused.rule in RULE_IDS


@given(first=st.sampled_from(SMALL), second=st.sampled_from(SMALL), at=st.integers(0, 70_000))
@settings(max_examples=80, deadline=None)
def test_two_samples_in_one_have_a_defined_verdict(first: str, second: str, at: int) -> None:
    image = load(first)[:at] + load(second)[at:]
    refused = refusal_of(examine(image), "raw")
    assert refused is None or refused.rule in RULE_IDS


@given(length=st.integers(0, 70_000), name=st.sampled_from(SMALL))
@settings(max_examples=80, deadline=None)
def test_a_sample_that_was_cut_has_a_defined_verdict(name: str, length: int) -> None:
    refused = refusal_of(examine(load(name)[:length]), manifest()[name]["disk_format"])
    assert refused is None or refused.rule in RULE_IDS


@pytest.mark.parametrize(
    "name",
    [
        "zvhd-bomb-256m.zvhd",
        "zvhd2-bomb-zstd-no-size.zvhd2",
        "zvhd2-zstd-window-1g.zvhd2",
        "zvhd2-mixed.zvhd2",
        "qcow2-v3-1T-empty.qcow2",
        "qcow2-l1-absurd.qcow2",
        "qcow2-v3-4k-rc1.qcow2",
        "qed-plain.qed",
        "vhd-dynamic.vhd",
        "vhd-bat-absurd.vhd",
        "vhdx-dynamic.vhdx",
        "vdi-dynamic.vdi",
        "vdi-blocks-absurd.vdi",
        "vmdk-streamopt.vmdk",
        "vmdk-monosparse.vmdk",
        "raw-gpt.raw",
        "small.iso",
    ],
)
def test_the_state_of_all_inspectors_together_stays_below_eight_mib(name: str) -> None:
    data = load(name)
    blocks = [data[start : start + (1 << 20)] for start in range(0, len(data), 1 << 20)]
    tracemalloc.start()
    try:
        examination = Examination(FORMATS)
        for block in blocks:
            examination.feed(block)
        examination.close(lambda offset, length: data[offset : offset + length])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20
