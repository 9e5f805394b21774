"""The one typed way from a handler to what `app` built."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

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
from stillage.identity.base import Identity
from stillage.operations.download import Download
from stillage.operations.identity.embedded import EmbeddedIdentity
from stillage.operations.images import Images
from stillage.operations.info import Info
from stillage.operations.inspection import Inspect
from stillage.operations.members import Members
from stillage.operations.resumable.uploads import Uploads
from stillage.operations.upload.ingest import Ingest
from stillage.stores.base import Store


@dataclass(frozen=True, slots=True)
class Services:
    """What handlers call.

    Attributes:
        identity: Knows who holds a token.
        embedded: The same, where tokens are our own: what the identity API needs. None with a Keystone of the cloud's.
        keystone_url: Where that is, for clients.
        trail: Hears of every change.
        addresses: What absolute links begin with.
        idle_s: Longest silence of a client in the middle of a body.
        least_bytes_per_s: Uploads that come more slowly are ended; 0 ends none.
        request_s: Longest time for a request before it moves image data.
        buffers: Memory for bodies that have to be read before anybody knows who sends them.
    """

    identity: Identity
    embedded: EmbeddedIdentity | None
    keystone_url: str | None
    images: Images
    members: Members
    info: Info
    ingest: Ingest
    uploads: Uploads
    inspect: Inspect
    download: Download
    database: Database
    store: Store
    profile: Profile
    metrics: Metrics
    trail: Trail
    running: Running
    addresses: Addresses
    region: str
    idle_s: float
    least_bytes_per_s: float
    request_s: float
    buffers: Allowance
    descriptors: Descriptors


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# Whoever knows the second part may go on with the upload.
CAPABILITY = re.compile(r"(/uploads/[^/.]*)\.[^/]*")

SERVICES = web.AppKey("services", Services)
NOTED = web.RequestKey("noted", dict[str, str])
PRINCIPAL = web.RequestKey("principal", Principal)
REQUEST_ID = web.RequestKey("request_id", str)


def services(request: web.Request) -> Services:
    return request.config_dict[SERVICES]


def principal(request: web.Request) -> Principal:
    """Who the request acts for; the dialect's `authenticate` has found it out."""
    return request[PRINCIPAL]


def note(request: web.Request, **facts: str) -> None:
    """Remember for the audit what the address of *request* does not say: the id of what was made is its ``target``."""
    request[NOTED] = {**request.get(NOTED, {}), **facts}


def shown_path(request: web.Request) -> str:
    """The request's path without the secret that an upload's address may end with: for whatever is written down."""
    return CAPABILITY.sub(r"\1.…", request.path)


def public_url(request: web.Request) -> str:
    """The base of absolute links, without a slash at its end."""
    return services(request).addresses.base(request)


def identity_url(request: web.Request) -> str:
    """Where clients log in, ending in ``/v3``."""
    keystone = services(request).keystone_url
    return f"{keystone}/v3" if keystone is not None else f"{public_url(request)}/identity/v3"
