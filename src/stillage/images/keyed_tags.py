"""Tags with a key and a value. One is stored as ``key=value``, or as ``key`` if its value is empty. Pure.

Source: IMS API Reference, "Image Tag Format", "Image Tags".
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from stillage.errors import ImsRefusal, NotFound

MAX_KEY, MAX_VALUE = 36, 43
MAX_REMOVED_KEY, MAX_REMOVED_VALUE = 127, 255
MAX_TAGS = 10
NATIVE = re.compile(r"[A-Za-z0-9_-]{1,255}")

Tags = tuple[str, ...]
Pair = tuple[str, str]


def split(tag: str) -> Pair:
    """Return key and value of a stored tag."""
    key, _, value = tag.partition("=")
    return key, value


def joined(key: str, value: str) -> str:
    return f"{key}={value}" if value else key


def of_text(text: Any) -> Pair:
    """Return the key and value of ``key=value``, of ``key.value`` as older clients write it, or of a key alone."""
    if not isinstance(text, str) or not text:
        raise ImsRefusal("IMG.0115", "a tag must be a non-empty string such as key=value")
    separator = "=" if "=" in text else "."
    key, _, value = text.partition(separator)
    return checked(key, value)


def of_object(given: Any) -> Pair:
    """Return the key and value of ``{"key": …, "value": …}``."""
    if not isinstance(given, Mapping) or "key" not in given or "value" not in given:
        raise ImsRefusal("IMG.0115", 'a tag must be an object {"key": …, "value": …}')
    key, value = given["key"], given["value"]
    if not isinstance(key, str) or not isinstance(value, str):
        raise ImsRefusal("IMG.0115", "key and value of a tag must be strings")
    return checked(key.strip(), value.strip())


def of_path(tag: str) -> Pair:
    """Return the pair of a key that a path of the image API names: a tag without a value."""
    if NATIVE.fullmatch(tag) is None:
        raise ImsRefusal("IMG.0115", "a tag in a path is a key of 1 to 255 letters, digits, '_' and '-'")
    return tag, ""


def checked(key: str, value: str) -> Pair:
    if not 1 <= len(key) <= MAX_KEY:
        raise ImsRefusal("IMG.0115", f"the key of a tag must have 1 to {MAX_KEY} characters, not {len(key)}")
    if len(value) > MAX_VALUE:
        raise ImsRefusal("IMG.0115", f"the value of a tag must have at most {MAX_VALUE} characters, not {len(value)}")
    if "=" in key or not _is_text(key + value):
        raise ImsRefusal("IMG.0115", "the key of a tag may not contain '=', and neither part control characters")
    return key, value


def _is_text(text: str) -> bool:
    return all(character.isprintable() for character in text)


def with_tags(tags: Tags, new: Iterable[Pair]) -> Tags:
    """Return *tags* with *new* ones, which replace those of the same keys.

    Raises:
        ImsRefusal: If there would be too many, unless there are as many before.
    """
    values = dict(new)
    kept = tuple(tag for tag in tags if split(tag)[0] not in values)
    result = (*kept, *(joined(key, value) for key, value in values.items()))
    if len(result) > max(MAX_TAGS, len(tags)):
        raise ImsRefusal("IMG.0116", f"too many tags: an image may have {MAX_TAGS}, this one would have {len(result)}")
    return result


def without_keys(tags: Tags, keys: Collection[str]) -> Tags:
    return tuple(tag for tag in tags if split(tag)[0] not in keys)


def without_text(tags: Tags, tag: str) -> Tags:
    """Return *tags* without *tag*, or without the one of that key; NotFound if there is neither."""
    return tuple(other for other in tags if other != tag) if tag in tags else without_key(tags, tag)


def without_key(tags: Tags, key: str) -> Tags:
    """Return *tags* without the one of *key*; NotFound if there is none."""
    result = without_keys(tags, {key})
    if len(result) == len(tags):
        raise NotFound(f"the image has no tag with the key {key[:MAX_KEY]!r}")
    return result


def pairs_of(given: Any) -> Sequence[Pair]:
    """Return the tags of a list of objects, whose keys must differ."""
    if not isinstance(given, list) or not given:
        raise ImsRefusal("IMG.0115", 'tags must be a non-empty list of {"key": …, "value": …}')
    if len(given) > MAX_TAGS:
        raise ImsRefusal("IMG.0116", f"too many tags: a request may have {MAX_TAGS}, this one has {len(given)}")
    return _distinct([of_object(each) for each in given])


def keys_of(given: Any) -> Collection[str]:
    """Return the keys of a list of tags to remove, whose values do not matter."""
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_TAGS:
        raise ImsRefusal("IMG.0115", f'tags must be a list of 1 to {MAX_TAGS} of {{"key": …}}')
    return {key for key, _ in _distinct([_removed(each) for each in given])}


def _removed(given: Any) -> Pair:
    key, value = (given.get("key"), given.get("value") or "") if isinstance(given, Mapping) else (None, "")
    if not isinstance(key, str) or not 1 <= len(key) <= MAX_REMOVED_KEY:
        raise ImsRefusal("IMG.0115", f"each tag needs a key of 1 to {MAX_REMOVED_KEY} characters")
    if not isinstance(value, str) or len(value) > MAX_REMOVED_VALUE:
        raise ImsRefusal("IMG.0115", f"the value of a tag must be a string of at most {MAX_REMOVED_VALUE} characters")
    return key, value


def _distinct(pairs: Sequence[Pair]) -> Sequence[Pair]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ImsRefusal("IMG.0115", "two tags have the same key; give each key once")
    return pairs


def of_creation(tags: Any, image_tags: Any) -> Tags:
    """Return the tags that a creation names, in one of the two forms."""
    if tags and image_tags:
        raise ImsRefusal("IMG.0001", "give tags or image_tags, not both")
    if image_tags:
        return with_tags((), pairs_of(image_tags))
    if not tags:
        return ()
    if not isinstance(tags, list):
        raise ImsRefusal("IMG.0115", "tags must be a list of strings")
    if len(tags) > MAX_TAGS:
        raise ImsRefusal("IMG.0116", f"too many tags: an image may have {MAX_TAGS}, this one would have {len(tags)}")
    return with_tags((), _distinct([of_text(tag) for tag in tags]))


def by_key(tags: Iterable[str]) -> Mapping[str, list[str]]:
    """Return the values of each key among *tags*, in order; a tag without value has an empty one."""
    values: dict[str, list[str]] = {}
    for key, value in sorted({split(tag) for tag in tags}):
        values.setdefault(key, []).append(value)
    return values
