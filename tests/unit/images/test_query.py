"""The tables of the list call, as sentences."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import viewer
from stillage.errors import InvalidInput
from stillage.images.image import Visibility
from stillage.images.member import MemberStatus
from stillage.images.query import (
    MAX_FILTERS,
    SORT_KEYS,
    Condition,
    Key,
    Operator,
    Query,
    TimeRange,
    parse,
)

CREATED, ID = Key("created_at", descending=True), Key("id", descending=True)
SECOND = timedelta(seconds=1)
NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def asked(*pairs: tuple[str, str]) -> Query:
    return parse(pairs, viewer())


def condition(name: str, value: str) -> Condition:
    """The one condition beside `os_hidden`."""
    _, found = asked((name, value)).conditions
    return found


def order(*pairs: tuple[str, str]) -> list[str]:
    return [f"{key.column}:{'desc' if key.descending else 'asc'}" for key in asked(*pairs).order]


def test_nothing_asked_is_the_newest_25_that_are_not_hidden() -> None:
    query = asked()
    assert query.limit == 25
    assert query.order == (CREATED, ID)
    assert query.conditions == (Condition("os_hidden", Operator.EQ, value=False),)
    assert query.visibility is None
    assert not query.communities
    assert query.member_statuses == (MemberStatus.ACCEPTED,)


def test_an_administrator_sees_all_and_a_member_his_project() -> None:
    assert parse([], viewer("ops", "admin")).sees_all
    assert not asked().sees_all
    assert asked().project == "lab"


@pytest.mark.parametrize(
    ("given", "limit"), [("0", 0), ("1", 1), ("1000", 1000), ("1001", 1000), ("9" * 5000, 1000), ("007", 7)]
)
def test_a_limit_is_cut_to_1000_without_a_word(given: str, limit: int) -> None:
    assert asked(("limit", given)).limit == limit


@pytest.mark.parametrize("given", ["-1", "x", "", "1.5", "+1", "٣", "1_0"])
def test_a_limit_that_is_no_count_is_refused(given: str) -> None:
    with pytest.raises(InvalidInput, match="integer of 0 or more"):
        asked(("limit", given))


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([("sort_key", "name")], ["name:desc", "created_at:desc", "id:desc"]),
        ([("sort_key", "name"), ("sort_dir", "asc")], ["name:asc", "created_at:asc", "id:asc"]),
        ([("sort_dir", "asc")], ["created_at:asc", "id:asc"]),
        (
            [("sort_key", "name"), ("sort_key", "size"), ("sort_dir", "asc")],
            ["name:asc", "size:asc", "created_at:asc", "id:asc"],
        ),
        (
            [("sort_key", "name"), ("sort_key", "size"), ("sort_dir", "asc"), ("sort_dir", "desc")],
            ["name:asc", "size:desc", "created_at:desc", "id:desc"],
        ),
        ([("sort", "name")], ["name:desc", "created_at:desc", "id:desc"]),
        ([("sort", "name:asc")], ["name:asc", "created_at:asc", "id:asc"]),
        ([("sort", "name:asc,size")], ["name:asc", "size:desc", "created_at:desc", "id:desc"]),
        ([("sort", "created_at:asc")], ["created_at:asc", "id:asc"]),
        ([("sort", "id:asc,name")], ["id:asc"]),
        ([("sort", "name:asc,name:desc")], ["name:asc", "created_at:desc", "id:desc"]),
    ],
)
def test_the_order_is_total_and_a_single_direction_is_that_of_the_tie_breakers(
    pairs: list[tuple[str, str]], expected: list[str]
) -> None:
    assert order(*pairs) == expected


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("sort_key", "owner")], "must be one of name, status"),
        ([("sort_key", "name"), ("sort_dir", "down")], "asc, desc"),
        ([("sort_key", "name"), ("sort_dir", "asc"), ("sort_dir", "asc")], "1 sort_key but 2 sort_dir"),
        ([("sort", "name"), ("sort_key", "name")], "cannot be combined"),
        ([("sort", "name"), ("sort_dir", "asc")], "cannot be combined"),
        ([("sort", "name:")], "asc, desc"),
        ([("sort", "")], "a sort key"),
        ([("sort", "name,,size")], "a sort key"),
    ],
)
def test_an_order_that_cannot_be_is_refused(pairs: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        asked(*pairs)


@pytest.mark.parametrize("name", ["name", "id", "status", "container_format", "disk_format"])
def test_texts_are_compared_exactly_or_with_a_list(name: str) -> None:
    assert condition(name, "Web") == Condition(name, Operator.EQ, "Web")
    assert condition(name, "in:a,b") == Condition(name, Operator.IN, ("a", "b"))
    assert condition(name, "eq:in:a") == Condition(name, Operator.EQ, "in:a")


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ("a", ("a",)),
        ('"a,b",c', ("a,b", "c")),
        ('c,"a,b"', ("c", "a,b")),
        (r'"say \"hi\"",c', ('say "hi"', "c")),
        (r"a\"b", ('a"b',)),
        (r'"a\\"', ("a\\",)),
        ("a,,b", ("a", "", "b")),
        ("", ("",)),
        ("a,a", ("a",)),
    ],
)
def test_a_list_of_values_follows_the_rules_of_quotes(given: str, values: tuple[str, ...]) -> None:
    assert condition("name", f"in:{given}").value == values


@pytest.mark.parametrize("given", ['"a', 'a"b"', '"a"b', '"a" ,b', '"', 'a"'])
def test_quotes_that_do_not_fit_are_refused(given: str) -> None:
    with pytest.raises(InvalidInput, match="quote"):
        asked(("name", f"in:{given}"))


@pytest.mark.parametrize("given", ["neq:a", "like:a", "http://host", ":", "IN:a"])
def test_a_word_with_a_colon_is_an_operator_that_texts_do_not_know(given: str) -> None:
    with pytest.raises(InvalidInput, match=r"in: or eq:"):
        asked(("name", given))


def test_a_name_that_is_a_time_needs_no_operator() -> None:
    assert condition("name", "2026-01-02T12:00:00Z") == Condition("name", Operator.EQ, "2026-01-02T12:00:00Z")


@pytest.mark.parametrize("name", ["created_at", "updated_at"])
@pytest.mark.parametrize("operator", ["gt", "gte", "lt", "lte", "eq", "neq"])
def test_times_have_six_operators(name: str, operator: str) -> None:
    expected = Condition(name, Operator(operator), TimeRange(NOON, NOON + SECOND))
    assert condition(name, f"{operator}:2026-01-02T12:00:00Z") == expected


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-02T12:00:00Z",
        "2026-01-02 12:00:00",
        "2026-01-02T12:00:00",
        "2026-01-02T14:00:00+02:00",
        "2026-01-02T14:00:00 02:00",
        "2026-01-02T07:00:00-05:00",
    ],
)
def test_a_time_has_a_t_or_a_space_and_perhaps_an_offset(written: str) -> None:
    assert condition("created_at", written) == Condition("created_at", Operator.EQ, TimeRange(NOON, NOON + SECOND))


def test_a_time_with_a_fraction_is_one_moment() -> None:
    start = NOON + timedelta(microseconds=500_000)
    expected = TimeRange(start, start + timedelta(microseconds=1))
    assert condition("created_at", "gt:2026-01-02T12:00:00.5Z").value == expected


@pytest.mark.parametrize(
    "given",
    ["yesterday", "gt:", "gt:yesterday", "in:2026-01-02T12:00:00Z", "like:2026-01-02", "gt:9999-12-31T23:59:59Z"],
)
def test_a_time_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(InvalidInput, match=r"ISO 8601|must be one of eq, neq, gt"):
        asked(("created_at", given))


def test_sizes_have_bounds_and_equality() -> None:
    assert condition("size_min", "5") == Condition("size", Operator.GTE, 5)
    assert condition("size_max", "-5") == Condition("size", Operator.LTE, -5)
    assert condition("min_disk_min", "5") == Condition("min_disk", Operator.GTE, 5)
    assert condition("min_ram", "5") == Condition("min_ram", Operator.EQ, 5)


@pytest.mark.parametrize("name", ["size", "size_min", "min_ram_max", "min_disk"])
@pytest.mark.parametrize("given", ["x", "", "1.5", "9223372036854775808", "9" * 5000, "--1"])
def test_an_integer_that_is_none_is_refused(name: str, given: str) -> None:
    with pytest.raises(InvalidInput, match="must be an integer"):
        asked((name, given))


@pytest.mark.parametrize("name", ["foo_min", "name_max", "_min"])
def test_only_integers_have_bounds(name: str) -> None:
    with pytest.raises(InvalidInput, match="size_m"):
        asked((name, "1"))


@pytest.mark.parametrize("name", ["owner", "checksum", "os_hash_value", "os_hash_algo"])
def test_other_columns_are_compared_as_they_are(name: str) -> None:
    assert condition(name, "in:a") == Condition(name, Operator.EQ, "in:a")


def test_protected_is_exactly_true_or_false() -> None:
    assert condition("protected", "true").value is True
    assert condition("protected", "false").value is False
    with pytest.raises(InvalidInput, match="true, false"):
        asked(("protected", "True"))


@pytest.mark.parametrize(("given", "hidden"), [("true", True), ("True", True), ("FALSE", False)])
def test_os_hidden_is_true_or_false_in_any_case(given: str, hidden: bool) -> None:
    assert asked(("os_hidden", given)).conditions == (Condition("os_hidden", Operator.EQ, hidden),)


@pytest.mark.parametrize("visibility", list(Visibility))
def test_a_visibility_can_be_asked_for(visibility: Visibility) -> None:
    assert asked(("visibility", visibility)).visibility is visibility


def test_visibility_all_adds_the_communities() -> None:
    query = asked(("visibility", "all"))
    assert query.visibility is None
    assert query.communities


def test_member_status_is_one_or_all() -> None:
    assert asked(("member_status", "pending")).member_statuses == (MemberStatus.PENDING,)
    assert asked(("member_status", "all")).member_statuses == tuple(MemberStatus)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("visibility", "Public", "public, community, shared, private, all"),
        ("visibility", "", "all"),
        ("member_status", "maybe", "pending, accepted, rejected, all"),
        ("os_hidden", "1", "true, false"),
        ("changes-since", "2026-01-02T12:00:00Z", "updated_at=gte:"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_those_that_can(name: str, value: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        asked((name, value))


@pytest.mark.parametrize("name", ["limit", "marker", "sort", "visibility", "member_status", "os_hidden"])
def test_what_can_be_given_once_is_not_given_twice_with_different_values(name: str) -> None:
    with pytest.raises(InvalidInput, match="2 times"):
        asked((name, "true"), (name, "false"))


def test_tags_are_trimmed_and_repeated() -> None:
    assert asked(("tag", " a "), ("tag", "b"), ("tag", "a")).tags == ("a", "b")


def test_deleted_is_ignored_and_any_other_name_is_a_property() -> None:
    query = asked(("deleted", "true"), ("os_distro", "in:a"), ("tags", "x"))
    assert query.properties == (("os_distro", "in:a"), ("tags", "x"))
    assert len(query.conditions) == 1


@pytest.mark.parametrize("pair", [("a\0", "b"), ("a", "\0"), ("name", "\ud800"), ("marker", "\0")])
def test_no_filter_holds_what_no_text_can(pair: tuple[str, str]) -> None:
    with pytest.raises(InvalidInput, match="NUL"):
        asked(pair)


def test_there_can_be_only_so_many_filters() -> None:
    with pytest.raises(InvalidInput, match=f"takes {MAX_FILTERS}"):
        asked(*[(f"p{number}", "x") for number in range(MAX_FILTERS + 1)])


NAMES = st.sampled_from([
    *SORT_KEYS, "limit", "marker", "sort", "sort_key", "sort_dir", "visibility", "member_status", "os_hidden",
    "protected", "tag", "size_min", "min_ram_max", "owner", "deleted", "changes-since",
])  # fmt: skip
VALUES = st.sampled_from(["in:", "eq:", "gt:", "true", "asc", "name:asc", "all", "1", "2026-01-02T12:00:00", '"'])


@given(
    st.lists(st.tuples(NAMES | st.text(), st.text() | VALUES | st.tuples(VALUES, st.text()).map("".join)), max_size=6)
)
def test_any_query_is_a_query_or_refused(pairs: list[tuple[str, str]]) -> None:
    try:
        query = asked(*pairs)
    except InvalidInput:
        return
    assert 0 <= query.limit <= 1000
    assert query.order[-1].column == "id"
    assert len({key.column for key in query.order}) == len(query.order)
    assert hash(query) is not None
