"""Metadata definitions: what a client sends is what is shown, and anything else is refused in one sentence."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import builders
from stillage.api.image_v2.metadefs import documents
from stillage.api.image_v2.metadefs.shape import contents_view
from stillage.errors import Forbidden, InvalidInput, NotFound
from stillage.ids import ProjectId
from stillage.images.access import Access
from stillage.images.metadefs.access import ADD, MODIFY, READ_ALL, READ_ONE, REMOVE, REMOVE_ALL, MetadefAccess
from stillage.images.metadefs.definitions import Contents, Namespace, NamespaceVisibility
from stillage.images.metadefs.requests import MAX_LONG_TEXT, TYPES, contents_of, namespace_of
from stillage.images.metadefs.rules import METADEF_RULES

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LAB = ProjectId("lab")

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
names = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=80)
anything = st.recursive(st.none() | st.booleans() | st.integers() | texts, lambda inner: st.lists(inner, max_size=3))
counts = st.integers(0, 2**31 - 1)
properties: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"title": texts, "type": st.sampled_from(TYPES)},
    optional={
        "description": texts,
        "operators": st.lists(texts, max_size=3),
        "required": st.lists(texts, max_size=3, unique=True),
        "minimum": st.integers() | st.floats(allow_nan=False, allow_infinity=False),
        "maxLength": counts,
        "minItems": counts,
        "pattern": texts,
        "enum": st.lists(anything, max_size=3),
        "readonly": st.booleans(),
        "default": anything,
        "items": st.fixed_dictionaries(
            {"type": st.sampled_from(TYPES)}, optional={"enum": st.lists(anything, max_size=3)}
        ),
        "uniqueItems": st.booleans(),
    },
)
objects: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"name": names},
    optional={
        "description": texts,
        "required": st.lists(texts, max_size=3, unique=True),
        "properties": st.dictionaries(names, properties, max_size=3),
    },
)
associations: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"name": names}, optional={"prefix": texts, "properties_target": texts}
)
namespaces: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"namespace": names},
    optional={
        "display_name": texts,
        "description": texts,
        "visibility": st.sampled_from(["public", "private"]),
        "protected": st.booleans(),
        "owner": texts,
        "properties": st.dictionaries(names, properties, max_size=3),
        "objects": st.lists(objects, max_size=3, unique_by=lambda each: each["name"]),
        "tags": st.lists(st.fixed_dictionaries({"name": names}), max_size=3, unique_by=lambda each: each["name"]),
        "resource_type_associations": st.lists(associations, max_size=3, unique_by=lambda each: each["name"]),
    },
)


def shown(document: Any) -> documents.Namespace:
    return contents_view(Contents(namespace_of(document, LAB, NOW), contents_of(document, NOW)))


@given(document=namespaces)
def test_what_was_sent_is_shown(document: dict[str, Any]) -> None:
    view = json.loads(json.dumps(shown(document)))
    sent = {name: value for name, value in document.items() if value not in ([], {})}
    for listed in ("objects", "resource_type_associations"):
        view[listed] = [
            {name: each.get(name) for name in one}
            for each, one in zip(view.get(listed, []), document.get(listed, []), strict=True)
        ]
    assert {name: view[name] for name in sent} == sent


@given(document=st.dictionaries(st.sampled_from(["namespace", "properties", "objects", "tags", "owner"]), anything))
def test_anything_else_is_refused_in_one_way_or_another(document: dict[str, Any]) -> None:
    with suppress(InvalidInput, Forbidden):
        shown(document)


def test_a_long_text_has_a_limit() -> None:
    with pytest.raises(InvalidInput, match="too long"):
        contents_of({"objects": [{"name": "o", "description": "x" * (MAX_LONG_TEXT + 1)}]}, NOW)


ACTIONS = {
    "add_metadef_tags", "modify_metadef_namespace", *READ_ONE.values(), *READ_ALL.values(), *ADD.values(),
    *MODIFY.values(), *REMOVE.values(), *(action for both in REMOVE_ALL.values() for action in both),
}  # fmt: skip


def namespace(visibility: NamespaceVisibility) -> Namespace:
    return Namespace("n", LAB, NOW, NOW, visibility=visibility)


@pytest.mark.parametrize("rule", sorted(ACTIONS))
def test_each_rule_of_a_policy_file_decides_what_it_is_named_for(rule: str) -> None:
    admin = builders.principal("ops", "admin")
    public = namespace(NamespaceVisibility.PUBLIC)
    assert MetadefAccess(Access()).check(admin, "n", rule)(public) is public
    denied = MetadefAccess(Access({rule: "!"}))
    with pytest.raises(Forbidden, match=rule):
        denied.check(admin, "n", rule)(public)


def test_what_may_not_be_seen_is_not_found_whoever_asks() -> None:
    hidden = MetadefAccess(Access({"get_metadef_namespace": "!"}))
    with pytest.raises(NotFound):
        hidden.check(builders.principal("lab", "admin"), "n", "modify_metadef_namespace")(
            namespace(NamespaceVisibility.PUBLIC)
        )
    stranger = MetadefAccess(Access()).check(builders.principal("works", "member"), "n")
    with pytest.raises(NotFound) as private:
        stranger(namespace(NamespaceVisibility.PRIVATE))
    with pytest.raises(NotFound) as missing:
        stranger(None)
    assert str(private.value) == str(missing.value)


def test_every_rule_is_used_or_there_for_others_to_refer_to() -> None:
    lists = {"get_metadef_namespaces", "get_metadef_namespace", "add_metadef_namespace"}
    assert METADEF_RULES.keys() == ACTIONS | lists | {"metadef_admin", "metadef_default"}
