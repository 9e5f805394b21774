"""Holds answers against what ``/openapi.json`` says of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jsonschema_rs

from stillage.api.description import JSON, Details


@dataclass
class Described:
    """What is described, and which documents of which routes were seen."""

    document: Mapping[str, Any]
    seen: set[tuple[str, str]] = field(default_factory=set)

    def check(self, route: str, status: int, answer: Mapping[str, Any]) -> None:
        """Raise unless *answer* is as described, and has no other members. *route*: ``GET /v2/images/{image_id}``."""
        method, _, path = route.partition(" ")
        responses = self.document["paths"][path][method.lower()]["responses"]
        [ref] = responses[str(status)]["content"][JSON]["schema"].values()
        self._check(ref.rpartition("/")[2], answer)
        self.seen.add((route, ref.rpartition("/")[2]))

    def _check(self, name: str, answer: Mapping[str, Any]) -> None:
        components = self.document["components"]
        jsonschema_rs.validate({"$ref": f"#/components/schemas/{name}", "components": _closed(components)}, answer)


def documents_of(details: Mapping[str, Details]) -> Iterator[tuple[str, str]]:
    """Yield each route that answers with a document when all is well, and the document's name."""
    for route, detail in details.items():
        for schema in detail.success.values():
            if schema not in {None, "octets", "text"}:
                yield route, str(schema)


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
