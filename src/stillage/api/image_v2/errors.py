"""How the image API words its errors."""

from typing import Any

from stillage.api.problems import Problem, phrase_of


def as_error(problem: Problem, request_id: str) -> dict[str, Any]:
    """The image API's body.

    The object stands inside ``error`` because glanceclient asks every value of the outermost object for its ``message``
    and fails on one that is a plain text or number; openstacksdk prints either form.
    """
    title = phrase_of(problem.status)
    head = {"code": problem.status, "title": title, "message": problem.message}
    return {"error": {**head, **problem.extra, "request_id": request_id}}
