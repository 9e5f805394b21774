"""What OpenAPI says of IMS, in addition to what the router knows."""

from collections.abc import Mapping
from functools import cache

from stillage.api.description import COUNT, JSON, TEXT, Description, Details, ref
from stillage.api.image_v2.documents import Image
from stillage.api.ims import documents
from stillage.api.json_schemas import Schema, components_of

READS = (400, 401, 403)
WRITES = (*READS, 404, 409, 413)
TRUE: Schema = {"enum": ["true", "false"]}
SYSTEM_QUERY = ("__os_type", "__os_bit", "__platform", "__os_version", "virtual_env_type", "architecture")
HOST_QUERY = (
    "__support_kvm", "__support_xen", "__support_largememory", "__support_diskintensive", "__support_highperformance",
    "__support_xen_gpu_type", "__support_kvm_gpu_type", "__support_xen_hana", "__support_kvm_infiniband",
)  # fmt: skip
FILTERS: Mapping[str, Schema] = {
    **dict.fromkeys(("id", "name", "owner", "status", "container_format", "disk_format", "tag"), TEXT),
    **dict.fromkeys(("created_at", "updated_at", "enterprise_project_id", "flavor_id", "__system__cmkid"), TEXT),
    **dict.fromkeys((*SYSTEM_QUERY, *HOST_QUERY), TEXT),
    **dict.fromkeys(("min_ram", "min_disk"), COUNT),
    **dict.fromkeys(("__isregistered", "__whole_image", "protected"), TRUE),
    "__imagetype": {"enum": ["gold", "private", "shared", "market"]},
    "visibility": {"enum": ["public", "private", "shared"]},
    "member_status": {"enum": ["accepted", "pending", "rejected"]},
}
LIST_QUERY: Mapping[str, Schema] = {
    **FILTERS,
    "limit": COUNT,
    "marker": TEXT,
    "sort_key": {"enum": ["name", "container_format", "disk_format", "status", "id", "size", "created_at"]},
    "sort_dir": {"enum": ["asc", "desc"]},
}
PATCH: Mapping[str, Schema] = {JSON: {"type": "array", "items": ref("ImsPatchStep")}}

DETAILS: Mapping[str, Details] = {
    "GET /v2/cloudimages": Details({200: "ImsImages"}, READS, query=LIST_QUERY),
    "PATCH /v2/cloudimages/{image_id}": Details({200: "ImsImage"}, WRITES, body=PATCH),
    **{
        f"POST {path}": Details({200: "ImsAccepted"}, WRITES, body={JSON: ref("ImsCreation")})
        for path in (
            "/v2/cloudimages/action",
            "/v2/cloudimages/quickimport/action",
            "/v2.1/cloudimages/action",
            "/v2.1/cloudimages/quickimport/action",
            "/v2.1/cloudimages/dataimages/action",
            "/v1/cloudimages/action",
            "/v1/cloudimages/dataimages/action",
        )
    },
    "POST /v1/cloudimages/wholeimages/action": Details({}, WRITES, body={JSON: ref("ImsWholeImage")}),
    "PUT /v1/cloudimages/{image_id}/upload": Details({200: "ImsAccepted"}, WRITES, body={JSON: ref("ImsRegistration")}),
    "POST /v1/cloudimages/{image_id}/copy": Details({200: "ImsAccepted"}, WRITES, body={JSON: ref("ImsCopy")}),
    "POST /v2.1/cloudimages/{image_id}/copy": Details({200: "ImsAccepted"}, WRITES, body={JSON: ref("ImsCopy")}),
    "POST /v1/cloudimages/{image_id}/file": Details({200: "ImsAccepted"}, WRITES, body={JSON: ref("ImsExport")}),
    "POST /v2.1/cloudimages/{image_id}/file": Details({200: "ImsAccepted"}, WRITES, body={JSON: ref("ImsExport")}),
    "POST /v1/cloudimages/{image_id}/cross_region_copy": Details({}, WRITES, body={JSON: ref("ImsCopyElsewhere")}),
    "GET /v1/cloudimages/tags": Details({200: "ImsTagTexts"}, READS, query={**FILTERS, "limit": COUNT, "page": COUNT}),
    "PUT /v1/cloudimages/tags": Details({204: None}, WRITES, body={JSON: ref("ImsTagOfImage")}),
    "GET /v1/cloudimages/quota": Details({200: "ImsQuotas"}, READS),
    "GET /v1/cloudimages/os_version": Details({200: "ImsOsPlatforms"}, READS, query={"tag": TEXT}),
    "POST /v1/cloudimages/members": Details({200: "ImsAccepted"}, WRITES, body={JSON: ref("ImsSharing")}),
    "PUT /v1/cloudimages/members": Details({200: "ImsAccepted"}, WRITES, body={JSON: ref("ImsAnswer")}),
    "DELETE /v1/cloudimages/members": Details({200: "ImsAccepted"}, WRITES, body={JSON: ref("ImsSharing")}),
    "GET /v1/{project_id}/cloudimages/{image_id}/members": Details({200: "ImsMembers"}, (*READS, 404)),
    "GET /v1/{project_id}/cloudimages/{image_id}/members/{member_id}": Details({200: "ImsMember"}, (*READS, 404)),
    "GET /v1/{project_id}/jobs/{job_id}": Details({200: "ImsJob"}, (*READS, 404)),
    "GET /v1/cloudimages/job/{job_id}": Details({200: "ImsJob"}, (*READS, 404)),
    "GET /v2/{project_id}/images/tags": Details({200: "ImsTagsOfProject"}, READS),
    "POST /v2/{project_id}/images/resource_instances/action": Details(
        {200: "ImsResources"}, WRITES, body={JSON: ref("ImsTagQuery")}
    ),
    "GET /v2/{project_id}/images/{image_id}/tags": Details({200: "ImsTagsOfImage"}, (*READS, 404)),
    "POST /v2/{project_id}/images/{image_id}/tags": Details({204: None}, WRITES, body={JSON: ref("ImsNewTag")}),
    "POST /v2/{project_id}/images/{image_id}/tags/action": Details(
        {204: None}, WRITES, body={JSON: ref("ImsTagsAction")}
    ),
    "DELETE /v2/{project_id}/images/{image_id}/tags/{key}": Details({204: None}, WRITES),
    "DELETE /v1/{project_id}/cloudimages/{image_id}/tags/delete": Details(
        {204: None}, WRITES, body={JSON: ref("ImsRemovedTags")}
    ),
}


@cache
def schemas() -> Mapping[str, Schema]:
    made = components_of(
        documents.ImsTagTexts,
        documents.ImsTagOfImage,
        documents.ImsQuotas,
        documents.ImsOsPlatform,
        documents.ImsTagsOfProject,
        documents.ImsResources,
        documents.ImsTagsOfImage,
        documents.ImsNewTag,
        documents.ImsTagsAction,
        documents.ImsPatchStep,
        documents.ImsTagQuery,
        documents.ImsRemovedTags,
        documents.ImsWholeImage,
        documents.ImsCopyElsewhere,
        documents.ImsAccepted,
        documents.ImsCreation,
        documents.ImsRegistration,
        documents.ImsExport,
        documents.ImsCopy,
        documents.ImsSharing,
        documents.ImsAnswer,
        documents.ImsMembers,
        documents.ImsJob,
    )
    return made | {
        "ImsImage": _image(),
        "ImsImages": {"type": "object", "properties": {"images": _list_of("ImsImage")}, "required": ["images"]},
        "ImsOsPlatforms": _list_of("ImsOsPlatform"),
    }


def _image() -> Schema:
    """The record of the image API, with the attributes that IMS shows beside it, which are texts."""
    record = components_of(Image)["Image"]
    shown = {**documents.ATTRIBUTES, **documents.SOMETIMES}
    texts = {name: {"type": "string", "description": text} for name, text in shown.items()}
    required = [*record["required"], *documents.ATTRIBUTES]
    return {**record, "properties": {**record["properties"], **texts}, "required": required}


def _list_of(name: str) -> Schema:
    return {"type": "array", "items": ref(name)}


DESCRIPTION = Description(lambda method, path: DETAILS[f"{method} {path}"], schemas)
