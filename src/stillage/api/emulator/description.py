"""What OpenAPI says of the emulator's routes, in addition to what the router knows."""

from collections.abc import Mapping

from stillage.api.description import JSON, TEXT, Description, Details

ANY = {JSON: {"type": "object"}}
DETAILS: Mapping[str, Details] = {
    "GET /_emulator/faults": Details({200: "Anything"}, (401, 403)),
    "POST /_emulator/faults": Details({201: "Anything"}, (400, 401, 403, 413), body=ANY),
    "DELETE /_emulator/faults": Details({204: None}, (401, 403)),
    "DELETE /_emulator/faults/{fault_id}": Details({204: None}, (401, 403, 404)),
    "GET /_emulator/requests": Details({200: "Anything"}, (401, 403), query={"method": TEXT, "path": TEXT}),
    "DELETE /_emulator/requests": Details({204: None}, (401, 403)),
    "GET /_emulator/clock": Details({200: "Anything"}, (401, 403)),
    "PUT /_emulator/clock": Details({200: "Anything"}, (400, 401, 403, 413), body=ANY),
}


def details(method: str, path: str) -> Details:
    return DETAILS[f"{method} {path}"]


DESCRIPTION = Description(details, dict)
