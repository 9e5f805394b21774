"""The JSON of images, members, stores and usage: every member of every document, stated once.

glanceclient checks what it sends against the schemas that are made of these. Limits and enumerations are those that
`images.creation` enforces. Source: OpenStack Image API v2, "Image schemas".
"""

from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from stillage.api.json_schemas import member
from stillage.ids import UUID
from stillage.images.image import CONTAINER_FORMATS, DISK_FORMATS, Visibility
from stillage.images.import_request import DIGEST_LENGTHS, MAX_STORES, MAX_URL, Method
from stillage.images.member import MemberStatus
from stillage.images.patch import OPS
from stillage.images.status import Status
from stillage.images.values import MAX_INTEGER, MAX_TEXT

ID = {"pattern": f"^{UUID.pattern}$"}
SHORT = {"maxLength": MAX_TEXT}
AMOUNT = {"minimum": 0, "maximum": MAX_INTEGER}
READ_ONLY = {"readOnly": True}
# Not in every image. Glance writes it so, and its clients read it.
SOMETIMES = {"is_base": False}


class ImageImport(TypedDict, total=False):
    """What an image shows of its last import. Lists of stores have commas between them, and are empty after it."""

    os_glance_importing_to_stores: Annotated[str, member("Stores to be filled", **READ_ONLY, **SOMETIMES)]
    os_glance_failed_import: Annotated[str, member("Stores that could not be filled", **READ_ONLY, **SOMETIMES)]
    os_glance_import_task: Annotated[str, member("The task, while it runs", **READ_ONLY, **SOMETIMES)]


class StoreName(TypedDict):
    """What is known of a location."""

    store: str


class Location(TypedDict):
    """Where a copy of an image's bytes is."""

    url: Annotated[str, member("For who can read the storage", **SHORT)]
    metadata: StoreName


class NewDigest(TypedDict):
    """What the bytes at a location must be."""

    os_hash_algo: Annotated[str, member(enum=list(DIGEST_LENGTHS))]
    os_hash_value: Annotated[str, member("Hexadecimal", maxLength=128)]


class NewLocation(TypedDict):
    """Where to get the bytes of an image."""

    url: Annotated[str, member("http:// or https://", maxLength=MAX_URL)]
    validation_data: NotRequired[NewDigest]


@with_config(ConfigDict(extra="forbid"))
class NewDownloadLink(TypedDict):
    """An address to make."""

    expires_s: NotRequired[Annotated[int, member("Seconds that it is valid: 900 if missing, 86400 at most", minimum=1)]]


class DownloadLink(TypedDict):
    """An address that downloads an image for a short time."""

    url: Annotated[str, member("Needs no token: whoever knows it may download the image")]
    expires_at: str


class Located(TypedDict, total=False):
    """What an image says of where its bytes are."""

    direct_url: str
    locations: list[Location]


@with_config(ConfigDict(json_schema_extra={"additionalProperties": {"type": "string"}}))
class Image(ImageImport):
    """An image. Base members are always there, null when unset; properties stand beside them, as strings."""

    id: Annotated[str, member("An identifier; may be chosen at creation", **ID)]
    name: Annotated[str | None, member("Descriptive name", **SHORT)]
    status: Annotated[
        str, member("Status", enum=[status for status in Status if status is not Status.DELETED], **READ_ONLY)
    ]
    visibility: Annotated[str, member("Who may see the image", enum=list(Visibility))]
    protected: Annotated[bool, member("If true, the image cannot be deleted")]
    os_hidden: Annotated[bool, member("If true, the image is not in the default list")]
    owner: Annotated[str | None, member("Project that owns the image", **SHORT)]
    container_format: Annotated[str | None, member("Container", enum=[None, *CONTAINER_FORMATS])]
    disk_format: Annotated[str | None, member("Format of the disk", enum=[None, *DISK_FORMATS])]
    min_disk: Annotated[int, member("GiB of disk needed to boot", **AMOUNT)]
    min_ram: Annotated[int, member("MiB of memory needed to boot", **AMOUNT)]
    tags: Annotated[list[Annotated[str, member(**SHORT)]], member("Strings that describe the image")]
    checksum: Annotated[str | None, member("MD5 of the data", maxLength=32, **READ_ONLY)]
    os_hash_algo: Annotated[str | None, member("Algorithm of os_hash_value", maxLength=64, **READ_ONLY)]
    os_hash_value: Annotated[str | None, member("Hexadecimal hash of the data", maxLength=128, **READ_ONLY)]
    size: Annotated[int | None, member("Bytes of the data", **READ_ONLY)]
    virtual_size: Annotated[int | None, member("Bytes of the disk that a guest sees", **READ_ONLY)]
    created_at: Annotated[str, member("When the record was made", **READ_ONLY)]
    updated_at: Annotated[str, member("When the record was last changed", **READ_ONLY)]
    self: Annotated[str, member("Path of the image", **READ_ONLY)]
    file: Annotated[str, member("Path of its data", **READ_ONLY)]
    schema: Annotated[str, member("Path of its schema", **READ_ONLY)]
    os_stillage_reason: NotRequired[Annotated[str, member("Why the last upload failed", **READ_ONLY, **SOMETIMES)]]
    os_stillage_damage: NotRequired[
        Annotated[str, member("What is wrong with the data at rest", **READ_ONLY, **SOMETIMES)]
    ]
    stores: NotRequired[
        Annotated[str, member("Stores with the data; where there are several", **READ_ONLY, **SOMETIMES)]
    ]
    direct_url: NotRequired[
        Annotated[str, member("Where the data is; if the operator shows it", **READ_ONLY, **SOMETIMES)]
    ]
    locations: NotRequired[
        Annotated[list[Location], member("Where each copy is; if the operator shows it", **READ_ONLY, **SOMETIMES)]
    ]
    # Properties that Glance names; we keep them as any other.
    architecture: NotRequired[Annotated[str, member("Operating system architecture", **SOMETIMES)]]
    os_distro: NotRequired[Annotated[str, member("Common name of the operating system distribution", **SOMETIMES)]]
    os_version: NotRequired[Annotated[str, member("Version of the operating system", **SOMETIMES)]]
    instance_uuid: NotRequired[Annotated[str, member("Instance that the image was made from", **SOMETIMES)]]
    description: NotRequired[Annotated[str, member("A description for people", **SOMETIMES)]]
    kernel_id: NotRequired[Annotated[str | None, member("Image with the kernel", **ID, **SHORT, **SOMETIMES)]]
    ramdisk_id: NotRequired[Annotated[str | None, member("Image with the ramdisk", **ID, **SHORT, **SOMETIMES)]]


class Images(TypedDict):
    """A page of images, with the path of the first page and, if there may be more, of the next."""

    images: list[Image]
    first: str
    next: NotRequired[str]
    schema: str
    count: NotRequired[Annotated[int, member("With count=1: how many there are on all pages")]]
    count_is_more: NotRequired[Annotated[bool, member("There are more than count says")]]


class Change(TypedDict):
    """One change of a patch of version 2.1."""

    op: Annotated[str, member("What to do", enum=list(OPS))]
    path: str
    value: NotRequired[Any]


class OldChange(TypedDict, total=False):
    """One change of a patch of version 2.0."""

    add: str
    replace: str
    remove: str
    value: Any


class Member(TypedDict):
    """The share of an image with a project."""

    member_id: Annotated[str, member("Project that the image is shared with", **SHORT)]
    image_id: Annotated[str, member("The image", **ID)]
    created_at: Annotated[str, member("When it was shared")]
    updated_at: Annotated[str, member("When the sharing was last changed")]
    status: Annotated[str, member("The member's answer", enum=list(MemberStatus))]
    schema: Annotated[str, member(**READ_ONLY)]


class Members(TypedDict):
    """All members of an image."""

    members: list[Member]
    schema: str


class NewMember(TypedDict):
    """The project to share an image with."""

    member: Annotated[str, member("Project to share with", minLength=1, **SHORT)]


class MemberAnswer(TypedDict):
    """What a member says to an image that is shared with it."""

    status: Annotated[str, member("The member's answer", enum=list(MemberStatus))]


IS_TRUE = member("A string, as glanceclient expects; absent if it is not so", enum=["true"])
# Not as a class: the name of one member is no identifier.
Store = TypedDict(
    "Store",
    {
        "id": str,
        "description": NotRequired[str],
        "default": NotRequired[Annotated[str, IS_TRUE]],
        "read-only": NotRequired[Annotated[str, IS_TRUE]],
        "type": NotRequired[str],
        "weight": NotRequired[Annotated[int, member("Copies in stores with a higher one are read first")]],
        "properties": NotRequired[dict[str, Any]],
    },
)


class Stores(TypedDict):
    """The stores of this service."""

    stores: list[Store]


class CachedImage(TypedDict):
    """What the cache of the node that answers has of an image."""

    image_id: str
    hits: Annotated[int, member("How often the process that answers has read a part of it")]
    last_accessed: Annotated[float, member("Seconds since 1970")]
    last_modified: Annotated[float, member("Seconds since 1970")]
    size: Annotated[int, member("Bytes that are cached")]


class CachedImages(TypedDict):
    """What is cached, and what waits to be."""

    cached_images: list[CachedImage]
    queued_images: list[str]


class ImportMethodNames(TypedDict):
    description: str
    type: str
    value: list[str]


# Not as a class: the member's name is no identifier.
ImportMethods = TypedDict("ImportMethods", {"import-methods": ImportMethodNames})


class ImportMethod(TypedDict):
    """How to import an image, and from where."""

    name: Annotated[str, member("One of GET /v2/info/import", enum=list(Method))]
    uri: NotRequired[Annotated[str, member("Of web-download: http or https", maxLength=MAX_URL)]]
    glance_region: NotRequired[Annotated[str, member("Of glance-download: which service", **SHORT)]]
    glance_image_id: NotRequired[Annotated[str, member("Of glance-download: the image there", **ID)]]
    glance_service_interface: NotRequired[Annotated[str, member("Of glance-download: public without it", **SHORT)]]


class NewImport(TypedDict):
    """What to import."""

    method: ImportMethod
    stores: NotRequired[Annotated[list[str], member("The default store without it", minItems=1, maxItems=MAX_STORES)]]
    all_stores: NotRequired[Annotated[bool, member("Fill every store that can be written to")]]
    all_stores_must_succeed: NotRequired[Annotated[bool, member("true without it: one that fails ends the import")]]


class ResourceUsage(TypedDict):
    """The use of one resource by a project."""

    limit: Annotated[int, member("-1: no limit", minimum=-1)]
    usage: int


class ProjectUsage(TypedDict):
    image_size_total: Annotated[ResourceUsage, member("MiB")]
    image_count_total: ResourceUsage
    image_count_uploading: ResourceUsage
    image_stage_total: Annotated[ResourceUsage, member("MiB that wait for an import, or are being imported")]


class Usage(TypedDict):
    """What a project uses."""

    usage: ProjectUsage


Shares = list[Annotated[float, member(minimum=0, maximum=1)]]


class FileMap(TypedDict):
    """How much of each equal part of an image's file is what; the rest is the format's own structure."""

    size: Annotated[int, member("Bytes of the file", minimum=0)]
    data: Annotated[Shares, member("Data of the disk")]
    compressed: Annotated[Shares, member("Compressed data of the disk; rounded up")]
    holes: Annotated[Shares, member("Zeros of a disk that is stored as it is")]


class Copy(TypedDict):
    """One copy of an image's bytes."""

    store: Annotated[str, member("Id of the store that has it")]
    size: Annotated[int, member("Bytes of the file", minimum=0)]
    allocated: Annotated[
        int | None, member("Bytes of the disk that it takes; holes are not stored. Null if the store cannot say that")
    ]
    damage: Annotated[str | None, member("What a scrub found wrong with it; null if nothing")]


class Copies(TypedDict):
    """Where the bytes of an image are."""

    copies: list[Copy]


class DataMap(TypedDict):
    """How much of a disk holds data."""

    size: Annotated[int, member("Bytes of the disk", minimum=0)]
    data: Annotated[int, member("Bytes of the blocks of 64 KiB that hold data", minimum=0)]
    cells: Annotated[
        list[Annotated[float, member(minimum=0, maximum=1)]], member("How much of each equal part of the disk does")
    ]
    file: FileMap


class Contained(TypedDict):
    """What is in a partition, or in a disk without partitions."""

    file_system: Annotated[str | None, member("The file system, or what else the first bytes show")]
    label: Annotated[str, member("What it is called")]


class Partition(Contained):
    """A partition. It may end behind the disk."""

    number: Annotated[int, member("As Linux counts them", minimum=1)]
    first: Annotated[int, member("Its first byte on the disk", minimum=0)]
    length: Annotated[int, member("Bytes", minimum=1)]
    type: Annotated[str, member("A GUID, or two hexadecimal digits")]
    name: Annotated[str, member("What a GPT calls it")]


class Layout(Contained):
    """What a disk is divided into."""

    size: Annotated[int, member("Bytes of the disk", minimum=0)]
    table: Annotated[str | None, member("Of the partitions", enum=[None, "gpt", "mbr"])]
    partitions: list[Partition]
