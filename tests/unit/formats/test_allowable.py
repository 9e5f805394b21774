"""What `allowed_rules` may name, and that an allowed rule opens no more than it says."""

import struct

import pytest

from examining import examine
from qcow2_images import COMPRESSED, COPIED, Qcow2
from samples import entries, load
from stillage.formats import foreign
from stillage.formats.allowable import ALLOWABLE, why_not_allowable
from stillage.formats.base import Facts, Hazard, Inspection, MalformedImage, Region, Rule, Stream
from stillage.formats.registry import rules
from stillage.formats.safety import Declaration, Policy, refusal, refusals
from stillage.formats.stream import MOST_HAZARDS, TOO_SCATTERED

CLUSTER = 1 << 16
EVERY_RULE = frozenset(rule.id for rule in rules())
SNAPSHOTS = Policy(allowed=frozenset({"qcow2.internal-snapshot"}))


def test_what_may_be_allowed_are_rules() -> None:
    assert ALLOWABLE <= EVERY_RULE


@pytest.mark.parametrize("rule", sorted(EVERY_RULE))
def test_every_other_rule_has_its_reason(rule: str) -> None:
    assert bool(why_not_allowable(rule)) == (rule not in ALLOWABLE)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("vhdx.dirty", "replays the log"),
        ("qcow2.version", "would not be looked at"),
        ("vmdk.capacity", "would not be looked at"),
        ("structure.too-scattered", "would not be looked at"),
        ("format.ambiguous", "two disks"),
        ("qcow2.unknown-features", "unknown"),
        ("vhd.unknown-features", "unknown"),
        ("foreign.parallels", "sees a disk inside"),
        ("foreign.qcow-signature", "sees a disk inside"),
        ("ploop.extension", "unknown"),
        ("vmdk.descriptor", "disagree"),
    ],
)
def test_the_reason_says_what_would_be_opened(rule: str, reason: str) -> None:
    assert reason in (why_not_allowable(rule) or "")


def test_a_rule_that_does_not_exist_opens_nothing() -> None:
    assert why_not_allowable("raw.size") is None


@pytest.mark.parametrize("entry", [e for e in entries() if e["verdict"] == "reject"], ids=lambda entry: entry["file"])
def test_an_inspection_does_not_end_with_a_rule_that_may_be_allowed(entry: dict[str, str]) -> None:
    for hazard in examine(load(entry["file"])).hazards:
        assert not (hazard.final and hazard.rule.id in ALLOWABLE), hazard


class Scripted:
    """A format of which every stream is an image that breaks what the test says."""

    FORMAT = "scripted"

    def __init__(self, *found: Hazard | MalformedImage) -> None:
        self.RULES: tuple[Rule, ...] = ()
        self._found = found

    def inspect(self, stream: Stream) -> Inspection:
        yield Facts("scripted", virtual_size=stream.size)
        yield Region(0, 1)
        for found in self._found:
            if isinstance(found, MalformedImage):
                raise found
            yield found


ALLOWED, OTHER = Rule("scripted.allowed", "Allowed."), Rule("scripted.other", "Not allowed.")
POLICY = Policy(allowed=frozenset({ALLOWED.id}))


def broken(*found: Hazard | MalformedImage) -> list[str]:
    findings = examine(b"x", formats=(Scripted(*found),))
    return [refused.rule for refused in refusals(findings, Declaration("scripted"), POLICY)]


def test_what_ends_the_inspection_is_refused_although_it_is_allowed() -> None:
    assert broken(Hazard(ALLOWED, 0, "one")) == []
    assert broken(MalformedImage(ALLOWED, 0, "the end")) == ["scripted.allowed"]


def test_many_hazards_of_an_allowed_rule_do_not_crowd_out_another() -> None:
    many = [Hazard(ALLOWED, number, "again") for number in range(MOST_HAZARDS + 1)]
    assert broken(*many, Hazard(OTHER, 0, "hidden behind them")) == ["scripted.other"]


def test_tables_that_were_not_read_are_refused_although_that_is_allowed() -> None:
    findings = examine(b"x", formats=(Scripted(Hazard(TOO_SCATTERED, 0, "too far", final=True)),))
    assert refusal(findings, Declaration("scripted"), Policy(allowed=EVERY_RULE)) is not None


@pytest.mark.parametrize("payload", [2000, 1 << 31])
def test_a_container_says_nothing_about_the_size_of_the_raw_disk_that_it_is(payload: int) -> None:
    luks = struct.pack(">6sH32s32s32sI", b"LUKS\xba\xbe", 1, b"aes", b"xts", b"sha256", payload).ljust(1 << 20, b"\0")
    policy = Policy(allowed=frozenset({"luks.encrypted"}), min_disk_binds=True)
    findings = examine(luks)
    assert refusal(findings, Declaration("raw", min_disk=1), policy) is None
    many = type(findings)(findings.matched, findings.hazards, findings.undecided, (1 << 30) + 1, complete=True)
    refused = refusal(many, Declaration("raw", min_disk=1), policy)
    assert refused is not None
    assert refused.rule == "virtual-size.min-disk"


def with_snapshot(disk: int, **changes: object) -> Qcow2:
    entry = struct.pack(">QIHHIIQII", 0, 0, 1, 1, 0, 0, 0, 0, 16) + struct.pack(">QQ", 0, disk) + b"1s"
    return Qcow2(snapshots=(1, 6 * CLUSTER), more={6 * CLUSTER: entry}, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(("size", "expected"), [(4 << 20, None), (1 << 20, None), (100 << 30, "qcow2.bad-table")])
def test_an_allowed_snapshot_is_no_larger_than_the_disk(size: int, expected: str | None) -> None:
    refused = refusal(examine(with_snapshot(size).build()), Declaration("qcow2"), SNAPSHOTS)
    assert (refused.rule if refused else None) == expected


def test_an_allowed_snapshot_is_no_way_to_share_compressed_clusters() -> None:
    packed = COMPRESSED | 127 << 54 | 8 * CLUSTER
    shared = with_snapshot(4 << 20, size=64 << 20, l2=[packed] * 64).build()
    refused = refusal(examine(shared), Declaration("qcow2"), SNAPSHOTS)
    assert refused is not None
    assert refused.rule == "qcow2.shared-compressed"
    twice = with_snapshot(4 << 20, l2=[COPIED | 8 * CLUSTER, packed, packed]).build()
    assert refusal(examine(twice), Declaration("qcow2"), SNAPSHOTS) is None


def test_a_disk_that_is_an_archive_too_is_named_as_a_disk() -> None:
    header = bytearray(
        b"WithoutFreeSpace".ljust(148, b"\1") + b" " * 8 + b"0".ljust(101, b"\0") + b"ustar\0" + bytes(249)
    )
    header[148:156] = b"%06o\0 " % sum(header)
    findings = examine(bytes(header))
    refused = refusal(findings, Declaration("raw"), Policy(allowed=frozenset({foreign.TAR_ARCHIVE.id})))
    assert refused is not None
    assert refused.rule == "foreign.parallels"
