"""What OpenAPI says of the identity API, in addition to what the router knows."""

from collections.abc import Mapping
from functools import cache

from stillage.api.description import COUNT, JSON, TEXT, Description, Details, ref
from stillage.api.identity_v3 import documents
from stillage.api.json_schemas import Schema, components_of

ERRORS = (400, 401, 403, 404, 409, 413, 429, 503)
REQUEST = {JSON: ref("Anything")}
CREDENTIALS = "/v3/users/{user_id}/application_credentials"
ROLES = "/v3/projects/{project_id}/users/{user_id}/roles"
FLAG = {"enum": ["true", "false"]}
FILTERS = {"name": TEXT, "name__icontains": TEXT, "enabled": FLAG, "domain_id": TEXT}
PAGES = {"limit": {**COUNT, "minimum": 1}, "marker": TEXT}
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
    "GET /v3/projects": Details({200: "Projects"}, ERRORS, query=FILTERS | PAGES),
    "GET /v3/projects/{project_id}": Details({200: "ProjectAnswer"}, ERRORS),
    "GET /v3/users/{user_id}/projects": Details({200: "Projects"}, ERRORS, query=FILTERS),
    "POST /v3/projects": Details({201: "ProjectAnswer"}, ERRORS, body=REQUEST),
    "PATCH /v3/projects/{project_id}": Details({200: "ProjectAnswer"}, ERRORS, body=REQUEST),
    "DELETE /v3/projects/{project_id}": Details({204: None}, ERRORS),
    "GET /v3/domains": Details({200: "Domains"}, ERRORS, query={"name": TEXT, "enabled": FLAG}),
    "GET /v3/domains/{domain_id}": Details({200: "DomainAnswer"}, ERRORS),
    "GET /v3/users": Details({200: "Users"}, ERRORS, query=FILTERS | PAGES),
    "POST /v3/users": Details({201: "UserAnswer"}, ERRORS, body=REQUEST),
    "GET /v3/users/{user_id}": Details({200: "UserAnswer"}, ERRORS),
    "PATCH /v3/users/{user_id}": Details({200: "UserAnswer"}, ERRORS, body=REQUEST),
    "DELETE /v3/users/{user_id}": Details({204: None}, ERRORS),
    "POST /v3/users/{user_id}/password": Details({204: None}, ERRORS, body=REQUEST),
    "GET /v3/roles": Details({200: "Roles"}, ERRORS, query={"name": TEXT}),
    "GET /v3/roles/{role_id}": Details({200: "RoleAnswer"}, ERRORS),
    "GET /v3/role_assignments": Details(
        {200: "RoleAssignments"},
        ERRORS,
        query=dict.fromkeys(("user.id", "scope.project.id", "role.id"), TEXT)
        | {"include_names": FLAG, "effective": FLAG},
    ),
    f"GET {ROLES}": Details({200: "Roles"}, ERRORS),
    f"GET {ROLES}/{{role_id}}": Details({204: None}, ERRORS),
    f"PUT {ROLES}/{{role_id}}": Details({204: None}, ERRORS),
    f"DELETE {ROLES}/{{role_id}}": Details({204: None}, ERRORS),
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
        documents.DomainAnswer,
        documents.Users,
        documents.UserAnswer,
        documents.Roles,
        documents.RoleAnswer,
        documents.RoleAssignments,
        documents.ApplicationCredentials,
        documents.ApplicationCredentialAnswer,
        documents.AccessKeys,
        documents.AccessKeyAnswer,
        documents.TemporaryKeyAnswer,
    )


DESCRIPTION = Description(details, schemas)
