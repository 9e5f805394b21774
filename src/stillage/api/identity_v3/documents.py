"""The JSON of the identity API: every member of every answer, stated once.

Source: Identity API v3; for access keys Huawei Cloud, IAM API Reference, "Access Key Management".
"""

from typing import Annotated, NotRequired

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from stillage.api.json_schemas import member

ONCE = "Only in the answer to the creation"


class VersionLink(TypedDict):
    rel: str
    href: str


class MediaType(TypedDict):
    base: str
    type: str


# Not as a class: a member's name is no identifier.
IdentityVersion = TypedDict(
    "IdentityVersion",
    {"id": str, "status": str, "updated": str, "links": list[VersionLink], "media-types": list[MediaType]},
)


class IdentityVersionAnswer(TypedDict):
    version: IdentityVersion


class IdentityVersionValues(TypedDict):
    values: list[IdentityVersion]


class IdentityVersions(TypedDict):
    """The versions of the identity API: one."""

    versions: IdentityVersionValues


class SelfLink(TypedDict):
    self: str


class ListLinks(TypedDict):
    """The links of a page: ``next`` is null on the last one."""

    self: str
    previous: None
    next: str | None


class Named(TypedDict):
    """A domain or a role, by its id and its name."""

    id: str
    name: str


class TokenUser(TypedDict):
    id: str
    name: str
    domain: Named
    password_expires_at: None


class TokenProject(TypedDict):
    id: str
    name: str | None
    domain: Named


class TokenCredential(TypedDict):
    id: str
    name: str
    restricted: bool


class Endpoint(TypedDict):
    id: str
    interface: str
    region: str
    region_id: str
    url: str


class Service(TypedDict):
    id: str
    type: str
    name: str
    endpoints: list[Endpoint]


class Token(TypedDict):
    """What a token is worth."""

    methods: list[str]
    user: TokenUser
    audit_ids: list[str]
    issued_at: str
    expires_at: str
    project: NotRequired[Annotated[TokenProject, member("The project of the token, if it is scoped to one")]]
    is_domain: NotRequired[bool]
    roles: NotRequired[list[Named]]
    catalog: NotRequired[list[Service]]
    application_credential: NotRequired[TokenCredential]


class TokenAnswer(TypedDict):
    token: Token


class Catalogue(TypedDict):
    """The service catalogue of a token."""

    catalog: list[Service]
    links: SelfLink


@with_config(ConfigDict(extra="allow"))
class User(TypedDict):
    """Who can log in; further members are as clients gave them."""

    id: str
    name: str
    domain_id: str
    enabled: bool
    default_project_id: NotRequired[str]
    description: NotRequired[str]
    email: NotRequired[str]
    password_expires_at: None
    options: dict[str, str]
    links: SelfLink


class UserAnswer(TypedDict):
    user: User


class Users(TypedDict):
    users: list[User]
    links: ListLinks


class Role(TypedDict):
    id: str
    name: str
    domain_id: None
    description: None
    options: dict[str, str]
    links: SelfLink


class RoleAnswer(TypedDict):
    role: Role


class Roles(TypedDict):
    roles: list[Role]
    links: ListLinks


class AssignedPart(TypedDict):
    """A role, user or project by its id; with ``include_names`` by its name as well."""

    id: str
    name: NotRequired[str]
    domain: NotRequired[Named]


class AssignmentScope(TypedDict):
    project: AssignedPart


class AssignmentLink(TypedDict):
    assignment: str


class RoleAssignment(TypedDict):
    """A role that a user has in a project."""

    role: AssignedPart
    user: AssignedPart
    scope: AssignmentScope
    links: AssignmentLink


class RoleAssignments(TypedDict):
    role_assignments: list[RoleAssignment]
    links: ListLinks


@with_config(ConfigDict(extra="allow"))
class Project(TypedDict):
    """Owns images; further members are as clients gave them."""

    id: str
    name: str
    description: str
    domain_id: str
    parent_id: str
    is_domain: bool
    enabled: bool
    tags: list[str]
    options: dict[str, str]
    links: SelfLink


class ProjectAnswer(TypedDict):
    project: Project


class Projects(TypedDict):
    projects: list[Project]
    links: ListLinks


class Domain(TypedDict):
    """The one domain."""

    id: str
    name: str
    description: str
    enabled: bool
    tags: list[str]
    options: dict[str, str]
    links: SelfLink


class DomainAnswer(TypedDict):
    domain: Domain


class Domains(TypedDict):
    domains: list[Domain]
    links: ListLinks


class CredentialRole(TypedDict):
    id: str
    name: str
    domain_id: None


class ApplicationCredential(TypedDict):
    """A right to log in without a user's password, in one project."""

    id: str
    name: str
    description: str | None
    project_id: str
    roles: list[CredentialRole]
    expires_at: str | None
    unrestricted: bool
    links: SelfLink
    secret: NotRequired[Annotated[str, member(ONCE)]]


class ApplicationCredentialAnswer(TypedDict):
    application_credential: ApplicationCredential


class ApplicationCredentials(TypedDict):
    application_credentials: list[ApplicationCredential]
    links: ListLinks


class AccessKey(TypedDict):
    """A permanent access key."""

    access: str
    status: Annotated[str, member("Whether signatures with it are accepted", enum=["active", "inactive"])]
    user_id: str
    create_time: str
    description: str
    secret: NotRequired[Annotated[str, member(ONCE)]]


class AccessKeyAnswer(TypedDict):
    credential: AccessKey


class AccessKeys(TypedDict):
    credentials: list[AccessKey]


class TemporaryKey(TypedDict):
    """A temporary access key. Requests need its security token as well."""

    access: str
    secret: str
    securitytoken: str | None
    expires_at: str | None


class TemporaryKeyAnswer(TypedDict):
    credential: TemporaryKey
