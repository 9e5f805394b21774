"""Show tasks: what imports are doing, and how they ended. Source: OpenStack Image API v2, "Tasks"."""

from datetime import datetime

from aiohttp import web

from stillage.api.http.json_bodies import json_object, json_response
from stillage.api.image_v2 import task_documents as documents
from stillage.api.paging import first_page, next_page
from stillage.api.services import principal, services
from stillage.images.job import Job
from stillage.images.task import STATUSES, TYPES, parse, task_id_of
from stillage.times import to_microseconds, to_seconds


async def list_tasks(request: web.Request) -> web.Response:
    """GET /v2/tasks: a page of tasks, newest first by default; for administrators."""
    pairs = list(request.query.items())
    query = parse(pairs)
    jobs = await services(request).tasks.page(principal(request), query)
    first = first_page("/v2/tasks", pairs)
    document: documents.Tasks = {
        "tasks": [_summary(request, job) for job in jobs],
        "first": first,
        "schema": "/v2/schemas/tasks",
    }
    if jobs and len(jobs) == query.limit:
        document["next"] = next_page(first, jobs[-1].id)
    return json_response(document)


async def show(request: web.Request) -> web.Response:
    """GET /v2/tasks/{task_id}: one task; for administrators."""
    job = await services(request).tasks.get(principal(request), task_id_of(request.match_info["task_id"]))
    return json_response(_task(request, job))


async def create(request: web.Request) -> web.Response:
    """POST /v2/tasks: refused; an import is asked for at its image."""
    services(request).tasks.refuse(principal(request), await json_object(request))
    raise AssertionError  # it always refuses


async def of_image(request: web.Request) -> web.Response:
    """GET /v2/images/{image_id}/tasks: what imports of an image are doing, and how they ended.

    Times are as Glance's database has them: with microseconds, and without a zone.
    """
    jobs = await services(request).tasks.of_image(principal(request), request.match_info["image_id"])
    return json_response({"tasks": [_with_raw_times(request, job) for job in jobs]})


def _summary(request: web.Request, job: Job) -> documents.TaskSummary:
    return {
        "id": job.id,
        "type": TYPES[job.kind],
        "status": STATUSES[job.state],
        "owner": job.project_id,
        "user_id": job.user_id,
        "image_id": job.image_id,
        "request_id": job.request_id,
        "created_at": to_seconds(job.created_at),
        "updated_at": to_seconds(job.updated_at),
        "expires_at": _maybe(services(request).tasks.expires_at(job)),
        "self": f"/v2/tasks/{job.id}",
        "schema": "/v2/schemas/task",
    }


def _task(request: web.Request, job: Job) -> documents.Task:
    return {
        **_summary(request, job),
        "input": dict(job.input),
        "result": None if job.result is None else dict(job.result),
        "message": job.failure.message if job.failure else "",
    }


def _with_raw_times(request: web.Request, job: Job) -> documents.ImageTask:
    expires_at = services(request).tasks.expires_at(job)
    progress: documents.TaskProgress = {} if job.has_ended else {"os_stillage_progress": round(job.progress, 4)}
    return {
        **_task(request, job),
        **progress,
        "created_at": _raw(job.created_at),
        "updated_at": _raw(job.updated_at),
        "expires_at": None if expires_at is None else _raw(expires_at),
    }


def _maybe(time: datetime | None) -> str | None:
    return None if time is None else to_seconds(time)


def _raw(time: datetime) -> str:
    return to_microseconds(time).removesuffix("Z")
