"""Profiles, openstack and ims: all differences between the two about images themselves.

What differs in HTTP stands in `api.profiles`. Source: docs/design.md, "Profiles".
"""

from collections.abc import Mapping
from dataclasses import dataclass

from stillage.images.creation import MAX_TAGS, Defaults
from stillage.images.image import Visibility
from stillage.images.member import SharingRules


@dataclass(frozen=True, slots=True)
class Profile:
    """What a deployment accepts and records.

    Attributes:
        defaults: Of a new image.
        max_image_bytes: Default of the setting.
        may_be_empty: Declared formats for which zero bytes are a valid image.
        interchangeable: Formats that an image may contain whatever its ``disk_format``.
        recordable_formats: Formats that, when found, replace the image's ``disk_format``.
        format_property: Where the exact format is kept when ``disk_format`` says another; None keeps it nowhere.
        max_tags: Of one image.
        sharing: Which images can have members, and how many.
        min_disk_binds: Refuse a disk that is larger than the image's ``min_disk``.
    """

    defaults: Defaults
    max_image_bytes: int
    may_be_empty: frozenset[str]
    interchangeable: frozenset[str]
    recordable_formats: frozenset[str]
    format_property: str | None
    max_tags: int
    sharing: SharingRules
    min_disk_binds: bool


PROFILES: Mapping[str, Profile] = {
    "openstack": Profile(
        defaults=Defaults(),
        max_image_bytes=1 << 40,
        may_be_empty=frozenset({"raw"}),  # Nova activates images of volumes this way
        interchangeable=frozenset(),
        recordable_formats=frozenset(),
        format_property=None,
        max_tags=MAX_TAGS,
        sharing=SharingRules(max_members=128, shares_private=False),
        min_disk_binds=False,
    ),
    "ims": Profile(
        defaults=Defaults(visibility=Visibility.PRIVATE, container_format="bare", disk_format="zvhd2"),
        max_image_bytes=128 << 30,
        may_be_empty=frozenset(),
        interchangeable=frozenset({"qcow2", "vmdk", "vhd", "raw", "vhdx", "qed", "vdi", "qcow", "zvhd2", "zvhd"}),
        recordable_formats=frozenset({"zvhd2", "zvhd", "vhd", "raw", "qcow2"}),
        format_property="__image_file_format",
        max_tags=10,
        sharing=SharingRules(max_members=256, shares_private=True),
        min_disk_binds=True,
    ),
}
