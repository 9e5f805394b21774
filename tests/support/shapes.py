"""Say how a JSON value differs from the shape that a document promises, to the type of every member.

A shape is a type (``str``, or ``None | str``), a pattern that the whole text matches, a list of shapes for its
elements, an object of shapes for its members, or any other value, which must be equal and of the same type: ``1``,
``1.0``, ``True`` and ``"1"`` are four things to a client in Go.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, get_args


@dataclass(frozen=True)
class Optional:
    """A member that need not be there, but has this shape if it is."""

    shape: Any


class Has(dict[str, Any]):
    """An object with at least these members."""


@dataclass(frozen=True)
class Each:
    """A list of *least* or more elements of this shape."""

    shape: Any
    least: int = 1


def differences(shape: Any, value: Any, at: str = "") -> Iterator[str]:
    """Yield what is wrong with *value*, and where."""
    if isinstance(shape, Mapping):
        yield from _of_object(shape, value, at)
    elif isinstance(shape, Each):
        yield from _of_each(shape, value, at)
    elif isinstance(shape, list):
        yield from _of_list(shape, value, at)
    elif not _fits(shape, value):
        yield f"{at}: {value!r} is not {getattr(shape, 'pattern', shape)!r}"


def _fits(shape: Any, value: Any) -> bool:
    if isinstance(shape, UnionType):
        return any(_fits(kind, value) for kind in get_args(shape))
    if isinstance(shape, re.Pattern):
        return isinstance(value, str) and shape.fullmatch(value) is not None
    return type(value) is shape if isinstance(shape, type) else type(value) is type(shape) and value == shape


def _of_object(shape: Mapping[str, Any], value: Any, at: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{at}: {value!r} is no object"
        return
    if not isinstance(shape, Has):
        yield from (f"{at}.{name}: not documented" for name in value.keys() - shape.keys())
    for name, inner in shape.items():
        if name in value:
            yield from differences(inner.shape if isinstance(inner, Optional) else inner, value[name], f"{at}.{name}")
        elif not isinstance(inner, Optional):
            yield f"{at}.{name}: missing"


def _of_list(shape: list[Any], value: Any, at: str) -> Iterator[str]:
    if not isinstance(value, list) or len(value) != len(shape):
        yield f"{at}: {value!r} is no list of {len(shape)}"
        return
    for number, (inner, each) in enumerate(zip(shape, value, strict=True)):
        yield from differences(inner, each, f"{at}[{number}]")


def _of_each(shape: Each, value: Any, at: str) -> Iterator[str]:
    if not isinstance(value, list) or len(value) < shape.least:
        yield f"{at}: {value!r} is no list of {shape.least} or more"
        return
    for number, each in enumerate(value):
        yield from differences(shape.shape, each, f"{at}[{number}]")
