"""Quotas: how much a project and a node may use. Source: docs/design.md, "Quotas"."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from stillage.errors import InvalidInput
from stillage.ids import ProjectId

NO_LIMIT = -1
"""Of a project's own limits: there is none, whatever the settings say. Of others: whatever the project's own say."""
MOST_BYTES = (1 << 63) - 1
MOST = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be in use at the same time; None says nothing, `NO_LIMIT` that there is none.

    Bytes count from the declaration of their size on.

    Attributes:
        bytes: Of all images of one project.
        images: Records of one project.
        uploads: Running uploads and inspections, of one project or of one node.
        jobs: Of one project that run at once; others wait.
    """

    bytes: int | None = None
    images: int | None = None
    uploads: int | None = None
    jobs: int | None = None

    def over(self, default: "Limits") -> "Limits":
        """Return the limits that hold where these are a project's own, and *default* those of the settings."""
        own, given = asdict(self), asdict(default)
        keeps = {name: own[name] is None or given[name] == NO_LIMIT for name in own}
        return Limits(**{name: given[name] if keeps[name] else own[name] for name in own})


@dataclass(frozen=True, slots=True)
class Quotas:
    """The limits of a deployment."""

    project: Limits = Limits()
    node: Limits = Limits()


@dataclass(frozen=True, slots=True)
class Usage:
    """What is in use."""

    bytes: int = 0
    images: int = 0
    uploads: int = 0


@dataclass(frozen=True, slots=True)
class Quota:
    """What a project uses and may use.

    Attributes:
        project_name: None if the project is not in the embedded identity.
        own: The limits that were set for it alone.
        limits: Those that hold.
        jobs: How many run.
    """

    project_id: ProjectId
    project_name: str | None
    usage: Usage
    own: Limits
    limits: Limits
    jobs: int


def scope_of_project(project_id: ProjectId | None) -> str:
    return f"project:{project_id or ''}"


def scope_of_node(node_id: str) -> str:
    return f"node:{node_id}"


def own_limits_of(document: Mapping[str, Any]) -> Limits:
    """Parse ``{"limits": {"bytes": N, …}}``; what is null or missing is left to the settings.

    Raises:
        InvalidInput: If there is an unknown member, or a limit is no number from -1, which is none.
    """
    given = document.get("limits")
    if not isinstance(given, Mapping) or len(document) > 1:
        raise InvalidInput('the body must be {"limits": {…}}, with nothing beside limits')
    names = [field.name for field in fields(Limits)]
    if unknown := given.keys() - set(names):
        raise InvalidInput(f"unknown limit {min(unknown)[:80]!r}; use {', '.join(names)}")
    for name, limit in given.items():
        most = MOST_BYTES if name == "bytes" else MOST
        if limit is not None and (type(limit) is not int or not NO_LIMIT <= limit <= most):
            raise InvalidInput(f"limits.{name} must be a number from -1, which is no limit, to {most}, or null")
    return Limits(**given)
