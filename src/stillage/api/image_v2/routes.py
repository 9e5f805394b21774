"""The routes of the image API, and their handlers."""

from aiohttp import web

from stillage.api.image_v2 import (
    audit,
    cache,
    copies,
    data,
    disks,
    events,
    images,
    imports,
    info,
    inspection,
    jobs,
    lifecycle,
    links,
    locations,
    members,
    quotas,
    retention,
    schemas,
    status,
    tags,
    tasks,
    trash,
    verdicts,
)
from stillage.api.image_v2.metadefs import routes as metadefs
from stillage.api.image_v2.uploads import routes as uploads


def add_routes(router: web.UrlDispatcher) -> None:
    router.add_post("/v2/images", images.create)
    router.add_get("/v2/images", images.list_images, allow_head=False)
    router.add_post("/v2/images/inspect", inspection.inspect)
    router.add_get("/v2/images/{image_id}", images.show, allow_head=False)
    router.add_patch("/v2/images/{image_id}", images.update)
    router.add_delete("/v2/images/{image_id}", images.delete)
    router.add_post("/v2/images/{image_id}/actions/deactivate", images.deactivate)
    router.add_post("/v2/images/{image_id}/actions/reactivate", lifecycle.reactivate)
    router.add_put("/v2/images/{image_id}/file", data.upload)
    router.add_get("/v2/images/{image_id}/file", data.download)
    router.add_put("/v2/images/{image_id}/stage", imports.stage)
    router.add_post("/v2/images/{image_id}/import", imports.start)
    router.add_get("/v2/images/{image_id}/disk", disks.disk)
    router.add_get("/v2/images/{image_id}/copies", copies.of_image, allow_head=False)
    router.add_get("/v2/images/{image_id}/map", disks.data_map, allow_head=False)
    router.add_get("/v2/images/{image_id}/layout", disks.layout, allow_head=False)
    router.add_delete("/v2/stores/{store}/{image_id}", images.delete_copy)
    uploads.add_routes(router)
    _add_extensions(router)
    router.add_post("/v2/images/{image_id}/locations", locations.add)
    router.add_get("/v2/images/{image_id}/locations", locations.list_locations, allow_head=False)
    router.add_post("/v2/images/{image_id}/members", members.add)
    router.add_get("/v2/images/{image_id}/members", members.list_members, allow_head=False)
    router.add_get("/v2/images/{image_id}/members/{member_id}", members.show, allow_head=False)
    router.add_put("/v2/images/{image_id}/members/{member_id}", members.answer)
    router.add_delete("/v2/images/{image_id}/members/{member_id}", members.remove)
    router.add_put("/v2/images/{image_id}/tags/{tag}", tags.add)
    router.add_delete("/v2/images/{image_id}/tags/{tag}", tags.remove)
    router.add_get("/v2/images/{image_id}/tasks", tasks.of_image, allow_head=False)
    router.add_get("/v2/tasks", tasks.list_tasks, allow_head=False)
    router.add_post("/v2/tasks", tasks.create)
    router.add_get("/v2/tasks/{task_id}", tasks.show, allow_head=False)
    router.add_get("/v2/schemas/{name}", schemas.show, allow_head=False)
    router.add_get("/v2/schemas/metadefs/{name}", schemas.show_of_metadefs, allow_head=False)
    metadefs.add_routes(router)
    router.add_get("/v2/cache", cache.show, allow_head=False)
    router.add_delete("/v2/cache", cache.clear)
    router.add_put("/v2/cache/{image_id}", cache.queue)
    router.add_delete("/v2/cache/{image_id}", cache.drop)
    router.add_get("/v2/cache/nodes/{image_id}", cache.nodes, allow_head=False)
    router.add_get("/v2/info/stores", info.stores, allow_head=False)
    router.add_get("/v2/info/stores/detail", info.stores_detail, allow_head=False)
    router.add_get("/v2/info/import", info.import_methods, allow_head=False)
    router.add_get("/v2/info/usage", info.usage, allow_head=False)
    _add_administration(router)


def _add_administration(router: web.UrlDispatcher) -> None:
    router.add_get("/v2/quotas", quotas.list_own, allow_head=False)
    router.add_get("/v2/quotas/{project_id}", quotas.show, allow_head=False)
    router.add_put("/v2/quotas/{project_id}", quotas.change)
    router.add_delete("/v2/quotas/{project_id}", quotas.reset)
    router.add_get("/v2/usage", quotas.usage, allow_head=False)
    router.add_get("/v2/audit", audit.read, allow_head=False)
    router.add_get("/v2/status", status.show, allow_head=False)
    router.add_get("/v2/settings", status.settings, allow_head=False)


def _add_extensions(router: web.UrlDispatcher) -> None:
    """Add what Glance has nothing like."""
    router.add_post("/v2/images/{image_id}/actions/deprecate", lifecycle.deprecate)
    router.add_post("/v2/images/{image_id}/actions/obsolete", lifecycle.obsolete)
    router.add_get("/v2/trash", trash.list_trash, allow_head=False)
    router.add_post("/v2/trash/{image_id}/restore", trash.restore)
    router.add_delete("/v2/trash/{image_id}", trash.purge)
    router.add_get("/v2/retention", retention.list_rules, allow_head=False)
    router.add_get("/v2/retention/{family}", retention.show, allow_head=False)
    router.add_put("/v2/retention/{family}", retention.change)
    router.add_delete("/v2/retention/{family}", retention.remove)
    router.add_post("/v2/images/{image_id}/links", links.create)
    router.add_get("/v2/images/{image_id}/links/{link}", links.use)
    router.add_get("/v2/images/{image_id}/verdict", verdicts.show, allow_head=False)
    router.add_get("/v2/events", events.stream, allow_head=False)
    router.add_get("/v2/rules", verdicts.rules, allow_head=False)
    router.add_get("/v2/jobs", jobs.list_all, allow_head=False)
