"""IMS, images: list and change them, by the document. Source: IMS API Reference, "Querying Images", "Updating an Image"."""

import re
from typing import Any

import pytest

from ims_steps import NONE, Operation, Step, Walk
from shapes import Each, Has, Optional

pytestmark = pytest.mark.asyncio(loop_scope="session")

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DIGITS = re.compile(r"\d+")
IMAGE: dict[str, Any] = {
    "id": UUID,
    "name": str,
    "owner": str,
    "status": re.compile("queued|saving|active|killed|deleted|deactivated"),
    "visibility": re.compile("public|private|shared"),
    "protected": bool,
    "tags": Each(str, least=0),
    "container_format": None | str,
    "disk_format": None | str,
    "min_ram": int,
    "min_disk": int,
    "size": None | int,
    "virtual_size": None | int,
    "checksum": None | str,
    "created_at": TIME,
    "updated_at": TIME,
    "self": re.compile("/v2/images/[0-9a-f-]{36}"),
    "file": re.compile("/v2/images/[0-9a-f-]{36}/file"),
    "schema": "/v2/schemas/image",
    "__os_version": str,
    "__os_type": re.compile("Linux|Windows|Other"),
    "__os_bit": re.compile("32|64"),
    "__platform": str,
    "__imagetype": re.compile("gold|private|shared"),
    "__isregistered": "true",
    "__image_source_type": "uds",
    "__image_size": DIGITS,
    "__root_origin": "file",
    "virtual_env_type": re.compile("FusionCompute|Ironic|DataImage|IsoImage"),
    "enterprise_project_id": "0",
    "active_at": Optional(TIME),
    "max_ram": Optional(DIGITS),
}
LIST = "/v2/cloudimages"


def found(query: str, *ids: str, **more: Any) -> Step:
    """The list of *query*, whose images are those of *ids*, in this order, and no others."""
    return Step(f"GET {LIST}?{query}", shape={"images": [Has(id=one) for one in ids]}, **more)


def named(query: str, image: str = "$active") -> list[Step]:
    """Two lists: with the filters of *query* there is *image*, and asked for by id as well."""
    return [Step(f"GET {LIST}?{query}&id={image}", shape={"images": [Has(IMAGE, id=image)]})]


def none(query: str, image: str = "$active") -> Step:
    return found(f"{query}&id={image}")


LISTED = Operation(
    f"GET {LIST}",
    [
        Step(f"GET {LIST}?id=$active", shape={"images": [Has(IMAGE, id="$active", status="active", active_at=TIME)]}),
        Step(f"GET {LIST}?id=$queued", shape={"images": [Has(IMAGE, status="queued", __image_size="0")]}),
        Step(f"GET {LIST}?id=$active", shape={"images": [Has(__image_size="512", __platform="CentOS", __os_bit="64")]}),
        # Filters that the image has, and that it has not.
        *named("__isregistered=true"),
        none("__isregistered=false"),
        *named("__imagetype=private"),
        none("__imagetype=gold"),
        none("__imagetype=shared"),
        none("__imagetype=market"),
        *named("__whole_image=false"),
        none("__whole_image=true"),
        none("__system__cmkid=5f5e3f6e"),
        *named("protected=false"),
        none("protected=true"),
        *named("protected=true", "$protected"),
        *named("visibility=private"),
        none("visibility=public"),
        none("visibility=shared"),
        *named("owner=$project"),
        none("owner=$works"),
        found("id=$none"),
        found("id=not-an-id"),
        *named("name=web"),
        none("name=we"),
        none("name=WEB"),
        *named("status=active"),
        none("status=queued"),
        none("status=saving"),
        none("status=deleted"),
        none("status=killed"),
        *named("status=queued", "$queued"),
        *named("container_format=bare"),
        none("container_format=ovf"),
        *named("disk_format=raw"),
        *[none(f"disk_format={other}") for other in ("zvhd2", "vhd", "zvhd", "qcow2")],
        *named("min_ram=0"),
        none("min_ram=1024"),
        *named("min_disk=0"),
        none("min_disk=40"),
        *named("__os_bit=64"),
        none("__os_bit=32"),
        *named("__platform=CentOS"),
        none("__platform=Ubuntu"),
        none("__platform=Red%20Hat"),
        *named("__os_type=Linux"),
        none("__os_type=Windows"),
        none("__os_type=Other"),
        *named("__os_version=CentOS%207.3%2064bit"),
        none("__os_version=CentOS%207.4%2064bit"),
        *named("tag=team%3Dblue", "$tagged"),
        *named("tag=solo", "$tagged"),
        none("tag=team%3Dred", "$tagged"),
        none("tag=team", "$tagged"),
        *[
            none(f"{name}=true")
            for name in (
                "__support_kvm", "__support_xen", "__support_largememory", "__support_diskintensive",
                "__support_highperformance", "__support_xen_hana", "__support_kvm_infiniband",
            )
        ],
        none("__support_xen_gpu_type=M60_vGPU"),
        none("__support_kvm_gpu_type=V100_vGPU"),
        *named("virtual_env_type=FusionCompute"),
        none("virtual_env_type=Ironic"),
        none("virtual_env_type=DataImage"),
        none("virtual_env_type=IsoImage"),
        *named("virtual_env_type=IsoImage", "$iso"),
        *named("enterprise_project_id=0"),
        *named("enterprise_project_id=all_granted_eps"),
        *named("enterprise_project_id="),
        none("enterprise_project_id=$none"),
        *named("architecture=x86"),
        none("architecture=arm"),
        *named("flavor_id=s2.medium.1"),
        *named("created_at=gt:2020-01-01T00:00:00Z"),
        *named("created_at=gte:2020-01-01%2000:00:00"),
        *named("updated_at=lt:2099-01-01T00:00:00Z"),
        *named("created_at=neq:2020-01-01T00:00:00Z"),
        none("created_at=lt:2020-01-01T00:00:00Z"),
        none("created_at=eq:2020-01-01T00:00:00Z"),
        none("updated_at=lte:2020-01-01T00:00:00Z"),
        none("colour=red"),
        # Recipes of the document.
        Step(f"GET {LIST}?__imagetype=gold&visibility=public&protected=true", shape={"images": Each(IMAGE | {"protected": True}, 0)}),
        *named("__imagetype=gold&visibility=public", "$public"),
        found("owner=$project&id=$active&visibility=private", "$active"),
        *named("member_status=accepted&visibility=shared&__imagetype=shared", "$accepted"),
        *named("member_status=pending&visibility=shared&__imagetype=shared", "$pending"),
        *named("member_status=rejected&visibility=shared&__imagetype=shared", "$rejected"),
        none("member_status=accepted&visibility=shared&__imagetype=shared", "$pending"),
        none("member_status=pending&visibility=shared&__imagetype=shared", "$accepted"),
        # What others own.
        found("id=$foreign"),
        found("id=$pending"),
        found("id=$rejected"),
        *named("__imagetype=shared", "$accepted"),
        *named("owner=$works", "$accepted"),
        # Sorting and paging.
        *[
            Step(f"GET {LIST}?sort_key={key}&sort_dir={direction}&limit=2", shape={"images": Each(Has(IMAGE))})
            for key in ("name", "container_format", "disk_format", "status", "id", "size", "created_at")
            for direction in ("asc", "desc")
        ],
        found("limit=0"),
        Step(f"GET {LIST}?limit=1", shape={"images": [Has(IMAGE)]}, keep={"first": "images.0.id"}),
        Step(f"GET {LIST}?limit=1&marker=$first", shape={"images": [Has(IMAGE)]}),
        Step(f"GET {LIST}?limit=500", shape={"images": Each(Has(IMAGE))}),
        Step(f"GET {LIST}?limit=1000", shape={"images": Each(Has(IMAGE))}),
        Step(f"GET {LIST}?limit=100000", shape={"images": Each(Has(IMAGE))}),
        Step(f"GET {LIST}?sort_dir=asc&limit=1", shape={"images": [Has(IMAGE)]}, keep={"oldest": "images.0.id"}),
        found("marker=$oldest"),
        found("name=web&owner=$project&id=$active&marker=$active"),
        *[
            Step(f"GET {LIST}?{wrong}", status=400, code="IMG.0001")
            for wrong in (
                "limit=-1", "limit=x", "limit=", "sort_key=owner", "sort_dir=up", "marker=x", "marker=$none", "marker=$foreign",
                "visibility=all", "visibility=community", "protected=perhaps", "min_ram=x", "min_disk=1.5",
                "created_at=gt:yesterday", "created_at=between:2020-01-01T00:00:00Z", "architecture=vax",
            )
        ],
    ],
)  # fmt: skip

CHANGE = "PATCH /v2/cloudimages/$active"
V21 = "application/openstack-images-v2.1-json-patch"


def change(op: str, name: str, *value: Any) -> dict[str, Any]:
    return {"op": op, "path": f"/{name}", **({"value": value[0]} if value else {})}


def changed(*steps: dict[str, Any], **shape: Any) -> Step:
    return Step(CHANGE, list(steps), shape=Has(IMAGE | shape))


def unchanged(code: str, *steps: Any, status: int = 400) -> Step:
    return Step(CHANGE, list(steps), status, code)


CHANGED = Operation(
    CHANGE,
    [
        changed(change("replace", "name", "name 1"), name="name 1"),
        changed(change("replace", "name", "x" * 128), name="x" * 128),
        changed(change("add", "__description", "nightly build"), __description="nightly build"),
        changed(change("replace", "__description", "With a dot. And 2 blanks"), __description="With a dot. And 2 blanks"),
        changed(change("replace", "__description", ""), __description=""),
        unchanged("IMG.0035", change("replace", "max_ram", "4096")),
        changed(change("add", "max_ram", 4096), max_ram="4096"),
        changed(change("replace", "max_ram", "8192"), max_ram="8192"),
        changed(change("replace", "min_ram", 1024), min_ram=1024),
        changed(change("replace", "min_ram", "2048"), min_ram=2048),
        changed(change("replace", "min_disk", 40), min_disk=40),
        *[
            changed(change("add", name, "true"), **{name: "true"})
            for name in (
                "__support_largememory", "__support_diskintensive", "__support_highperformance", "__support_fc_inject",
                "__support_amd", "__support_kvm_hi1822_hisriov", "__support_kvm_hi1822_hivirtionet", "__is_config_init",
                "hw_vif_multiqueue_enabled", "__support_kvm",
            )
        ],
        changed(change("replace", "hw_vif_multiqueue_enabled", False), hw_vif_multiqueue_enabled="false"),
        changed(change("remove", "__support_kvm"), change("add", "__support_kvm_gpu_type", "V100"), __support_kvm_gpu_type="V100"),
        unchanged("IMG.0035", change("add", "__support_xen", "true")),
        changed(change("remove", "__support_kvm_gpu_type", "V100")),
        changed(change("add", "__support_xen", "true"), __support_xen="true"),
        unchanged("IMG.0035", change("add", "__support_xen_gpu_type", "M60_vGPU")),
        unchanged("IMG.0035", change("add", "__support_xen_hana", "true")),
        unchanged("IMG.0035", change("add", "__support_kvm_infiniband", "true")),
        changed(change("add", "hw_firmware_type", "uefi"), hw_firmware_type="uefi"),
        changed(change("replace", "hw_firmware_type", "bios"), hw_firmware_type="bios"),
        changed(change("replace", "enterprise_project_id", "0"), enterprise_project_id="0"),
        changed(change("add", "__os_version", "Ubuntu 22.04 Server 64bit"), __platform="Ubuntu"),
        changed(change("add", "own_attribute", "1"), own_attribute="1"),
        changed(change("remove", "own_attribute")),
        unchanged("IMG.0035", change("remove", "own_attribute")),
        unchanged("IMG.0035", change("replace", "own_attribute", "1")),
        changed(change("replace", "name", "web 2"), change("replace", "min_ram", 0), name="web 2", min_ram=0),
        unchanged("IMG.0035", change("replace", "name", "not this"), change("replace", "nothing", "1")),
        Step(f"GET {LIST}?id=$active", shape={"images": [Has(name="web 2")]}),
        *[
            Step(CHANGE, [change("replace", "name", "typed")], shape=Has(IMAGE), headers={"content_type": kind})
            for kind in ("application/json;charset=UTF-8", V21, "application/openstack-images-v2.0-json-patch")
        ],
        Step(CHANGE, [change("replace", "name", "web")], shape=Has(IMAGE), headers={"x_language": "en-us"}),
        unchanged("IMG.0002", change("replace", "name", "x" * 129)),
        unchanged("IMG.0013", change("replace", "name", "")),
        unchanged("IMG.0013", change("replace", "name", None)),
        unchanged("IMG.0003", change("replace", "name", "a/b")),
        unchanged("IMG.0003", change("replace", "name", " a")),
        unchanged("IMG.0003", change("replace", "name", "a ")),
        unchanged("IMG.0003", change("replace", "name", "\u00fc")),
        unchanged("IMG.0003", change("replace", "name", "a\nb")),
        unchanged("IMG.0004", change("add", "__description", "x" * 1025)),
        unchanged("IMG.0054", change("add", "__description", "a\nb")),
        unchanged("IMG.0054", change("add", "__description", "<b>")),
        unchanged("IMG.0054", change("add", "__description", 5)),
        unchanged("IMG.0055", change("replace", "min_ram", -1)),
        unchanged("IMG.0055", change("replace", "min_ram", "many")),
        unchanged("IMG.0055", change("add", "max_ram", "many")),
        unchanged("IMG.0055", change("replace", "min_disk", 0)),
        unchanged("IMG.0055", change("replace", "min_disk", 1025)),
        unchanged("IMG.0056", change("add", "__os_version", "TempleOS")),
        unchanged("IMG.0141", change("add", "hw_firmware_type", "coreboot")),
        unchanged("IMG.0155", change("replace", "enterprise_project_id", NONE)),
        unchanged("IMG.0001", change("add", "Upper", "1")),
        unchanged("IMG.0001", change("move", "name")),
        unchanged("IMG.0001", {"op": "replace", "value": "x"}),
        unchanged("IMG.0001", {"op": "replace", "path": "/name"}),
        unchanged("IMG.0001", {"path": "/name", "value": "x"}),
        unchanged("IMG.0001", {"op": "replace", "path": "name", "value": "x"}),
        unchanged("IMG.0001", "x"),
        unchanged("IMG.0026", change("replace", "__imagetype", "gold"), status=403),
        unchanged("IMG.0026", change("replace", "id", NONE), status=403),
        unchanged("IMG.0026", change("replace", "status", "queued"), status=403),
        Step("PATCH /v2/cloudimages/$queued", [change("replace", "name", "x")], 400, "IMG.0046"),
        Step("PATCH /v2/cloudimages/$public", [change("replace", "name", "x")], 403, "IMG.0026"),
        Step("PATCH /v2/cloudimages/$accepted", [change("replace", "name", "x")], 403, "IMG.0026"),
        *[
            Step(f"PATCH /v2/cloudimages/{one}", [change("replace", "name", "x")], 404, "IMG.0144")
            for one in ("$none", "$foreign", "nothing")
        ],
    ],
    body=[change("replace", "name", "web")],
    writes=True,
)  # fmt: skip


@pytest.mark.parametrize("operation", [LISTED, CHANGED], ids=str)
async def test_it_is_as_documented(walk: Walk, operation: Operation) -> None:
    await walk.show(operation)
