"""Read a request to copy an image, and describe the copy, as IMS has it. Pure.

Source: IMS API Reference, "Replicating an Image Within a Region".
"""

from collections.abc import Mapping
from typing import Any

from stillage.errors import ImsRefusal
from stillage.images import ims_values
from stillage.images.automatic import COMPUTED
from stillage.images.image import Image
from stillage.images.ims_creation import require_possible
from stillage.images.status import Status

NOT_TAKEN = COMPUTED | {"__description", "os_hidden"}
"""What a copy has of its own."""


def parse(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the attributes that *given*, the JSON of a request, sets.

    Raises:
        ImsRefusal: With the document's code.
    """
    require_possible(given)
    made = {"name": ims_values.name(given.get("name"))}
    description = ims_values.description(given.get("description"))
    return made | ({"__description": description} if description else {})


def document_of(source: Image, given: Mapping[str, Any], region: str) -> Mapping[str, Any]:
    """Return the attributes of a copy of *source*. *given*: those of `parse`.

    Clients change ``max_ram`` of a copy with ``replace``, so there always is one.
    """
    taken = {name: value for name, value in source.properties.items() if name not in NOT_TAKEN}
    return {
        "max_ram": "0",
        **taken,
        "container_format": source.container_format,
        "disk_format": source.disk_format,
        "min_disk": source.min_disk,
        "min_ram": source.min_ram,
        "__originalimagename": source.id,
        "__data_origin": f"image,{region},{source.id}",
        **given,
    }


def require_copyable(source: Image) -> None:
    """Raise ImsRefusal unless *source* may be copied."""
    if source.status is not Status.ACTIVE:
        raise ImsRefusal("IMG.0046", f"image {source.id} is {source.status}; only active images can be copied")
    if source.disk_format == "iso":
        raise ImsRefusal("IMG.0167", f"image {source.id} is an ISO image, which cannot be copied")
