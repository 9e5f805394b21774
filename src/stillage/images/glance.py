"""An image as a Glance's database describes it, and what it is here: for ``stillage adopt``.

Source: Glance 33, database schema; OpenStack Image API v2 for what the values mean.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from stillage.errors import InvalidInput, NotAdopted
from stillage.ids import ImageId, ProjectId, image_id_of
from stillage.images.creation import Defaults, new_image, require_record
from stillage.images.image import Image
from stillage.images.lifecycle import RULES as DATES
from stillage.images.member import Member, MemberStatus
from stillage.images.status import WITH_DATA, Status

FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
GLANCES_OWN = "os_glance_"
"""Begins the names of properties in which Glance keeps the state of imports."""
SET_ASIDE = "adopted_"
"""Begins the names that dates get which upkeep would act on here: Glance only kept them."""
INTERRUPTED = "the image was {} when its Glance was adopted, so it has no data; send the file again"


@dataclass(frozen=True, slots=True)
class GlanceMember:
    member: str
    status: str
    created_at: datetime
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class GlanceImage:
    """A row of `images` that is not deleted, with what belongs to it. Times are aware.

    Attributes:
        locations: URLs of the bytes, in Glance's order; encrypted if Glance has a `metadata_encryption_key`.
    """

    id: str
    status: str
    visibility: str
    created_at: datetime
    updated_at: datetime | None
    name: str | None = None
    owner: str | None = None
    protected: bool = False
    os_hidden: bool = False
    disk_format: str | None = None
    container_format: str | None = None
    min_disk: int = 0
    min_ram: int = 0
    size: int | None = None
    virtual_size: int | None = None
    checksum: str | None = None
    os_hash_algo: str | None = None
    os_hash_value: str | None = None
    tags: Sequence[str] = ()
    properties: Mapping[str, str | None] = field(default_factory=dict)
    members: Sequence[GlanceMember] = ()
    locations: Sequence[str] = ()

    @property
    def changed_at(self) -> datetime:
        return self.updated_at or self.created_at

    @property
    def has_data(self) -> bool:
        return self.status in WITH_DATA

    @property
    def digests(self) -> Sequence[tuple[str, str]]:
        """What the bytes have to have: algorithm and hex."""
        named = [("md5", self.checksum), (self.os_hash_algo, self.os_hash_value)]
        return [(name, value) for name, value in named if name and value]


def record_of(found: GlanceImage, max_record_bytes: int) -> Image:
    """Return the record of *found* here: queued, without data.

    Raises:
        StillageError: If this service cannot have such a record; the text says why.
    """
    base = ("name", "owner", "visibility", "protected", "os_hidden", "disk_format", "container_format")
    document: dict[str, Any] = {name: getattr(found, name) for name in (*base, "min_disk", "min_ram", "id")}
    document["tags"] = list(found.tags)
    own = {name: value for name, value in found.properties.items() if value is not None}
    document |= {_name_here(name): value for name, value in own.items() if not name.startswith(GLANCES_OWN)}
    image = new_image(document, ProjectId(""), defaults=Defaults(), new_id=ImageId(""), now=found.created_at)
    require_record(image, max_record_bytes)
    waits = found.has_data or found.status == Status.QUEUED
    return replace(
        image,
        updated_at=found.changed_at,
        reason=None if waits else INTERRUPTED.format(found.status),
        importing_to="" if f"{GLANCES_OWN}importing_to_stores" in own else None,
        failed_import=own.get(f"{GLANCES_OWN}failed_import"),
    )


def _name_here(name: str) -> str:
    return SET_ASIDE + name if name in DATES else name


def members_of(found: GlanceImage) -> Sequence[Member]:
    """Return with whom *found* is shared; InvalidInput if a member has an unknown status."""
    try:
        return [
            Member(
                image_id_of(found.id),
                ProjectId(each.member),
                MemberStatus(each.status),
                each.created_at,
                each.updated_at or each.created_at,
            )
            for each in found.members
        ]
    except ValueError as error:
        raise InvalidInput(f"a member has an unknown status: {error}") from error


def file_of(found: GlanceImage) -> str:
    """Return the name of the file that has the bytes of *found*, in the folder of Glance's filesystem store.

    Raises:
        NotAdopted: If they are elsewhere.
    """
    if not found.locations:
        raise NotAdopted("Glance does not say where its bytes are")
    schemes = {urlsplit(url).scheme for url in found.locations}
    for url in found.locations:
        parts = urlsplit(url)
        if parts.scheme == "file":
            return _checked(unquote(parts.path.rpartition("/")[2]))
    if schemes == {""}:
        return _checked(found.id)  # encrypted; the size and the digests tell whether it is the file
    kinds = ", ".join(sorted(schemes - {""}))
    raise NotAdopted(f"its bytes are in another store of Glance ({kinds}); import them from the running Glance")


def _checked(name: str) -> str:
    if not FILE_NAME.fullmatch(name):
        raise NotAdopted(f"its file is called {name[:64]!r}, a name that Glance never gives")
    return SET_ASIDE + name if name in DATES else name
