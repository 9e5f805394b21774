"""List the jobs of a project: imports, conversions, exports and copies."""

from aiohttp import web

from stillage.api.http.json_bodies import json_response
from stillage.api.image_v2 import task_documents as documents
from stillage.api.paging import first_page, next_page
from stillage.api.services import principal, services
from stillage.images.job import Job
from stillage.images.job_query import parse
from stillage.times import to_seconds

PATH = "/v2/jobs"


async def list_all(request: web.Request) -> web.Response:
    """GET /v2/jobs: a page of the jobs of the project, newest first; of all projects for administrators."""
    pairs = list(request.query.items())
    query = parse(pairs)
    jobs = await services(request).jobs.page(principal(request), query)
    first = first_page(PATH, pairs)
    document: documents.ListedJobs = {"jobs": [_document(job) for job in jobs], "first": first}
    if jobs and len(jobs) == query.limit:
        document["next"] = next_page(first, jobs[-1].id)
    return json_response(document, headers={"Cache-Control": "no-store"})


def _document(job: Job) -> documents.ListedJob:
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "step": job.step,
        "progress": round(job.progress, 4),
        "project_id": job.project_id,
        "user_id": job.user_id,
        "image_id": job.image_id,
        "parent": job.parent,
        "message": job.failure.message if job.failure else None,
        "code": job.failure.kind if job.failure else None,
        "created_at": to_seconds(job.created_at),
        "updated_at": to_seconds(job.updated_at),
        "ended_at": None if job.ended_at is None else to_seconds(job.ended_at),
    }
