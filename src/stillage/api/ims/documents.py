"""The JSON documents of IMS, as types. Source: IMS API Reference."""

from collections.abc import Mapping
from typing import Any, NotRequired

from typing_extensions import TypedDict

ATTRIBUTES: Mapping[str, str] = {
    "__os_version": "Version of the operating system",
    "__os_type": "Linux, Windows or Other",
    "__os_bit": "32 or 64",
    "__platform": "Distribution",
    "__imagetype": "gold, private or shared",
    "__isregistered": "true",
    "__image_source_type": "uds",
    "__image_size": "Bytes of the data, in decimal digits",
    "__root_origin": "file",
    "virtual_env_type": "FusionCompute, Ironic, DataImage or IsoImage",
    "enterprise_project_id": "0",
}
"""What every image has beside the members of the image API: texts, all of them."""
SOMETIMES: Mapping[str, str] = {
    "active_at": "When the image became active",
    "max_ram": "MB of memory at most, in decimal digits",
    "__description": "A description for people",
    "__data_origin": "What the image was made from",
    "__originalimagename": "Id of the image that it is a copy of",
    "__is_config_init": "false",
    "__support_arm": "true or false",
    "hw_firmware_type": "bios or uefi",
    "hw_vif_multiqueue_enabled": "true or false",
}


class ImsTag(TypedDict):
    key: str
    value: str


class ImsTagsOfImage(TypedDict):
    tags: list[ImsTag]


class ImsTagValues(TypedDict):
    key: str
    values: list[str]


class ImsTagsOfProject(TypedDict):
    tags: list[ImsTagValues]


class ImsTagTexts(TypedDict):
    tags: list[str]


class ImsNewTag(TypedDict):
    tag: ImsTag


class ImsTagOfImage(TypedDict):
    image_id: str
    tag: NotRequired[str]
    image_tag: NotRequired[ImsTag]


class ImsTagsAction(TypedDict):
    action: str
    tags: list[ImsTag]


class ImsRemovedTag(TypedDict):
    key: str
    value: NotRequired[str | None]


class ImsRemovedTags(TypedDict):
    tags: list[ImsRemovedTag]


class ImsKeyMatch(TypedDict):
    key: str
    values: list[str]


class ImsTagQuery(TypedDict):
    """A search for images by tags; numbers may be texts."""

    action: str
    tags: NotRequired[list[ImsKeyMatch]]
    tags_any: NotRequired[list[ImsKeyMatch]]
    not_tags: NotRequired[list[ImsKeyMatch]]
    not_tags_any: NotRequired[list[ImsKeyMatch]]
    without_any_tag: NotRequired[bool]
    limit: NotRequired[int | str]
    offset: NotRequired[int | str]
    matches: NotRequired[list[ImsTag]]


class ImsResourceDetail(TypedDict):
    status: str


class ImsResource(TypedDict):
    resource_id: str
    resource_name: str
    resource_detail: ImsResourceDetail
    tags: list[ImsTag]


class ImsResources(TypedDict):
    total_count: int
    resources: NotRequired[list[ImsResource]]


class ImsQuota(TypedDict):
    type: str
    used: int
    quota: int
    min: int
    max: int


class ImsQuotaResources(TypedDict):
    resources: list[ImsQuota]


class ImsQuotas(TypedDict):
    quotas: ImsQuotaResources


class ImsOsVersion(TypedDict):
    platform: str
    os_version_key: str
    os_version: str
    os_bit: int
    os_type: str


class ImsOsPlatform(TypedDict):
    platform: str
    version_list: list[ImsOsVersion]


class ImsPatchStep(TypedDict):
    op: str
    path: str
    value: NotRequired[Any]


class ImsMember(TypedDict):
    member_id: str
    image_id: str
    status: str
    created_at: str
    updated_at: str
    schema: str
    member_type: str
    urn: str


class ImsMembers(TypedDict):
    members: list[ImsMember]


class ImsRegistration(TypedDict):
    image_url: str


class ImsDataImage(TypedDict):
    """A data disk of a creation, which becomes an image of its own. What it leaves out it has from the creation."""

    image_url: str
    min_disk: int | str
    name: NotRequired[str]
    description: NotRequired[str]
    tags: NotRequired[list[str]]
    image_tags: NotRequired[list[ImsTag]]
    is_quick_import: NotRequired[bool | str]


class ImsCreation(TypedDict):
    """A creation of an image of a file; `image_url` is ``BUCKET:OBJECT``. Sizes may be texts as well."""

    name: str
    image_url: str
    min_disk: int | str
    description: NotRequired[str]
    os_type: NotRequired[str]
    os_version: NotRequired[str]
    min_ram: NotRequired[int | str]
    max_ram: NotRequired[int | str]
    tags: NotRequired[list[str]]
    image_tags: NotRequired[list[ImsTag]]
    type: NotRequired[str]
    is_config: NotRequired[bool | str]
    is_quick_import: NotRequired[bool | str]
    hw_firmware_type: NotRequired[str]
    architecture: NotRequired[str]
    enterprise_project_id: NotRequired[str]
    data_images: NotRequired[list[ImsDataImage]]


class ImsWholeImage(TypedDict):
    """An image of a server with its disks, which is refused: there are no servers."""

    name: str
    instance_id: NotRequired[str]
    backup_id: NotRequired[str]


class ImsCopyElsewhere(TypedDict):
    """A copy in another region, which is refused: there is one."""

    name: str
    region: NotRequired[str]
    project_name: NotRequired[str]
    agency_name: NotRequired[str]


class ImsCopy(TypedDict):
    name: str
    description: NotRequired[str]
    enterprise_project_id: NotRequired[str]


class ImsExport(TypedDict):
    bucket_url: str
    file_format: NotRequired[str]
    is_quick_export: NotRequired[bool | str]


class ImsSharing(TypedDict):
    images: list[str]
    projects: list[str]


class ImsAnswer(TypedDict):
    images: list[str]
    project_id: str
    status: str
    vault_id: NotRequired[str]


class ImsAccepted(TypedDict):
    job_id: str


class ImsJob(TypedDict):
    job_id: str
    job_type: str
    status: str
    begin_time: str
    end_time: str
    error_code: str | None
    fail_reason: str | None
    entities: dict[str, Any]
