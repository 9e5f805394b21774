"""Parse the query of a list request: filters, sorting and paging.

Source: OpenStack Image API v2, "List images": filters, operators, sorting, paging.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NoReturn

from stillage import times
from stillage.errors import InvalidInput
from stillage.ids import ProjectId, UserId, image_id_of
from stillage.images.access import Viewer
from stillage.images.creation import MAX_VALUE
from stillage.images.image import Visibility
from stillage.images.member import MemberStatus
from stillage.images.parameters import DEFAULT_LIMIT, limit_of
from stillage.images.rules import Expression
from stillage.images.values import text

MAX_FILTERS = 256
MAX_BIGINT = 2**63 - 1

SORT_KEYS = ("name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at")
TIE_BREAKERS = ("created_at", "id")
TEXTS = ("name", "id", "status", "container_format", "disk_format")
EQUALS = ("owner", "checksum", "os_hash_algo", "os_hash_value")
INTEGERS = ("size", "virtual_size", "min_disk", "min_ram")
TIMES = ("created_at", "updated_at")
ORDERED = ("eq", "neq", "gt", "gte", "lt", "lte")
SORTING = frozenset({"sort", "sort_key", "sort_dir"})
PAGING = SORTING | {"limit", "marker"}
SCOPE = frozenset({"visibility", "member_status"})
WILDCARD, ESCAPED = re.compile(r"[\\%_]"), r"\\\g<0>"


class Operator(StrEnum):
    EQ = "eq"
    NEQ = "neq"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    IN = "in"
    CONTAINS = "contains"
    """The value is a pattern of LIKE, with a backslash before what is no wildcard. Letter case does not count."""


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The moments that a written time covers: from *start* up to, not including, *end*.

    Clients see whole seconds, records hold microseconds: ``created_at=eq:`` with a time shown to a client must match.
    """

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Condition:
    """*column* of the record compared with *value*. A column that is null matches nothing."""

    column: str
    operator: Operator
    value: str | int | TimeRange | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Key:
    """One key to sort by. Null is less than everything; text compares by code point."""

    column: str
    descending: bool


class Sharing(StrEnum):
    """Which images a list has, by what their owners made of them rather than by their visibility alone.

    Attributes:
        PRIVATE: Own images that nobody else can see.
        SHARED: Own images that others can see, and those that were received.
        RECEIVED: Images that other projects share with this one.
    """

    PRIVATE = "private"
    SHARED = "shared"
    RECEIVED = "received"


NEWEST_FIRST = (Key("created_at", descending=True), Key("id", descending=True))


@dataclass(frozen=True, slots=True)
class Query:
    """A page of images.

    Attributes:
        project, user: The principal's.
        sees_all: An administrator: images of every project, whatever their visibility.
        rule: An expression of `images.rules` that must hold for every image of the page.
        order: Ends in `id`, so that it is total.
        limit: Maximum number of images; 0 is allowed.
        marker: The id of the last image of the previous page; None for the first page.
        visibility: Only images with this visibility; None for the default.
        communities: If *visibility* is None: other projects' community images too.
        sharing: If *visibility* is None: only images that are shared so; None for the default.
        member_statuses: Which images shared with *project* belong in the list.
        conditions: All must hold.
        tags: The image must have all of them.
        properties: Names and values; the image must have all of them.
        lacking: Names and values; the image must have none of them.
    """

    project: ProjectId
    user: UserId
    sees_all: bool
    rule: Expression
    order: tuple[Key, ...] = NEWEST_FIRST
    limit: int = DEFAULT_LIMIT
    marker: str | None = None
    visibility: Visibility | None = None
    communities: bool = False
    sharing: Sharing | None = None
    member_statuses: tuple[MemberStatus, ...] = (MemberStatus.ACCEPTED,)
    conditions: tuple[Condition, ...] = (Condition("os_hidden", Operator.EQ, value=False),)
    tags: tuple[str, ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    lacking: tuple[tuple[str, str], ...] = ()


def parse(pairs: Iterable[tuple[str, str]], viewer: Viewer) -> Query:
    """Return the query that *viewer* makes with *pairs*, including repeated parameters.

    Raises:
        InvalidInput: With a message that says what is allowed.
    """
    given = list(pairs)
    for name, value in given:
        text("the name of a filter", name, limit=MAX_VALUE)
        text(f"{name[:64]!r}", value, limit=MAX_VALUE)
    filters = [(name, value) for name, value in given if name not in PAGING | SCOPE]
    if len(filters) > MAX_FILTERS:
        raise InvalidInput(f"too many filters: a list takes {MAX_FILTERS}, this one has {len(filters)}")
    visibility, marker = _single(given, "visibility"), _single(given, "marker")
    return Query(
        project=viewer.project,
        user=viewer.user,
        sees_all=viewer.sees_all,
        rule=viewer.rule,
        order=_order(given),
        limit=limit_of(_single(given, "limit")),
        marker=None if marker is None else image_id_of(marker),
        visibility=_visibility(visibility),
        communities=visibility == "all",
        member_statuses=_member_statuses(_single(given, "member_status")),
        conditions=tuple(_conditions(filters)),
        tags=tuple(dict.fromkeys(value.strip() for name, value in filters if name == "tag")),
        properties=tuple(dict.fromkeys((name, value) for name, value in filters if _is_property(name))),
    )


# Paging and sorting


def _order(given: Sequence[tuple[str, str]]) -> tuple[Key, ...]:
    """Return the requested order, made total. Tie-breakers use the direction if only one is given, else descend."""
    if not any(name in SORTING for name, _ in given):
        return NEWEST_FIRST
    sort = _single(given, "sort")
    keys = [value.strip() for name, value in given if name == "sort_key"]
    directions = [value.strip() for name, value in given if name == "sort_dir"]
    if sort is None:
        order = _classic_order(keys or ["created_at"], directions)
        default = directions[0] if len(directions) == 1 else "desc"
    elif keys or directions:
        raise InvalidInput("sort cannot be combined with sort_key and sort_dir; use only sort=key:dir,key:dir")
    else:
        order = [_pair(item) for item in sort.split(",")]
        default = order[0][1] if len(order) == 1 else "desc"
    return _checked_order([*order, *((key, default) for key in TIE_BREAKERS)])


def _classic_order(keys: list[str], directions: list[str]) -> list[tuple[str, str]]:
    if len(directions) > 1 and len(directions) != len(keys):
        raise InvalidInput(
            f"{len(keys)} sort_key but {len(directions)} sort_dir; give none, one, or one for each sort_key"
        )
    if len(directions) <= 1:
        directions = (directions or ["desc"]) * len(keys)
    return list(zip(keys, directions, strict=True))


def _pair(item: str) -> tuple[str, str]:
    key, colon, direction = item.partition(":")
    return key.strip(), direction.strip() if colon else "desc"


def _checked_order(order: list[tuple[str, str]]) -> tuple[Key, ...]:
    """Return each key at its first position, up to `id`: repetitions, and keys after `id`, have no effect."""
    directions: dict[str, str] = {}
    for key, direction in order:
        _one_of("a sort key", key, SORT_KEYS)
        _one_of("a sort direction", direction, ("asc", "desc"))
        directions.setdefault(key, direction)
    names = list(directions)
    return tuple(Key(key, directions[key] == "desc") for key in names[: names.index("id") + 1])


# Filters


def _conditions(filters: Sequence[tuple[str, str]]) -> Iterable[Condition]:
    yield Condition("os_hidden", Operator.EQ, _any_case_boolean(_single(filters, "os_hidden")))
    for name, value in filters:
        if name in CONDITIONS:
            yield CONDITIONS[name](name, value)
        elif name.endswith(("_min", "_max")):
            yield _bound(name, value)


def _is_property(name: str) -> bool:
    is_filter = name in CONDITIONS or name in {"os_hidden", "tag", "deleted"}
    return not is_filter and not name.endswith(("_min", "_max"))


def _text(name: str, value: str) -> Condition:
    operator, operand = _split(value)
    if operator == "in":
        return Condition(name, Operator.IN, tuple(_operand(name, each) for each in _listed(name, operand)))
    if operator == "eq":
        return Condition(name, Operator.EQ, _operand(name, operand))
    if operator == "contains" and name == "name":
        return Condition(name, Operator.CONTAINS, f"%{WILDCARD.sub(ESCAPED, operand)}%")
    if (name, operand) == ("name", "latest"):  # of a family, unless an image has this very name
        return Condition(name, Operator.EQ, value)
    more = "contains:, " if name == "name" else ""
    raise InvalidInput(
        f"unknown operator {operator[:32]!r} for {name}; use {more}in: or eq:, and put eq: before a value with a colon"
    )


def _operand(name: str, value: str) -> str:
    return image_id_of(value) if name == "id" else value


def _split(value: str) -> tuple[str, str]:
    """Return operator and operand. A time has colons and needs no operator."""
    operator, colon, operand = value.partition(":")
    if not colon or _moment(value) is not None:
        return "eq", value
    return operator, operand


def _listed(name: str, value: str) -> tuple[str, ...]:
    """Return the values of ``in:``, separated by commas; a value with a comma is in double quotes."""
    values = []
    begin: int | None = 0
    while begin is not None:
        item, begin = (_quoted if value.startswith('"', begin) else _unquoted)(name, value, begin)
        values.append(item)
    return tuple(dict.fromkeys(values))


def _unquoted(name: str, value: str, begin: int) -> tuple[str, int | None]:
    """Return the item at *begin*, and the position of the next one."""
    comma = value.find(",", begin)
    item = value[begin:] if comma < 0 else value[begin:comma]
    if '"' in item.replace('\\"', ""):
        raise InvalidInput(f'{name}=in: has a quote without a comma before it; write in:"one, two",three')
    return item.replace('\\"', '"'), None if comma < 0 else comma + 1


def _quoted(name: str, value: str, begin: int) -> tuple[str, int | None]:
    item = []
    position = begin + 1
    while position < len(value) and value[position] != '"':
        # A backslash escapes the quote or backslash after it.
        position += value[position] == "\\" and value[position + 1 : position + 2] in ('"', "\\")
        item.append(value[position])
        position += 1
    if position >= len(value):
        raise InvalidInput(f"{name}=in: has an unclosed quote")
    behind = value[position + 1 : position + 2]
    if behind not in ("", ","):
        raise InvalidInput(f'{name}=in: has a quote without a comma after it; write in:"one, two",three')
    return "".join(item), position + 2 if behind else None


def _equal(name: str, value: str) -> Condition:
    return Condition(name, Operator.EQ, value)


def _integer(name: str, value: str) -> Condition:
    return Condition(name, Operator.EQ, _number(name, value))


def _bound(name: str, value: str) -> Condition:
    column, _, suffix = name.rpartition("_")
    if column not in INTEGERS:
        allowed = ", ".join(f"{integer}_{suffix}" for integer in INTEGERS)
        raise InvalidInput(f"unknown filter {name[:64]!r}; use one of {allowed}")
    return Condition(column, Operator.GTE if suffix == "min" else Operator.LTE, _number(name, value))


def _number(name: str, value: str) -> int:
    digits = value.strip().removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 19 or int(digits) > MAX_BIGINT:
        raise InvalidInput(f"{name} must be an integer of at most {MAX_BIGINT}, not {value[:32]!r}")
    return int(value)


def _time(name: str, value: str) -> Condition:
    moment = _moment(value)
    if moment is not None:
        return Condition(name, Operator.EQ, moment)
    operator, _, operand = value.partition(":")
    _one_of(f"the operator of {name}", operator, ORDERED)
    moment = _moment(operand)
    if moment is None:
        raise InvalidInput(f"{name} needs an ISO 8601 time such as 2026-01-02T03:04:05Z, not {operand[:40]!r}")
    return Condition(name, Operator(operator), moment)


def _moment(value: str) -> TimeRange | None:
    """Parse *value* as a time; None if it is not one. Without an offset it is UTC."""
    # In a query string + means a space, and offsets are sent unescaped.
    value = value[:11] + value[11:].replace(" ", "+")
    try:
        time = times.parse(value)
        exact = "." in value or "," in value
        return TimeRange(time, time + (timedelta(microseconds=1) if exact else timedelta(seconds=1)))
    except (ValueError, OverflowError):
        return None


def _protected(name: str, value: str) -> Condition:
    return Condition(name, Operator.EQ, _one_of(name, value, ("true", "false")) == "true")


def _any_case_boolean(value: str | None) -> bool:
    return value is not None and _one_of("os_hidden", value.lower(), ("true", "false")) == "true"


def _changes_since(_name: str, _value: str) -> NoReturn:
    raise InvalidInput("changes-since is not supported; use updated_at=gte: with a time")


def _visibility(given: str | None) -> Visibility | None:
    if given is None or _one_of("visibility", given, [*Visibility, "all"]) == "all":
        return None
    return Visibility(given)


def _member_statuses(given: str | None) -> tuple[MemberStatus, ...]:
    if given == "all":
        return tuple(MemberStatus)
    if given is None:
        return (MemberStatus.ACCEPTED,)
    return (MemberStatus(_one_of("member_status", given, [*MemberStatus, "all"])),)


def _single(given: Sequence[tuple[str, str]], name: str) -> str | None:
    """Return the value of a parameter, which may be repeated only with the same value."""
    values = list(dict.fromkeys(value for key, value in given if key == name))
    if len(values) > 1:
        raise InvalidInput(f"{name} was given {len(values)} times with different values; give it once")
    return values[0] if values else None


def _one_of(what: str, value: str | None, allowed: Iterable[str]) -> str:
    names = [str(name) for name in allowed]
    if value is None or value not in names:
        raise InvalidInput(f"{what} must be one of {', '.join(names)}, not {(value or '')[:32]!r}")
    return value


CONDITIONS: Mapping[str, Callable[[str, str], Condition]] = {
    **dict.fromkeys(TEXTS, _text),
    **dict.fromkeys(EQUALS, _equal),
    **dict.fromkeys(INTEGERS, _integer),
    **dict.fromkeys(TIMES, _time),
    "protected": _protected,
    "changes-since": _changes_since,
}
