"""Lists, changes, deletes and shares images at any Glance.

Source: OpenStack Image API v2, "Images" and "Sharing"; RFC 6902 for changes.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from stillage.client.auth.tokens import json_bytes, json_request
from stillage.client.errors import ServerRefused
from stillage.client.http import Request
from stillage.client.images import Images
from stillage.client.session import Session

PATCH_TYPE = "application/openstack-images-v2.1-json-patch"
PAGE = 200
Record = dict[str, Any]


class Records:
    """The records of images, by id or name. Every call raises ServerRefused if the server refuses it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._images = Images(session)

    async def find(self, name_or_id: str) -> Record:
        """Return the one image of this name or id; see `Images.get_by_name`."""
        return await self._images.get_by_name(name_or_id)

    async def matching(self, filters: Sequence[tuple[str, str]], most: int | None = None) -> list[Record]:
        """Return the images that pass all *filters*, pairs of the API's query; the newest *most* of them."""
        query = urlencode([*filters, ("limit", str(min(PAGE, most or PAGE)))])
        path, found = f"/v2/images?{query}", list[Record]()
        while path and (most is None or len(found) < most):
            page = (await self.session.ask(Request("GET", self.session.url(path)))).document(200)
            found += page.get("images") or []
            path = str(page.get("next") or "") if page.get("images") else ""
        return found[:most]

    async def change(self, image_id: str, changes: Sequence[Mapping[str, Any]]) -> Record:
        """Apply *changes*, a JSON patch; return the record as it is then."""
        headers = {"Content-Type": PATCH_TYPE}
        request = Request("PATCH", self._url(image_id), headers, json_bytes(list(changes)))
        return (await self.session.ask(request)).document(200)

    async def delete(self, image_id: str) -> None:
        answer = await self.session.ask(Request("DELETE", self._url(image_id)))
        answer.require(200, 202, 204)

    async def act(self, image_id: str, action: str, document: Mapping[str, Any]) -> None:
        """Call an action of an image, such as ``reactivate``."""
        url = f"{self._url(image_id)}/actions/{action}"
        (await self.session.ask(json_request("POST", url, document))).require(200, 204)

    async def members(self, image_id: str) -> list[Record]:
        """Return the projects that an image is shared with."""
        answer = await self.session.ask(Request("GET", f"{self._url(image_id)}/members"))
        members: list[Record] = answer.document(200).get("members") or []
        return members

    async def share(self, image_id: str, project: str) -> None:
        """Share an image with a project. Repeating it is harmless."""
        answer = await self.session.ask(json_request("POST", f"{self._url(image_id)}/members", {"member": project}))
        if answer.status == 409 and any(member.get("member_id") == project for member in await self.members(image_id)):
            return
        answer.require(200, 201)

    async def unshare(self, image_id: str, project: str) -> None:
        """End it."""
        answer = await self.session.ask(Request("DELETE", f"{self._url(image_id)}/members/{quote(project, safe='')}"))
        if answer.status == 404:
            raise ServerRefused(f"the image is not shared with {project}", status=404, code=answer.code)
        answer.require(200, 204)

    def _url(self, image_id: str) -> str:
        return self.session.url(f"/v2/images/{quote(image_id, safe='')}")


def patch_of(values: Mapping[str, Any], removed: Sequence[str]) -> list[dict[str, Any]]:
    """Return the JSON patch that sets *values* and removes the properties *removed*.

    Every image service understands ``add`` for what is there as well.
    """
    sets = [{"op": "add", "path": _pointer(name), "value": value} for name, value in values.items()]
    return [*sets, *({"op": "remove", "path": _pointer(name)} for name in removed)]


def _pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")
