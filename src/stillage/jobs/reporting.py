"""Reports what happens to jobs, to the metrics and the audit."""

from collections.abc import Callable

from stillage.audit.trail import Trail
from stillage.images.job import Job, State
from stillage.operations.jobs import Report


def report_to(trail: Trail, count: Callable[[Job], None]) -> Report:
    async def report(job: Job) -> None:
        count(job)
        if job.state is not State.ACCEPTED:  # the request that asked for it is in the audit
            await trail.record_job(job)

    return report
