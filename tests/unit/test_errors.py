"""Every error can be told apart by programs, and says what to do."""

import re
from collections.abc import Iterator

import pytest

import stillage.client.errors  # noqa: F401 - its classes are errors as well
from stillage.errors import StillageError


def below(root: type[StillageError]) -> Iterator[type[StillageError]]:
    for child in root.__subclasses__():
        yield child
        yield from below(child)


CLASSES = [cls for cls in below(StillageError) if cls.__module__.startswith("stillage.")]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_class_has_a_code_of_its_own_and_says_what_to_do(cls: type[StillageError]) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", vars(cls)["code"])
    assert vars(cls)["fix"]
    assert cls.__doc__


def test_no_two_classes_have_the_same_code() -> None:
    codes = [cls.code for cls in CLASSES]
    assert len(codes) > 50
    assert len(set(codes)) == len(codes)
