"""The JSON of administration: quotas, usage, audit and status; every member of every document, stated once."""

from typing import Annotated, Any, NotRequired

from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from stillage.api.json_schemas import member

Limit = Annotated[int, member(minimum=-1)]


class QuotaNumbers(TypedDict):
    """Bytes of all images, images, uploads and inspections that run, jobs that run."""

    bytes: Limit
    images: Limit
    uploads: Limit
    jobs: Limit


class ProjectQuota(TypedDict):
    """What a project uses and may use."""

    project_id: str
    project_name: NotRequired[Annotated[str, member("If the embedded identity has the project")]]
    limits: Annotated[QuotaNumbers, member("Those that hold; -1 is none")]
    own: Annotated[list[str], member("Names of the limits that were set for the project; others are of the settings")]
    usage: QuotaNumbers


class NewLimits(TypedDict, total=False):
    bytes: Limit | None
    images: Limit | None
    uploads: Limit | None
    jobs: Limit | None


class NewQuota(TypedDict):
    """The limits of one project: -1 is none; what is null or missing is left to the settings."""

    limits: NewLimits


class ProjectQuotas(TypedDict):
    """Projects with limits of their own."""

    quotas: list[ProjectQuota]
    next: NotRequired[str]


class UsageOfProjects(TypedDict):
    """What projects use and may use."""

    usage: list[ProjectQuota]
    next: NotRequired[str]


class AuditEvents(TypedDict):
    """What was changed or tried, as CADF events, the newest first; docs/audit.md has their members."""

    events: list[dict[str, Any]]
    next: NotRequired[str]


class StoreStatus(TypedDict):
    """What a store has, and has room for."""

    id: str
    type: str
    default: bool
    read_only: bool
    blobs: int
    used_bytes: Annotated[int, member("Of all blobs; counted once a minute")]
    damaged_blobs: int
    free_bytes: Annotated[int | None, member("Null if the store does not say")]
    problem: Annotated[str | None, member("Why the store does not answer")]


class ScrubStatus(TypedDict):
    """How far the scrub is."""

    node: Annotated[str | None, member("The node that scrubs now")]
    blobs: int
    scrubbed: Annotated[int, member("Blobs that were read since then")]
    since: str
    oldest: Annotated[str | None, member("When the blob was read that is due next")]
    latest: Annotated[str | None, member("When a blob was read last")]


class NodeStatus(TypedDict):
    """A node that lives, or holds leases."""

    id: str
    processes: int
    versions: list[str]
    started_at: Annotated[str | None, member("Null if none of its processes was seen in the last minutes")]
    seen_at: str | None
    leases: int


class JobCounts(TypedDict):
    waiting: int
    running: int


class DeploymentStatus(TypedDict):
    """How the deployment is."""

    version: str
    time: str
    stores: list[StoreStatus]
    damaged_images: int
    scrub: ScrubStatus
    nodes: list[NodeStatus]
    uploads: Annotated[int, member("Open ones, those that wait for their client included")]
    inspections: int
    jobs: JobCounts
    requests_by_minute: Annotated[list[int], member("Of the last hour, the oldest first, of all processes")]


class Setting(TypedDict):
    """One setting of the node that answers."""

    name: str
    value: Annotated[Any, member("JSON; null of a secret, and of what is not set and has no default")]
    meaning: str
    set: Annotated[bool, member("It differs from its default")]
    secret: Annotated[bool, member("It is never shown")]


class DeploymentSettings(TypedDict):
    """The settings of the node that answers."""

    settings: list[Setting]
