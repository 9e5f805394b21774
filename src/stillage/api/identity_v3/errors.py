"""How the identity API words its errors."""

from http import HTTPStatus
from typing import Any

from stillage.api.problems import Problem


def as_keystone(problem: Problem, _request_id: str) -> dict[str, Any]:
    """Source: Identity API v3, "Errors"."""
    title = HTTPStatus(problem.status).phrase
    return {"error": {"code": problem.status, "title": title, "message": problem.message}}
