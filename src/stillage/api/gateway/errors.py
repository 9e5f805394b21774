"""How a vendor's gateway words its errors, which clients that sign their requests know."""

from collections.abc import Mapping
from typing import Any

from stillage import errors
from stillage.api.problems import Problem

# Source: Huawei Cloud, API Gateway, "Error Codes". Huawei Cloud says APIGW, Open Telekom Cloud APIG; the numbers agree.
GATEWAY_CODES: Mapping[type[Exception], str] = {
    errors.SignatureRefused: "APIGW.0301",
    errors.SignedBodyTooLarge: "APIGW.0201",
}


def as_gateway(problem: Problem, request_id: str) -> dict[str, Any]:
    """What a vendor's gateway answers to a signed request, whatever stands behind it."""
    return {"error_msg": problem.message, "error_code": GATEWAY_CODES[problem.kind], "request_id": request_id}
