"""Leases: a process holds a row until its lease runs out, so that one that has died holds nothing for long.

A lease is two columns of the row: who holds it, and until when. A process renews its leases while it lives. A sweep
ends those that have run out, and at once those of processes that are known to be dead.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NewType

from sqlalchemy import Column, ColumnElement, Dialect, String, or_
from sqlalchemy.types import TypeDecorator, TypeEngine

NodeId = NewType("NodeId", str)
"""The processes that share a data folder."""


@dataclass(frozen=True, slots=True, order=True)
class LeaseOwner:
    """A process that holds leases. In a column it is ``NODE/PROCESS``.

    Attributes:
        process: Its name, without a slash. No two processes of a node that live at the same time have the same.
    """

    node: NodeId
    process: str

    @classmethod
    def parse(cls, text: str) -> "LeaseOwner":
        """Return the owner that *text* stands for."""
        node, _, process = text.rpartition("/")
        return cls(NodeId(node), process)

    def __str__(self) -> str:
        return f"{self.node}/{self.process}"


Dead = LeaseOwner | NodeId
"""A process that has ended, or a node of which every process has."""


class OwnerText(TypeDecorator[LeaseOwner]):
    """A `LeaseOwner`, kept as text."""

    impl = String(64)
    cache_ok = True

    def process_bind_param(self, value: LeaseOwner | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> LeaseOwner | None:  # noqa: ARG002
        return None if value is None else LeaseOwner.parse(value)

    def coerce_compared_value(self, op: Any, value: Any) -> TypeEngine[Any]:  # noqa: ARG002
        return String() if isinstance(value, str) else self  # a text is the beginning of one


@dataclass(frozen=True, eq=False)
class Lease:
    """The two columns of a table that are the lease of its rows. Both are NULL while the row is free."""

    owner: Column[Any]
    expires_at: Column[Any]

    def is_free(self, now: datetime) -> ColumnElement[bool]:
        return or_(self.owner.is_(None), self.expires_at < now)

    def is_held_by(self, owner: LeaseOwner) -> ColumnElement[bool]:
        return self.owner == owner

    def is_over(self, now: datetime, dead: Dead | None = None) -> ColumnElement[bool]:
        """True of a lease that has run out, or is of *dead*."""
        has_run_out = self.expires_at < now
        return has_run_out if dead is None else or_(has_run_out, is_of(dead, self.owner))

    def values(self, owner: LeaseOwner | None, expires_at: datetime | None) -> dict[str, Any]:
        """Return the values of a row that *owner* holds until *expires_at*; both are None for a row that is free."""
        return {self.owner.name: owner, self.expires_at.name: expires_at}


def is_of(dead: Dead, owner: Column[Any]) -> ColumnElement[bool]:
    """True of a row whose *owner* is *dead*."""
    if isinstance(dead, LeaseOwner):
        return owner == dead
    return owner.startswith(f"{dead}/", autoescape=True)
