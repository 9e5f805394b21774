"""Images as IMS shows them: the record of the image API with the automatic attributes.

Source: IMS API Reference, "Querying Images", "Image Attributes".
"""

from collections.abc import Sequence
from typing import Any, cast

from stillage.api.image_v2.shape import image_view as record_view
from stillage.api.ims.documents import ImsOsPlatform, ImsTag
from stillage.ids import ProjectId
from stillage.images import keyed_tags
from stillage.images.automatic import ImageKind, automatic, kind_of
from stillage.images.image import Image
from stillage.images.operating_systems import documented, system_of
from stillage.images.status import Status

# IMS knows three visibilities.
VISIBILITY = {ImageKind.PUBLIC: "public", ImageKind.SHARED: "shared", ImageKind.PRIVATE: "private"}


# IMS knows one status of an image that gets its data.
SAVING = frozenset({Status.SAVING, Status.UPLOADING, Status.IMPORTING})


def image_view(image: Image, project_id: ProjectId | None) -> dict[str, Any]:
    """*project_id*: Of who asks."""
    kind = kind_of(image, project_id)
    document = cast("dict[str, Any]", record_view(image, more=automatic(image, kind)))
    document["name"] = image.name or ""
    document["visibility"] = VISIBILITY[kind]
    if image.status in SAVING:
        document["status"] = str(Status.SAVING)
    return document


def images_view(images: Sequence[Image], project_id: ProjectId | None) -> dict[str, list[dict[str, Any]]]:
    return {"images": [image_view(image, project_id) for image in images]}


def tags_view(tags: Sequence[str]) -> list[ImsTag]:
    return [{"key": key, "value": value} for key, value in map(keyed_tags.split, tags)]


def platforms_view(more: Sequence[str]) -> list[ImsOsPlatform]:
    """Every known version by platform. *more*: those that the operator added."""
    platforms: dict[str, ImsOsPlatform] = {}
    for system in [*documented().values(), *map(system_of, more)]:
        platform = platforms.setdefault(system.platform, {"platform": system.platform, "version_list": []})
        platform["version_list"].append(
            {
                "platform": system.platform,
                "os_version_key": system.version,
                "os_version": system.version,
                "os_bit": system.bits,
                "os_type": system.kind,
            }
        )
    return list(platforms.values())
