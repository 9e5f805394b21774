"""Asks Stillage for deleted images and for rules of families; see docs/families.md."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from stillage.client.auth.tokens import json_request
from stillage.client.http import Request
from stillage.client.records import Record
from stillage.client.session import Session

PAGE = 200


class Trash:
    """Every call raises ServerRefused if the server refuses it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def all(self) -> list[Record]:
        """Return the deleted images of the project, the latest deletion first."""
        found: list[Record] = []
        while True:
            marker = {"marker": found[-1]["id"]} if found else {}
            url = self._session.url(f"/v2/trash?{urlencode({'limit': PAGE, **marker})}")
            page = (await self._session.ask(Request("GET", url))).document(200)["trash"]
            found += page
            if len(page) < PAGE:
                return found

    async def restore(self, image_id: str) -> Record:
        request = json_request("POST", f"{self._url('trash', image_id)}/restore", {})
        return (await self._session.ask(request)).document(200)

    async def purge(self, image_id: str) -> None:
        (await self._session.ask(Request("DELETE", self._url("trash", image_id)))).require(204)

    async def rule(self, family: str, limits: Mapping[str, int]) -> dict[str, Any]:
        """Return the rule of a family, or one with *limits*, and what it would delete."""
        url = self._url("retention", family) + (f"?{urlencode(limits)}" if limits else "")
        return (await self._session.ask(Request("GET", url))).document(200)

    async def set_rule(self, family: str, limits: Mapping[str, int]) -> dict[str, Any]:
        request = json_request("PUT", self._url("retention", family), dict(limits))
        return (await self._session.ask(request)).document(200)

    async def remove_rule(self, family: str) -> None:
        (await self._session.ask(Request("DELETE", self._url("retention", family)))).require(204)

    def _url(self, kind: str, name: str) -> str:
        return self._session.url(f"/v2/{kind}/{quote(name, safe='')}")
