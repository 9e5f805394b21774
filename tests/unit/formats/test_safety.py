"""What is refused, and which reason is named, from findings that are written down here."""

import pytest

from examining import examine
from stillage.errors import ContentRejected
from stillage.formats import foreign, luks, registry
from stillage.formats.base import Facts, Hazard, Rule
from stillage.formats.safety import REACHES_OUT, SATISFIED_BY, Declaration, Policy, format_found, refusal
from stillage.formats.stream import Findings

GIB = 1 << 30
RAW = Facts("raw", virtual_size=4096)
QCOW2 = Facts("qcow2", virtual_size=GIB)
ISO = Facts("iso", virtual_size=4096)
VHD = Facts("vhd", virtual_size=GIB, subformat="dynamic")
FIXED = Facts("vhd", virtual_size=GIB, subformat="fixed")

PLOOP = Facts("ploop", virtual_size=GIB)

BACKING = Hazard(Rule("qcow2.backing-file", "", "qemu-img rebase -b '' IN"), 8, "names a backing file")
TABLE = Hazard(Rule("qcow2.l1-table", ""), 40, "the table lies beyond the end")
GZIP = Hazard(next(rule for rule in foreign.RULES if rule.id == "foreign.gzip"), 0, "the file is compressed")
ELF = Hazard(next(rule for rule in foreign.RULES if rule.id == "foreign.elf"), 0, "the file is a program")
PARALLELS = Hazard(next(rule for rule in foreign.RULES if rule.id == "foreign.parallels"), 0, "the file is Parallels")
TEXT = Hazard(foreign.TEXT, 0, "the file is plain text")
ENCRYPTED = Hazard(luks.ENCRYPTED, 0, "the disk is encrypted")


def findings(
    *found: Facts | Hazard, undecided: tuple[str, ...] = (), seen: int = 4096, complete: bool = True
) -> Findings:
    return Findings(
        matched=(*(f for f in found if isinstance(f, Facts)), RAW) if RAW not in found else (RAW,),
        hazards=tuple(h for h in found if isinstance(h, Hazard)),
        undecided=frozenset(undecided),
        seen=seen,
        complete=complete,
    )


def reason(of: Findings, declared: str | None, policy: Policy | None = None) -> str | None:
    refused = refusal(of, Declaration(declared), policy or Policy())
    return None if refused is None else refused.rule


@pytest.mark.parametrize("declared", ["qcow2", None])
def test_an_image_that_is_what_it_is_declared_to_be_is_accepted(declared: str | None) -> None:
    assert reason(findings(QCOW2), declared) is None


@pytest.mark.parametrize("declared", [*SATISFIED_BY, None])
def test_bytes_that_nothing_recognises_are_a_raw_disk(declared: str | None) -> None:
    assert reason(findings(), declared) is None


def test_the_refusal_carries_the_facts() -> None:
    refused = refusal(findings(QCOW2, BACKING), Declaration("raw"), Policy())
    assert isinstance(refused, ContentRejected)
    assert (refused.rule, refused.offset, refused.found, refused.declared) == ("qcow2.backing-file", 8, "qcow2", "raw")
    assert refused.fix == "qemu-img rebase -b '' IN"
    assert str(refused) == "names a backing file"


@pytest.mark.parametrize("declared", ["raw", "qcow2", "vmdk", "iso", "ami", None])
def test_a_backing_file_is_named_whatever_the_image_is_declared_to_be(declared: str | None) -> None:
    assert reason(findings(QCOW2, BACKING), declared) == "qcow2.backing-file"


def test_what_reaches_out_is_named_before_two_formats_and_those_before_what_is_broken() -> None:
    assert reason(findings(QCOW2, ISO, TABLE, BACKING), "raw") == "qcow2.backing-file"
    assert reason(findings(QCOW2, ISO, TABLE), "raw") == "format.ambiguous"


def test_what_is_broken_is_named_before_a_wrong_declaration() -> None:
    assert reason(findings(QCOW2, TABLE), "vmdk") == "qcow2.l1-table"
    assert reason(findings(QCOW2), "vmdk") == "format.mismatch"


def test_a_size_beyond_the_limit_is_refused_with_both_numbers() -> None:
    policy = Policy(max_virtual_size=GIB - 1)
    refused = refusal(findings(QCOW2), Declaration("qcow2"), policy)
    assert refused is not None
    assert refused.rule == "virtual-size.absurd"
    assert str(GIB) in str(refused)
    assert str(GIB - 1) in str(refused)


def test_a_size_at_the_limit_is_accepted() -> None:
    assert reason(findings(QCOW2), "qcow2", Policy(max_virtual_size=GIB)) is None


def test_a_rule_can_be_allowed_and_the_next_reason_still_counts() -> None:
    policy = Policy(allowed=frozenset({"qcow2.backing-file"}))
    assert reason(findings(QCOW2, BACKING), "qcow2", policy) is None
    assert reason(findings(QCOW2, BACKING, TABLE), "qcow2", policy) == "qcow2.l1-table"


@pytest.mark.parametrize("declared", ["raw", "qcow2", "vhd", "iso", None])
def test_two_formats_at_once_are_refused_under_any_declaration(declared: str | None) -> None:
    assert reason(findings(QCOW2, VHD), declared) == "format.ambiguous"
    assert reason(findings(QCOW2, ISO), declared) == "format.ambiguous"


def test_two_formats_at_once_are_refused_where_any_format_is_welcome() -> None:
    assert reason(findings(QCOW2, VHD), "raw", Policy(require_format_match=False)) == "format.ambiguous"


@pytest.mark.parametrize("table", ["mbr", "gpt", "luks"])
@pytest.mark.parametrize("declared", ["raw", "qcow2", None])
def test_a_header_with_a_partition_table_in_its_first_sector_is_two_disks(table: str, declared: str | None) -> None:
    first = Facts("raw", virtual_size=4096, subformat=table)
    both = Findings((QCOW2, first), (), frozenset(), 4096, complete=True)
    assert reason(both, declared) == "format.ambiguous"


@pytest.mark.parametrize(("image", "table"), [(FIXED, "mbr"), (FIXED, "gpt"), (ISO, "mbr"), (ISO, "gpt")])
def test_a_partition_table_in_a_first_sector_that_is_the_guests_is_ordinary(image: Facts, table: str) -> None:
    first = Facts("raw", virtual_size=4096, subformat=table)
    assert reason(Findings((image, first), (), frozenset(), 4096, complete=True), image.format) is None


def test_an_encrypted_disk_is_an_encrypted_disk_also_as_raw() -> None:
    assert reason(findings(ENCRYPTED), "raw") == "luks.encrypted"
    assert reason(findings(ENCRYPTED), None) == "luks.encrypted"
    assert reason(findings(ENCRYPTED), "qcow2") == "luks.encrypted"
    assert reason(findings(ENCRYPTED), "raw", Policy(allowed=frozenset({"luks.encrypted"}))) is None


def test_in_a_fixed_vhd_encryption_makes_two_disks() -> None:
    container = Facts("raw", virtual_size=4096, subformat="luks")
    assert reason(findings(ENCRYPTED, undecided=("vhd",), complete=False), "vhd") is None
    assert reason(Findings((FIXED, container), (ENCRYPTED,), frozenset(), 4096, complete=True), "vhd") == (
        "format.ambiguous"
    )


@pytest.mark.parametrize("declared", ["raw", "qcow2", "vhd", "iso", None])
def test_a_foreign_file_is_named_whatever_it_is_declared_to_be(declared: str | None) -> None:
    refused = refusal(findings(GZIP), Declaration(declared), Policy())
    assert refused is not None
    assert (refused.rule, refused.found, refused.fix) == ("foreign.gzip", "gzip", "gunzip -c IN > OUT")


def test_a_foreign_file_is_refused_as_soon_as_no_accepted_format_is_possible() -> None:
    begun = findings(GZIP, undecided=("vhd", "iso"), complete=False)
    assert reason(begun, "qcow2") == "foreign.gzip"
    assert reason(begun, "vhd") is None
    assert reason(begun, "raw") is None
    assert reason(findings(GZIP, undecided=("vhd",), complete=False), "raw") == "foreign.gzip"
    assert reason(begun, None) is None


def test_a_format_that_is_there_silences_the_foreign_file_before_it() -> None:
    assert reason(findings(FIXED, GZIP), "vhd") is None
    assert reason(findings(ISO, ELF), "iso") is None
    assert reason(findings(FIXED, GZIP), "raw") == "format.mismatch"


def test_text_may_be_a_raw_disk_where_policy_says_so() -> None:
    assert reason(findings(TEXT), "raw") is None
    assert reason(findings(TEXT), None) is None
    assert reason(findings(TEXT), "qcow2") == "foreign.text"
    assert reason(findings(TEXT), "raw", Policy(text_as_raw=False)) == "foreign.text"


@pytest.mark.parametrize("declared", ["aki", "ari", "ami"])
def test_kernels_and_ramdisks_are_not_foreign_to_their_own_kinds(declared: str) -> None:
    assert reason(findings(ELF), declared) is None
    assert reason(findings(GZIP), declared) is None


def test_ploop_is_what_parallels_calls_its_format() -> None:
    assert reason(findings(PLOOP, PARALLELS), "ploop") is None
    assert reason(findings(PLOOP, PARALLELS), "raw") == "foreign.parallels"
    assert reason(findings(PLOOP, PARALLELS), None) == "foreign.parallels"


@pytest.mark.parametrize("declared", ["qcow2", "vhd", "zvhd2", "iso"])
def test_an_empty_body_is_no_image_of_a_format_with_a_header(declared: str) -> None:
    assert reason(findings(seen=0), declared) == "format.empty"


@pytest.mark.parametrize("declared", ["raw", None])
def test_a_raw_image_may_be_empty(declared: str | None) -> None:
    assert reason(findings(seen=0), declared) is None


def test_nothing_is_refused_for_being_empty_before_it_is_over() -> None:
    assert reason(findings(seen=0, complete=False, undecided=("qcow2",)), "qcow2") is None


def test_a_mismatch_shows_as_soon_as_the_declared_format_is_out_of_question() -> None:
    assert reason(findings(complete=False, undecided=("qcow2", "vhd")), "qcow2") is None
    assert reason(findings(complete=False, undecided=("vhd",)), "qcow2") == "format.mismatch"
    assert reason(findings(QCOW2, complete=False, undecided=("vhd",)), "vhd") == "format.mismatch"


def test_an_image_of_any_format_passes_where_formats_need_not_match() -> None:
    policy = Policy(require_format_match=False)
    assert reason(findings(QCOW2), "vhd", policy) is None
    assert reason(findings(), "vhd", policy) is None
    assert reason(findings(QCOW2, BACKING), "vhd", policy) == "qcow2.backing-file"


def test_an_iso_on_a_raw_disk_is_a_raw_disk_and_a_raw_disk_is_no_iso() -> None:
    assert reason(findings(ISO), "raw") is None
    assert reason(findings(), "iso") == "format.mismatch"


def test_the_format_found_is_the_one_that_is_not_raw() -> None:
    assert format_found(findings(QCOW2)) == QCOW2
    assert format_found(findings()) == RAW


def test_every_rule_of_the_catalogue_is_declared_once_and_says_what_it_means() -> None:
    rules = registry.rules()
    assert len({rule.id for rule in rules}) == len(rules)
    for rule in rules:
        assert rule.id == rule.id.lower()
        assert rule.id.count(".") == 1
        assert rule.meaning.endswith(".")


def test_what_reaches_out_names_rules_that_exist() -> None:
    kinds = {rule.id.partition(".")[2] for rule in registry.rules()}
    assert kinds >= REACHES_OUT


def test_a_real_empty_stream_is_a_raw_disk_of_no_bytes() -> None:
    found = examine(b"")
    assert reason(found, "raw") is None
    assert reason(found, "zvhd") == "format.empty"
