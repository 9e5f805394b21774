"""What OpenAPI says of the console's own routes, in addition to what the router knows."""

from collections.abc import Mapping
from functools import cache

from stillage.api.console import documents, files
from stillage.api.console.config import ConsoleConfig
from stillage.api.description import JSON, TEXT, Description, Details
from stillage.api.json_schemas import Schema, components_of

BY_FORM: Schema = {
    "type": "object",
    "properties": {
        "user": TEXT,
        "password": TEXT,
        "project": {**TEXT, "description": "The user's default project if it is missing"},
        "domain": {**TEXT, "description": "Of user and project, by name; Default if it is missing"},
    },
    "required": ["user", "password"],
}
BY_LINK: Schema = {
    "type": "object",
    "properties": {"link": {**TEXT, "description": "From the address that `stillage serve` prints; good once"}},
    "required": ["link"],
}

DETAILS: Mapping[str, Details] = {
    "POST /console/session": Details(
        {201: "ConsoleSession"}, (400, 401, 403, 413, 429, 503), body={JSON: {"oneOf": [BY_FORM, BY_LINK]}}
    ),
    "GET /console/session": Details({200: "ConsoleSession"}, (401,)),
    "DELETE /console/session": Details({204: None}, (401, 403)),
    "GET /console/sessions": Details({200: "SignedInPlaces"}, (401,)),
    "DELETE /console/sessions/{session_id}": Details({204: None}, (401, 403, 404)),
    **files.DETAILS,
}


def details(method: str, path: str) -> Details:
    return DETAILS[f"{method} {path}"]


@cache
def schemas() -> Mapping[str, Schema]:
    return components_of(documents.ConsoleSession, documents.SignedInPlaces, ConsoleConfig)


DESCRIPTION = Description(details, schemas)
