"""Reading requests to create and change users and projects."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillage.accounts.people_request import (
    ProjectRequest,
    UserRequest,
    new_project_of,
    new_user_of,
    password_request_of,
    project_change_of,
    user_change_of,
)
from stillage.errors import InvalidInput, NotFound
from stillage.ids import ProjectId


def test_a_user_as_openstackclient_sends_one_is_read() -> None:
    given = {"name": "ann", "enabled": True, "password": "p", "email": "a@b", "domain_id": "default", "options": {}}
    assert new_user_of({"user": given}) == UserRequest("ann", True, "p", extra={"email": "a@b"})


def test_null_removes_and_what_is_not_mentioned_stays() -> None:
    wanted = user_change_of({"user": {"password": None, "default_project_id": None, "description": None}}, "id")
    assert wanted == UserRequest(drops_password=True, default_project_id=ProjectId(""), extra={"description": None})
    assert user_change_of({"user": {"email": "x"}}, "id") == UserRequest(extra={"email": "x"})


def test_a_project_has_tags_and_further_members() -> None:
    wanted = {"name": "lab", "enabled": False, "parent_id": "default", "is_domain": False, "tags": ["a"], "floor": "3"}
    assert new_project_of({"project": wanted}) == ProjectRequest("lab", False, {"tags": ["a"], "floor": "3"})


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"user": {"name": "ann"}, "x": 1}, "unknown member 'x'"),
        ({"user": {}}, "empty"),
        ({"user": {"enabled": True}}, "user.name is missing"),
        ({"user": {"name": 5}}, "must be text"),
        ({"user": {"name": " ann"}}, "blanks"),
        ({"user": {"name": "ann", "enabled": "yes"}}, "true or false"),
        ({"user": {"name": "ann", "options": {"lock_password": True}}}, "lock_password"),
        ({"user": {"name": "ann", "links": {}}}, "read-only"),
        ({"user": {"name": "ann", "id": "x"}}, "read-only"),
        ({"user": {"name": "ann", "email": 1}}, "must be text"),
        ({"user": {"name": "ann", "email": "x" * 20000}}, "16384"),
        ({"user": {"name": "ann", "password": "x" * 2000}}, "password"),
        ({"user": {"name": "ann", "default_project_id": 3}}, "must be an id"),
        ([], "object user"),
    ],
)
def test_a_user_that_cannot_be_is_refused_with_a_reason(wanted: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        new_user_of(wanted)


@pytest.mark.parametrize(
    "project", [{"parent_id": "other"}, {"is_domain": True}, {"tags": ["a", "a"]}, {"tags": ["a/b"]}, {"tags": "a"}]
)
def test_a_project_that_cannot_be_is_refused(project: Any) -> None:
    with pytest.raises(InvalidInput):
        new_project_of({"project": {"name": "lab", **project}})


def test_another_domain_is_not_there_and_another_id_is_refused() -> None:
    with pytest.raises(NotFound):
        new_user_of({"user": {"name": "ann", "domain_id": "other"}})
    with pytest.raises(InvalidInput, match="URL"):
        project_change_of({"project": {"id": "b", "name": "x"}}, "a")


def test_both_passwords_are_needed_and_neither_is_shown() -> None:
    wanted = password_request_of({"user": {"original_password": "old", "password": "new"}})
    assert (wanted.original, wanted.new) == ("old", "new")
    assert "old" not in repr(wanted)
    assert "new" not in repr(user_change_of({"user": {"password": "new"}}))
    for missing in ({"password": "new"}, {"original_password": "old"}, {"original_password": "o", "password": ""}):
        with pytest.raises(InvalidInput):
            password_request_of({"user": missing})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(max_examples=30)
@given(JSON)
def test_any_json_is_read_or_refused(document: Any) -> None:
    for read in (new_user_of, user_change_of, new_project_of, project_change_of, password_request_of):
        for wanted in (document, {"user": document}, {"project": document}):
            try:
                read(wanted)
            except (InvalidInput, NotFound):
                continue
