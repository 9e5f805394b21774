"""An image service of our own making, on a real socket: a Glance, and with ``resumable`` also Stillage's uploads.

It keeps everything in memory, and fails when and as a test wants. What clients need of Keystone is in it as well.
"""

import asyncio
import gc
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Any
from uuid import uuid4

from aiohttp import web, web_app

STEP = 256 * 1024
PASSWORD = "a-password-of-the-tests"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Fault = Callable[[web.Request, Handler], Awaitable[web.StreamResponse | None]]
"""May answer in place of the handler, call it and lose its answer, or do nothing."""


@dataclass
class Kept:
    """One image, and what is known of its bytes."""

    record: dict[str, Any]
    data: bytearray = field(default_factory=bytearray)
    have: bytearray = field(default_factory=bytearray)  # 1 for each byte that came
    upload: str | None = None


class ImageService:
    """Faults are called one after the other, each for one request whose method and path contain its words."""

    def __init__(self, *, resumable: bool) -> None:
        self.resumable = resumable
        self.images: dict[str, Kept] = {}
        self.tokens = 0
        self.asked: list[str] = []
        self.url = ""
        self.faults: list[tuple[str, Fault]] = []
        self.received = 0
        self.owned: dict[str, str] = {}  # digest to bytes that its project has, for instant uploads
        self.proves = 0
        self.sent = 0
        self.cut_downloads: list[int] = []
        self.stall_downloads_after: int | None = None

    @property
    def cloud(self) -> dict[str, Any]:
        auth = {"auth_url": f"{self.url}/identity", "username": "erin", "password": PASSWORD, "project_name": "lab"}
        return {"auth": auth, "region_name": "r1"}

    @contextmanager
    def running(self) -> Iterator["ImageService"]:
        loop = asyncio.new_event_loop()
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.1)

        async def start() -> None:
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"

        loop.run_until_complete(start())
        thread = Thread(target=loop.run_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.run_until_complete(_end_all())
            loop.close()
            self.images.clear()  # now, and not when the cycles of the application are collected
            web_app._cached_build_middleware.cache_clear()  # keeps the last thousand applications
            gc.collect()  # handlers that were cut off hold what they sent

    def only(self) -> Kept:
        assert len(self.images) == 1, list(self.images)
        return next(iter(self.images.values()))

    def store(self, data: bytes | bytearray, **attributes: Any) -> str:
        """Keep *data* as an image; a bytearray is not copied."""
        image_id = str(uuid4())
        kept_data = data if isinstance(data, bytearray) else bytearray(data)
        kept = Kept({"id": image_id, "name": None, "status": "queued", **attributes}, kept_data)
        self.images[image_id] = kept
        self._publish(kept)
        return image_id

    # Routes

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=1 << 40, middlewares=[self._around])
        router = application.router
        router.add_get("/identity/", self._versions)
        router.add_post("/identity/v3/auth/tokens", self._login)
        router.add_post("/v2/images", self._create)
        router.add_get("/v2/images", self._list)
        router.add_get("/v2/images/{id}", self._show)
        router.add_delete("/v2/images/{id}", self._delete)
        router.add_put("/v2/images/{id}/file", self._put)
        router.add_get("/v2/images/{id}/file", self._data)
        if self.resumable:
            router.add_post("/v2/images/{id}/uploads", self._open)
            router.add_get("/v2/images/{id}/uploads/{upload}", self._told)
            router.add_put("/v2/images/{id}/uploads/{upload}", self._piece)
            router.add_delete("/v2/images/{id}/uploads/{upload}", self._abandon)
            router.add_post("/v2/images/{id}/uploads/{upload}/proof", self._proof)
        return application

    @web.middleware
    async def _around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        said = f"{request.method} {request.path}"
        self.asked.append(said)
        if "/v2/" in request.path and "/uploads/" not in request.path and not self._knows(request):
            return _error(401, "who are you?")
        for place, (words, fault) in enumerate(self.faults):
            if words in said:
                del self.faults[place]
                answer = await fault(request, handler)
                if answer is not None:
                    return answer
                break
        return await handler(request)

    def _knows(self, request: web.Request) -> bool:
        return request.headers.get("X-Auth-Token") == f"token-{self.tokens}"

    async def _versions(self, _request: web.Request) -> web.Response:
        link = {"rel": "self", "href": f"{self.url}/identity/v3/"}
        version = {"id": "v3.14", "status": "stable", "links": [link]}
        return web.json_response({"versions": {"values": [version]}}, status=300)

    async def _login(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if asked["auth"]["identity"]["password"]["user"]["password"] != PASSWORD:
            return _error(401, "no")
        self.tokens += 1
        endpoint = {"interface": "public", "region_id": "r1", "url": f"{self.url}/v2/"}
        token = {
            "project": {"id": "p1", "name": "lab"},
            "expires_at": "2999-01-02T03:04:05.000000Z",
            "catalog": [{"type": "image", "endpoints": [endpoint]}],
        }
        return web.json_response({"token": token}, status=201, headers={"X-Subject-Token": f"token-{self.tokens}"})

    async def _create(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if asked["id"] in self.images:
            return _error(409, "the id is taken")
        self.images[asked["id"]] = Kept({**asked, "status": "queued"})
        return web.json_response(self.images[asked["id"]].record, status=201)

    async def _list(self, request: web.Request) -> web.Response:
        found = [kept.record for kept in self.images.values() if kept.record["name"] == request.query["name"]]
        return web.json_response({"images": found})

    async def _show(self, request: web.Request) -> web.Response:
        kept = self.images.get(request.match_info["id"])
        return _error(404, "no such image") if kept is None else web.json_response(kept.record)

    async def _delete(self, request: web.Request) -> web.Response:
        del self.images[request.match_info["id"]]
        return web.Response(status=204)

    # Data

    async def _put(self, request: web.Request) -> web.Response:
        kept = self.images[request.match_info["id"]]
        if kept.record["status"] != "queued":
            return _error(409, f"the image is {kept.record['status']}")
        kept.record["status"] = "saving"
        kept.data.clear()
        try:
            async for chunk in request.content.iter_any():
                kept.data += chunk
                self.received += len(chunk)
        except (ConnectionError, web.HTTPException, Exception):
            kept.record["status"] = "queued"
            raise
        if len(kept.data) != int(request.headers["X-OpenStack-Image-Size"]):
            kept.record["status"] = "queued"
            return _error(400, "size mismatch")
        self._publish(kept)
        return web.Response(status=204)

    async def _data(self, request: web.Request) -> web.StreamResponse:
        whole = memoryview(self.images[request.match_info["id"]].data)
        part, answer = whole, web.StreamResponse()
        if self.resumable and "Range" in request.headers:
            first, last = request.headers["Range"].removeprefix("bytes=").split("-")
            part = whole[int(first) : int(last) + 1]
            headers = {"Content-Range": f"bytes {first}-{int(first) + len(part) - 1}/{len(whole)}"}
            answer = web.StreamResponse(status=206, headers=headers)
        answer.content_length = len(part)
        await answer.prepare(request)
        cut = self.cut_downloads.pop() if self.cut_downloads else len(part)
        for at in range(0, min(cut, len(part)), STEP):
            await answer.write(part[at : min(at + STEP, cut)])
            self.sent += STEP
            while (limit := self.stall_downloads_after) and self.sent > limit:  # noqa: ASYNC110 - a thread ends it
                await asyncio.sleep(0.01)
        if cut < len(part):
            assert request.transport is not None
            request.transport.abort()
        return answer

    def _publish(self, kept: Kept) -> None:
        data = kept.data
        kept.record |= {
            "status": "active",
            "size": len(data),
            "checksum": hashlib.md5(data).hexdigest(),
            "os_hash_algo": "sha512",
            "os_hash_value": hashlib.sha512(data).hexdigest(),
        }

    # Resumable uploads

    async def _open(self, request: web.Request) -> web.Response:
        asked = await request.json()
        kept = self.images[request.match_info["id"]]
        kept.upload = uuid4().hex
        kept.data, kept.have = bytearray(asked["size"]), bytearray(asked["size"])
        kept.record["status"] = "saving"
        document = self._document(kept)
        if set(asked["digests"].values()) & set(self.owned):
            middle = asked["size"] // 2
            document["proof"] = {"nonce": "n0", "ranges": [[0, 99], [middle, middle + 9]]}
        return web.json_response(document, status=201, headers={"Location": self.url + document["url"]})

    def _document(self, kept: Kept) -> dict[str, Any]:
        ranges: list[list[int]] = []
        at = kept.have.find(1)
        while at >= 0:
            end = kept.have.find(0, at)
            end = len(kept.have) if end < 0 else end
            ranges.append([at, end - 1])
            at = kept.have.find(1, end)
        url = f"/v2/images/{kept.record['id']}/uploads/{kept.upload}"
        return {"url": url, "size": len(kept.data), "ranges": ranges, "verified": 0}

    def _found(self, request: web.Request) -> Kept | None:
        kept = self.images.get(request.match_info["id"])
        return kept if kept is not None and kept.upload == request.match_info["upload"] else None

    async def _told(self, request: web.Request) -> web.Response:
        kept = self._found(request)
        return _error(410, "the upload has ended") if kept is None else web.json_response(self._document(kept))

    async def _piece(self, request: web.Request) -> web.Response:
        kept = self._found(request)
        if kept is None:
            return _error(410, "the upload has ended")
        if kept.record["status"] == "active":
            return _error(409, "the upload is complete")
        span, _, size = request.headers["Content-Range"].removeprefix("bytes ").partition("/")
        first, last = map(int, span.split("-"))
        assert int(size) == len(kept.data)
        at = first
        if request.headers.get("Upload-Zeros") == "?1":
            kept.have[first : last + 1] = b"\1" * (last + 1 - first)
        async for chunk in request.content.iter_any():
            kept.data[at : at + len(chunk)] = chunk
            kept.have[at : at + len(chunk)] = b"\1" * len(chunk)
            at += len(chunk)
            self.received += len(chunk)
        if 0 in kept.have:
            return web.json_response(self._document(kept), status=202)
        self._publish(kept)
        return web.Response(status=204)

    async def _abandon(self, request: web.Request) -> web.Response:
        kept = self._found(request)
        if kept is not None:
            kept.upload, kept.record["status"] = None, "queued"
        return web.Response(status=204)

    async def _proof(self, request: web.Request) -> web.Response:
        kept, asked = self._found(request), await request.json()
        assert kept is not None
        whole = bytes.fromhex(next(iter(self.owned.values())))
        middle = len(whole) // 2
        spans = (whole[:100], whole[middle : middle + 10])
        if asked["digests"] != [hashlib.sha256(b"n0" + part).hexdigest() for part in spans]:
            return _error(409, "no proof")
        kept.data[:] = whole
        self.proves += 1
        self._publish(kept)
        return web.Response(status=204)


async def _end_all() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        if task is not None:
            task.cancel()
    await asyncio.gather(*filter(None, left), return_exceptions=True)


def _error(status: int, message: str) -> web.Response:
    return web.Response(
        status=status, content_type="application/json", text=json.dumps({"error": {"code": status, "message": message}})
    )


# Faults


def answers(status: int, **headers: str) -> Fault:
    """It answers so, and does nothing."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def fault(_request: web.Request, _handler: Handler) -> web.StreamResponse | None:
        answer = _error(status, "as the test wants")
        answer.headers.update(named)
        return answer

    return fault


async def loses_the_answer(request: web.Request, handler: Handler) -> web.StreamResponse | None:
    """It does everything, and the connection breaks before anybody learns of it."""
    answer = await handler(request)
    assert request.transport is not None
    request.transport.abort()
    return answer


def breaks_after(size: int) -> Fault:
    """The connection breaks when so many bytes of the body have come."""

    async def fault(request: web.Request, handler: Handler) -> web.StreamResponse | None:
        read = request.content.iter_any
        taken = 0

        async def iter_any() -> Any:
            nonlocal taken
            async for chunk in read():
                yield chunk
                taken += len(chunk)
                if taken >= size and request.transport is not None:
                    request.transport.abort()

        request.content.iter_any = iter_any  # type: ignore[method-assign]
        return await handler(request)

    return fault
