"""Values of the identity as the JSON of the Identity API v3."""

from collections.abc import Sequence
from typing import Any, cast

from stillage.accounts.access_key import AccessKey
from stillage.accounts.credential import Credential
from stillage.accounts.names import DOMAIN_ID, DOMAIN_NAME, role_id
from stillage.accounts.people import Assignment, Project, User
from stillage.accounts.token import Token
from stillage.api.identity_v3 import documents
from stillage.operations.identity.access_keys import MadeKey
from stillage.times import to_microseconds

DOMAIN: documents.Named = {"id": DOMAIN_ID, "name": DOMAIN_NAME}
VERSION = "v3.14"


def version_document(base_url: str) -> documents.IdentityVersion:
    """Return the version; keystoneauth goes on with its ``self`` link.

    Source: Identity API v3, "API versions". *base_url* ends in ``/v3``.
    """
    return {
        "id": VERSION,
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{base_url}/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }


def token_document(token: Token, catalogue: list[documents.Service] | None) -> documents.TokenAnswer:
    """Return the body for a token. *catalogue*: None to leave it out."""
    document: documents.Token = {
        "methods": list(token.methods),
        "user": {"id": token.user_id, "name": token.user_name, "domain": DOMAIN, "password_expires_at": None},
        "audit_ids": [token.audit_id],
        "issued_at": to_microseconds(token.issued_at),
        "expires_at": to_microseconds(token.expires_at),
    }
    if token.project_id is not None:
        document["project"] = {"id": token.project_id, "name": token.project_name, "domain": DOMAIN}
        document["is_domain"] = False
        document["roles"] = [{"id": role_id(role), "name": role} for role in sorted(token.roles)]
        if catalogue is not None:
            document["catalog"] = catalogue
    if token.credential is not None:
        document["application_credential"] = {
            "id": token.credential.id,
            "name": token.credential.name,
            "restricted": token.credential.restricted,
        }
    return {"token": document}


def user_document(user: User, base_url: str) -> documents.User:
    document: documents.User = {
        "id": user.id,
        "name": user.name,
        "domain_id": DOMAIN_ID,
        "enabled": user.enabled,
        "password_expires_at": None,
        "options": {},
        "links": {"self": f"{base_url}/users/{user.id}"},
    }
    if user.default_project_id is not None:
        document["default_project_id"] = user.default_project_id
    return cast(documents.User, {**user.extra, **document})


def project_document(project: Project, base_url: str) -> documents.Project:
    document = {
        "description": "",
        "tags": [],
        **project.extra,
        "id": project.id,
        "name": project.name,
        "domain_id": DOMAIN_ID,
        "parent_id": DOMAIN_ID,
        "is_domain": False,
        "enabled": project.enabled,
        "options": {},
        "links": {"self": f"{base_url}/projects/{project.id}"},
    }
    return cast(documents.Project, document)


def role_document(name: str, base_url: str) -> documents.Role:
    found = role_id(name)
    return {
        "id": found,
        "name": name,
        "domain_id": None,
        "description": None,
        "options": {},
        "links": {"self": f"{base_url}/roles/{found}"},
    }


def assignment_document(assignment: Assignment, base_url: str, *, with_names: bool) -> documents.RoleAssignment:
    """Return the body for a role of a user in a project."""
    role: documents.AssignedPart = {"id": role_id(assignment.role)}
    user: documents.AssignedPart = {"id": assignment.user_id}
    project: documents.AssignedPart = {"id": assignment.project_id}
    link = f"{base_url}/projects/{project['id']}/users/{user['id']}/roles/{role['id']}"
    if with_names:
        role = {**role, "name": assignment.role}
        user = {**user, "name": assignment.user_name, "domain": DOMAIN}
        project = {**project, "name": assignment.project_name, "domain": DOMAIN}
    return {"role": role, "user": user, "scope": {"project": project}, "links": {"assignment": link}}


def domain_document(base_url: str) -> documents.Domain:
    links: documents.SelfLink = {"self": f"{base_url}/domains/{DOMAIN_ID}"}
    return {**DOMAIN, "description": "", "enabled": True, "tags": [], "options": {}, "links": links}


def credential_document(
    credential: Credential, base_url: str, *, secret: str | None = None
) -> documents.ApplicationCredential:
    """Return the body for an application credential. *secret*: only in the answer to its creation."""
    expiry = credential.expires_at
    document: documents.ApplicationCredential = {
        "id": credential.id,
        "name": credential.name,
        "description": credential.description,
        "project_id": credential.project_id,
        "roles": [{"id": role_id(role), "name": role, "domain_id": None} for role in credential.roles],
        # Without a Z, unlike a token's: gophercloud cannot read one here.
        "expires_at": to_microseconds(expiry).removesuffix("Z") if expiry else None,
        "unrestricted": not credential.restricted,
        "links": {"self": f"{base_url}/users/{credential.user_id}/application_credentials/{credential.id}"},
    }
    return document if secret is None else {**document, "secret": secret}


def key_document(key: AccessKey, *, secret: str | None = None) -> documents.AccessKey:
    """Return the body for a permanent access key. *secret*: only in the answer to its creation."""
    document: documents.AccessKey = {
        "access": key.access,
        "status": "active" if key.enabled else "inactive",
        "user_id": key.user_id,
        "create_time": to_microseconds(key.created_at),
        "description": key.description,
    }
    return document if secret is None else {**document, "secret": secret}


def temporary_document(made: MadeKey) -> documents.TemporaryKey:
    """Return the body for a temporary pair, with everything that is secret about it."""
    return {
        "access": made.key.access,
        "secret": made.secret,
        "securitytoken": made.security_token,
        "expires_at": to_microseconds(made.key.expires_at) if made.key.expires_at else None,
    }


def list_document(name: str, things: Sequence[Any], self_url: str) -> dict[str, Any]:
    """Return a list that has one page."""
    return {name: list(things), "links": {"self": self_url, "previous": None, "next": None}}
