"""How the image API words its errors."""

from typing import Any

from stillage.api.problems import CODE, Problem, Wording


def body(problem: Problem) -> dict[str, Any]:
    """Return the image API's body.

    Everything is inside ``error`` because glanceclient reads ``message`` of every value in the outermost object, and
    fails if a value is a string or a number. openstacksdk prints either form.
    """
    error = problem.error
    head = {"code": problem.status, "title": problem.title, "message": str(error), CODE: error.code}
    return {"error": {**head, **error.facts, "request_id": problem.request_id}}


WORDING = Wording(body)
