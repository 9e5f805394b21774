"""Builds a CADF event from a change. Pure.

Source: DMTF DSP0262, "Cloud Auditing Data Federation"; the names of types and the place of the project are those of
OpenStack's pyCADF and keystonemiddleware.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from stillage.accounts.principal import Principal
from stillage.audit.event_ids import event_id
from stillage.images.job import Job, State

EVENT = "http://schemas.dmtf.org/cloud/audit/1.0/event"
SERVICE = "service/storage/image"
IMAGE = f"{SERVICE}/images/image"
USER = "service/security/account/user"
PROJECT = "service/security/project"
UNKNOWN = "unknown"
UPKEEP = "upkeep"
"""Who does what nobody asked for at that moment."""
JOB_OUTCOMES = {
    State.ACCEPTED: "pending", State.RUNNING: "pending", State.DONE: "success", State.FAILED: "failure",
}  # fmt: skip
# Longest text chosen by a client that is recorded.
MAX_TEXT = 255


@dataclass(frozen=True, slots=True)
class Action:
    """What a request does.

    Attributes:
        verb: CADF's, or a refinement such as ``create/tag``.
        target: CADF type of the target.
    """

    verb: str
    target: str


@dataclass(frozen=True, slots=True)
class Change:
    """A request that changed something, or tried to.

    Attributes:
        principal: None if nobody was authenticated.
        target_id: None if the target has no id.
        parts: Parts of the target, by kind: a tag, a member.
        status: HTTP status of the answer; None if the request was cut off before it.
        address: The client's.
        agent: The client's User-Agent.
    """

    action: Action
    principal: Principal | None
    target_id: str | None
    parts: dict[str, str]
    status: int | None
    path: str
    request_id: str
    address: str | None
    agent: str | None


def event_of_job(job: Job, *, now: datetime, node: str) -> dict[str, Any]:
    """Return the beginning or the end of *job* as a CADF event, as *node* saw it."""
    event = {
        "typeURI": EVENT,
        "id": event_id(now),
        "eventType": "activity",
        "eventTime": now.astimezone(UTC).isoformat(),
        "action": "stop/job" if job.has_ended else "start/job",
        "outcome": JOB_OUTCOMES[job.state],
        "reason": {"reasonType": "stillage", "reasonCode": job.failure.kind} if job.failure else None,
        "initiator": _known({
            "id": job.user_id, "typeURI": USER, "project_id": job.project_id, "request_id": job.request_id,
        }),
        "target": {"id": job.image_id or UNKNOWN, "typeURI": IMAGE},
        "observer": {"id": node, "typeURI": SERVICE, "name": "stillage"},
        "attachments": _attachments({"job": job.id, "kind": job.kind}),
    }  # fmt: skip
    return _known(event)


def event_of_upkeep(
    action: Action, target_id: str, project_id: str | None, why: str, *, now: datetime, node: str
) -> dict[str, Any]:
    """Return what the service itself did to an image of a project as a CADF event, as *node* saw it."""
    event = {
        "typeURI": EVENT,
        "id": event_id(now),
        "eventType": "activity",
        "eventTime": now.astimezone(UTC).isoformat(),
        "action": action.verb,
        "outcome": "success",
        "initiator": _known({"id": UPKEEP, "typeURI": SERVICE, "project_id": project_id}),
        "target": {"id": target_id, "typeURI": action.target},
        "observer": {"id": node, "typeURI": SERVICE, "name": "stillage"},
        "attachments": _attachments({"why": why}),
    }
    return _known(event)


def event_of(change: Change, *, now: datetime, node: str) -> dict[str, Any]:
    """Return *change* as a CADF event, as *node* saw it."""
    initiator = {
        **_initiator(change.principal),
        "host": _known({"address": change.address, "agent": change.agent and change.agent[:MAX_TEXT]}),
        "request_id": change.request_id,
    }
    event = {
        "typeURI": EVENT,
        "id": event_id(now),
        "eventType": "activity",
        "eventTime": now.astimezone(UTC).isoformat(),
        "action": change.action.verb,
        "outcome": "success" if change.status is not None and change.status < 400 else "failure",
        "reason": _reason(change.status),
        "initiator": _known(initiator),
        "target": {"id": (change.target_id or UNKNOWN)[:MAX_TEXT], "typeURI": change.action.target},
        "observer": {"id": node, "typeURI": SERVICE, "name": "stillage"},
        "requestPath": change.path[:MAX_TEXT],
        "attachments": _attachments(change.parts),
    }
    return _known(event)


def _initiator(principal: Principal | None) -> dict[str, Any]:
    if principal is None:
        return {"id": UNKNOWN, "typeURI": USER}
    return {
        "id": principal.user_id,
        "typeURI": USER,
        "name": principal.user_name,
        "project_id": principal.scope,
        "credential": _known({"type": principal.kind, "vouched_by": principal.vouched_by}),
    }


def _reason(status: int | None) -> dict[str, str]:
    if status is None:
        return {"reasonType": "stillage", "reasonCode": "cut off"}
    return {"reasonType": "HTTP", "reasonCode": str(status)}


def _attachments(parts: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "typeURI": "xs:string", "content": part[:MAX_TEXT]} for name, part in parts.items()]


def _known(parts: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in parts.items() if part not in (None, {}, [])}
