"""What each dialect adds to the OpenAPI description, besides what the router knows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stillage.api.json_schemas import Schema

OCTETS = "application/octet-stream"
JSON = "application/json"
TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
READS = (400, 401, 403, 404)
WRITES = (400, 401, 403, 404, 409, 413, 415)
ERROR: Schema = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": {"type": ["integer", "string"], "description": "The status; in the ims profile a code of IMS"},
                "title": TEXT,
                "message": {**TEXT, "description": "What is wrong, why, and what to do"},
                "stillage_code": {**TEXT, "description": "Never changes; docs/errors.md lists every one"},
                "rule": {**TEXT, "description": "Id of the broken rule, if the image's bytes were refused"},
                "offset": {**COUNT, "description": "Of the bytes that break the rule"},
                "found": {**TEXT, "description": "The format that was found"},
                "declared": {**TEXT, "description": "The disk_format of the image"},
                "fix": {**TEXT, "description": "The command that fixes the image"},
                "limit": {**COUNT, "description": "Bytes that are allowed, if there were more"},
                "expected": {**COUNT, "description": "The offset of the upload, if another was given"},
                "given": COUNT,
                "request_id": TEXT,
            },
            "required": ["code", "message", "stillage_code"],
        }
    },
    "required": ["error"],
}


def ref(name: str) -> Schema:
    """Return a reference to the schema called *name*."""
    return {"$ref": f"#/components/schemas/{name}"}


@dataclass(frozen=True, slots=True)
class Details:
    """What a router does not know about one route.

    Attributes:
        success: Status to the name of a schema, ``octets``, ``text``, or None for no body.
        errors: Statuses whose body is the dialect's error.
        query: Query parameters by name; their schemas.
        headers: Request headers by name; their schemas.
        body: Media type to the schema of the request's body.
    """

    success: Mapping[int, str | None]
    errors: tuple[int, ...] = ()
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Description:
    """What a dialect adds to the OpenAPI description.

    Attributes:
        details: Returns the details of a route by method and pattern; LookupError if there are none.
        schemas: Returns the schemas of the dialect's documents by name. The first call takes milliseconds.
    """

    details: Callable[[str, str], Details]
    schemas: Callable[[], Mapping[str, Schema]]
