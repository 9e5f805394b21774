"""What happens to jobs: work that outlives the request that asked for it."""

from stillage.errors.base import Conflict, NotFound, StillageError


class JobNotFound(NotFound):
    """There is no job with this id, or the principal may not know of it."""

    code = "job_not_found"
    fix = "check the id and the project of the token; jobs are forgotten a week after their end"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"there is no job {job_id[:36]!r}")


class JobEnded(Conflict):
    """The job has ended, so nothing about it can change."""

    code = "job_ended"
    fix = "read how it ended"

    def __init__(self, job_id: str, state: str) -> None:
        super().__init__(f"job {job_id} has ended already: it is {state}")


class JobCancelled(StillageError):
    """The job was cancelled, or its image was deleted."""

    code = "job_cancelled"
    fix = "ask for it again if it is still wanted"


class JobInterrupted(StillageError):
    """The processes that ran the job ended again and again, so it is not tried any more."""

    code = "job_interrupted"
    fix = "look into the server's log for what ended its processes, such as too little memory"

    def __init__(self, times: int) -> None:
        super().__init__(f"the server process that ran this job ended {times} times in the same step; it is given up")


class PassingTrouble(StillageError):
    """Something that a job needs fails at the moment, and may work later. The job is tried again."""

    code = "passing_trouble"
    fix = "see what the message names, and ask for the job again when it works"
