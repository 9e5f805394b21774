"""The image: a record that is queued until its bytes are active.

Source: OpenStack Image API v2, "Images"; the resource's base properties.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from stillage.ids import BlobRef, ImageId, JobId, ProjectId, StoreId, UploadId
from stillage.images.status import WITH_DATA, Status


class Visibility(StrEnum):
    PUBLIC = "public"
    COMMUNITY = "community"
    SHARED = "shared"
    PRIVATE = "private"


# `ploop` and the Amazon formats come from Glance; `zvhd zvhd2 qed qcow` are additions.
DISK_FORMATS = (
    "ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop", "zvhd", "zvhd2", "qed", "qcow",
)  # fmt: skip
# Packages that contain the disk. The Amazon formats describe what is in the disk, not what is around it.
PACKAGES = ("ovf", "ova", "docker", "compressed")
CONTAINER_FORMATS = ("ami", "ari", "aki", "bare", *PACKAGES)


@dataclass(frozen=True, slots=True)
class Image:
    """An image as last read. Changes are new values.

    Attributes:
        size: Bytes at rest; None until they are all there.
        virtual_size: Bytes that the guest sees; None until known.
        checksum: MD5 of the bytes, hex.
        min_disk: GiB.
        min_ram: MiB.
        reason: Why the last upload failed, for the owner to read; None after success.
        damage: What a scrub found wrong with the bytes at rest; None while a copy of them is good.
        has_members: Whether it is shared with any project, which may have accepted it or not.
        stores: That have the bytes, in the order in which they got them; some exactly while the image has data, or an
            import has not ended.
        active_at: When it got its data; None until then.
        upload_id: The upload that gives it bytes; set while `saving` and `uploading`, and often while an import runs.
        import_task: The job that imports bytes into it, or copies them to other stores, while it runs.
        importing_to: Stores that an import has yet to fill, with commas between; empty after it, None without one.
        failed_import: Stores that the last import could not fill, in the same way.
        version: Incremented with every change of the record's own attributes, for compare-and-set.
    """

    id: ImageId
    owner: ProjectId | None
    created_at: datetime
    updated_at: datetime
    name: str | None = None
    status: Status = Status.QUEUED
    visibility: Visibility = Visibility.SHARED
    protected: bool = False
    os_hidden: bool = False
    container_format: str | None = None
    disk_format: str | None = None
    min_disk: int = 0
    min_ram: int = 0
    size: int | None = None
    virtual_size: int | None = None
    checksum: str | None = None
    os_hash_algo: str | None = None
    os_hash_value: str | None = None
    tags: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None
    damage: str | None = None
    has_members: bool = False
    stores: tuple[StoreId, ...] = ()
    active_at: datetime | None = None
    upload_id: UploadId | None = None
    import_task: JobId | None = None
    importing_to: str | None = None
    failed_import: str | None = None
    version: int = 1

    @property
    def has_data(self) -> bool:
        return self.status in WITH_DATA


@dataclass(frozen=True, slots=True)
class Placement:
    """One copy of an image's bytes.

    Attributes:
        damage: What a scrub found wrong with it; None if nothing.
    """

    blob: BlobRef
    damage: str | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """What is known about verified bytes: the part of the record that an upload sets.

    Attributes:
        disk_format: None leaves it unset, for a package whose disk format was not given.
        sha256: Hex, if it was computed: identifies the same bytes in later uploads.
        found: The format that the bytes have, whatever `disk_format` says; None if it is not known.
        facts: What an inspector found, as JSON: format, subformat, virtual_size, details; None if it is not known.
        data_map: Where the disk holds data, as `formats.noted_map` packs it; None where the format itself tells.
        pieces: Digests of the first pieces, as `formats.piece_digests` packs them; others are made later.
        properties: Added to those of the image.
        container_format: None keeps that of the image.
    """

    size: int
    virtual_size: int | None
    disk_format: str | None
    checksum: str
    os_hash_algo: str
    os_hash_value: str
    sha256: str | None = None
    found: str | None = None
    facts: Mapping[str, Any] | None = None
    data_map: bytes | None = None
    pieces: bytes = field(default=b"", repr=False)
    properties: Mapping[str, str] = field(default_factory=dict)
    container_format: str | None = None
