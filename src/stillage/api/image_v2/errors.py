"""How the image API words its errors."""

from typing import Any

from stillage.api.problems import Problem, Wording


def body(problem: Problem) -> dict[str, Any]:
    """Return the image API's body.

    The object stands inside ``error`` because glanceclient asks every value of the outermost object for its ``message``
    and fails on one that is a plain text or number; openstacksdk prints either form.
    """
    head = {"code": problem.status, "title": problem.title, "message": str(problem.error)}
    return {"error": {**head, **problem.error.facts, "request_id": problem.request_id}}


WORDING = Wording(body)
