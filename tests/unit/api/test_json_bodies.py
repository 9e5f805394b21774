"""What JSON is taken, what is said of what is not, and how JSON is written."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillage.api.http.json_bodies import _parsed, encoded
from stillage.errors import InvalidInput


def test_a_member_that_is_there_twice_is_named() -> None:
    with pytest.raises(InvalidInput, match="the member 'b' is there twice"):
        _parsed(b'{"a": 1, "b": 1, "c": 1, "b": 2}')


def test_members_of_one_name_in_different_objects_are_fine() -> None:
    assert _parsed(b'[{"a": 1}, {"a": {"a": 2}}]') == [{"a": 1}, {"a": {"a": 2}}]


TEXT = st.text(st.characters(exclude_categories=())) | st.sampled_from(
    ['"', "\\", "\x00\x1f\x7f", "\u2028", "ä", "\ud800"]
)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)


@given(DOCUMENTS)
def test_json_is_written_as_the_standard_library_writes_it(document: Any) -> None:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    assert encoded(document) == text.encode("utf-8", "backslashreplace")
