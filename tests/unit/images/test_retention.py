"""Which images of a family a rule keeps."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillage.errors import InvalidInput
from stillage.ids import ImageId
from stillage.images.retention import Candidate, Rule, latest_of, removable, rule_of

NOW = datetime(2027, 6, 30, 12, tzinfo=UTC)
LIMITS = st.none() | st.integers(1, 8)
RULES = st.builds(Rule, LIMITS, LIMITS).filter(lambda rule: rule != Rule())


def candidate(number: int, days: int, in_use: bool, is_needed: bool) -> Candidate:
    return Candidate(ImageId(f"{number:04}"), None, NOW - timedelta(days=days), in_use, is_needed)


@st.composite
def families(draw: st.DrawFn) -> list[Candidate]:
    each = st.tuples(st.integers(0, 10), st.booleans(), st.booleans())
    return [candidate(number, *values) for number, values in enumerate(draw(st.lists(each, max_size=12)))]


@given(RULES, families())
def test_what_is_removed_meets_no_limit_and_is_needed_by_nobody(rule: Rule, family: list[Candidate]) -> None:
    removed = removable(rule, family, NOW)
    newest_first = sorted(family, key=lambda each: (each.created_at, each.image_id), reverse=True)
    for each in removed:
        assert not each.is_needed
        assert rule.keep_newest is None or newest_first.index(each) >= rule.keep_newest
        assert rule.keep_days is None or each.created_at < NOW - timedelta(days=rule.keep_days)
        assert any(other.in_use for other in family if other not in removed) or not any(one.in_use for one in family)
    assert not family or len(removed) < len(family)


@given(RULES, families())
def test_what_is_kept_has_a_reason(rule: Rule, family: list[Candidate]) -> None:
    newest_first = sorted(family, key=lambda each: (each.created_at, each.image_id), reverse=True)
    removed = removable(rule, family, NOW)
    for place, each in enumerate(newest_first):
        young = rule.keep_days is not None and each.created_at >= NOW - timedelta(days=rule.keep_days)
        among = rule.keep_newest is not None and place < rule.keep_newest
        assert (each in removed) is not (each.is_needed or young or among or each is latest_of(newest_first))


@given(RULES, families())
def test_the_order_of_the_images_does_not_matter_and_nothing_is_left_for_a_second_time(
    rule: Rule, family: list[Candidate]
) -> None:
    removed = removable(rule, family, NOW)
    assert removable(rule, family[::-1], NOW) == removed
    assert removable(rule, [each for each in family if each not in removed], NOW) == []


def test_the_latest_is_the_newest_in_use() -> None:
    old, new = candidate(1, 5, in_use=True, is_needed=False), candidate(2, 1, in_use=False, is_needed=False)
    assert latest_of([new, old]) is old
    assert latest_of([new]) is new
    assert latest_of([]) is None
    assert removable(Rule(keep_newest=1), [old, new], NOW) == []


def test_rules() -> None:
    assert rule_of({"keep_newest": 5}) == Rule(5, None)
    assert rule_of({"keep_days": "36500", "keep_newest": None}) == Rule(None, 36_500)


@pytest.mark.parametrize(
    "values",
    [{}, {"keep_newest": None}, {"keep_newest": 0}, {"keep_newest": 100_001}, {"keep_days": -1}, {"keep_days": "x"},
     {"keep_days": True}, {"keep_days": 1.5}, {"keep_days": "\u0663"}, {"keep_days": "9" * 99}, {"days": 3}],
)  # fmt: skip
def test_bad_rules(values: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match=r"keep_newest|keep_days"):
        rule_of(values)
