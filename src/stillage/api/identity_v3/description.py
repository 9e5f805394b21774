"""What OpenAPI says of the identity API, in the large: its answers are as Keystone documents them."""

import re

from stillage.api.description import JSON, Description, Details, ref

ERRORS = (400, 401, 403, 404, 409, 413, 429, 503)


def details(method: str, path: str) -> Details:
    success: dict[int, str | None] = {200: "Anything"}
    if method == "POST":
        success = {201: "Anything"}
    elif method == "DELETE":
        success = {204: None}
    elif path in ("/identity", "/identity/"):
        success = {300: "Anything"}
    body = {JSON: ref("Anything")} if method == "POST" else {}
    is_discovery = re.fullmatch(r"(/identity)?(/v3)?/?", path) is not None
    return Details(success, () if is_discovery else ERRORS, body=body)


DESCRIPTION = Description(details, dict)
