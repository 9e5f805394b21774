"""Quotas: how much a project and a node may use. Source: docs/design.md, "Quotas"."""

from dataclasses import dataclass

from stillage.ids import ProjectId


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be in use at the same time; None is no limit. Bytes count from the declaration of their size on.

    Attributes:
        bytes: Of all images of one project.
        images: Records of one project.
        uploads: Running uploads, of one project or of one node.
    """

    bytes: int | None = None
    images: int | None = None
    uploads: int | None = None


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


def scope_of_project(project_id: ProjectId | None) -> str:
    return f"project:{project_id or ''}"


def scope_of_node(node_id: str) -> str:
    return f"node:{node_id}"
