"""How a vendor's gateway words its errors, which clients that sign their requests know.

Source: Huawei Cloud, API Gateway, "Error Codes". Huawei Cloud says APIGW, Open Telekom Cloud APIG; the numbers agree.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from stillage import errors
from stillage.api.problems import CODE, Problem, Wording

CODES: Mapping[type[errors.StillageError], str] = {
    errors.SignatureRefused: "APIGW.0301",
    errors.SignedBodyTooLarge: "APIGW.0201",
}
"""Errors that a gateway answers itself, whichever API is behind it."""


def adapt(problem: Problem) -> Problem:
    """Add the request id where the vendor's SDKs look for it."""
    return replace(problem, headers={**problem.headers, "X-Request-Id": problem.request_id})


def body(problem: Problem) -> dict[str, Any]:
    error = problem.error
    document = {"error_msg": str(error), "error_code": CODES[type(error)], "request_id": problem.request_id}
    return {**document, CODE: error.code}


WORDING = Wording(body, adapt)
