"""Jobs as IMS shows them. Source: IMS API Reference, "Querying the Status of an Asynchronous Job"."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from aiohttp import web

from stillage import errors
from stillage.api.http.json_bodies import json_response
from stillage.api.ims import documents
from stillage.api.ims.errors import code_of_kind
from stillage.api.ims.projects import require_project
from stillage.api.services import principal, services
from stillage.db.lifecycle import IMAGE_DELETED
from stillage.errors import JobNotFound
from stillage.ids import job_id_of
from stillage.images.job import Job, JobKind, State
from stillage.times import to_milliseconds

STATUS: Mapping[State, str] = {
    State.ACCEPTED: "INIT",
    State.RUNNING: "RUNNING",
    State.DONE: "SUCCESS",
    State.FAILED: "FAIL",
}
NATIVE = "imsNativeImportImageJob"
TYPES: Mapping[str, str] = {
    JobKind.IMPORT_OBJECT: NATIVE,
    JobKind.IMPORT_STAGED: NATIVE,
    JobKind.IMPORT_URL: NATIVE,
    JobKind.IMPORT_STORE: NATIVE,
    JobKind.IMPORT_REMOTE: NATIVE,
    JobKind.LOCATION_IMPORT: NATIVE,
    JobKind.CREATE_OBJECT: "imsImportImageJob",
    JobKind.CREATE_OBJECT_DATA: "imsImportDataImageJob",
    JobKind.CREATE_OBJECTS: "imsImportOvaImageJob",
    JobKind.EXPORT_OBJECT: "imsNativeExportImageJob",
    JobKind.COPY: "imsCopyImageInRegionJob",
    JobKind.MEMBERS_ADD: "imsAddImageMembersJob",
    JobKind.MEMBERS_ANSWER: "imsUpdateImageMembersJob",
    JobKind.MEMBERS_REMOVE: "imsDelImageMembersJob",
}
IMPORT_TASK = "ImportImageTask"
TASKS: Mapping[str, str] = {JobKind.EXPORT_OBJECT: "ExportImageTask", JobKind.COPY: "CopyImageInRegionTask"}
MEMBERS = frozenset({JobKind.MEMBERS_ADD, JobKind.MEMBERS_ANSWER, JobKind.MEMBERS_REMOVE})


def accepted(job: Job) -> web.Response:
    """Return the answer to a request that has led to *job*."""
    document: documents.ImsAccepted = {"job_id": shown_id(job)}
    return json_response(document)


async def show(request: web.Request) -> web.Response:
    """GET /v1/{project_id}/jobs/{job_id}: what has become of a job of the project."""
    require_project(request)
    return await _show(request)


async def show_progress(request: web.Request) -> web.Response:
    """GET /v1/cloudimages/job/{job_id}: what has become of a job of the project."""
    return await _show(request)


async def _show(request: web.Request) -> web.Response:
    jobs = services(request).jobs
    job_id = job_id_of(request.match_info["job_id"].strip())
    job = await jobs.get(job_id)
    if job.project_id != principal(request).project_id or job.kind not in TYPES:
        raise JobNotFound(job_id)
    parts = await jobs.parts_of(job.id) if job.kind == JobKind.CREATE_OBJECTS and job.image_id is None else ()
    return json_response(job_view(job, [_shown(job, number, part, len(parts)) for number, part in enumerate(parts)]))


def _shown(whole: Job, number: int, part: Job, count: int) -> Job:
    """Return *part* with the progress that follows from that of the whole job, which does one after the other."""
    return replace(part, progress=min(max(whole.progress * count - number, part.progress), 1.0))


def shown_id(job: Job) -> str:
    return job.id.replace("-", "")


def job_view(job: Job, parts: Sequence[Job] = ()) -> documents.ImsJob:
    """*parts*: the jobs that it consists of."""
    failure = job.failure
    return {
        "job_id": shown_id(job),
        "job_type": TYPES[job.kind],
        "status": STATUS[job.state],
        "begin_time": to_milliseconds(job.begun_at or job.created_at),
        "end_time": "" if job.ended_at is None else to_milliseconds(job.ended_at),
        "error_code": None if failure is None else ims_code(failure.kind),
        "fail_reason": None if failure is None else failure.message or failure.kind,
        "entities": _entities(job, parts),
    }


def _entities(job: Job, parts: Sequence[Job]) -> dict[str, Any]:
    result = dict(job.result or {})
    if job.kind in MEMBERS:
        return {"results": result.get("results", [])}
    entities: dict[str, Any] = {}
    if job.image_id is not None:
        entities["image_id"] = job.image_id
    if "image_name" in job.input:
        entities["image_name"] = job.input["image_name"]
    if job.kind == JobKind.CREATE_OBJECTS and job.image_id is not None:
        # One image, of which Terraform expects a job within the job.
        parts = [replace(job, kind=JobKind.CREATE_OBJECT)]
    if parts:
        entities["sub_jobs_result"] = [job_view(part) for part in parts]
        entities["sub_jobs_list"] = [shown_id(part) for part in parts]
    if not job.has_ended:
        entities |= {"process_percent": round(job.progress, 2), "current_task": f"{TASKS.get(job.kind, IMPORT_TASK)}:"}
    if job.failure is not None:
        entities |= {"error_code": ims_code(job.failure.kind), "error": job.failure.message or job.failure.kind}
    return entities


def ims_code(kind: str) -> str:
    """Return the code that IMS has for the failure of a job. *kind*: the code of the error; or IMS's own already."""
    if kind.startswith("IMG."):
        return kind
    if kind == IMAGE_DELETED.kind:
        return "IMG.0144"
    known = getattr(errors, _CLASSES.get(kind, "InternalError"))
    _, code = code_of_kind(known)
    return code


_CLASSES: Mapping[str, str] = {
    cls.code: name for name, cls in vars(errors).items() if isinstance(cls, type) and hasattr(cls, "code")
}
