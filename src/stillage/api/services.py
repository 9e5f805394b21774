"""What handlers use: the services that `worker` built, and what a request carries (principal, ids, base URLs)."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from stillage.accounts.principal import Principal
from stillage.api.http.addresses import Addresses
from stillage.api.http.allowance import Allowance
from stillage.api.http.descriptors import Descriptors
from stillage.api.http.stopping import Running
from stillage.api.metrics import Metrics
from stillage.api.profiles import Profile
from stillage.audit.trail import Trail
from stillage.db.session import Database
from stillage.identity.base import Identity, Sessions
from stillage.operations.audit import Audit
from stillage.operations.cache import ImageCache
from stillage.operations.copies import Copies
from stillage.operations.disks.contents import Contents
from stillage.operations.disks.packed import PackedDownloads
from stillage.operations.disks.view import Views
from stillage.operations.download import Download
from stillage.operations.events.hub import Events
from stillage.operations.exports import Exports
from stillage.operations.families import Families
from stillage.operations.identity.embedded import EmbeddedIdentity
from stillage.operations.images import Images
from stillage.operations.imports.accepting import Imports
from stillage.operations.imports.creating import Creations
from stillage.operations.info import Info
from stillage.operations.inspection import Inspect
from stillage.operations.jobs import Jobs, Queue
from stillage.operations.lifecycle import Lifecycle
from stillage.operations.links import Links
from stillage.operations.locations import Locations
from stillage.operations.members import Members
from stillage.operations.metadefs import Metadefs
from stillage.operations.quotas import ProjectQuotas
from stillage.operations.resumable.uploads import Uploads
from stillage.operations.retention import Retention
from stillage.operations.shares import Shares
from stillage.operations.status import StatusReports
from stillage.operations.tags import Tags
from stillage.operations.tasks import Tasks
from stillage.operations.trash import Trash
from stillage.operations.upload.ingest import Ingest
from stillage.operations.verdicts import Verdicts
from stillage.stores.catalog import Stores


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that handlers call.

    Attributes:
        identity: Validates tokens.
        embedded: The embedded identity service, for the identity API; None with an external Keystone.
        sessions: Signs browsers in; None without the console.
        keystone_url: URL of the external Keystone for clients.
        settings: Returns them as administrators are shown them, without secrets.
        authority: PEM of the certificate authority to trust, if the server made its own certificate.
        trail: Records every change.
        addresses: The public URL, and addresses of clients.
        cors_origins: Sites whose pages may use the APIs, as browsers write them.
        os_versions: Versions of operating systems that are known beside the documented ones; None takes any.
        idle_s: The longest pause within a body.
        least_bytes_per_s: Minimum rate of uploads; 0 for none.
        request_s: Time limit of a request until it moves image data.
        buffers: Memory for bodies that must be read before the request is authenticated.
    """

    identity: Identity
    embedded: EmbeddedIdentity | None
    sessions: Sessions | None
    keystone_url: str | None
    images: Images
    families: Families
    lifecycle: Lifecycle
    trash: Trash
    retention: Retention
    members: Members
    links: Links
    locations: Locations
    copies: Copies
    cache: ImageCache
    metadefs: Metadefs
    tags: Tags
    shares: Shares
    info: Info
    quotas: ProjectQuotas
    audit: Audit
    status: StatusReports
    settings: Callable[[], Sequence[Mapping[str, Any]]]
    ingest: Ingest
    uploads: Uploads
    imports: Imports
    creations: Creations
    exports: Exports
    inspect: Inspect
    verdicts: Verdicts
    events: Events
    queue: Queue
    jobs: Jobs
    tasks: Tasks
    download: Download
    views: Views
    packed_downloads: PackedDownloads
    contents: Contents
    database: Database
    stores: Stores
    profile: Profile
    metrics: Metrics
    trail: Trail
    running: Running
    addresses: Addresses
    region: str
    authority: str | None
    cors_origins: frozenset[str]
    os_versions: Sequence[str] | None
    idle_s: float
    least_bytes_per_s: float
    request_s: float
    buffers: Allowance
    descriptors: Descriptors


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# The second part is a secret: it authorises resuming the upload, or downloading the image.
CAPABILITY = re.compile(r"(/uploads/[^/.]*)\.[^/]*")
LINK = re.compile(r"(/links/)[^/]*")

SERVICES = web.AppKey("services", Services)
NOTED = web.RequestKey("noted", dict[str, str])
PRINCIPAL = web.RequestKey("principal", Principal)
REQUEST_ID = web.RequestKey("request_id", str)


def services(request: web.Request) -> Services:
    return request.app[SERVICES]


def principal(request: web.Request) -> Principal:
    """The principal of the request, found by the dialect's `authenticate`."""
    return request[PRINCIPAL]


def note(request: web.Request, **facts: str) -> None:
    """Keep facts for the audit event that the URL does not contain; ``target`` is the id of what was created."""
    request[NOTED] = {**request.get(NOTED, {}), **facts}


def shown_path(request: web.Request) -> str:
    """The request's path for logs, without the secret that the URL of an upload or a link may end with."""
    path = request.path
    path = LINK.sub(r"\1…", path) if "/links/" in path else path
    return CAPABILITY.sub(r"\1.…", path) if "/uploads/" in path else path


def public_url(request: web.Request) -> str:
    """The base of absolute links, without a trailing slash."""
    return services(request).addresses.base(request)


def identity_url(request: web.Request) -> str:
    """Where clients log in, ending in ``/v3``."""
    keystone = services(request).keystone_url
    return f"{keystone}/v3" if keystone is not None else f"{public_url(request)}/identity/v3"
