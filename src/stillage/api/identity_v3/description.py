"""What OpenAPI says of the identity API, in addition to what the router knows."""

from collections.abc import Mapping
from functools import cache

from stillage.api.description import JSON, Description, Details, ref
from stillage.api.identity_v3 import documents
from stillage.api.json_schemas import Schema, components_of

ERRORS = (400, 401, 403, 404, 409, 413, 429, 503)
REQUEST = {JSON: ref("Anything")}
CREDENTIALS = "/v3/users/{user_id}/application_credentials"
KEYS = "/v3.0/OS-CREDENTIAL/credentials"

DETAILS: Mapping[str, Details] = {
    "GET /identity": Details({300: "IdentityVersions"}),
    "GET /v3": Details({200: "IdentityVersionAnswer"}),
    "POST /v3/auth/tokens": Details({201: "TokenAnswer"}, ERRORS, body=REQUEST),
    "GET /v3/auth/tokens": Details({200: "TokenAnswer"}, ERRORS),
    "DELETE /v3/auth/tokens": Details({204: None}, ERRORS),
    "GET /v3/auth/catalog": Details({200: "Catalogue"}, ERRORS),
    "GET /v3/auth/projects": Details({200: "Projects"}, ERRORS),
    "GET /v3/auth/domains": Details({200: "Domains"}, ERRORS),
    "GET /v3/projects": Details({200: "Projects"}, ERRORS),
    "GET /v3/projects/{project_id}": Details({200: "ProjectAnswer"}, ERRORS),
    "GET /v3/users/{user_id}/projects": Details({200: "Projects"}, ERRORS),
    f"POST {CREDENTIALS}": Details({201: "ApplicationCredentialAnswer"}, ERRORS, body=REQUEST),
    f"GET {CREDENTIALS}": Details({200: "ApplicationCredentials"}, ERRORS),
    f"GET {CREDENTIALS}/{{credential_id}}": Details({200: "ApplicationCredentialAnswer"}, ERRORS),
    f"DELETE {CREDENTIALS}/{{credential_id}}": Details({204: None}, ERRORS),
    "POST /v3.0/OS-CREDENTIAL/securitytokens": Details({201: "TemporaryKeyAnswer"}, ERRORS, body=REQUEST),
    f"POST {KEYS}": Details({201: "AccessKeyAnswer"}, ERRORS, body=REQUEST),
    f"GET {KEYS}": Details({200: "AccessKeys"}, ERRORS),
    f"GET {KEYS}/{{access}}": Details({200: "AccessKeyAnswer"}, ERRORS),
    f"PUT {KEYS}/{{access}}": Details({200: "AccessKeyAnswer"}, ERRORS, body=REQUEST),
    f"DELETE {KEYS}/{{access}}": Details({204: None}, ERRORS),
}


def details(method: str, path: str) -> Details:
    """Every route is at ``/identity/v3…`` as well, and the first ones with a final slash."""
    path = path.rstrip("/")
    return DETAILS[f"{method} {path.removeprefix('/identity') or path}"]


@cache
def schemas() -> Mapping[str, Schema]:
    return components_of(
        documents.IdentityVersions,
        documents.IdentityVersionAnswer,
        documents.TokenAnswer,
        documents.Catalogue,
        documents.Projects,
        documents.ProjectAnswer,
        documents.Domains,
        documents.ApplicationCredentials,
        documents.ApplicationCredentialAnswer,
        documents.AccessKeys,
        documents.AccessKeyAnswer,
        documents.TemporaryKeyAnswer,
    )


DESCRIPTION = Description(details, schemas)
