"""The description of every route, as OpenAPI 3.1, served at ``/openapi.json``.

Routes, methods and path parameters are read from the router, summaries from the handlers' docstrings, so they cannot
drift; `DETAILS` adds what a router does not know, and the dialects know which routes need a token. A test finds every
route without details and the other way round.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from stillage import __version__
from stillage.api.description import Details
from stillage.api.dialects import DIALECTS, Dialect, find_dialect, name_of
from stillage.api.http.json_bodies import json_response
from stillage.api.image_v2.schemas import IMAGE_PROPERTIES, MEMBER
from stillage.api.image_v2.uploads.digests import DECLARABLE
from stillage.images.creation import MAX_TEXT, READ_ONLY
from stillage.images.image import DISK_FORMATS
from stillage.images.patch import OPS, V2_0, V2_1
from stillage.images.query import SORT_KEYS

OCTETS = "application/octet-stream"
JSON = "application/json"
TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 0}
READS = (400, 401, 403, 404)
WRITES = (400, 401, 403, 404, 409, 413, 415)


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


LIST_QUERY = {
    "limit": COUNT,
    "marker": TEXT,
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
    "container_format": TEXT,
    "disk_format": TEXT,
    "size_min": COUNT,
    "size_max": COUNT,
    "created_at": TEXT,
    "updated_at": TEXT,
}

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
DECLARED = {"disk_format": {"enum": list(DISK_FORMATS)}}
INSPECT_HEADERS = {
    "X-Image-Meta-Disk-Format": {
        "enum": list(DISK_FORMATS),
        "description": "as what to inspect; any one format without",
    },
    "X-Image-Meta-Partial": {"enum": ["true", "false"], "description": "the body is only the image's beginning"},
    "X-Openstack-Image-Size": {**COUNT, "description": "bytes of the whole image"},
}

DETAILS: Mapping[str, Details] = {
    "GET /": Details({300: "Versions"}),
    "GET /v2": Details({300: "Versions"}),
    "GET /v2/": Details({300: "Versions"}),
    "GET /versions": Details({200: "Versions"}),
    "GET /v2/versions": Details({200: "Versions"}),
    "GET /openapi.json": Details({200: "Anything"}),
    "GET /healthz": Details({200: "Anything"}),
    "GET /readyz": Details({200: "Anything", 503: "Anything"}),
    "GET /metrics": Details({200: "text"}, (401, 403)),
    "POST /v2/images": Details({201: "Image"}, WRITES, body={JSON: _ref("NewImage")}),
    "GET /v2/images": Details({200: "Images"}, READS, query=LIST_QUERY),
    "GET /v2/images/{image_id}": Details({200: "Image"}, READS),
    "PATCH /v2/images/{image_id}": Details(
        {200: "Image"}, WRITES, body={V2_1: _ref("PatchV21"), V2_0: _ref("PatchV20")}
    ),
    "DELETE /v2/images/{image_id}": Details({204: None}, (*READS, 409)),
    "PUT /v2/images/{image_id}/file": Details(
        {201: None, 202: "Upload", 204: None},
        (*WRITES, 408, 410, 429, 503),
        headers=UPLOAD_HEADERS | PIECE_HEADERS | IETF_HEADERS,
        body={OCTETS: {}},
    ),
    "OPTIONS /v2/images/{image_id}/file": Details({204: None}, READS),
    "OPTIONS /v2/images/{image_id}/uploads": Details({204: None}, READS),
    "POST /v2/images/{image_id}/uploads": Details(
        {201: "Upload"},
        (*WRITES, 408, 410, 412, 429, 460, 503),
        headers={"Upload-Length": COUNT, **TUS_HEADERS},
        body={JSON: _ref("NewUpload"), "application/offset+octet-stream": {}},
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
        {204: None}, (*WRITES, 408, 410), body={JSON: _ref("Proof")}
    ),
    "DELETE /v2/images/{image_id}/uploads/{upload}": Details({204: None}, (*READS, 410, 412)),
    "POST /v2/images/inspect": Details(
        {200: "Verdict"}, (400, 401, 408, 413, 415), query=DECLARED, headers=INSPECT_HEADERS, body={OCTETS: {}}
    ),
    "GET /v2/images/{image_id}/file": Details(
        {200: "octets", 204: None, 206: "octets", 304: None, 412: None}, (*READS, 416, 503), headers={"Range": TEXT}
    ),
    "POST /v2/images/{image_id}/actions/deactivate": Details({204: None}, READS),
    "POST /v2/images/{image_id}/actions/reactivate": Details({204: None}, READS),
    "POST /v2/images/{image_id}/members": Details({200: "Member"}, WRITES, body={JSON: _ref("NewMember")}),
    "GET /v2/images/{image_id}/members": Details({200: "Members"}, READS),
    "GET /v2/images/{image_id}/members/{member_id}": Details({200: "Member"}, READS),
    "PUT /v2/images/{image_id}/members/{member_id}": Details(
        {200: "Member"}, WRITES, body={JSON: _ref("MemberAnswer")}
    ),
    "DELETE /v2/images/{image_id}/members/{member_id}": Details({204: None}, READS),
    "PUT /v2/images/{image_id}/tags/{tag}": Details({204: None}, WRITES),
    "DELETE /v2/images/{image_id}/tags/{tag}": Details({204: None}, (*READS, 409)),
    "GET /v2/schemas/{name}": Details({200: "Anything"}, (401, 404)),
    "GET /v2/info/stores": Details({200: "Anything"}, (401,)),
    "GET /v2/info/stores/detail": Details({200: "Anything"}, (401, 403)),
    "GET /v2/info/import": Details({200: "Anything"}, (401,)),
    "GET /v2/info/usage": Details({200: "Anything"}, (401,)),
}


def _verdict() -> dict[str, Any]:
    """Source: docs/formats.md."""
    text, count = {"type": ["string", "null"]}, {"type": ["integer", "null"], "minimum": 0}
    hazard = {"rule": TEXT, "offset": count, "message": TEXT, "fix": text}
    properties = {
        "accepted": {"type": ["boolean", "null"]},
        "complete": {"type": "boolean"},
        "declared": text,
        "format": text,
        "subformat": text,
        "virtual_size": count,
        "size": COUNT,
        "details": {"type": "object", "additionalProperties": TEXT},
        "hazards": {"type": "array", "items": {"type": "object", "properties": hazard, "required": list(hazard)}},
    }
    return {"type": "object", "properties": properties, "required": list(properties)}


def _upload_schemas() -> dict[str, Any]:
    """Source: docs/resumable.md, "The document"."""
    unknown = {"type": ["integer", "null"], "minimum": 0}
    digests = {"type": "object", "properties": dict.fromkeys(DECLARABLE, TEXT), "additionalProperties": False}
    ranges = {"type": "array", "items": {"type": "array", "items": COUNT, "minItems": 2, "maxItems": 2}}
    properties = {
        "id": TEXT,
        "image_id": TEXT,
        "url": {**TEXT, "description": "a path; whoever knows it may go on with the upload, without a token"},
        "size": unknown,
        "offset": {**COUNT, "description": "bytes that are there from the beginning, without a gap"},
        "received": {**COUNT, "description": "bytes that are there in all"},
        "ranges": ranges,
        "verified": {**COUNT, "description": "bytes that are hashed and inspected"},
        "complete": {"type": "boolean"},
        "suspended": {"type": ["string", "null"], "description": "why it cannot be resumed without a token"},
        "digests": {"type": "object", "additionalProperties": TEXT},
        "created_at": TEXT,
        "expires_at": TEXT,
    }
    return {
        "Upload": {
            "type": "object",
            "properties": properties | {"proof": {"type": "object", "properties": {"nonce": TEXT, "ranges": ranges}}},
            "required": list(properties),
        },
        "Proof": {
            "type": "object",
            "properties": {"nonce": TEXT, "digests": {"type": "array", "items": TEXT}},
            "required": ["nonce", "digests"],
        },
        "Uploads": {
            "type": "object",
            "properties": {"uploads": {"type": "array", "items": _ref("Upload")}},
            "required": ["uploads"],
        },
        "NewUpload": {
            "type": "object",
            "properties": {"size": unknown, "digests": digests},
            "additionalProperties": False,
        },
    }


def _schemas() -> dict[str, Any]:
    view = {name: dict(schema) for name, schema in IMAGE_PROPERTIES.items()}
    settable = {
        name: schema for name, schema in view.items() if name not in READ_ONLY | {"os_hash_algo", "os_hash_value"}
    }
    change = {"type": "object", "properties": {"op": {"enum": list(OPS)}, "path": TEXT, "value": {}}}
    old_change = {"type": "object", "properties": {"add": TEXT, "replace": TEXT, "remove": TEXT, "value": {}}}
    return {
        "Image": {
            "type": "object",
            "properties": view,
            "required": [name for name, schema in view.items() if "is_base" not in schema],
            "additionalProperties": TEXT,
        },
        "Verdict": _verdict(),
        "NewImage": {"type": "object", "properties": settable, "additionalProperties": TEXT},
        "Images": {
            "type": "object",
            "properties": {
                "images": {"type": "array", "items": _ref("Image")},
                "first": TEXT,
                "next": TEXT,
                "schema": TEXT,
            },
            "required": ["images", "first", "schema"],
        },
        "Member": {"type": "object", "properties": MEMBER["properties"], "required": list(MEMBER["properties"])},
        "Members": {
            "type": "object",
            "properties": {"members": {"type": "array", "items": _ref("Member")}, "schema": TEXT},
            "required": ["members", "schema"],
        },
        "NewMember": {
            "type": "object",
            "properties": {"member": {**TEXT, "minLength": 1, "maxLength": MAX_TEXT}},
            "required": ["member"],
        },
        "MemberAnswer": {
            "type": "object",
            "properties": {"status": {"enum": ["pending", "accepted", "rejected"]}},
            "required": ["status"],
        },
        "PatchV21": {"type": "array", "items": {**change, "required": ["op", "path"]}},
        "PatchV20": {"type": "array", "items": old_change},
        **_upload_schemas(),
        "Versions": {"type": "object", "properties": {"versions": {"type": "array"}}, "required": ["versions"]},
        "Error": {
            "type": "object",
            "properties": {
                "error": {
                    "type": "object",
                    "properties": {
                        "code": {"type": "integer"},
                        "title": TEXT,
                        "message": {**TEXT, "description": "what is wrong, why, and what to do"},
                        "rule": {**TEXT, "description": "id of the broken rule, where the image's bytes were refused"},
                        "offset": COUNT,
                        "found": TEXT,
                        "declared": TEXT,
                        "fix": {**TEXT, "description": "the command that fixes the image"},
                        "request_id": TEXT,
                    },
                    "required": ["code", "title", "message"],
                }
            },
            "required": ["error"],
        },
        "Anything": {"type": "object"},
    }


def describe(router: web.UrlDispatcher, dialects: Sequence[Dialect]) -> dict[str, Any]:
    """Return the description of every route of *router* that belongs to one of *dialects*."""
    paths: dict[str, dict[str, Any]] = {}
    for route in router.routes():
        if route.method in ("HEAD", "*") or route.resource is None:
            continue
        path = route.resource.canonical
        if (dialect := find_dialect(dialects, path)) is not None:
            paths.setdefault(path, {})[route.method.lower()] = _operation(route, path, dialect)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Stillage", "version": __version__, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}},
        },
    }


def details_of(method: str, path: str) -> Details:
    return DETAILS[f"{method} {path}"]


def details_of_identity(method: str, path: str) -> Details:
    """The identity API in the large: one shape of errors, and answers as Keystone documents them."""
    success: dict[int, str | None] = {200: "Anything"}
    if method == "POST":
        success = {201: "Anything"}
    elif method == "DELETE":
        success = {204: None}
    elif path in ("/identity", "/identity/"):
        success = {300: "Anything"}
    body = {JSON: _ref("Anything")} if method == "POST" else {}
    discovery = re.fullmatch(r"(/identity)?(/v3)?/?", path) is not None
    errors = () if discovery else (400, 401, 403, 404, 409, 413, 429, 503)
    return Details(success, errors, body=body)


def _operation(route: web.AbstractRoute, path: str, dialect: Dialect) -> dict[str, Any]:
    details = dialect.description(route.method, path)
    summary = (route.handler.__doc__ or "").strip().partition("\n")[0]
    names = re.findall(r"{(\w+)}", path)
    parameters = [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in names]
    parameters += [{"name": name, "in": "query", "schema": schema} for name, schema in details.query.items()]
    parameters += [{"name": name, "in": "header", "schema": schema} for name, schema in details.headers.items()]
    operation: dict[str, Any] = {
        "operationId": f"{route.method.lower()}{re.sub(r'[^A-Za-z0-9]+', '_', path)}",
        "summary": summary,
        "parameters": parameters,
        "responses": {
            **{str(status): _response(schema) for status, schema in details.success.items()},
            **{str(status): _response("Error") for status in details.errors if status not in details.success},
        },
    }
    if details.body:
        content = {media_type: {"schema": schema} for media_type, schema in details.body.items()}
        operation["requestBody"] = {"required": True, "content": content}
    if name_of(route) not in dialect.public:
        operation["security"] = [{"token": []}]
    return operation


def _response(schema: str | None) -> dict[str, Any]:
    if schema is None:
        return {"description": "Done"}
    if schema in ("octets", "text"):
        return {"description": "Data", "content": {OCTETS if schema == "octets" else "text/plain": {}}}
    return {"description": schema, "content": {JSON: {"schema": _ref(schema)}}}


async def show(request: web.Request) -> web.Response:
    """GET /openapi.json: this description."""
    return json_response(describe(request.app.router, request.app[DIALECTS]))


def add_routes(router: web.UrlDispatcher) -> None:
    router.add_get("/openapi.json", show, allow_head=False)
