"""The identity API as a dialect: how its principals are known, what is public, what changes something."""

from collections.abc import Iterator, Mapping

from aiohttp import web

from stillage.api.credentials import TOKEN
from stillage.api.dialects import Dialect, route_of
from stillage.api.identity_v3 import elsewhere, routes
from stillage.api.identity_v3.description import DESCRIPTION
from stillage.api.identity_v3.errors import WORDING
from stillage.api.identity_v3.request import authenticate
from stillage.audit.events import PROJECT, USER, Action

ROLE = "/v3/projects/{project_id}/users/{user_id}/roles/{role_id}"
KEY = "data/security/key"
APPLICATION_CREDENTIAL = "data/security/credential/application"

DISCOVERY = ("GET /identity", "GET /identity/", "GET /v3", "GET /v3/")
# A login has its credentials in the body, and a request for a temporary key may have its token there.
LOGIN = ("POST /v3/auth/tokens", "POST /v3.0/OS-CREDENTIAL/securitytokens")

CHANGES: Mapping[str, Action] = {
    "POST /v3/auth/tokens": Action("authenticate", USER),
    "DELETE /v3/auth/tokens": Action("revoke", "data/security/token"),
    "POST /v3/users": Action("create", USER),
    "PATCH /v3/users/{user_id}": Action("update", USER),
    "DELETE /v3/users/{user_id}": Action("delete", USER),
    "POST /v3/users/{user_id}/password": Action("update/password", USER),
    "POST /v3/projects": Action("create", PROJECT),
    "PATCH /v3/projects/{project_id}": Action("update", PROJECT),
    "DELETE /v3/projects/{project_id}": Action("delete", PROJECT),
    f"PUT {ROLE}": Action("allow", USER),
    f"DELETE {ROLE}": Action("deny", USER),
    "POST /v3/users/{user_id}/application_credentials": Action("create", APPLICATION_CREDENTIAL),
    "DELETE /v3/users/{user_id}/application_credentials/{credential_id}": Action("delete", APPLICATION_CREDENTIAL),
    "POST /v3.0/OS-CREDENTIAL/credentials": Action("create", KEY),
    "PUT /v3.0/OS-CREDENTIAL/credentials/{access}": Action("update", KEY),
    "DELETE /v3.0/OS-CREDENTIAL/credentials/{access}": Action("delete", KEY),
    "POST /v3.0/OS-CREDENTIAL/securitytokens": Action("create", f"{KEY}/temporary"),
}


def _both(name: str) -> Iterator[str]:
    """Yield the names of a route under its two addresses."""
    method, _, path = name.partition(" ")
    yield name
    if path.startswith("/v3"):
        yield f"{method} /identity{path}"


IDENTITY_V3 = Dialect(
    prefixes=elsewhere.PREFIXES,
    add_routes=routes.add_routes,
    authenticate=authenticate,
    public=frozenset(name for listed in DISCOVERY + LOGIN for name in _both(listed)),
    wording=WORDING,
    changes={name: action for listed, action in CHANGES.items() for name in _both(listed)},
    description=DESCRIPTION,
)


async def _nobody(_request: web.Request) -> None:
    raise AssertionError("every route here is public")


ELSEWHERE = Dialect(
    prefixes=elsewhere.PREFIXES,
    add_routes=elsewhere.add_routes,
    authenticate=_nobody,
    public=elsewhere.ROUTES,
    wording=WORDING,
    changes={},
    description=DESCRIPTION,
)
"""Takes the place of the identity API with an external Keystone."""


async def mark(request: web.Request, response: web.StreamResponse) -> None:
    """Tell caches that answers of the identity API depend on the token."""
    dialect = route_of(request).dialect
    if dialect is IDENTITY_V3 or dialect is ELSEWHERE:  # compared as values, each would cost as much as a look-up
        response.headers["Vary"] = TOKEN
