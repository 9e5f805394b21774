"""What Terraform's providers and Packer's plugins of Huawei-style clouds ask, in their order, and what their Go code reads.

Facts from the sources of terraform-provider-opentelekomcloud (2024-10, with gophertelekomcloud), terraform-provider-huaweicloud
(2026-08) and packer-plugin-huaweicloud (2025-09). A member that their code asserts to be of a type, as in ``v.(string)``, must be
there and of that type, or the provider panics. One that it decodes into a struct may be absent or null, but of no other type.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ims_steps import JOB_ID, Step, Walk, failed_job
from shapes import Each, Has, Optional

pytestmark = pytest.mark.asyncio(loop_scope="session")

TEXTS = ["__backup_id", "__data_origin", "__description", "__image_location", "__image_size", "__image_source_type", "__imagetype", "__isregistered", "__originalimagename", "__os_bit", "__os_feature_list", "__os_type", "__os_version", "__platform", "__productcode", "__support_diskintensive", "__support_highperformance", "__support_kvm", "__support_kvm_gpu_type", "__support_kvm_infiniband", "__support_largememory", "__support_xen", "__support_xen_gpu_type", "__support_xen_hana", "__support_arm", "__support_fc_inject", "__support_amd", "__system__cmkid", "__root_origin", "__sequence_num", "__lazyloading", "__is_config_init", "__account_code", "__support_agent_list", "__image_displayname", "checksum", "container_format", "created_at", "disk_format", "enterprise_project_id", "file", "hw_firmware_type", "hw_vif_multiqueue_enabled", "id", "max_ram", "name", "owner", "schema", "self", "status", "updated_at", "virtual_env_type", "visibility", "active_at"]  # fmt: skip
STRUCT: dict[str, Any] = {name: Optional(None | str) for name in TEXTS}
STRUCT |= {name: Optional(None | int) for name in ("min_disk", "min_ram", "size", "virtual_size")}
STRUCT |= {
    "protected": bool,
    "tags": Each(str, 0),
    "__whole_image": Optional(None | bool),
    "deleted": Optional(None | bool),
}
ASSERTED = dict.fromkeys(
    (
        "id",
        "name",
        "status",
        "visibility",
        "owner",
        "__os_type",
        "__imagetype",
        "__image_size",
        "enterprise_project_id",
    ),
    str,
)
JOB_STRUCT = {
    "status": str,
    "job_id": str,
    "job_type": str,
    "begin_time": str,
    "end_time": str,
    "error_code": None | str,
    "fail_reason": None | str,
}
ALL = "enterprise_project_id=all_granted_eps"
JSON = {"content_type": "application/json;charset=UTF-8"}
OTC = {"user_agent": "golangsdk/2.0.0", "accept": "application/json"}
ACCEPTED = {"job_id": JOB_ID}
WEB = {"name": "web", "image_url": "incoming:web.img", "min_disk": 40, "os_version": "CentOS 7.3 64bit"}


def image(**members: Any) -> Any:
    return Has({**STRUCT, **ASSERTED, **members})


def job(job_type: str, *, by: str = "erin") -> Iterator[Step]:
    """The job is asked for until it has ended; the image's id is read from it after that."""
    yield Step("GET /v1/$project/jobs/$job", shape=Has(JOB_STRUCT | {"job_type": job_type, "status": "SUCCESS"}), by=by)
    yield Step(
        "GET /v1/$project/jobs/$job", shape=Has(entities=Has(image_id=str)), keep={"made": "entities.image_id"}, by=by
    )


def begins(line: str, body: Mapping[str, Any], job_type: str, **more: Any) -> Step:
    return Step(line, dict(body), shape=ACCEPTED, headers=JSON, ends=Has(status="SUCCESS", job_type=job_type), **more)


OTC_IMAGES_IMAGE_V2 = [
    Step("POST /v2/images", {"container_format": "bare", "disk_format": "raw", "name": "otc", "min_disk_gb": "0", "visibility": "private", "tags": ["a"]}, 201, headers=OTC, keep={"made": "id"}),
    Step("PUT /v2/images/$made/file", b"x" * 700, 204, headers=OTC | {"content_type": "application/octet-stream"}),
    # An empty list is a panic, whatever the status of the image.
    Step("GET /v2/cloudimages?id=$made", shape={"images": [image(status="active", __image_size="700")]}, headers=OTC),
    Step("GET /v2/images/$made", shape=Has(id="$made", status="active", size=700, checksum=str), headers=OTC),
    Step("PATCH /v2/cloudimages/$made", [{"op": "replace", "path": "/name", "value": "otc 2"}], shape=image(name="otc 2"), headers=JSON),
    Step("PATCH /v2/images/$made", [{"op": "replace", "path": "/tags", "value": ["b"]}, {"op": "replace", "path": "/visibility", "value": "private"}], shape=Has(tags=["b"]), headers={"content_type": "application/openstack-images-v2.1-json-patch"}),
    Step("DELETE /v2/images/$made", {"delete_backup": True}, 204, headers=JSON),
    Step("GET /v2/cloudimages?id=$made", shape={"images": []}),
]  # fmt: skip

OTC_IMS_IMAGE_V2 = [
    begins("POST /v2/cloudimages/action", WEB | {"description": "d", "is_config": False, "cmk_id": "", "tags": None, "max_ram": 4096, "min_ram": 1024, "type": "ECS", "image_tags": []}, "imsImportImageJob"),
    *job("imsImportImageJob"),
    Step("GET /v2/cloudimages?id=$made", shape={"images": [image(id="$made", status="active", max_ram="4096", min_ram=1024, __data_origin=re.compile("file,[^,]+"))]}),
    Step("POST /v2/$project/images/$made/tags/action", {"action": "create", "tags": [{"key": "k", "value": "v"}]}, 204, headers=JSON),
    Step("GET /v2/$project/images/$made/tags", shape={"tags": [{"key": "k", "value": "v"}]}),
    Step("POST /v2/$project/images/$made/tags/action", {"action": "delete", "tags": [{"key": "k", "value": "v"}]}, 204, headers=JSON),
    Step("PATCH /v2/cloudimages/$made", [{"op": "replace", "path": "/name", "value": "web 2"}], shape=image(name="web 2"), headers=JSON),
    Step("DELETE /v2/images/$made", {"delete_backup": True}, 204, headers=JSON),
    Step("GET /v2/cloudimages?id=$made", shape={"images": []}),
]  # fmt: skip

OTC_IMS_DATA_IMAGE_V2 = [
    begins("POST /v1/cloudimages/action", {"name": "data", "image_url": "incoming:web.img", "min_disk": 40, "os_type": "Linux", "description": ""}, "imsImportOvaImageJob"),
    *job("imsImportOvaImageJob"),
    Step("GET /v1/$project/jobs/$job", shape=Has(entities=Has(sub_jobs_result=[Has(status="SUCCESS", entities=Has(image_id="$made"))]))),
    Step("GET /v2/cloudimages?id=$made", shape={"images": [image(id="$made", status="active")]}),
]  # fmt: skip

OTC_IMAGES_IMAGE_ACCESS_V2 = [
    Step("POST /v2/images/$open/members", {"member": "$works"}, shape=Has(member_id="$works", image_id="$open", status="pending", schema=str, created_at=str, updated_at=str)),
    Step("GET /v2/images/$open/members/$works", shape=Has(status="pending")),
    Step("PUT /v2/images/$open/members/$works", {"status": "accepted"}, shape=Has(status="accepted"), by="olga"),
    Step("GET /v2/images/$open/members/$works", shape=Has(status="accepted")),
    Step("DELETE /v2/images/$open/members/$works", status=204),
    Step("GET /v2/images/$open/members/$works", status=404),
]  # fmt: skip

OTC_DATA_SOURCE = [
    Step("GET /v2/cloudimages?__imagetype=private&name=second&sort_dir=desc&sort_key=created_at&id=$second", shape={"images": [image(id="$second")]}),
    Step("GET /v2/images?visibility=shared&name=second&id=$second&limit=1", shape=Has(images=[Has(id="$second", tags=[], size=int)])),
]  # fmt: skip


def change(op: str, name: str, value: Any) -> list[dict[str, Any]]:
    return [{"op": op, "path": f"/{name}", "value": value}]


HW_OBS_SYSTEM_IMAGE = [
    begins("POST /v2/cloudimages/action", WEB | {"description": "", "type": "ECS", "is_config": True, "enterprise_project_id": "0", "architecture": "x86", "hw_firmware_type": "bios", "is_quick_import": False, "image_tags": [{"key": "k", "value": "v"}]}, "imsImportImageJob"),
    *job("imsImportImageJob"),
    Step(f"GET /v2/cloudimages?id=$made&{ALL}", shape={"images": [image(id="$made", __data_origin="file,incoming:web.img", enterprise_project_id="0", hw_firmware_type="bios", __os_version=WEB["os_version"])]}),
    Step("GET /v2/$project/images/$made/tags", shape={"tags": [{"key": "k", "value": "v"}]}),
    # What the image lacks is IMG.0035 with 400 and nothing else, after which the provider repeats the change with add.
    *[
        step
        for name, value in (("__description", "changed"), ("max_ram", "4096"))
        for step in (
            Step("PATCH /v2/cloudimages/$made", change("replace", name, value), 400, "IMG.0035", headers=JSON),
            Step("PATCH /v2/cloudimages/$made", change("add", name, value), shape=image(**{name: value}), headers=JSON),
            Step("PATCH /v2/cloudimages/$made", change("replace", name, value), shape=image(**{name: value}), headers=JSON),
        )
    ],
    Step("PATCH /v2/cloudimages/$made", change("replace", "min_ram", 2048), shape=image(min_ram=2048), headers=JSON),
    Step("PATCH /v2/cloudimages/$made", change("add", "hw_firmware_type", "uefi"), shape=image(hw_firmware_type="uefi"), headers=JSON),
    Step("DELETE /v2/images/$made", status=204),
    Step(f"GET /v2/cloudimages?id=$made&{ALL}", shape={"images": []}),
]  # fmt: skip

HW_OBS_DATA_IMAGE = [
    begins("POST /v1/cloudimages/dataimages/action", {"name": "data", "image_url": "incoming:web.img", "min_disk": 40, "os_type": "Linux", "description": "", "enterprise_project_id": "0"}, "imsImportDataImageJob"),
    *job("imsImportDataImageJob"),
    Step(f"GET /v2/cloudimages?id=$made&{ALL}", shape={"images": [image(virtual_env_type="DataImage", __os_type="Linux", __data_origin="file,incoming:web.img")]}),
]  # fmt: skip

HW_OBS_ISO_IMAGE = [
    Step("POST /v2/cloudimages/action", WEB | {"type": "IsoImage", "image_url": "incoming:small.iso"}, shape=ACCEPTED, headers=JSON, ends=Has(status="SUCCESS", job_type="imsImportImageJob")),
    *job("imsImportImageJob"),
    Step(f"GET /v2/cloudimages?id=$made&{ALL}", shape={"images": [image(virtual_env_type="IsoImage", disk_format="iso")]}),
]  # fmt: skip

HW_QUICK_IMPORT = [
    begins("POST /v2/cloudimages/quickimport/action", WEB | {"type": "ECS", "architecture": "x86", "license_type": "", "description": ""}, "imsImportImageJob"),
    *job("imsImportImageJob"),
    Step(f"GET /v2/cloudimages?id=$made&{ALL}", shape={"images": [image(status="active")]}),
]  # fmt: skip

HW_IMAGES_IMAGE_COPY = [
    begins("POST /v1/cloudimages/$active/copy", {"name": "copy", "description": "", "enterprise_project_id": "0"}, "imsCopyImageInRegionJob"),
    *job("imsCopyImageInRegionJob"),
    # With no way back: a copy has max_ram, and it is a text.
    Step("PATCH /v2/cloudimages/$made", change("replace", "max_ram", "4096"), shape=image(max_ram="4096"), headers=JSON),
    Step("PATCH /v2/cloudimages/$made", change("replace", "min_ram", 1024), shape=image(min_ram=1024), headers=JSON),
    Step(f"GET /v2/cloudimages?id=$made&{ALL}", shape={"images": [image(max_ram="4096", __originalimagename="$active", __data_origin=re.compile(r"image,[^,]*,.*"))]}),
]  # fmt: skip

HW_IMAGES_IMAGE_SHARE = [
    begins("POST /v1/cloudimages/members", {"images": ["$open"], "projects": ["$works"]}, "imsAddImageMembersJob"),
    Step("GET /v1/$project/jobs/$job", shape=Has(JOB_STRUCT | {"status": "SUCCESS"})),
    Step("GET /v1/$project/cloudimages/$open/members?limit=100", shape={"members": [Has(member_id="$works", member_type=str, urn=str, status="pending")]}),
    begins("PUT /v1/cloudimages/members", {"images": ["$open"], "project_id": "$works", "status": "accepted"}, "imsUpdateImageMembersJob", by="olga"),
    begins("PUT /v1/cloudimages/members", {"images": ["$open"], "project_id": "$works", "status": "rejected"}, "imsUpdateImageMembersJob", by="olga"),
    begins("DELETE /v1/cloudimages/members", {"images": ["$open"], "projects": ["$works"]}, "imsDelImageMembersJob"),
    Step("GET /v1/$project/cloudimages/$open/members?limit=100", shape={"members": []}),
]  # fmt: skip

HW_IMAGE_EXPORT = [
    begins("POST /v1/cloudimages/$active/file", {"bucket_url": "outgoing:$active-tf", "file_format": "qcow2", "is_quick_export": False}, "imsNativeExportImageJob"),
    begins("POST /v2.1/cloudimages/$active/file", {"bucket_url": "outgoing:$active-tf21", "file_format": "vhd"}, "imsNativeExportImageJob"),
    *job("imsNativeExportImageJob"),
]  # fmt: skip

HW_IMAGE_REGISTRATION = [
    Step("POST /v2/images", {"name": "record", "__os_version": "CentOS 7.3 64bit", "min_disk": 40, "disk_format": "raw", "container_format": "bare", "protected": False, "visibility": "private", "min_ram": 0, "tags": []}, 201, headers=JSON, keep={"record": "id"}),
    Step(f"GET /v2/cloudimages?id=$record&{ALL}", shape={"images": [image(status="queued", __image_size="0")]}),
    begins("PUT /v1/cloudimages/$record/upload", {"image_url": "incoming:web.img"}, "imsNativeImportImageJob"),
    *job("imsNativeImportImageJob"),
    Step(f"GET /v2/cloudimages?id=$record&{ALL}", shape={"images": [image(status="active")]}),
]  # fmt: skip

HW_DATA_SOURCES = [
    # Every page is asked for with the last id as the marker, until one is empty; a page that comes again is an endless loop.
    Step(f"GET /v2/cloudimages?{ALL}&owner=$project&id=$active&limit=1", shape={"images": [image(id="$active")]}),
    Step(f"GET /v2/cloudimages?{ALL}&owner=$project&id=$active&limit=1&marker=$active", shape={"images": []}),
    Step(f"GET /v2/cloudimages?{ALL}&__imagetype=private&__os_type=Linux&__platform=CentOS&architecture=x86&__support_kvm=true&visibility=private", shape={"images": []}),
    Step("GET /v1/cloudimages/os_version", shape=Each({"platform": str, "version_list": Each({"platform": str, "os_version_key": str, "os_version": str, "os_bit": int, "os_type": str})})),
    Step("GET /v1/cloudimages/quota", shape={"quotas": {"resources": Each({"type": str, "used": int, "quota": int, "min": int, "max": int})}}),
    Step("GET /v2/$project/images/tags", shape={"tags": Each({"key": str, "values": Each(str)}, 0)}),
    Step("POST /v2/$project/images/resource_instances/action", {"action": "filter", "limit": "1000", "offset": "0", "without_any_tag": False, "matches": [{"key": "resource_id", "value": "$tagged"}]}, shape={"total_count": 1, "resources": [Has(resource_id="$tagged", resource_detail=Has(status=str), resource_name=str, tags=Each({"key": str, "value": str}))]}),
]  # fmt: skip

PACKER_IMPORT = [
    begins("POST /v2/cloudimages/quickimport/action", WEB | {"type": "ECS", "description": "packer", "tags": ["k.v"]}, "imsImportImageJob"),
    *job("imsImportImageJob"),
    begins("POST /v2/cloudimages/action", WEB | {"min_disk": 1, "is_quick_import": True}, "imsImportImageJob"),
    # It dereferences the reason of a job that has failed, without a look whether there is one.
    Step("POST /v2/cloudimages/action", WEB | {"image_url": "incoming:more/disk.qcow2"}, shape=ACCEPTED, ends=failed_job("imsImportImageJob", "IMG.0057")),
    # It takes the first of several images as the newest.
    begins("POST /v2/cloudimages/action", WEB | {"name": "newest"}, "imsImportImageJob"),
    *job("imsImportImageJob"),
    Step("GET /v2/cloudimages?__imagetype=private&owner=$project&limit=1&status=active", shape={"images": [image(id="$made")]}),
    Step("PATCH /v2/cloudimages/$made", change("add", "__support_kvm", "true"), shape=image(__support_kvm="true"), headers=JSON),
    Step("DELETE /v2/images/$made", status=204),
]  # fmt: skip

STORIES: Mapping[str, list[Step]] = {
    name.lower(): steps for name, steps in globals().items() if name.startswith(("OTC_", "HW_", "PACKER_"))
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
async def test_the_requests_of_a_tool_are_answered_as_its_code_reads_them(walk: Walk, story: str) -> None:
    await walk.through(STORIES[story])
