"""Addresses that download one image for a short time, without a token: for curl, a hypervisor, or a colleague.

A link carries, encrypted, whose rights it needs. They are looked up at every use, as those of a resumable upload are,
so that a disabled user's links end at once. Nothing is stored.
"""

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from stillage.accounts.principal import Kind, Principal
from stillage.db.session import Database
from stillage.errors import InvalidInput, LinkInvalid, RightsLost, SecretUnreadable
from stillage.identity.vault import Vault
from stillage.ids import ImageId, ProjectId, UserId
from stillage.images.upload import Grant
from stillage.operations.download import Download
from stillage.operations.resumable.rights import UploadRights

# The prefix lets scanners for leaked secrets recognise it.
PREFIX = "gsd1"
DEFAULT_S, MOST_S = 900, 86400
LONGEST = 32 << 10
"""With a Keystone it holds a token, of 8 KiB at most."""


@dataclass(frozen=True, slots=True)
class Link:
    """A new link. *text*: authorises downloads of the image until then."""

    text: str
    expires_at: datetime


class Links:
    def __init__(
        self,
        database: Database,
        download: Download,
        rights: UploadRights,
        vault: Vault,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        """*rights*: looks up whose links these are."""
        self._database = database
        self._download = download
        self._rights = rights
        self._vault = vault
        self._clock = clock

    async def create(self, principal: Principal, image_id: str, valid_s: int = DEFAULT_S) -> Link:
        """Return a link to the data of an image that *principal* may download.

        Raises:
            InvalidInput: If it would be valid for too long, or not at all.
            StillageError: As `Download.describe`.
        """
        if not 1 <= valid_s <= MOST_S:
            raise InvalidInput(f"expires_s must be a number from 1 to {MOST_S}, not {valid_s}")
        image = await self._download.describe(principal, image_id)
        expires_at = self._clock() + timedelta(seconds=valid_s)
        content = {"until": int(expires_at.timestamp()), **asdict(self._rights.grant_of(principal))}
        sealed = self._vault.seal(_name(image.id), json.dumps(content))
        return Link(PREFIX + base64.urlsafe_b64encode(base64.b64decode(sealed)).decode().rstrip("="), expires_at)

    async def open(self, image_id: str, text: str) -> Principal:
        """Return whose rights a link has now.

        Raises:
            LinkInvalid: If it is none for this image, has expired, or whoever made it has lost the right.
        """
        content = self._read(image_id, text)
        if int(content.pop("until")) <= self._clock().timestamp():
            raise LinkInvalid
        content |= {"user_id": UserId(content["user_id"]), "project_id": ProjectId(content["project_id"])}
        try:
            look = await self._rights.identity.look(Grant(**content | {"kind": Kind(content["kind"])}), hold=False)
            return await self._database.read(look)
        except RightsLost as error:
            raise LinkInvalid from error

    def _read(self, image_id: str, text: str) -> dict[str, Any]:
        if len(text) > LONGEST or not text.isascii():
            raise LinkInvalid
        text = text.removeprefix(PREFIX)
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            content: dict[str, Any] = json.loads(self._vault.open(_name(image_id), base64.b64encode(raw).decode()))
        except (binascii.Error, ValueError, SecretUnreadable) as error:
            raise LinkInvalid from error
        return content


def _name(image_id: str) -> str:
    return f"link to image {ImageId(image_id)}"
