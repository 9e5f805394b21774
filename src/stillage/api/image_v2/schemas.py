"""JSON schemas of what the image API shows. glanceclient checks against them before it sends anything.

Source: OpenStack Image API v2, "Image schemas"; limits and enumerations are those that `images.creation` enforces.
"""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from stillage.api.http.json_bodies import json_response
from stillage.ids import UUID
from stillage.images.creation import MAX_INTEGER, MAX_TEXT
from stillage.images.image import CONTAINER_FORMATS, DISK_FORMATS, Visibility
from stillage.images.status import Status

Schema = Mapping[str, Any]


def _text(description: str, *, limit: int = MAX_TEXT, **more: Any) -> dict[str, Any]:
    return {"type": ["null", "string"], "maxLength": limit, "description": description, **more}


def _read_only(kind: Any, description: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "readOnly": True, "description": description, **more}


def _count(description: str) -> dict[str, Any]:
    return {"type": "integer", "minimum": 0, "maximum": MAX_INTEGER, "description": description}


def _extra(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "is_base": False, "description": description, **more}


IMAGE_PROPERTIES: Mapping[str, Schema] = {
    "id": {"type": "string", "pattern": f"^{UUID.pattern}$", "description": "An identifier; may be chosen at creation"},
    "name": _text("Descriptive name"),
    "status": _read_only("string", "Status", enum=[status for status in Status if status is not Status.DELETED]),
    "visibility": {"type": "string", "enum": list(Visibility), "description": "Who may see the image"},
    "protected": {"type": "boolean", "description": "If true, the image cannot be deleted"},
    "os_hidden": {"type": "boolean", "description": "If true, the image is not in the default list"},
    "owner": _text("Project that owns the image"),
    "container_format": {"type": ["null", "string"], "enum": [None, *CONTAINER_FORMATS], "description": "Container"},
    "disk_format": {"type": ["null", "string"], "enum": [None, *DISK_FORMATS], "description": "Format of the disk"},
    "min_disk": _count("GiB of disk needed to boot"),
    "min_ram": _count("MiB of memory needed to boot"),
    "tags": {
        "type": "array",
        "items": {"type": "string", "maxLength": MAX_TEXT},
        "description": "Strings that describe the image",
    },
    "checksum": _read_only(["null", "string"], "MD5 of the data", maxLength=32),
    "os_hash_algo": _read_only(["null", "string"], "Algorithm of os_hash_value", maxLength=64),
    "os_hash_value": _read_only(["null", "string"], "Hexadecimal hash of the data", maxLength=128),
    "size": _read_only(["null", "integer"], "Bytes of the data"),
    "virtual_size": _read_only(["null", "integer"], "Bytes of the disk that a guest sees"),
    "created_at": _read_only("string", "When the record was made"),
    "updated_at": _read_only("string", "When the record was last changed"),
    "self": _read_only("string", "Path of the image"),
    "file": _read_only("string", "Path of its data"),
    "schema": _read_only("string", "Path of its schema"),
    "os_stillage_reason": _read_only("string", "Why the last upload failed", is_base=False),
    "os_stillage_damage": _read_only("string", "What is wrong with the data at rest", is_base=False),
    "architecture": _extra("Operating system architecture"),
    "os_distro": _extra("Common name of the operating system distribution"),
    "os_version": _extra("Version of the operating system"),
    "instance_uuid": _extra("Instance that the image was made from"),
    "description": _extra("A description for people"),
    "kernel_id": {**_text("Image with the kernel", pattern=f"^{UUID.pattern}$"), "is_base": False},
    "ramdisk_id": {**_text("Image with the ramdisk", pattern=f"^{UUID.pattern}$"), "is_base": False},
}

IMAGE: Schema = {
    "name": "image",
    "properties": IMAGE_PROPERTIES,
    "additionalProperties": {"type": "string"},
    "links": [
        {"rel": "self", "href": "{self}"},
        {"rel": "enclosure", "href": "{file}"},
        {"rel": "describedby", "href": "{schema}"},
    ],
}

IMAGES: Schema = {
    "name": "images",
    "properties": {
        "images": {"type": "array", "items": IMAGE},
        "first": {"type": "string"},
        "next": {"type": "string"},
        "schema": {"type": "string"},
    },
    "links": [
        {"rel": "first", "href": "{first}"},
        {"rel": "next", "href": "{next}"},
        {"rel": "describedby", "href": "{schema}"},
    ],
}

MEMBER: Schema = {
    "name": "member",
    "properties": {
        "member_id": {"type": "string", "maxLength": MAX_TEXT, "description": "Project that the image is shared with"},
        "image_id": {"type": "string", "pattern": f"^{UUID.pattern}$", "description": "The image"},
        "created_at": {"type": "string", "description": "When it was shared"},
        "updated_at": {"type": "string", "description": "When the sharing was last changed"},
        "status": {"type": "string", "enum": ["pending", "accepted", "rejected"], "description": "The member's answer"},
        "schema": {"type": "string", "readOnly": True},
    },
}

MEMBERS: Schema = {
    "name": "members",
    "properties": {"members": {"type": "array", "items": MEMBER}, "schema": {"type": "string"}},
    "links": [{"rel": "describedby", "href": "{schema}"}],
}

SCHEMAS: Mapping[str, Schema] = {"image": IMAGE, "images": IMAGES, "member": MEMBER, "members": MEMBERS}


async def show(request: web.Request) -> web.Response:
    """GET /v2/schemas/{name}."""
    name = request.match_info["name"]
    if name not in SCHEMAS:
        raise web.HTTPNotFound
    return json_response(SCHEMAS[name])
