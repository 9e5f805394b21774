"""A search for images by the keys and values of their tags.

Source: IMS API Reference, "Querying Images by Tag".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stillage.errors import ImsRefusal

MAX_KEYS, MAX_VALUES = 10, 10
MAX_KEY, MAX_VALUE = 128, 255
DEFAULT_LIMIT, MAX_LIMIT = 10, 1000
MAX_OFFSET = 2**31 - 1


@dataclass(frozen=True, slots=True)
class KeyMatch:
    """A tag with this key, and one of these values; any value if there are none."""

    key: str
    values: tuple[str, ...]


Matches = tuple[KeyMatch, ...]


@dataclass(frozen=True, slots=True)
class TagQuery:
    """All conditions must hold.

    Attributes:
        counts: Only the number of images is wanted.
        untagged: Images without tags; the conditions on tags do not count.
        all_of: A tag for each.
        any_of: A tag for one of them, unless it is empty.
        not_all_of: Not a tag for each, unless it is empty.
        none_of: A tag for none.
        name: A part of the name; an empty one is the whole name. None: any name.
    """

    counts: bool
    untagged: bool = False
    all_of: Matches = ()
    any_of: Matches = ()
    not_all_of: Matches = ()
    none_of: Matches = ()
    name: str | None = None
    image_id: str | None = None
    limit: int = DEFAULT_LIMIT
    offset: int = 0


def parse(document: Mapping[str, Any]) -> TagQuery:
    """Return the query in a request's body.

    Raises:
        ImsRefusal: If it is not one.
    """
    action = document.get("action")
    if action not in ("filter", "count"):
        raise _wrong("action must be filter or count")
    untagged = document.get("without_any_tag", False)
    if not isinstance(untagged, bool):
        raise _wrong("without_any_tag must be true or false")
    names = _resource_matches(document.get("matches"))
    counts = action == "count"
    return TagQuery(
        counts=counts,
        untagged=untagged,
        all_of=_matches(document, "tags"),
        any_of=_matches(document, "tags_any"),
        not_all_of=_matches(document, "not_tags"),
        none_of=_matches(document, "not_tags_any"),
        name=names.get("resource_name"),
        image_id=names.get("resource_id"),
        limit=DEFAULT_LIMIT if counts else _number(document, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT),
        offset=0 if counts else _number(document, "offset", 0, 0, MAX_OFFSET),
    )


def _matches(document: Mapping[str, Any], member: str) -> Matches:
    given = document.get(member) or []
    if not isinstance(given, list) or len(given) > MAX_KEYS:
        raise _wrong(f"{member} must be a list of at most {MAX_KEYS} keys")
    matches = tuple(_match(member, each) for each in given)
    if len({match.key for match in matches}) != len(matches):
        raise _wrong(f"{member} names a key twice; give each key once")
    return matches


def _match(member: str, given: Any) -> KeyMatch:
    key = given.get("key") if isinstance(given, dict) else None
    values = given.get("values") if isinstance(given, dict) else None
    if not isinstance(key, str) or not 1 <= len(key) <= MAX_KEY:
        raise _wrong(f"each of {member} needs a key of 1 to {MAX_KEY} characters")
    if not isinstance(values, list) or len(values) > MAX_VALUES or len(set(map(str, values))) != len(values):
        raise _wrong(f"{member}: values of {key[:36]!r} must be a list of at most {MAX_VALUES} different texts")
    if not all(isinstance(value, str) and len(value) <= MAX_VALUE for value in values):
        raise _wrong(f"{member}: values of {key[:36]!r} must be texts of at most {MAX_VALUE} characters")
    return KeyMatch(key, tuple(values))


def _resource_matches(given: Any) -> Mapping[str, str]:
    if given is None:
        return {}
    if not isinstance(given, list) or len(given) > 2:
        raise _wrong("matches must be a list of resource_name and resource_id, each at most once")
    names: dict[str, str] = {}
    for each in given:
        key = each.get("key") if isinstance(each, dict) else None
        value = each.get("value") if isinstance(each, dict) else None
        if key not in ("resource_name", "resource_id") or key in names:
            raise _wrong("the key of a match must be resource_name or resource_id, each at most once")
        if not isinstance(value, str) or len(value) > MAX_VALUE:
            raise _wrong(f"the value of a match must be a text of at most {MAX_VALUE} characters")
        names[key] = value
    return names


def _number(document: Mapping[str, Any], member: str, default: int, least: int, most: int) -> int:
    given = document.get(member, default)
    text = str(given) if isinstance(given, int | str) and not isinstance(given, bool) else ""
    if re.fullmatch(r"[0-9]{1,10}", text) is None or not least <= int(text) <= most:
        raise _wrong(f"{member} must be an integer from {least} to {most}")
    return int(text)


def _wrong(why: str) -> ImsRefusal:
    return ImsRefusal("IMG.0001", why)
