"""How the identity API words its errors.

Source: Identity API v3, "Errors".
"""

from typing import Any

from stillage.api.problems import Problem, Wording


def body(problem: Problem) -> dict[str, Any]:
    return {"error": {"code": problem.status, "title": problem.title, "message": str(problem.error)}}


WORDING = Wording(body)
