"""The emulator's own API as a dialect. Its principal is an administrator, by a token or by password (HTTP Basic)."""

import base64
import hmac

from aiohttp import hdrs, web

from stillage.api.credentials import TOKEN, principal_of
from stillage.api.dialects import Dialect
from stillage.api.emulator import handlers
from stillage.api.emulator.description import DESCRIPTION
from stillage.api.emulator.emulator import PREFIX, Emulator
from stillage.api.problems import Wording
from stillage.errors import Forbidden
from stillage.operations.identity.bootstrap import ADMIN


def dialect(emulator: Emulator, wording: Wording) -> Dialect:
    """*wording*: the profile's."""

    async def authenticate(request: web.Request) -> None:
        if TOKEN not in request.headers and _has_password(request, emulator.admin_password):
            return
        if not (await principal_of(request)).is_admin:
            raise Forbidden("only an administrator may use the emulator; log in as user admin")

    def add_routes(router: web.UrlDispatcher) -> None:
        handlers.add_routes(router, emulator)

    return Dialect(
        prefixes=(PREFIX,),
        add_routes=add_routes,
        authenticate=authenticate,
        public=frozenset(),
        wording=wording,
        changes={},
        description=DESCRIPTION,
    )


def _has_password(request: web.Request, password: str) -> bool:
    scheme, _, given = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    wanted = base64.b64encode(f"{ADMIN}:{password}".encode()).decode()
    return scheme.lower() == "basic" and hmac.compare_digest(given.encode(), wanted.encode())
