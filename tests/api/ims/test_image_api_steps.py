"""The image API under the profile ims, as far as clients of IMS use it: by the document.

Source: IMS API Reference, "Native OpenStack APIs".
"""

from typing import Any

import pytest

from ims_steps import Operation, Step, Walk
from shapes import Each, Has

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.parametrize("town", ["ims"], indirect=True)]

IMAGES = "/v2/images"
OCTETS = {"content_type": "application/octet-stream"}
RECORD = {"__os_version": "CentOS 7.3 64bit", "container_format": "bare", "disk_format": "qcow2", "min_disk": 40}
AUTOMATIC = Has(
    __os_version="CentOS 7.3 64bit", __os_type="Linux", __platform="CentOS", __os_bit="64", __imagetype="private", __isregistered="true",
    __image_source_type="uds", __image_size="0", __root_origin="file", virtual_env_type="FusionCompute", enterprise_project_id="0",
    status="queued", visibility="private", owner="$project", min_disk=40, min_ram=0, disk_format="qcow2", container_format="bare",
    protected=False, tags=[], size=None, checksum=None, schema="/v2/schemas/image",
)  # fmt: skip

CREATED = Operation(
    f"POST {IMAGES}",
    [
        Step(f"POST {IMAGES}", RECORD, 201, shape=AUTOMATIC, keep={"made": "id"}),
        Step(f"GET {IMAGES}/$made", shape=AUTOMATIC),
        Step("GET /v2/cloudimages?id=$made&__isregistered=true", shape={"images": [Has(AUTOMATIC, id="$made")]}),
        Step(f"GET {IMAGES}?id=$made&__isregistered=true&__platform=CentOS", shape=Has(images=[Has(id="$made")])),
        Step(f"POST {IMAGES}", {}, 201, shape=Has(disk_format="zvhd2", container_format="bare", visibility="private")),
        Step(f"POST {IMAGES}", {"disk_format": "raw", "name": "r"}, 201, shape=Has(disk_format="raw"), keep={"raw": "id"}),
        Step(f"PUT {IMAGES}/$raw/file", bytes(512), 204, headers=OCTETS),
        Step(f"PUT {IMAGES}/$raw/file", bytes(512), 409, "IMG.0046", headers=OCTETS),
        Step("GET /v2/cloudimages?id=$raw", shape={"images": [Has(status="active", __image_size="512", active_at=str)]}),
        Step(f"POST {IMAGES}", {**RECORD, "hw_vif_multiqueue_enabled": True, "max_ram": 4096}, 201, shape=Has(hw_vif_multiqueue_enabled="true", max_ram="4096")),
        Step(f"POST {IMAGES}", {"tags": [f"t{n}" for n in range(10)]}, 201, shape=Has(tags=Each(str, 10))),
        Step(f"POST {IMAGES}", {"tags": [f"t{n}" for n in range(11)]}, 400, "IMG.0116"),
        Step(f"POST {IMAGES}", {"visibility": "public"}, 403, "IMG.0026"),
        Step(f"POST {IMAGES}", {"min_disk": "many"}, 400, "IMG.0001"),
        Step(f"POST {IMAGES}", {"disk_format": "floppy"}, 400, "IMG.0001"),
    ],
    body={},
    writes=True,
)  # fmt: skip

DELETED = Operation(
    f"DELETE {IMAGES}/$tagged",
    [
        Step(f"DELETE {IMAGES}/$queued", status=204),
        Step("GET /v2/cloudimages?id=$queued", shape={"images": []}),
        Step(f"DELETE {IMAGES}/$queued", status=404, code="IMG.0144"),
        Step(f"DELETE {IMAGES}/$active", {"delete_backup": True}, 204),
        Step(f"GET {IMAGES}/$active", status=404, code="IMG.0144"),
        Step("GET /v2/cloudimages?id=$active", shape={"images": []}),
        Step(f"DELETE {IMAGES}/$second", {}, 204, headers={"content_type": "application/json;charset=UTF-8"}),
        Step(f"DELETE {IMAGES}/$protected", {"delete_backup": False}, 400, "IMG.0028"),
        Step(f"DELETE {IMAGES}/$protected", status=400, code="IMG.0028"),
        Step(f"DELETE {IMAGES}/$public", status=403, code="IMG.0026"),
        Step(f"DELETE {IMAGES}/$accepted", status=403, code="IMG.0026"),
        *[Step(f"DELETE {IMAGES}/{one}", status=404, code="IMG.0144") for one in ("$none", "$foreign", "x")],
    ],
    writes=True,
)

MEMBERS = f"{IMAGES}/$active/members"
SHARED = Operation(
    f"POST {MEMBERS}",
    [
        Step(f"POST {MEMBERS}", {"member": "$works"}, shape=Has(member_id="$works", image_id="$active", status="pending")),
        Step(f"POST {MEMBERS}", {"member": "$works"}, 409, "IMG.0046"),
        Step(f"GET {MEMBERS}", shape=Has(members=[Has(member_id="$works")])),
        Step(f"GET {MEMBERS}/$works", shape=Has(status="pending")),
        Step("GET /v2/cloudimages?id=$active", shape={"images": [Has(__imagetype="shared")]}),
        Step(f"PUT {MEMBERS}/$works", {"status": "accepted"}, shape=Has(status="accepted"), by="olga"),
        Step("GET /v2/cloudimages?id=$active", by="olga", shape={"images": [Has(__imagetype="shared", visibility="shared", owner="$project")]}),
        Step(f"DELETE {MEMBERS}/$works", status=204),
        Step("GET /v2/cloudimages?id=$active", shape={"images": [Has(__imagetype="private", visibility="private")]}),
        Step("POST /v1/cloudimages/members", {"images": ["$active"], "projects": ["$works"]}, shape={"job_id": str}),
        Step("POST /v2/images/$public/members", {"member": "$works"}, 400, "IMG.0089", by="ada"),
    ],
    body={"member": "$works"},
    writes=True,
)  # fmt: skip


def replace(name: str, value: Any) -> list[dict[str, Any]]:
    return [{"op": "replace", "path": f"/{name}", "value": value}]


CHANGE = f"PATCH {IMAGES}/$active"
V21 = {"content_type": "application/openstack-images-v2.1-json-patch"}
V20 = {"content_type": "application/openstack-images-v2.0-json-patch"}
CHANGED = Operation(
    f"GET {IMAGES}/$active",
    [
        Step(CHANGE, replace("name", "n"), shape=Has(name="n"), headers=V21),
        Step(CHANGE, [{"op": "add", "path": "/name", "value": "m"}], shape=Has(name="m"), headers=V21),
        Step(CHANGE, replace("nothing", "x"), 400, "IMG.0035", headers=V21),
        Step(CHANGE, [{"op": "remove", "path": "/nothing"}], 400, "IMG.0035", headers=V21),
        Step(CHANGE, [{"op": "add", "path": "/hw_vif_multiqueue_enabled", "value": True}], shape=Has(hw_vif_multiqueue_enabled="true"), headers=V21),
        Step(CHANGE, [{"add": "/own", "value": "x"}], shape=Has(own="x"), headers=V20),
        Step(CHANGE, replace("protected", True), shape=Has(protected=True), headers=V21),
        Step(CHANGE, replace("visibility", "public"), 403, "IMG.0026", headers=V21),
        Step(CHANGE, replace("tags", ["a=b", "c"]), shape=Has(tags=["a=b", "c"]), headers=V21),
        Step(f"PUT {IMAGES}/$active/tags/two-words", status=204),
        Step(f"DELETE {IMAGES}/$active/tags/two-words", status=204),
        Step(f"DELETE {IMAGES}/$active/tags/two-words", status=404),
        Step(f"PUT {IMAGES}/$full/tags/eleventh", status=400, code="IMG.0116"),
        Step("GET /v2/schemas/image", shape=Has(name="image", properties=Has())),
        Step("GET /v2/schemas/members", shape=Has(name="members")),
        Step("GET /v2", status=300),
    ],
)  # fmt: skip


@pytest.mark.parametrize("operation", [CREATED, DELETED, SHARED, CHANGED], ids=str)
async def test_it_is_as_documented(walk: Walk, operation: Operation) -> None:
    await walk.through(operation.all_steps())
