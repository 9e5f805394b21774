"""Read a request to export an image to a bucket, as IMS has it. Pure.

Source: IMS API Reference, "Exporting an Image".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stillage.errors import ImsRefusal
from stillage.ids import ProjectId
from stillage.images.image import PACKAGES, Image, Visibility
from stillage.images.object_name import ObjectName
from stillage.images.object_name import parse as parse_object
from stillage.images.status import Status

FORMATS = ("qcow2", "vhd", "zvhd", "vmdk")
QUICK = "zvhd2"
LARGEST, LARGEST_QUICK = 128 << 30, 1 << 40
"""How many bytes an image may have that is exported, and one that is exported quickly."""


@dataclass(frozen=True, slots=True)
class Export:
    """What a request asks for: the disk of an image, in this format, as a new object."""

    target: ObjectName
    disk_format: str


def parse(given: Mapping[str, Any]) -> Export:
    """Return what *given*, the JSON of a request, asks for.

    Raises:
        ImsRefusal: With the document's code.
    """
    target = parse_object("bucket_url", given.get("bucket_url"))
    wanted = given.get("file_format")
    if given.get("is_quick_export") in (True, "true"):
        if wanted not in (None, "", QUICK):
            raise ImsRefusal("IMG.0072", f"a quick export is always {QUICK}; leave file_format out")
        return Export(target, QUICK)
    if wanted not in FORMATS:
        raise ImsRefusal("IMG.0072", f"file_format must be one of {', '.join(FORMATS)}")
    return Export(target, wanted)


def require_exportable(image: Image, project_id: ProjectId, export: Export) -> None:
    """Raise ImsRefusal unless *project_id* may export *image*, which it may download, as *export* asks."""
    if image.visibility is Visibility.PUBLIC:
        raise ImsRefusal("IMG.0077", f"image {image.id} is public and cannot be exported; download it")
    if image.owner != project_id:
        raise ImsRefusal("IMG.0047", f"image {image.id} belongs to another project, which alone may export it")
    if image.status is not Status.ACTIVE:
        raise ImsRefusal("IMG.0046", f"image {image.id} is {image.status}; only active images can be exported")
    if image.disk_format == "iso":
        raise ImsRefusal("IMG.0167", f"image {image.id} is an ISO image, which cannot be exported; download it")
    if image.container_format in PACKAGES:
        raise ImsRefusal(
            "IMG.0071", f"image {image.id} is a package ({image.container_format}), not a disk; download it"
        )
    if (image.size or 0) > LARGEST_QUICK:
        raise ImsRefusal("IMG.0160", f"image {image.id} has more than 1 TB and cannot be exported; download it")
    if (image.size or 0) > LARGEST and export.disk_format != QUICK:
        raise ImsRefusal("IMG.0160", f"image {image.id} has more than 128 GB; export it with is_quick_export")
