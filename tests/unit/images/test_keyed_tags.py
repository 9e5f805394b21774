"""Tags with keys and values, as requests name them."""

from typing import Any

import pytest

from stillage.errors import ImsRefusal
from stillage.images import keyed_tags


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("team=blue", ("team", "blue")),
        ("aaaa.22.22", ("aaaa", "22.22")),
        ("a.b=c", ("a.b", "c")),
        ("solo", ("solo", "")),
    ],
)
def test_a_text_is_a_key_and_a_value(text: str, pair: tuple[str, str]) -> None:
    assert keyed_tags.of_text(text) == pair


def test_an_image_is_not_created_with_two_values_of_one_key() -> None:
    assert keyed_tags.of_creation(["team=blue", "solo"], None) == ("team=blue", "solo")
    for tags in (["team=blue", "team=red"], ["team=blue", "team.blue"], ["solo", "solo"]):
        with pytest.raises(ImsRefusal, match="the same key") as refused:
            keyed_tags.of_creation(tags, None)
        assert refused.value.ims_code == "IMG.0115"


def test_tags_are_removed_by_their_keys_whatever_their_values() -> None:
    assert keyed_tags.keys_of([{"key": "a"}, {"key": "b", "value": None}, {"key": "c", "value": "v" * 255}]) == {*"abc"}


@pytest.mark.parametrize(
    "given",
    [
        None,
        [],
        {},
        ["a"],
        [{}],
        [{"key": ""}],
        [{"key": "k" * 128}],
        [{"key": "k", "value": "v" * 256}],
        [{"key": "k", "value": 5}],
        [{"key": "k"}, {"key": "k"}],
        [{"key": str(number)} for number in range(11)],
    ],
)
def test_what_does_not_name_tags_is_refused(given: Any) -> None:
    with pytest.raises(ImsRefusal) as refused:
        keyed_tags.keys_of(given)
    assert refused.value.ims_code == "IMG.0115"
