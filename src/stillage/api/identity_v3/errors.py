"""How the identity API words its errors.

Source: Identity API v3, "Errors".
"""

from typing import Any

from stillage.api.problems import CODE, Problem, Wording


def body(problem: Problem) -> dict[str, Any]:
    error = problem.error
    return {"error": {"code": problem.status, "title": problem.title, "message": str(error), CODE: error.code}}


WORDING = Wording(body)
