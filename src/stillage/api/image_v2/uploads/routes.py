"""The routes of resumable uploads, and their handlers."""

from aiohttp import web

from stillage.api.image_v2.uploads import having, lists, pieces, resource

UPLOADS = "/v2/images/{image_id}/uploads"
UPLOAD = UPLOADS + "/{upload}"
BY_CAPABILITY = frozenset({
    f"GET {UPLOAD}", f"PUT {UPLOAD}", f"PATCH {UPLOAD}", f"DELETE {UPLOAD}", f"POST {UPLOAD}", f"POST {UPLOAD}/proof",
    f"POST {UPLOAD}/have",
})  # fmt: skip
"""Routes that accept a capability in place of a token: each begins by looking up its upload by it.

See `upload_request.upload_of`.
"""
PIECES = BY_CAPABILITY - {f"DELETE {UPLOAD}"}
"""Requests of which an upload takes many: pieces, and asking how far it is."""


def add_routes(router: web.UrlDispatcher) -> None:
    router.add_get("/v2/uploads", lists.list_all, allow_head=False)
    router.add_options("/v2/images/{image_id}/file", resource.offer)
    router.add_options(UPLOADS, resource.offer)
    router.add_post(UPLOADS, resource.create)
    router.add_get(UPLOADS, resource.list_uploads, allow_head=False)
    router.add_get(UPLOAD, resource.show, allow_head=False)
    router.add_head(UPLOAD, resource.head)
    router.add_put(UPLOAD, pieces.put)
    router.add_patch(UPLOAD, resource.patch)
    router.add_delete(UPLOAD, resource.abandon)
    router.add_post(UPLOAD, resource.override)
    router.add_post(UPLOAD + "/proof", resource.prove)
    router.add_post(UPLOAD + "/have", having.have)
