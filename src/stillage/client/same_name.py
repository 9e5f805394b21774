"""Makes an upload idempotent: leaves, refuses or replaces images that have its name already.

Only complete images of the own project count. What they hold is compared by the digests in their records.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stillage.client.digests import Digests
from stillage.client.errors import BadCloud, NameTaken
from stillage.client.records import Record, Records
from stillage.client.session import Session
from stillage.client.source import Source
from stillage.client.state import Shelf
from stillage.client.upload import Outcome, Upload
from stillage.client.verification import digests_of

COMPLETE = ("active", "deactivated")


@dataclass(frozen=True, slots=True)
class NameRules:
    """What to do about images of the same name.

    Attributes:
        replace: Delete them once the upload is complete and verified.
        if_changed: Send nothing if one has the same bytes.
        unique: As `if_changed`, and refuse the upload if one has others.
    """

    replace: bool = False
    if_changed: bool = False
    unique: bool = False


class NamedUpload:
    """An upload by `NameRules`."""

    def __init__(self, session: Session, upload: Upload, rules: NameRules, *, state: Path) -> None:
        self._place = session.place
        self._records = Records(session)
        self._upload = upload
        self._rules = rules
        self._read = Shelf(state, "files")

    async def run(self, file: str, name: str) -> Outcome:
        """Upload *file* as the image *name*, or find that it is there.

        Raises:
            NameTaken: If another image has the name, and must be the only one.
            ClientError: As of `Upload.run`.
        """
        if self._rules == NameRules():
            return await self._upload.run(file)
        others = await self._named(name)
        if not await self._is_there(file, others):
            if self._rules.unique and others:
                ids = ", ".join(str(other["id"]) for other in others)
                raise NameTaken(f"an image with other bytes is named {name!r} already: {ids}")
            await self._upload.run(file)
        outcome = self._upload.outcome
        if self._rules.replace:
            for other in (str(other["id"]) for other in others if other["id"] != outcome.image_id):
                await self._records.delete(other)
                outcome.replaced = (*outcome.replaced, other)
        return outcome

    async def _named(self, name: str) -> list[Record]:
        if not self._place.is_project_known:
            raise BadCloud("set project_id or project_name, so that images of other projects are left alone")
        own = [("name", name), ("owner", self._place.project_id)]
        return [
            image
            for image in await self._records.matching(own)
            if image.get("owner") in (None, self._place.project_id) and image.get("status") in COMPLETE
        ]

    async def _is_there(self, file: str, others: Sequence[Record]) -> bool:
        """Return whether one of *others* has the bytes of *file*, and note it as the outcome."""
        if not (self._rules.if_changed or self._rules.unique):
            return False
        with Source.opened(file) as source:
            same_size = [other for other in others if other.get("size") == source.size]
            for other in same_size:
                if verified := await self._equal(source, digests_of(other)):
                    outcome = self._upload.outcome
                    outcome.size, outcome.image_id, outcome.way = source.size, str(other["id"]), "unchanged"
                    outcome.verified = verified
                    return True
        return False

    async def _equal(self, source: Source, wanted: Mapping[str, str]) -> Mapping[str, str]:
        """Return the digest that is the file's as well; nothing if it is another, or there is none."""
        name = next((name for name in wanted if name != "md5"), next(iter(wanted), None))
        if name is None:
            return {}
        remembered = self._read.entry(str(source.path))
        known = source.known_digests(remembered)
        if name not in known:
            async with Digests(source.descriptor, source.size, [name]) as digests:
                known |= await digests.all()
            await asyncio.to_thread(source.remember_digests, remembered, known)
        return {name: known[name]} if known[name] == wanted[name] else {}
