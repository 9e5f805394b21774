"""Attributes that Huawei-style clouds give every image by themselves, computed from what the record says.

Nothing of it is stored but the version that a client names. What the guest is stands in the index of properties as
well, under names that no client can set, so that a list can be filtered by it, however few images have a value.

Source: IMS API Reference, "Image Attributes" and "Creating Image Metadata (Native OpenStack API)".
"""

from collections.abc import Mapping
from enum import StrEnum

from stillage.ids import ProjectId
from stillage.images.image import Image, Visibility
from stillage.images.operating_systems import UNKNOWN_VERSION, system_of
from stillage.times import to_seconds

VERSION = "__os_version"
REGISTERED = "__isregistered"
KIND_OF_IMAGE = "__imagetype"
COMPUTED = frozenset({
    KIND_OF_IMAGE, REGISTERED, "__image_source_type", "__image_size", "__root_origin", "active_at",
    "enterprise_project_id",
})  # fmt: skip
"""Always ours, whatever properties of these names a client has set."""
SYSTEM = COMPUTED | {"__originalimagename", "__data_origin", "__backup_id", "__system__cmkid", "__image_location"}
"""What no client may set where the IMS document is followed."""

ARM = "__support_arm"
ARCHITECTURE = "architecture"
"""A filter of lists alone: ``arm``, or ``x86`` for every other image."""
GUEST = (VERSION, "__os_type", "__platform", "__os_bit", "virtual_env_type")
"""What follows from the version and the format unless a client sets it."""

INDEX_PREFIX = "os_stillage_automatic:"
"""Begins the names that only `indexed` gives."""


class ImageKind(StrEnum):
    """The values of ``__imagetype``."""

    PUBLIC = "gold"
    PRIVATE = "private"
    SHARED = "shared"


def guest_attributes(image: Image) -> Mapping[str, str]:
    """Return what the image says of its guest: a client's own values, or those of the version and the format."""
    system = system_of(image.properties.get(VERSION, UNKNOWN_VERSION))
    derived = {
        VERSION: system.version,
        "__os_type": system.kind,
        "__platform": system.platform,
        "__os_bit": str(system.bits),
        "virtual_env_type": "IsoImage" if image.disk_format == "iso" else "FusionCompute",
    }
    return {name: image.properties.get(name, derived[name]) for name in GUEST}


def indexed(image: Image) -> Mapping[str, str]:
    """Return what lists are filtered by beside the properties, by the names under which it is indexed."""
    architecture = "arm" if image.properties.get(ARM) == "true" else "x86"
    attributes = {**guest_attributes(image), ARCHITECTURE: architecture}
    return {INDEX_PREFIX + name: value for name, value in attributes.items()}


def automatic(image: Image, kind: ImageKind) -> Mapping[str, str]:
    """Return every automatic attribute of *image*, which is of *kind* for whoever asks."""
    attributes = {
        **guest_attributes(image),
        KIND_OF_IMAGE: kind,
        REGISTERED: "true",
        "__image_source_type": "uds",
        "__image_size": str(image.size or 0),
        "__root_origin": "file",
        "enterprise_project_id": "0",
    }
    if image.active_at is not None:
        attributes["active_at"] = to_seconds(image.active_at)
    return attributes


def kind_of(image: Image, project_id: ProjectId | None) -> ImageKind:
    """Return the ``__imagetype`` of *image* for a project, which may share or receive it."""
    if image.visibility is Visibility.PUBLIC:
        return ImageKind.PUBLIC
    if image.visibility is Visibility.SHARED:
        return ImageKind.SHARED if image.has_members or image.owner != project_id else ImageKind.PRIVATE
    return ImageKind.SHARED if image.visibility is Visibility.COMMUNITY else ImageKind.PRIVATE
