"""Signs in to the console as a browser does, and asks with its cookie, over an application in process."""

from http.cookies import Morsel, SimpleCookie
from typing import Any

from aiohttp import ClientResponse, ClientSession

SESSION = "/console/session"
ERIN = {"user": "erin", "password": "erins", "project": "lab"}


async def sign_in(api: ClientSession, wanted: Any = ERIN, **headers: str) -> tuple[str, dict[str, Any]]:
    """Return a Cookie header, and what the answer says."""
    async with api.post(SESSION, json=wanted, headers=headers) as response:
        assert response.status == 201, await response.text()
        morsel = cookie(response)
        return f"{morsel.key}={morsel.value}", await response.json()


def cookie(response: ClientResponse) -> Morsel[str]:
    [morsel] = SimpleCookie(response.headers["Set-Cookie"]).values()
    return morsel


async def ask(api: ClientSession, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with api.request(method, path, json=body, headers=sent) as response:
        return response.status, await response.json(content_type=None) if await response.read() else None
