"""Users and projects of the embedded identity."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stillage.ids import ProjectId, UserId

NO_PASSWORD = ""
"""The hash of a user without a password, which no password matches."""


@dataclass(frozen=True, slots=True)
class Project:
    """Owns images.

    Attributes:
        extra: Further members that clients gave it, such as ``description`` and ``tags``; JSON values.
    """

    id: ProjectId
    name: str
    enabled: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class User:
    """Who can log in.

    Attributes:
        extra: Further members that clients gave them, such as ``description`` and ``email``; JSON values.
    """

    id: UserId
    name: str
    password_hash: str = field(repr=False)
    enabled: bool = True
    default_project_id: ProjectId | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assignment:
    """A role of a user in a project."""

    user_id: UserId
    user_name: str
    project_id: ProjectId
    project_name: str
    role: str
