"""Set which images of a family a project keeps, and tell what a rule would delete."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from stillage.accounts.principal import Principal
from stillage.db import retention as db
from stillage.db.retention import FamilyRule
from stillage.db.session import Database
from stillage.errors import NotFound
from stillage.images import retention
from stillage.images.access import Access
from stillage.images.retention import Candidate, Rule
from stillage.images.values import text


@dataclass(frozen=True, slots=True)
class Shown:
    """A rule, and what it would delete now."""

    family: str
    rule: Rule
    removes: Sequence[Candidate]


class Retention:
    """Of the project of the principal."""

    def __init__(self, database: Database, *, access: Access, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._access = access
        self._clock = clock

    async def page(self, principal: Principal, limit: int, marker: str | None) -> Sequence[FamilyRule]:
        """Return the rules of the project, by family; one more than *limit*, if any."""
        self._access.require_role(principal, "get_images")
        return await self._database.read(db.of_project, principal.project_id, limit + 1, marker)

    async def show(self, principal: Principal, family: str, other: Rule | None = None) -> Shown:
        """Return the rule of a family, or *other* in its place, and what it would delete.

        Raises:
            NotFound: If there is no rule, and no other.
        """
        self._access.require_role(principal, "get_images")
        rule = other or await self._database.read(db.find, principal.project_id, text("a family", family))
        if rule is None:
            raise NotFound(f"there is no rule for the family {family[:80]!r}; set one, or pass limits to preview one")
        found = await self._database.read(db.candidates, principal.project_id, family)
        return Shown(family, rule, retention.removable(rule, found, self._clock()))

    async def set(self, principal: Principal, family: str, rule: Rule) -> Shown:
        """Set the rule of a family; upkeep deletes by it from now on.

        Raises:
            Forbidden: If *principal* may not set rules.
            InvalidInput: If the name of the family is too long.
        """
        self._access.require_role(principal, "set_retention", "set which images are kept")
        family = text("a family", family)
        await self._database.write(db.put, principal.project_id, family, rule, self._clock())
        return await self.show(principal, family, rule)

    async def remove(self, principal: Principal, family: str) -> None:
        """Remove the rule of a family; NotFound if there is none."""
        self._access.require_role(principal, "set_retention", "set which images are kept")
        if not await self._database.write(db.remove, principal.project_id, text("a family", family)):
            raise NotFound(f"there is no rule for the family {family[:80]!r}")
