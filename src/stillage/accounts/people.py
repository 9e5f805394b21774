"""Users and projects of the embedded identity."""

from dataclasses import dataclass, field

from stillage.ids import ProjectId, UserId


@dataclass(frozen=True, slots=True)
class Project:
    id: ProjectId
    name: str
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class User:
    id: UserId
    name: str
    password_hash: str = field(repr=False)
    enabled: bool = True
    default_project_id: ProjectId | None = None
