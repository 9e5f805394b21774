"""IMS, jobs, quota and systems: by the document.

Source: IMS API Reference, "Querying the Status of an Asynchronous Job", "Querying the Image Quota"; Huawei Cloud IMS,
"Querying Supported Image OSs".
"""

import re

import pytest

from ims_steps import JOB, JOB_ID, Operation, Step, Walk
from shapes import Each, Has

pytestmark = pytest.mark.asyncio(loop_scope="session")

SHARE = Step(
    "POST /v1/cloudimages/members", {"images": ["$open"], "projects": ["$works"]}, shape={"job_id": JOB_ID}, keep={"job": "job_id"}
)  # fmt: skip
OTHER = Step(
    "POST /v1/cloudimages/members", {"images": ["$pending"], "projects": ["third"]}, shape={"job_id": JOB_ID}, keep={"others": "job_id"},
    by="olga",
)  # fmt: skip
UNKNOWN = "0" * 32


def operation(line: str) -> Operation:
    """Both ways to ask for a job."""
    return Operation(
        f"{line}/$job",
        [
            Step(f"{line}/$job", shape=JOB | {"job_id": "$job", "status": "SUCCESS"}),
            Step(f"{line}/%20$job", shape=Has(job_id="$job")),
            Step(f"{line}/{UNKNOWN}", status=404, code="IMG.0023"),
            Step(f"{line}/$others", status=404, code="IMG.0023"),
            Step(f"{line}/$open", status=404, code="IMG.0023"),
            Step(f"{line}/nothing", status=404, code="IMG.0023"),
        ],
    )


JOBS = [operation("GET /v1/$project/jobs"), operation("GET /v1/cloudimages/job")]

QUOTA = Operation(
    "GET /v1/cloudimages/quota",
    [
        Step(
            "GET /v1/cloudimages/quota",
            shape={"quotas": {"resources": [{"type": "image", "used": int, "quota": int, "min": int, "max": int}]}},
        ),
    ],
)

VERSION = {
    "platform": str, "os_version_key": str, "os_version": str, "os_bit": int, "os_type": re.compile("Linux|Windows|Other"),
}  # fmt: skip
SYSTEMS = Operation(
    "GET /v1/cloudimages/os_version",
    [
        Step(f"GET /v1/cloudimages/os_version{query}", shape=Each({"platform": str, "version_list": Each(VERSION)}, 10))
        for query in ("", "?tag=bms", "?tag=uefi", "?tag=arm&tag=x86", "?tag=kvm", "?tag=")
    ],
)


@pytest.mark.parametrize("operation", [*JOBS, QUOTA, SYSTEMS], ids=str)
async def test_it_is_as_documented(walk: Walk, operation: Operation) -> None:
    await walk.through([SHARE, OTHER])
    await walk.show(operation)
