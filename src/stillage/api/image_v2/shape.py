"""Images and members as JSON. Base attributes are always present, null when unset, with properties beside them.

Source: OpenStack Image API v2, "Show image"; times in whole seconds, links without host.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stillage.api.image_v2 import documents
from stillage.api.paging import first_page, next_page
from stillage.images.image import Image, Visibility
from stillage.images.member import Member
from stillage.images.status import Status
from stillage.times import to_seconds

NO_MORE: Mapping[str, Any] = {}
STATUSES, VISIBILITIES = {each: str(each) for each in Status}, {each: str(each) for each in Visibility}
"""As plain text, which orjson writes without asking the enum."""


def image_view(image: Image, *, with_stores: bool = False, more: Mapping[str, Any] = NO_MORE) -> documents.Image:
    """Return the record as clients see it.

    Args:
        image: The image.
        with_stores: Say which stores have the data; of interest where there are several.
        more: Attributes beside those of the record, in the place of properties with the same names.
    """
    path = f"/v2/images/{image.id}"
    beside: Any = {**image.properties, **more} if more else image.properties
    document: documents.Image = {
        **beside,  # type: ignore[typeddict-item] # of properties no type can know
        "id": image.id,
        "name": image.name,
        "status": STATUSES[image.status],
        "visibility": VISIBILITIES[image.visibility],
        "protected": image.protected,
        "os_hidden": image.os_hidden,
        "owner": image.owner,
        "container_format": image.container_format,
        "disk_format": image.disk_format,
        "min_disk": image.min_disk,
        "min_ram": image.min_ram,
        "size": image.size,
        "virtual_size": image.virtual_size,
        "checksum": image.checksum,
        "os_hash_algo": image.os_hash_algo,
        "os_hash_value": image.os_hash_value,
        "tags": list(image.tags),
        "created_at": to_seconds(image.created_at),
        "updated_at": to_seconds(image.updated_at),
        "self": path,
        "file": f"{path}/file",
        "schema": "/v2/schemas/image",
    }
    if image.reason is not None:
        document["os_stillage_reason"] = image.reason
    if image.damage is not None:
        document["os_stillage_damage"] = image.damage
    if with_stores and image.stores:
        document["stores"] = ",".join(sorted(image.stores))  # as Glance, whose clients compare it with a sorted list
    if image.importing_to is not None:
        return {**document, **_import_of(image)}
    return document


def _import_of(image: Image) -> documents.ImageImport:
    """What clients read of the last import. The lists are empty when it is over; the task is there while it runs."""
    document: documents.ImageImport = {
        "os_glance_importing_to_stores": image.importing_to or "",
        "os_glance_failed_import": image.failed_import or "",
    }
    if image.import_task is not None:
        document["os_glance_import_task"] = image.import_task
    return document


def list_view(
    images: Sequence[Image],
    *,
    is_full: bool,
    query: Sequence[tuple[str, str]],
    with_stores: bool = False,
    more: Callable[[Image], Mapping[str, Any]] = lambda _image: NO_MORE,
) -> documents.Images:
    """Return a page of images, with links.

    Args:
        images: Of the page.
        is_full: There may be a next page.
        query: Of the request, in order, with repetitions.
        with_stores: See `image_view`.
        more: Gives what `image_view` takes, for each image.
    """
    first = first_page("/v2/images", query)
    document: documents.Images = {
        "images": [image_view(image, with_stores=with_stores, more=more(image)) for image in images],
        "first": first,
        "schema": "/v2/schemas/images",
    }
    if images and is_full:
        document["next"] = next_page(first, images[-1].id)
    return document


def member_view(member: Member) -> documents.Member:
    return {
        "member_id": member.member_id,
        "image_id": member.image_id,
        "status": member.status,
        "created_at": to_seconds(member.created_at),
        "updated_at": to_seconds(member.updated_at),
        "schema": "/v2/schemas/member",
    }


def members_view(members: Sequence[Member]) -> documents.Members:
    return {"members": [member_view(member) for member in members], "schema": "/v2/schemas/members"}
