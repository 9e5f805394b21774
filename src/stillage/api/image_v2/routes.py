"""Every route of the image API, and the handler behind it."""

from aiohttp import web

from stillage.api.image_v2 import data, images, inspection


def add_routes(router: web.UrlDispatcher) -> None:
    router.add_post("/v2/images", images.create)
    router.add_get("/v2/images", images.list_images, allow_head=False)
    router.add_post("/v2/images/inspect", inspection.inspect)
    router.add_get("/v2/images/{image_id}", images.show, allow_head=False)
    router.add_delete("/v2/images/{image_id}", images.delete)
    router.add_put("/v2/images/{image_id}/file", data.upload)
    router.add_get("/v2/images/{image_id}/file", data.download)
