"""Holds answers against what ``/openapi.json`` says of them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import unquote

import jsonschema_rs

from stillage.api.description import JSON, Details


@dataclass
class Described:
    """What is described, and which documents of which routes were seen."""

    document: Mapping[str, Any]
    seen: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._components = _closed(self.document["components"])
        self._validators: dict[str, Any] = {}
        self._by_names = sorted(self.document["paths"], key=lambda pattern: pattern.count("{"))

    def check(self, route: str, status: int, answer: Mapping[str, Any]) -> None:
        """Raise unless *answer* is as described, and has no other members. *route*: ``GET /v2/images/{image_id}``."""
        method, _, path = route.partition(" ")
        responses = self.document["paths"][path][method.lower()]["responses"]
        [ref] = responses[str(status)]["content"][JSON]["schema"].values()
        self._check(ref.rpartition("/")[2], answer)
        self.seen.add((route, ref.rpartition("/")[2]))

    def route_of(self, method: str, path: str) -> str | None:
        """Return the described route that a request of *method* for *path* takes: one without names in it if it can."""
        plain = unquote(path.partition("?")[0])
        for pattern in self._by_names:
            if method.lower() in self.document["paths"][pattern] and _of(pattern).fullmatch(plain):
                return f"{method} {pattern}"
        return None

    def _check(self, name: str, answer: Mapping[str, Any]) -> None:
        if name not in self._validators:
            schema = {"$ref": f"#/components/schemas/{name}", "components": self._components}
            self._validators[name] = jsonschema_rs.validator_for(schema)
        self._validators[name].validate(answer)


def documents_of(details: Mapping[str, Details]) -> Iterator[tuple[str, str]]:
    """Yield each route that answers with a document when all is well, and the document's name."""
    for route, detail in details.items():
        for schema in detail.success.values():
            if schema not in {None, "octets", "text"}:
                yield route, str(schema)


@cache
def _of(pattern: str) -> re.Pattern[str]:
    return re.compile("[^/]+".join(map(re.escape, re.split(r"\{\w+\}", pattern))))


def _closed(schema: Any) -> Any:
    """Return *schema* with no members but those that it names, at any depth."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed
