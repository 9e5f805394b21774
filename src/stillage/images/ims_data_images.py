"""Read the data disks of a request to create an image of a file, as IMS has it: an image for each. Pure.

Source: IMS API Reference, "Creating an Image": ``data_images``.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from stillage.errors import ImsRefusal
from stillage.images import ims_creation
from stillage.images.ims_creation import FromFile

MOST = 3
INHERITED = ("name", "description", "os_type", "enterprise_project_id")
"""Members that a data disk has from the request around it, if it has none of its own."""
OWN = ("image_url", "min_disk", "is_quick_import", "cmk_id")
TAGS = ("tags", "image_tags")


def parse(given: Mapping[str, Any], versions: Collection[str] | None) -> Sequence[FromFile]:
    """Return what *given*, the JSON of a request, asks for: the image of its system disk, then those of data disks.

    Raises:
        ImsRefusal: With the document's code.
    """
    disks = given.get("data_images") or []
    if not isinstance(disks, list) or len(disks) > MOST or not all(isinstance(disk, Mapping) for disk in disks):
        raise ImsRefusal(
            "IMG.0001", f'data_images must be a list of at most {MOST} of {{"image_url": …, "min_disk": …}}'
        )
    system = ims_creation.parse(given, versions)
    wanted = [system, *(ims_creation.parse(_request(given, disk), versions, data=True) for disk in disks)]
    if len({one.source for one in wanted}) < len(wanted):
        raise ImsRefusal("IMG.0123", "image_url: two disks are of the same file; give each file once")
    return wanted


def _request(given: Mapping[str, Any], disk: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the request that asks for the image of *disk* alone."""
    request = {name: disk.get(name) for name in OWN}
    request |= {name: given.get(name) if disk.get(name) is None else disk[name] for name in INHERITED}
    tagged = disk if any(disk.get(name) for name in TAGS) else given
    return request | {name: tagged.get(name) for name in TAGS}
