"""IMS, creation, registration, copy and export: by the document.

Source: IMS API Reference, "Creating an Image", "Importing an Image File Quickly", "Creating a Data Disk Image from an
External Image File", "Registering an Image", "Replicating an Image Within a Region", "Exporting an Image".
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ims_steps import JOB_ID, MISSING, NONE, Operation, Step, Walk, ended_job, failed_job, refused
from shapes import Has

pytestmark = pytest.mark.asyncio(loop_scope="session")

ACCEPTED = {"job_id": JOB_ID}
WEB = {"name": "web", "image_url": "incoming:web.img", "os_version": "CentOS 7.3 64bit", "min_disk": 40}
MADE = {"image_id": str, "image_name": "web"}
BLUE = {"key": "team", "value": "blue"}


def creates(line: str, body: Mapping[str, Any], job: str, **attributes: Any) -> Iterator[Step]:
    """The creation is accepted, its job succeeds, and the image it names is active and has *attributes*."""
    yield Step(line, dict(body), shape=ACCEPTED, ends=ended_job(job, MADE), keep={"job": "job_id"})
    yield Step("GET /v1/$project/jobs/$job", shape=Has(status="SUCCESS"), keep={"made": "entities.image_id"})
    yield Step("GET /v2/cloudimages?id=$made", shape={"images": [Has(name="web", status="active", **attributes)]})


def elsewhere(line: str, body: Mapping[str, Any]) -> Iterator[Step]:
    """What needs servers, volumes, keys or enterprise projects, and what no bucket of the user has."""
    yield from refused(
        line, body,
        ({"instance_id": "i"}, "IMG.0105"), ({"volume_id": "v"}, "IMG.0105"), ({"cmk_id": "k"}, "IMG.0095"),
        ({"enterprise_project_id": NONE}, "IMG.0155"), ({"backup_id": "b"}, "IMG.0105"), ({"vault_id": "v"}, "IMG.0105"),
        ({"data_images": [{"name": "d", "volume_id": "v"}]}, "IMG.0105"),
        ({"image_url": "secrets:web.img"}, "IMG.0069"), ({"image_url": "nowhere:web.img"}, "IMG.0069"),
        ({"image_url": "incoming:absent.img"}, "IMG.0121"), ({"image_url": "incoming:more"}, "IMG.0121"),
        ({"image_url": "incoming:"}, "IMG.0073"), ({"image_url": ":web.img"}, "IMG.0068"), ({"image_url": "UP:web.img"}, "IMG.0109"),
        ({"image_url": "incoming:" + "x" * 1025}, "IMG.0074"), ({"image_url": "incoming:../x"}, "IMG.0075"),
        ({"image_url": "https://example.net/web.img"}, "IMG.0001"), ({"image_url": "web.img"}, "IMG.0001"),
        ({"image_url": 5}, "IMG.0001"), ({"image_url": MISSING}, "IMG.0001"), ({"image_url": None}, "IMG.0001"),
    )  # fmt: skip


def values(line: str, body: Mapping[str, Any], most: int = 1024) -> Iterator[Step]:
    """What the members that every creation has may be."""
    yield from refused(
        line, body,
        ({"name": MISSING}, "IMG.0013"), ({"name": ""}, "IMG.0013"), ({"name": 5}, "IMG.0013"), ({"name": "x" * 129}, "IMG.0002"),
        ({"name": "a/b"}, "IMG.0003"), ({"name": " a"}, "IMG.0003"), ({"name": "\u00fc"}, "IMG.0003"),
        ({"description": "x" * 1025}, "IMG.0004"), ({"description": "a\nb"}, "IMG.0054"), ({"description": "<b>"}, "IMG.0054"),
        ({"description": 5}, "IMG.0054"),
        ({"min_disk": MISSING}, "IMG.0055"), ({"min_disk": 0}, "IMG.0055"), ({"min_disk": most + 1}, "IMG.0055"),
        ({"min_disk": "x"}, "IMG.0055"), ({"min_disk": 1.5}, "IMG.0055"), ({"min_disk": True}, "IMG.0055"),
        ({"tags": ["a=b"] , "image_tags": [BLUE]}, "IMG.0001"), ({"tags": "a=b"}, "IMG.0115"), ({"tags": [5]}, "IMG.0115"),
        ({"tags": ["k" * 37 + "=v"]}, "IMG.0115"), ({"tags": ["k=" + "v" * 44]}, "IMG.0115"),
        ({"tags": [f"k{n}" for n in range(11)]}, "IMG.0116"), ({"image_tags": [{"key": "k"}]}, "IMG.0115"),
        ({"image_tags": [BLUE, BLUE]}, "IMG.0115"), ({"tags": ["team=blue", "team.red"]}, "IMG.0115"),
        ({"image_tags": [{"key": f"k{n}", "value": ""} for n in range(11)]}, "IMG.0116"), ({"image_tags": BLUE}, "IMG.0115"),
    )  # fmt: skip


def system(line: str, body: Mapping[str, Any]) -> Iterator[Step]:
    """What the members that say what runs in the image may be."""
    yield from refused(
        line, body,
        ({"os_version": "TempleOS"}, "IMG.0056"), ({"os_version": 5}, "IMG.0056"), ({"os_type": "BeOS"}, "IMG.0122"),
        ({"type": "Toaster"}, "IMG.0024"), ({"type": "IsoImage", "os_version": MISSING}, "IMG.0166"),
        ({"hw_firmware_type": "coreboot"}, "IMG.0141"), ({"architecture": "vax"}, "IMG.0212"),
        ({"min_ram": -1}, "IMG.0055"), ({"min_ram": "x"}, "IMG.0055"), ({"max_ram": "x"}, "IMG.0055"),
    )  # fmt: skip


ACTION = "POST /v2/cloudimages/action"
CREATED = Operation(
    ACTION,
    [
        *creates(
            ACTION, WEB, "imsImportImageJob",
            min_disk=40, min_ram=0, disk_format="raw", container_format="bare", tags=[], __os_version="CentOS 7.3 64bit", __platform="CentOS",
            __os_type="Linux", __os_bit="64", virtual_env_type="FusionCompute", __imagetype="private", visibility="private",
            __data_origin="file,incoming:web.img", __root_origin="file", __image_size="1048576", __is_config_init="false",
            __isregistered="true", owner="$project", protected=False,
        ),
        *creates(ACTION, {**WEB, "description": "nightly build", "image_tags": [BLUE]}, "imsImportImageJob", tags=["team=blue"], __description="nightly build"),
        *creates(ACTION, {**WEB, "tags": ["a.b.c", "solo", "d=e"]}, "imsImportImageJob", tags=["a=b.c", "solo", "d=e"]),
        *creates(ACTION, {**WEB, "min_ram": 1024, "max_ram": 4096}, "imsImportImageJob", min_ram=1024, max_ram="4096"),
        *creates(ACTION, {**WEB, "min_disk": "40", "min_ram": "1024", "max_ram": "0"}, "imsImportImageJob", min_disk=40, min_ram=1024, max_ram="0"),
        *creates(ACTION, {**WEB, "type": "BMS"}, "imsImportImageJob", virtual_env_type="Ironic"),
        *creates(ACTION, {**WEB, "type": "Ironic"}, "imsImportImageJob", virtual_env_type="Ironic"),
        *creates(ACTION, {**WEB, "type": "FusionCompute", "is_config": True, "is_config_init": True}, "imsImportImageJob", __is_config_init="false"),
        *creates(ACTION, {**WEB, "hw_firmware_type": "uefi"}, "imsImportImageJob", hw_firmware_type="uefi"),
        *creates(ACTION, {**WEB, "architecture": "arm"}, "imsImportImageJob", __support_arm="true", hw_firmware_type="uefi"),
        *creates(ACTION, {**WEB, "architecture": "x86", "is_quick_import": True}, "imsImportImageJob"),
        *creates(ACTION, {**WEB, "enterprise_project_id": "0", "description": "", "tags": [], "image_tags": [], "cmk_id": ""}, "imsImportImageJob"),
        *creates(ACTION, {"name": "web", "image_url": "incoming:web.img", "min_disk": 1}, "imsImportImageJob", __platform="Other"),
        *creates(ACTION, {"name": "web", "image_url": "incoming:web.img", "min_disk": 1, "os_type": "Windows"}, "imsImportImageJob", __os_type="Windows"),
        Step(ACTION, {**WEB, "image_url": "incoming:more/disk.qcow2"}, shape=ACCEPTED, ends=failed_job("imsImportImageJob", "IMG.0057")),
        Step("GET /v1/$project/jobs/$job", shape=Has(status="FAIL"), keep={"gone": "entities.image_id"}),
        Step("GET /v2/cloudimages?id=$gone", shape={"images": []}),
        *elsewhere(ACTION, WEB),
        *values(ACTION, WEB),
        *system(ACTION, WEB),
        *refused(ACTION, WEB, ({"is_quick_import": True, "os_version": MISSING}, "IMG.0056")),
    ],
    body=WEB,
    writes=True,
)  # fmt: skip

QUICK = "POST /v2/cloudimages/quickimport/action"
DATA = {"name": "web", "image_url": "incoming:web.img", "min_disk": 40, "type": "DataImage"}
QUICKLY = Operation(
    QUICK,
    [
        *creates(QUICK, WEB, "imsImportImageJob", virtual_env_type="FusionCompute", min_disk=40),
        *creates(QUICK, {**WEB, "type": "ECS", "architecture": "x86", "license_type": "BYOL"}, "imsImportImageJob"),
        *creates(QUICK, {**WEB, "type": "BMS"}, "imsImportImageJob", virtual_env_type="Ironic"),
        *creates(QUICK, {**WEB, "architecture": "arm"}, "imsImportImageJob", hw_firmware_type="uefi"),
        *creates(QUICK, DATA, "imsImportDataImageJob", virtual_env_type="DataImage"),
        *creates(QUICK, {**DATA, "os_type": "Windows"}, "imsImportDataImageJob", __os_type="Windows"),
        *elsewhere(QUICK, WEB),
        *values(QUICK, WEB),
        *system(QUICK, {**WEB, "type": "ECS"}),
        *refused(QUICK, WEB, ({"os_version": MISSING}, "IMG.0056")),
    ],
    body=WEB,
    writes=True,
)

DISKS = "POST /v1/cloudimages/dataimages/action"
DISK = {"name": "web", "image_url": "incoming:web.img", "min_disk": 40}
AS_DATA = Operation(
    DISKS,
    [
        *creates(DISKS, DISK, "imsImportDataImageJob", virtual_env_type="DataImage", __os_type="Linux", min_disk=40),
        *creates(DISKS, {**DISK, "os_type": "Windows", "description": "d", "image_tags": [BLUE]}, "imsImportDataImageJob", __os_type="Windows"),
        *creates(DISKS, {**DISK, "min_disk": 2048}, "imsImportDataImageJob", min_disk=2048),
        *elsewhere(DISKS, DISK),
        *values(DISKS, DISK, most=2048),
        *refused(DISKS, DISK, ({"os_type": "BeOS"}, "IMG.0122")),
    ],
    body=DISK,
    writes=True,
)  # fmt: skip

ALONE = "POST /v1/cloudimages/action"
WITHIN = ended_job("imsImportImageJob", Has(image_id=str, image_name="web"))
ALONE_JOB = ended_job(
    "imsImportOvaImageJob", Has(image_id=str, image_name="web", sub_jobs_result=[WITHIN], sub_jobs_list=[JOB_ID])
)
AS_TERRAFORM = Operation(
    ALONE,
    [
        Step(ALONE, {**DISK, "os_type": "Linux", "description": ""}, shape=ACCEPTED, ends=ALONE_JOB),
        *elsewhere(ALONE, DISK),
    ],
    body=DISK,
    writes=True,
)

REGISTER = "PUT /v1/cloudimages/$queued/upload"
FILE = {"image_url": "incoming:web.img"}
REGISTERED = Operation(
    REGISTER,
    [
        *elsewhere(REGISTER, FILE),
        Step(REGISTER, {"image_url": "incoming:more/disk.qcow2"}, shape=ACCEPTED, ends=failed_job("imsNativeImportImageJob", "IMG.0057")),
        Step("GET /v2/cloudimages?id=$queued", shape={"images": [Has(status="queued", __image_size="0", os_stillage_reason=str)]}),
        Step(REGISTER, FILE, shape=ACCEPTED, ends=ended_job("imsNativeImportImageJob", {"image_id": "$queued"})),
        Step("GET /v2/cloudimages?id=$queued", shape={"images": [Has(status="active", __image_size="1048576")]}),
        Step(REGISTER, FILE, 400, "IMG.0046"),
        Step("PUT /v1/cloudimages/$active/upload", FILE, 400, "IMG.0046"),
        Step("PUT /v1/cloudimages/$public/upload", FILE, 403, "IMG.0026"),
        *[Step(f"PUT /v1/cloudimages/{one}/upload", FILE, 404, "IMG.0144") for one in ("$none", "$foreign", "x")],
    ],
    body=FILE,
    writes=True,
)  # fmt: skip

COPY = "POST /v1/cloudimages/$active/copy"
COPIED = Operation(
    COPY,
    [
        *creates(
            COPY, {"name": "web"}, "imsCopyImageInRegionJob",
            max_ram="0", __originalimagename="$active", __platform="CentOS", min_disk=0, disk_format="raw", owner="$project", tags=[],
            visibility="private",
        ),
        *creates(COPY, {"name": "web", "description": "a copy", "enterprise_project_id": "0", "cmk_id": ""}, "imsCopyImageInRegionJob", __description="a copy"),
        Step("PATCH /v2/cloudimages/$made", [{"op": "replace", "path": "/max_ram", "value": "4096"}], shape=Has(max_ram="4096")),
        *creates("POST /v1/cloudimages/$accepted/copy", {"name": "web"}, "imsCopyImageInRegionJob", owner="$project", __originalimagename="$accepted"),
        *creates("POST /v1/cloudimages/$public/copy", {"name": "web"}, "imsCopyImageInRegionJob", owner="$project", visibility="private"),
        Step("POST /v1/cloudimages/$pending/copy", {"name": "web"}, 400, "IMG.0196"),
        Step("POST /v1/cloudimages/$queued/copy", {"name": "web"}, 400, "IMG.0046"),
        Step("POST /v1/cloudimages/$iso/copy", {"name": "web"}, 400, "IMG.0167"),
        *[Step(f"POST /v1/cloudimages/{one}/copy", {"name": "web"}, 404, "IMG.0144") for one in ("$none", "$foreign", "x")],
        *refused(
            COPY, {"name": "web"},
            ({"name": MISSING}, "IMG.0013"), ({"name": ""}, "IMG.0013"), ({"name": "x" * 129}, "IMG.0002"), ({"name": "a/b"}, "IMG.0003"),
            ({"description": "x" * 1025}, "IMG.0004"), ({"description": "<"}, "IMG.0054"), ({"cmk_id": "k"}, "IMG.0095"),
            ({"enterprise_project_id": NONE}, "IMG.0155"), ({"vault_id": "v"}, "IMG.0105"),
        ),
    ],
    body={"name": "web"},
    writes=True,
)  # fmt: skip

EXPORT = "POST /v1/cloudimages/$active/file"
TO = {"bucket_url": "outgoing:web.qcow2", "file_format": "qcow2"}


def exports(key: str, **more: Any) -> Step:
    body = {"bucket_url": f"outgoing:$active-{key}", **more}
    return Step(EXPORT, body, shape=ACCEPTED, ends=ended_job("imsNativeExportImageJob", {"image_id": "$active"}))


EXPORTED = Operation(
    EXPORT,
    [
        exports("a.qcow2", file_format="qcow2"),
        exports("a.vhd", file_format="vhd"),
        exports("a.zvhd", file_format="zvhd"),
        exports("a.vmdk", file_format="vmdk"),
        exports("quick", is_quick_export=True),
        exports("plain", file_format="qcow2", is_quick_export=False),
        exports("folder/a.qcow2", file_format="qcow2"),
        Step(EXPORT, {"bucket_url": "outgoing:there", "file_format": "qcow2"}, 400, "IMG.0070"),
        Step(EXPORT, {"bucket_url": "outgoing:$active-a.qcow2", "file_format": "vhd"}, 400, "IMG.0070"),
        Step("POST /v1/cloudimages/$queued/file", TO, 400, "IMG.0046"),
        Step("POST /v1/cloudimages/$iso/file", TO, 400, "IMG.0167"),
        Step("POST /v1/cloudimages/$public/file", TO, 400, "IMG.0077"),
        Step("POST /v1/cloudimages/$accepted/file", TO, 400, "IMG.0047"),
        *[Step(f"POST /v1/cloudimages/{one}/file", TO, 404, "IMG.0144") for one in ("$none", "$foreign", "x")],
        *refused(
            EXPORT, TO,
            ({"file_format": MISSING}, "IMG.0072"), ({"file_format": "vdi"}, "IMG.0072"), ({"file_format": "QCOW2"}, "IMG.0072"),
            ({"file_format": 5}, "IMG.0072"), ({"file_format": "raw"}, "IMG.0072"), ({"is_quick_export": True}, "IMG.0072"),
            ({"bucket_url": MISSING}, "IMG.0001"), ({"bucket_url": ""}, "IMG.0001"), ({"bucket_url": 5}, "IMG.0001"),
            ({"bucket_url": "outgoing"}, "IMG.0001"), ({"bucket_url": "outgoing:"}, "IMG.0073"), ({"bucket_url": ":x"}, "IMG.0068"),
            ({"bucket_url": "nowhere:x"}, "IMG.0069"), ({"bucket_url": "secrets:x"}, "IMG.0069"), ({"bucket_url": "UP:x"}, "IMG.0109"),
            ({"bucket_url": "outgoing:" + "x" * 1025}, "IMG.0074"), ({"bucket_url": "outgoing:../x"}, "IMG.0075"),
            ({"bucket_url": "https://example.net/x"}, "IMG.0001"),
        ),
    ],
    body=TO,
    writes=True,
)  # fmt: skip

WHOLE = "POST /v1/cloudimages/wholeimages/action"
REFUSED = [
    Operation(WHOLE, [Step(WHOLE, {"name": "w", "instance_id": "i"}, 400, "IMG.0105"), Step(WHOLE, {"name": "w", "backup_id": "b"}, 400, "IMG.0105")]),
    Operation(
        "POST /v1/cloudimages/$active/cross_region_copy",
        [Step("POST /v1/cloudimages/$active/cross_region_copy", {"name": "c", "region": "r", "project_name": "p", "agency_name": "a"}, 400, "IMG.0147")],
    ),
]  # fmt: skip

ALIASES = [
    Operation(
        "POST /v2.1/cloudimages/action",
        [
            *creates("POST /v2.1/cloudimages/action", WEB, "imsImportImageJob"),
            *creates("POST /v2.1/cloudimages/quickimport/action", WEB, "imsImportImageJob"),
            *creates("POST /v2.1/cloudimages/dataimages/action", DISK, "imsImportDataImageJob"),
            *creates("POST /v2.1/cloudimages/$active/copy", {"name": "web"}, "imsCopyImageInRegionJob"),
            Step(
                "POST /v2.1/cloudimages/$active/file", {"bucket_url": "outgoing:$active-v21", "file_format": "qcow2"}, shape=ACCEPTED,
                ends=ended_job("imsNativeExportImageJob", {"image_id": "$active"}),
            ),
        ],
        body=WEB,
        writes=True,
    )
]  # fmt: skip

OPERATIONS = [CREATED, QUICKLY, AS_DATA, AS_TERRAFORM, REGISTERED, COPIED, EXPORTED, *REFUSED, *ALIASES]


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_it_is_as_documented(walk: Walk, operation: Operation) -> None:
    await walk.show(operation)
