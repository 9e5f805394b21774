import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from stillage.api.image_v2.uploads.fields import boolean, find_boolean, find_count


def sent(*values: str) -> CIMultiDict[str]:
    return CIMultiDict([("Upload-Field", value) for value in values])


@pytest.mark.parametrize(
    ("value", "meant"),
    [("?1", True), ("?0", False), (" ?1 ", True), ("?1;a", True), ('?0; a=1;b="x;y\\""; c=?1', False)],
)
def test_a_boolean_is_read_and_its_parameters_are_not(value: str, meant: bool) -> None:
    assert find_boolean(sent(value), "Upload-Field") is meant


@pytest.mark.parametrize("value", ["", "1", "true", "?2", "?", "?1, ?1", "?1 x", "?1;", "?1;A", '?1;a="', "\u00bf1"])
def test_what_is_no_boolean_counts_as_not_sent(value: str) -> None:
    assert find_boolean(sent(value), "Upload-Field") is None


@pytest.mark.parametrize("value", ["", "-1", "+1", "1.0", "0x1", "1" * 16, "1,2", ":MQ==:", "?1", "\u0661"])
def test_what_is_no_count_counts_as_not_sent(value: str) -> None:
    assert find_count(sent(value), "Upload-Field") is None


def test_a_field_that_is_sent_twice_is_a_list_and_no_item() -> None:
    assert find_boolean(sent("?1", "?1"), "Upload-Field") is None
    assert find_count(sent("1", "1"), "Upload-Field") is None
    assert find_count(sent(), "Upload-Field") is None


@given(count=st.integers(0, 10**15 - 1))
def test_every_count_is_read(count: int) -> None:
    assert find_count(sent(f"{count};unit=bytes"), "Upload-Field") == count


@given(value=st.booleans())
def test_a_boolean_is_read_as_it_is_written(value: bool) -> None:
    assert find_boolean(sent(boolean(value)), "Upload-Field") is value


@given(value=st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_no_field_whatever_breaks_the_reader(value: str) -> None:
    assert find_boolean(sent(value), "Upload-Field") in (None, True, False)
    count = find_count(sent(value), "Upload-Field")
    assert count is None or count >= 0
