"""What OpenAPI says of the image API, in addition to what the router knows."""

from collections.abc import Mapping
from functools import cache

from stillage.api.description import COUNT, JSON, OCTETS, READS, TEXT, WRITES, Description, Details, ref
from stillage.api.image_v2 import admin_documents, documents, family_documents, task_documents, verdict_documents
from stillage.api.image_v2.cache import TARGET, TARGETS
from stillage.api.image_v2.disks import MOST_CELLS
from stillage.api.image_v2.metadefs import description as metadefs
from stillage.api.image_v2.uploads import documents as upload_documents
from stillage.api.json_schemas import Schema, components_of
from stillage.formats.verdict import VerdictView
from stillage.formats.views.outputs import OUTPUTS
from stillage.images.image import DISK_FORMATS
from stillage.images.job import State
from stillage.images.patch import V2_0, V2_1
from stillage.images.query import SORT_KEYS
from stillage.images.retention import MOST
from stillage.images.task import SORT_KEYS as TASK_SORT_KEYS
from stillage.images.task import STATES
from stillage.images.upload_query import UploadStatus
from stillage.operations.disks.wanted import PACKED

LIST_QUERY = {
    "limit": COUNT,
    "marker": TEXT,
    "count": {"const": "1", "description": "count the images of all pages"},
    "sort_key": {"type": "array", "items": {"enum": list(SORT_KEYS)}},
    "sort_dir": {"type": "array", "items": {"enum": ["asc", "desc"]}},
    "sort": TEXT,
    "name": TEXT,
    "id": TEXT,
    "status": TEXT,
    "visibility": {"enum": ["public", "private", "shared", "community", "all"]},
    "member_status": {"enum": ["accepted", "pending", "rejected", "all"]},
    "owner": TEXT,
    "protected": {"enum": ["true", "false"]},
    "os_hidden": {"enum": ["true", "false"]},
    "tag": {"type": "array", "items": TEXT},
    "family": TEXT,
    "latest": {"const": "true", "description": "with family: the latest image of the family alone"},
    "container_format": TEXT,
    "disk_format": TEXT,
    "size_min": COUNT,
    "size_max": COUNT,
    "created_at": TEXT,
    "updated_at": TEXT,
}
KEPT = {name: {**COUNT, "minimum": 1} for name in MOST}
PAGES = {"limit": {**COUNT, "minimum": 1}, "marker": TEXT}
AUDIT_QUERY = {
    **dict.fromkeys(("target", "user", "action"), TEXT),
    "since": {**TEXT, "description": "a time; events from then on"},
    "until": {**TEXT, "description": "a time; events before it"},
    "format": {"enum": ["json", "jsonl"], "description": "jsonl: all of them, one in a line"},
    **PAGES,
}
TASK_QUERY = {
    "limit": COUNT,
    "marker": TEXT,
    "sort_key": {"enum": list(TASK_SORT_KEYS)},
    "sort_dir": {"enum": ["asc", "desc"]},
    "status": {"enum": list(STATES)},
    "type": {"enum": ["import"]},
}

JOB_QUERY = {"limit": COUNT, "marker": TEXT, "state": {"enum": list(State)}, "image_id": TEXT}
UPLOAD_QUERY = {"limit": COUNT, "marker": TEXT, "status": {"enum": list(UploadStatus)}}
UPLOAD_HEADERS = {
    "X-Openstack-Image-Size": {**COUNT, "description": "bytes to expect; beats Content-Length"},
    "X-Image-Meta-Store": TEXT,
    "Content-MD5": {**TEXT, "description": "base64 (RFC 1864) or hex"},
    "Content-Digest": {**TEXT, "description": "RFC 9530; sha-256 and sha-512 are verified"},
}
# Source: docs/resumable.md.
PIECE_HEADERS = {"Content-Range": {**TEXT, "pattern": r"^bytes (\d+-\d+/(\d+|\*)|\*/\d+)$"}}
IETF_HEADERS = {
    "Upload-Complete": {"enum": ["?0", "?1"], "description": "?1: the body is all that is missing"},
    "Upload-Length": {**COUNT, "description": "bytes of the whole image"},
    "Upload-Draft-Interop-Version": {"enum": ["6", "7", "8"], "description": "interim responses 104 are understood"},
    "Repr-Digest": {**TEXT, "description": "RFC 9530, of the whole image"},
}
TUS_HEADERS = {
    "Tus-Resumable": {"const": "1.0.0"},
    "Upload-Defer-Length": {"const": "1"},
    "Upload-Metadata": {**TEXT, "description": "sha256, sha512 and md5, in hex, are verified of the whole image"},
    "Upload-Checksum": {**TEXT, "description": "of the body: md5, sha1, sha256 or sha512, and base64"},
}
CHOICES = (*OUTPUTS, *PACKED)
CONVERSION_QUERY = {
    "disk_format": {
        "enum": sorted({disk_format for disk_format, _ in CHOICES}),
        "description": "convert the image to this format",
    },
    "subformat": {
        "enum": sorted({subformat for _, subformat in CHOICES if subformat}),
        "description": "the finer kind of disk_format",
    },
}
DECLARED = {"disk_format": {"enum": list(DISK_FORMATS)}}
INSPECT_HEADERS = {
    "X-Image-Meta-Disk-Format": {
        "enum": list(DISK_FORMATS),
        "description": "as what to inspect; any one format without",
    },
    "X-Image-Meta-Partial": {"enum": ["true", "false"], "description": "the body is only the image's beginning"},
    "X-Openstack-Image-Size": {**COUNT, "description": "bytes of the whole image"},
}


def _list_of(name: str) -> Schema:
    return {"type": "array", "items": ref(name)}


DETAILS: Mapping[str, Details] = {
    "GET /v2": Details({300: "Versions"}),
    "GET /v2/": Details({300: "Versions"}),
    "GET /v2/versions": Details({200: "Versions"}),
    "POST /v2/images": Details({201: "Image"}, WRITES, body={JSON: ref("NewImage")}),
    "GET /v2/images": Details({200: "Images"}, READS, query=LIST_QUERY),
    "GET /v2/images/{image_id}": Details({200: "Image"}, READS),
    "PATCH /v2/images/{image_id}": Details(
        {200: "Image"}, WRITES, body={V2_1: _list_of("Change"), V2_0: _list_of("OldChange")}
    ),
    "DELETE /v2/images/{image_id}": Details({204: None}, (*READS, 409)),
    "PUT /v2/images/{image_id}/file": Details(
        {201: None, 202: "Upload", 204: None},
        (*WRITES, 408, 410, 429, 503),
        headers=UPLOAD_HEADERS | PIECE_HEADERS | IETF_HEADERS,
        body={OCTETS: {}},
    ),
    "PUT /v2/images/{image_id}/stage": Details(
        {202: "Upload", 204: None},
        (*WRITES, 408, 410, 429, 503),
        headers=UPLOAD_HEADERS | PIECE_HEADERS,
        body={OCTETS: {}},
    ),
    "POST /v2/images/{image_id}/import": Details(
        {202: None}, WRITES, headers={"X-Image-Meta-Store": TEXT}, body={JSON: ref("NewImport")}
    ),
    "OPTIONS /v2/images/{image_id}/file": Details({204: None}, READS),
    "GET /v2/uploads": Details({200: "ListedUploads"}, READS, query=UPLOAD_QUERY),
    "OPTIONS /v2/images/{image_id}/uploads": Details({204: None}, READS),
    "POST /v2/images/{image_id}/uploads": Details(
        {201: "Upload"},
        (*WRITES, 408, 410, 412, 429, 460, 503),
        headers={"Upload-Length": COUNT, **TUS_HEADERS},
        body={JSON: ref("NewUpload"), "application/offset+octet-stream": {}},
    ),
    "GET /v2/images/{image_id}/uploads": Details({200: "Uploads"}, READS),
    "GET /v2/images/{image_id}/uploads/{upload}": Details({200: "Upload"}, (*READS, 410)),
    "PUT /v2/images/{image_id}/uploads/{upload}": Details(
        {202: "Upload", 204: None}, (*WRITES, 408, 410, 429, 503), headers=PIECE_HEADERS, body={OCTETS: {}}
    ),
    "PATCH /v2/images/{image_id}/uploads/{upload}": Details(
        {204: None},
        (*WRITES, 408, 410, 412, 429, 460, 503),
        headers={"Upload-Offset": COUNT, **IETF_HEADERS, **TUS_HEADERS},
        body={"application/partial-upload": {}, "application/offset+octet-stream": {}},
    ),
    "POST /v2/images/{image_id}/uploads/{upload}": Details(
        {204: None}, (*WRITES, 408, 410, 412, 429, 460, 503), headers={"X-HTTP-Method-Override": TEXT}
    ),
    "POST /v2/images/{image_id}/uploads/{upload}/proof": Details(
        {204: None}, (*WRITES, 408, 410), body={JSON: ref("Proof")}
    ),
    "POST /v2/images/{image_id}/uploads/{upload}/have": Details(
        {200: "Missing", 202: "Upload", 204: None}, (*WRITES, 408, 410, 429, 503), body={JSON: ref("PieceDigests")}
    ),
    "DELETE /v2/images/{image_id}/uploads/{upload}": Details({204: None}, (*READS, 410, 412)),
    "POST /v2/images/inspect": Details(
        {200: "VerdictView"}, (400, 401, 408, 413, 415), query=DECLARED, headers=INSPECT_HEADERS, body={OCTETS: {}}
    ),
    "GET /v2/images/{image_id}/file": Details(
        {200: "octets", 204: None, 206: "octets", 304: None, 307: None, 412: None},
        (400, *READS, 406, 409, 416, 503),
        query=CONVERSION_QUERY,
        headers={"Range": TEXT, "Prefer": TEXT},
    ),
    "GET /v2/images/{image_id}/disk": Details(
        {200: "octets", 206: "octets", 304: None, 412: None}, (*READS, 409, 416, 503), headers={"Range": TEXT}
    ),
    "GET /v2/images/{image_id}/copies": Details({200: "Copies"}, READS),
    "GET /v2/images/{image_id}/map": Details(
        {200: "DataMap"}, (400, *READS, 409, 503), query={"cells": {**COUNT, "minimum": 1, "maximum": MOST_CELLS}}
    ),
    "GET /v2/images/{image_id}/layout": Details({200: "Layout"}, (*READS, 409, 503)),
    "POST /v2/images/{image_id}/actions/deactivate": Details({204: None}, READS),
    "POST /v2/images/{image_id}/actions/reactivate": Details({204: None}, READS),
    "POST /v2/images/{image_id}/actions/deprecate": Details({204: None}, WRITES, body={JSON: ref("Retirement")}),
    "POST /v2/images/{image_id}/actions/obsolete": Details({204: None}, WRITES, body={JSON: ref("Retirement")}),
    "GET /v2/trash": Details({200: "Trash"}, (400, 401, 403), query=PAGES),
    "POST /v2/trash/{image_id}/restore": Details({200: "Image"}, READS),
    "DELETE /v2/trash/{image_id}": Details({204: None}, READS),
    "GET /v2/retention": Details({200: "RetentionRules"}, (400, 401, 403), query=PAGES),
    "GET /v2/retention/{family}": Details({200: "Retention"}, (400, *READS), query=KEPT),
    "PUT /v2/retention/{family}": Details({200: "Retention"}, (*READS, 413), body={JSON: ref("NewRetention")}),
    "DELETE /v2/retention/{family}": Details({204: None}, READS),
    "POST /v2/images/{image_id}/links": Details({201: "DownloadLink"}, WRITES, body={JSON: ref("NewDownloadLink")}),
    "GET /v2/images/{image_id}/links/{link}": Details({200: "octets", 204: None, 206: "octets"}, (403, 404, 406, 416)),
    "GET /v2/images/{image_id}/verdict": Details({200: "ImageVerdict"}, READS),
    "GET /v2/events": Details({200: "text"}, (401, 429, 503), headers={"Last-Event-ID": TEXT}),
    "GET /v2/rules": Details({200: "Rules"}, (401,)),
    "POST /v2/images/{image_id}/locations": Details({202: None}, WRITES, body={JSON: ref("NewLocation")}),
    "GET /v2/images/{image_id}/locations": Details({200: "Locations"}, READS),
    "POST /v2/images/{image_id}/members": Details({200: "Member"}, WRITES, body={JSON: ref("NewMember")}),
    "GET /v2/images/{image_id}/members": Details({200: "Members"}, READS),
    "GET /v2/images/{image_id}/members/{member_id}": Details({200: "Member"}, READS),
    "PUT /v2/images/{image_id}/members/{member_id}": Details({200: "Member"}, WRITES, body={JSON: ref("MemberAnswer")}),
    "DELETE /v2/images/{image_id}/members/{member_id}": Details({204: None}, READS),
    "PUT /v2/images/{image_id}/tags/{tag}": Details({204: None}, WRITES),
    "DELETE /v2/images/{image_id}/tags/{tag}": Details({204: None}, (*READS, 409)),
    "GET /v2/images/{image_id}/tasks": Details({200: "ImageTasks"}, READS),
    "GET /v2/jobs": Details({200: "ListedJobs"}, (400, 401, 403), query=JOB_QUERY),
    "GET /v2/tasks": Details({200: "Tasks"}, (400, 401, 403), query=TASK_QUERY),
    "POST /v2/tasks": Details({}, (400, 401, 403, 413, 415), body={JSON: ref("NewTask")}),
    "GET /v2/tasks/{task_id}": Details({200: "Task"}, READS),
    "GET /v2/schemas/{name}": Details({200: "Anything"}, (401, 404)),
    "GET /v2/schemas/metadefs/{name}": Details({200: "Anything"}, (401, 404)),
    **metadefs.DETAILS,
    "DELETE /v2/stores/{store}/{image_id}": Details({204: None}, (*READS, 409)),
    "GET /v2/cache": Details({200: "CachedImages"}, (401, 403)),
    "DELETE /v2/cache": Details({204: None}, READS, headers={TARGET: {"enum": list(TARGETS)}}),
    "PUT /v2/cache/{image_id}": Details({202: None}, (*READS, 413)),
    "DELETE /v2/cache/{image_id}": Details({204: None}, READS),
    "GET /v2/cache/nodes/{image_id}": Details({}, (401, 403, 404, 409)),
    "GET /v2/info/stores": Details({200: "Stores"}, (401,)),
    "GET /v2/info/stores/detail": Details({200: "Stores"}, (401, 403)),
    "GET /v2/info/import": Details({200: "ImportMethods"}, (401,)),
    "GET /v2/info/usage": Details({200: "Usage"}, (401,)),
    "GET /v2/quotas": Details({200: "ProjectQuotas"}, (400, 401, 403), query=PAGES),
    "GET /v2/quotas/{project_id}": Details({200: "ProjectQuota"}, READS),
    "PUT /v2/quotas/{project_id}": Details({200: "ProjectQuota"}, (*READS, 413), body={JSON: ref("NewQuota")}),
    "DELETE /v2/quotas/{project_id}": Details({204: None}, READS),
    "GET /v2/audit": Details({200: "AuditEvents"}, (400, 401, 403), query=AUDIT_QUERY),
    "GET /v2/settings": Details({200: "DeploymentSettings"}, (401, 403)),
    "GET /v2/status": Details({200: "DeploymentStatus"}, (401, 403)),
    "GET /v2/usage": Details({200: "UsageOfProjects"}, (400, 401, 403), query={"by": {"enum": ["project"]}, **PAGES}),
}


def details(method: str, path: str) -> Details:
    return DETAILS[f"{method} {path}"]


@cache
def schemas() -> Mapping[str, Schema]:
    made = components_of(
        documents.Images,
        documents.Change,
        documents.OldChange,
        documents.Members,
        documents.NewMember,
        documents.MemberAnswer,
        documents.Stores,
        documents.CachedImages,
        documents.NewLocation,
        documents.ImportMethods,
        documents.NewImport,
        documents.Usage,
        admin_documents.DeploymentStatus,
        admin_documents.DeploymentSettings,
        admin_documents.AuditEvents,
        admin_documents.ProjectQuotas,
        admin_documents.UsageOfProjects,
        admin_documents.NewQuota,
        documents.DataMap,
        family_documents.Retirement,
        family_documents.Trash,
        family_documents.NewRetention,
        family_documents.RetentionRules,
        family_documents.Retention,
        task_documents.Task,
        task_documents.Tasks,
        task_documents.Task,
        task_documents.ImageTasks,
        task_documents.NewTask,
        task_documents.ListedJobs,
        documents.Layout,
        documents.Copies,
        documents.DownloadLink,
        documents.NewDownloadLink,
        upload_documents.Uploads,
        upload_documents.ListedUploads,
        verdict_documents.ImageVerdict,
        verdict_documents.Rules,
        upload_documents.NewUpload,
        upload_documents.Proof,
        upload_documents.PieceDigests,
        upload_documents.Missing,
        *metadefs.DOCUMENTS,
        VerdictView,
    )
    return made | {"NewImage": _new_image(made["Image"]), "Locations": _list_of("Location")}


def _new_image(image: Schema) -> Schema:
    """Return the schema of a request to create an image: every member that is not read-only, all of them optional."""
    settable = {name: schema for name, schema in image["properties"].items() if not schema.get("readOnly")}
    return {"type": "object", "properties": settable, "additionalProperties": image["additionalProperties"]}


DESCRIPTION = Description(details, schemas)
