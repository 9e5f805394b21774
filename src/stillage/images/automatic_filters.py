"""Filters of a list by automatic attributes, in terms of what is stored.

Source: IMS API Reference, "Querying Images": query parameters.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from stillage.images.automatic import GUEST, INDEX_PREFIX, KIND_OF_IMAGE, REGISTERED, ImageKind
from stillage.images.query import Query, Sharing

# What every image has; the first value is the attribute's. The others are ways to ask for every image.
CONSTANT: Mapping[str, tuple[str, ...]] = {
    REGISTERED: ("true",),
    "__image_source_type": ("uds",),
    "__root_origin": ("file",),
    "__whole_image": ("false",),
    "enterprise_project_id": ("0", "", "all_granted_eps"),
}
# What no image has: encrypted ones cannot be made here.
NEVER = frozenset({"__system__cmkid"})
NO_IMAGE = f"{INDEX_PREFIX}none"
"""A property that no image has."""


@dataclass(slots=True)
class Translated:
    """The filters of one list.

    Attributes:
        pairs: Those that any list takes.
        properties: Of the index; the image must have all of them.
        kinds: Values of ``__imagetype`` that were asked for.
    """

    pairs: list[tuple[str, str]] = field(default_factory=list)
    properties: list[tuple[str, str]] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)

    def never(self) -> None:
        """Let the list be empty."""
        self.properties.append((NO_IMAGE, "true"))

    def add_indexed(self, name: str, value: str) -> None:
        """Add a filter by an attribute of `images.automatic.indexed`."""
        self.properties.append((INDEX_PREFIX + name, value))

    def apply(self, query: Query) -> Query:
        """Return *query*, made of `pairs`, with the other filters."""
        return replace(
            query,
            sharing=self._sharing(),
            properties=(*query.properties, *self.properties),
        )

    def _sharing(self) -> Sharing | None:
        if self.kinds == {ImageKind.PRIVATE}:
            return Sharing.PRIVATE
        if self.kinds == {ImageKind.SHARED}:
            asked_for_received = any(name == "member_status" for name, _ in self.pairs)
            return Sharing.RECEIVED if asked_for_received else Sharing.SHARED
        return None


def translate(given: Iterable[tuple[str, str]]) -> Translated:
    """Return the filters of *given*: those by automatic attributes, and the others as they are."""
    translated = Translated()
    for name, value in given:
        _add(translated, name, value)
    _scope_of_kinds(translated)
    return translated


def _add(translated: Translated, name: str, value: str) -> None:
    if name in CONSTANT:
        if value not in CONSTANT[name]:
            translated.never()
    elif name in NEVER:
        translated.never()
    elif name in GUEST:
        translated.add_indexed(name, value)
    elif name == "__image_size":
        translated.pairs.append(("size", value))
    elif name == KIND_OF_IMAGE:
        translated.kinds.add(value)
    else:
        translated.pairs.append((name, value))


def _scope_of_kinds(translated: Translated) -> None:
    if translated.kinds == {ImageKind.PUBLIC}:
        translated.pairs.append(("visibility", "public"))
    elif translated.kinds not in (set(), {ImageKind.PRIVATE}, {ImageKind.SHARED}):
        translated.never()
