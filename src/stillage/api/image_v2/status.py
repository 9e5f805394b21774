"""How the deployment is, and its settings, for administrators."""

from aiohttp import web

from stillage import __version__
from stillage.api.http.json_bodies import json_response
from stillage.api.image_v2 import admin_documents as documents
from stillage.api.services import principal, services
from stillage.operations.status import Status
from stillage.stores.catalog import NamedStore
from stillage.times import to_seconds


async def show(request: web.Request) -> web.Response:
    """GET /v2/status: stores, scrub, damage, nodes, what runs, and requests by minute, for administrators."""
    known = services(request).stores
    found = await services(request).status.show(principal(request))
    holder, blobs, scrubbed, oldest, latest = found.running.scrub
    document: documents.DeploymentStatus = {
        "version": __version__,
        "time": to_seconds(found.now),
        "stores": [_store(one, found, is_default=one is known.default) for one in known],
        "damaged_images": found.stored.damaged_images,
        "scrub": {
            "node": None if holder is None else holder.node,
            "blobs": blobs,
            "scrubbed": scrubbed,
            "since": to_seconds(found.since),
            "oldest": None if oldest is None else to_seconds(oldest),
            "latest": None if latest is None else to_seconds(latest),
        },
        "nodes": _nodes(found),
        "uploads": found.running.uploads,
        "inspections": found.running.inspections,
        "jobs": {"waiting": found.running.jobs["accepted"], "running": found.running.jobs["running"]},
        "requests_by_minute": list(found.requests),
    }
    return json_response(document)


async def settings(request: web.Request) -> web.Response:
    """GET /v2/settings: the settings of the node that answers, without secrets, for administrators."""
    services(request).info.require_settings(principal(request))
    return json_response({"settings": list(services(request).settings())})


def _store(one: NamedStore, found: Status, *, is_default: bool) -> documents.StoreStatus:
    blobs, used, damaged = found.stored.stores.get(one.id, (0, 0, 0))
    free = found.free[one.id]
    return {
        "id": one.id,
        "type": one.kind,
        "default": is_default,
        "read_only": one.read_only,
        "blobs": blobs,
        "used_bytes": used,
        "damaged_blobs": damaged,
        "free_bytes": free if isinstance(free, int) else None,
        "problem": free if isinstance(free, str) else None,
    }


def _nodes(found: Status) -> list[documents.NodeStatus]:
    """Return the nodes that live, or hold leases although none of their processes was seen."""
    nodes = sorted({process.owner.node for process in found.processes} | found.running.leases.keys())
    return [_node(node, found) for node in nodes]


def _node(node: str, found: Status) -> documents.NodeStatus:
    alive = [process for process in found.processes if process.owner.node == node]
    seen = max((process.seen_at for process in alive), default=None)
    started = min((process.started_at for process in alive), default=None)
    return {
        "id": node,
        "processes": len(alive),
        "versions": sorted({process.version for process in alive}),
        "started_at": None if started is None else to_seconds(started),
        "seen_at": None if seen is None else to_seconds(seen),
        "leases": found.running.leases.get(node, 0),
    }
