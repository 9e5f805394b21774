"""What a dialect says of a route for OpenAPI, beside what the router knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Details:
    """What a router does not know of one route.

    Attributes:
        success: Status to the name of a schema, ``octets``, or None for no body.
        errors: Statuses with the error's body.
        query: Query parameters by name; their schemas.
        headers: Request headers by name; their schemas.
        body: Media type to the schema of the request's body.
    """

    success: Mapping[int, str | None]
    errors: tuple[int, ...] = ()
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
