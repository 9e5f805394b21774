"""What OpenAPI says of IMS, in addition to what the router knows."""

from collections.abc import Mapping
from functools import cache

from stillage.api.description import COUNT, JSON, TEXT, Description, Details, ref
from stillage.api.ims import documents
from stillage.api.json_schemas import Schema, components_of

READS = (400, 401, 403)
WRITES = (*READS, 404, 409, 413)
LIST_QUERY = {
    **dict.fromkeys(
        ("id", "name", "owner", "status", "container_format", "disk_format", "marker", "tag", "created_at"), TEXT
    ),
    **dict.fromkeys(("__os_type", "__os_bit", "__platform", "__os_version", "virtual_env_type", "updated_at"), TEXT),
    "__isregistered": {"enum": ["true", "false"]},
    "__imagetype": {"enum": ["gold", "private", "shared", "market"]},
    "visibility": {"enum": ["public", "private", "shared"]},
    "member_status": {"enum": ["accepted", "pending", "rejected"]},
    "protected": {"enum": ["true", "false"]},
    "limit": COUNT,
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
    "POST /v1/cloudimages/wholeimages/action": Details({}, WRITES, body={JSON: {"type": "object"}}),
    "PUT /v1/cloudimages/{image_id}/upload": Details({200: "ImsAccepted"}, WRITES, body={JSON: ref("ImsRegistration")}),
    "POST /v1/cloudimages/{image_id}/copy": Details({200: "ImsAccepted"}, WRITES, body={JSON: ref("ImsCopy")}),
    "POST /v2.1/cloudimages/{image_id}/copy": Details({200: "ImsAccepted"}, WRITES, body={JSON: ref("ImsCopy")}),
    "POST /v1/cloudimages/{image_id}/file": Details({200: "ImsAccepted"}, WRITES, body={JSON: ref("ImsExport")}),
    "POST /v2.1/cloudimages/{image_id}/file": Details({200: "ImsAccepted"}, WRITES, body={JSON: ref("ImsExport")}),
    "POST /v1/cloudimages/{image_id}/cross_region_copy": Details({}, WRITES, body={JSON: {"type": "object"}}),
    "GET /v1/cloudimages/tags": Details({200: "ImsTagTexts"}, READS, query={"limit": COUNT, "page": COUNT}),
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
        {200: "ImsResources"}, WRITES, body={JSON: {"type": "object"}}
    ),
    "GET /v2/{project_id}/images/{image_id}/tags": Details({200: "ImsTagsOfImage"}, (*READS, 404)),
    "POST /v2/{project_id}/images/{image_id}/tags": Details({204: None}, WRITES, body={JSON: ref("ImsNewTag")}),
    "POST /v2/{project_id}/images/{image_id}/tags/action": Details(
        {204: None}, WRITES, body={JSON: ref("ImsTagsAction")}
    ),
    "DELETE /v2/{project_id}/images/{image_id}/tags/{key}": Details({204: None}, WRITES),
    "DELETE /v1/{project_id}/cloudimages/{image_id}/tags/delete": Details(
        {204: None}, WRITES, body={JSON: {"type": "object"}}
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
        documents.ImsImages,
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
        "ImsImage": {"type": "object"},
        "ImsOsPlatforms": {"type": "array", "items": ref("ImsOsPlatform")},
    }


DESCRIPTION = Description(lambda method, path: DETAILS[f"{method} {path}"], schemas)
