"""Say why an image was refused, or what its bytes are; and which rules there are."""

from collections.abc import Sequence
from dataclasses import dataclass

from stillage.accounts.principal import Principal
from stillage.db import images as db_images
from stillage.db import verdicts
from stillage.db.session import Database
from stillage.formats.allowable import why_not_allowable
from stillage.formats.base import Rule
from stillage.formats.registry import rules
from stillage.images.access import Access
from stillage.images.image import Image
from stillage.images.image_verdict import ImageVerdict, verdict_of


@dataclass(frozen=True, slots=True)
class KnownRule:
    """A rule, and what the deployment does about it.

    Attributes:
        is_allowed: It refuses no image here.
        is_allowable: The operator may allow it.
    """

    rule: Rule
    is_allowed: bool
    is_allowable: bool


class Verdicts:
    def __init__(self, database: Database, *, access: Access, allowed: frozenset[str]) -> None:
        """*allowed*: rules that do not refuse an image here, by id."""
        self._database = database
        self._access = access
        self._allowed = allowed

    async def of(self, principal: Principal, image_id: str) -> tuple[Image, ImageVerdict]:
        """Return an image, and the verdict on its bytes, or on those that were sent last.

        Raises:
            ImageNotFound: If there is none, or *principal* may not see it.
        """
        seen = await self._database.look_up(db_images.find_seen, image_id, principal.project_id)
        image = self._access.require_visible(principal, seen, image_id)
        refusal, facts = await self._database.read(verdicts.find, image.id)
        return image, verdict_of(image, refusal, facts)

    def rules(self) -> Sequence[KnownRule]:
        """Return every rule that an image can break, by id."""
        return [KnownRule(rule, rule.id in self._allowed, why_not_allowable(rule.id) is None) for rule in rules()]
