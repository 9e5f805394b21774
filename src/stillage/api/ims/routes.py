"""The routes of IMS, and their handlers. Source: IMS API Reference, "Calling APIs"."""

from aiohttp import web

from stillage.api.ims import creating, exporting, images, info, jobs, members, tags


def add_routes(router: web.UrlDispatcher) -> None:
    router.add_get("/v2/cloudimages", images.list_images, allow_head=False)
    router.add_patch("/v2/cloudimages/{image_id}", images.update)
    for path in ("/v2/cloudimages", "/v2.1/cloudimages"):
        router.add_post(f"{path}/action", creating.create)
        router.add_post(f"{path}/quickimport/action", creating.create_quickly)
    router.add_post("/v1/cloudimages/action", creating.create_alone)
    router.add_post("/v1/cloudimages/dataimages/action", creating.create_data)
    router.add_post("/v2.1/cloudimages/dataimages/action", creating.create_data)
    router.add_post("/v1/cloudimages/wholeimages/action", creating.create_whole)
    router.add_put("/v1/cloudimages/{image_id}/upload", creating.register)
    router.add_post("/v1/cloudimages/{image_id}/copy", creating.copy)
    router.add_post("/v2.1/cloudimages/{image_id}/copy", creating.copy)
    router.add_post("/v1/cloudimages/{image_id}/file", exporting.export)
    router.add_post("/v2.1/cloudimages/{image_id}/file", exporting.export)
    router.add_post("/v1/cloudimages/{image_id}/cross_region_copy", creating.copy_elsewhere)
    router.add_get("/v1/cloudimages/tags", tags.texts, allow_head=False)
    router.add_put("/v1/cloudimages/tags", tags.put)
    router.add_get("/v1/cloudimages/quota", info.quota, allow_head=False)
    router.add_get("/v1/cloudimages/os_version", info.os_versions, allow_head=False)
    router.add_post("/v1/cloudimages/members", members.add)
    router.add_put("/v1/cloudimages/members", members.answer)
    router.add_delete("/v1/cloudimages/members", members.remove)
    router.add_get("/v1/{project_id}/cloudimages/{image_id}/members", members.list_members, allow_head=False)
    router.add_get("/v1/{project_id}/cloudimages/{image_id}/members/{member_id}", members.show, allow_head=False)
    router.add_get("/v1/{project_id}/jobs/{job_id}", jobs.show, allow_head=False)
    router.add_get("/v1/cloudimages/job/{job_id}", jobs.show_progress, allow_head=False)
    router.add_get("/v2/{project_id}/images/tags", tags.of_project, allow_head=False)
    router.add_post("/v2/{project_id}/images/resource_instances/action", tags.find)
    router.add_get("/v2/{project_id}/images/{image_id}/tags", tags.of_image, allow_head=False)
    router.add_post("/v2/{project_id}/images/{image_id}/tags", tags.add)
    router.add_post("/v2/{project_id}/images/{image_id}/tags/action", tags.change_several)
    router.add_delete("/v2/{project_id}/images/{image_id}/tags/{key}", tags.remove)
    router.add_delete("/v1/{project_id}/cloudimages/{image_id}/tags/delete", tags.remove_several)
