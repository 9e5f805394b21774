"""The query of ``GET /v2/cloudimages``, in the words of the image API's lists.

Source: IMS API Reference, "Querying Images": query parameters.
"""

from collections.abc import Iterable, Sequence

from stillage.api.ims.shape import SAVING
from stillage.errors import InvalidInput
from stillage.images.automatic import ARCHITECTURE, KIND_OF_IMAGE, ImageKind
from stillage.images.automatic_filters import Translated, translate
from stillage.images.status import Status

DEFAULT_LIMIT = 500
IGNORED = frozenset({"flavor_id"})
# IMS knows three visibilities, which say the same as the kind of an image.
KINDS = {"public": ImageKind.PUBLIC, "private": ImageKind.PRIVATE, "shared": ImageKind.SHARED}
ARCHITECTURES = ("x86", "arm")


def parse(given: Iterable[tuple[str, str]]) -> Translated:
    """Return the filters of a list.

    Raises:
        InvalidInput: If a value is not one of those that IMS documents.
    """
    pairs = [pair for name, value in given for pair in _renamed(name, value)]
    if not any(name == "limit" for name, _ in pairs):
        pairs.append(("limit", str(DEFAULT_LIMIT)))
    translated = translate(pairs)
    for name, value in list(translated.pairs):
        if name == ARCHITECTURE:
            translated.pairs.remove((name, value))
            _architecture(translated, value)
    return translated


def _renamed(name: str, value: str) -> Sequence[tuple[str, str]]:
    if name in IGNORED:
        return []
    if name == "visibility":
        if value not in KINDS:
            raise InvalidInput(f"visibility must be one of {', '.join(KINDS)}, not {value[:32]!r}")
        return [(KIND_OF_IMAGE, KINDS[value])]
    if name == "status" and value == Status.SAVING:
        return [(name, f"in:{','.join(sorted(SAVING))}")]
    if name == "__whole_image":
        return [(name, value.lower())]
    return [(name, value)]


def _architecture(translated: Translated, value: str) -> None:
    if value not in ARCHITECTURES:
        raise InvalidInput(f"architecture must be {' or '.join(ARCHITECTURES)}, not {value[:32]!r}")
    translated.add_indexed(ARCHITECTURE, value)
