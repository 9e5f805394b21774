"""Derive the JSON Schema of an API's documents from their types.

A document is a ``TypedDict`` or a dataclass that states its members once. mypy checks the function that builds a
document against it. OpenAPI and the schemas of the image API are derived from it, so they cannot differ.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from pydantic_core import core_schema

Schema = Mapping[str, Any]


def member(description: str | None = None, **keywords: Any) -> Any:
    """Annotate a member of a document: *keywords* of JSON Schema, in addition to those that follow from its type."""
    return Field(description=description, json_schema_extra=keywords)


def properties_of(document: type) -> dict[str, Schema]:
    """Return the schema of each member of *document*, with those of nested documents in their places."""
    made = TypeAdapter(document).json_schema(schema_generator=_Plain)
    properties: dict[str, Schema] = _inlined(made["properties"], made.get("$defs", {}))
    return properties


def _inlined(schema: Any, nested: Mapping[str, Any]) -> Any:
    """Return *schema* with every reference to one of *nested*, none of which contains itself, replaced by it."""
    if isinstance(schema, list):
        return [_inlined(each, nested) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(nested[schema["$ref"].rpartition("/")[2]], nested)
    return {name: _inlined(each, nested) for name, each in schema.items()}


def resolvable(document: type) -> tuple[dict[str, Schema], dict[str, Schema]]:
    """Return the schema of each member of *document*, and those of nested documents, as ``#/definitions/NAME``."""
    made = TypeAdapter(document).json_schema(schema_generator=_Plain, ref_template="#/definitions/{model}")
    return made["properties"], made.get("$defs", {})


def components_of(*documents: type) -> dict[str, Schema]:
    """Return the schemas of *documents* and of nested documents, by the names of their types.

    They refer to one another like OpenAPI components. Numbers are counts: none is negative.
    """
    inputs: list[tuple[type, JsonSchemaMode, TypeAdapter[Any]]]
    inputs = [(document, "validation", TypeAdapter(document)) for document in documents]
    _, made = TypeAdapter.json_schemas(
        inputs,
        schema_generator=_Components,
        ref_template="#/components/schemas/{model}",
    )
    schemas: dict[str, Schema] = made["$defs"]
    return schemas


class _Plain(GenerateJsonSchema):
    """Writes a nullable member like Glance, with two types, and omits titles, which repeat the names."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> dict[str, Any]:
        inner = self.generate_inner(schema["schema"])
        if "type" not in inner:  # a document
            return {"anyOf": [inner, {"type": "null"}]}
        return {**inner, "type": ["null", inner["type"]]}

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


class _Components(_Plain):
    def int_schema(self, schema: core_schema.IntSchema) -> dict[str, Any]:
        return {"minimum": 0, **super().int_schema(schema)}
