"""The settings of jobs: who runs them, how many at once, and how long their ends are remembered."""

from typing import Annotated

from pydantic import BaseModel, Field

from stillage.times import CENTURY_S

Seconds = Annotated[float, Field(le=CENTURY_S)]


class JobSettings(BaseModel, defer_build=True):
    """What imports, conversions and other work that outlives its request may use; see [jobs](jobs.md)."""

    run_jobs: bool = Field(
        default=True, description="run jobs in the server's processes; false leaves them to `stillage worker`"
    )
    job_slots: int = Field(8, ge=1, le=1024, description="jobs that run at once on this node")
    max_project_jobs: int | None = Field(
        None, ge=1, le=(1 << 31) - 1, description="jobs of a project that run at once; no limit if unset"
    )
    job_keep_s: Seconds = Field(7 * 86400, gt=0, description="how long a job can be read after its end")
