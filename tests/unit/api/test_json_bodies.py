"""What JSON is taken, and what is said of what is not."""

import pytest

from stillage.api.http.json_bodies import _parsed
from stillage.errors import InvalidInput


def test_a_member_that_is_there_twice_is_named() -> None:
    with pytest.raises(InvalidInput, match="the member 'b' is there twice"):
        _parsed(b'{"a": 1, "b": 1, "c": 1, "b": 2}')


def test_members_of_one_name_in_different_objects_are_fine() -> None:
    assert _parsed(b'[{"a": 1}, {"a": {"a": 2}}]') == [{"a": 1}, {"a": {"a": 2}}]
