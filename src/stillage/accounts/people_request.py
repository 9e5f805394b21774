"""Parses requests of the identity API to create or change a user or a project, or to change a password.

Source: Identity API v3, "Users" and "Projects". As in Keystone, members without a meaning are kept and shown.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stillage.accounts.names import DOMAIN_ID, MAX_PROJECT, MAX_USER, is_name, require_name
from stillage.accounts.texts import is_unicode, require_password
from stillage.errors import InvalidInput, NotFound
from stillage.ids import ProjectId

MAX_EXTRA = 16 << 10
MAX_TAGS = 80  # as in Keystone
MAX_TAG = 255
READ_ONLY = frozenset({"id", "links", "password_expires_at", "federated"})


@dataclass(frozen=True, slots=True)
class UserRequest:
    """A new user, or changes to one; what is not mentioned is None, or stays as it is.

    Attributes:
        password: The new one; None if there is none.
        drops_password: The password is to be removed: nobody can log in with one any more.
        default_project_id: An empty text removes it.
        extra: Members to keep; those with the value None are removed.
    """

    name: str | None = None
    enabled: bool | None = None
    password: str | None = field(default=None, repr=False)
    drops_password: bool = False
    default_project_id: ProjectId | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProjectRequest:
    """A new project, or changes to one, as `UserRequest`."""

    name: str | None = None
    enabled: bool | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PasswordRequest:
    """A user's change of their own password."""

    original: str = field(repr=False)
    new: str = field(repr=False)


def new_user_of(document: Any) -> UserRequest:
    """Parse the request for a new user; InvalidInput if it is not valid."""
    request = user_change_of(document)
    if request.name is None:
        raise InvalidInput("user.name is missing")
    return request


def user_change_of(document: Any, user_id: str | None = None) -> UserRequest:
    """Parse a change of the user *user_id*; InvalidInput if it is not valid, NotFound for another domain."""
    given = _envelope(document, "user", user_id)
    password = given.pop("password", "")
    project_id = given.pop("default_project_id", "")
    return UserRequest(
        _name(given, "user", MAX_USER),
        _flag(given, "enabled"),
        None if password in (None, "") else require_password(_text(password, "user.password")),
        password is None,
        None if project_id == "" else ProjectId(_id(project_id, "user.default_project_id")),
        _extra(given, "user"),
    )


def new_project_of(document: Any) -> ProjectRequest:
    """Parse the request for a new project; InvalidInput if it is not valid."""
    request = project_change_of(document)
    if request.name is None:
        raise InvalidInput("project.name is missing")
    return request


def project_change_of(document: Any, project_id: str | None = None) -> ProjectRequest:
    """Parse a change of the project *project_id*; InvalidInput if it is not valid, NotFound for another domain."""
    given = _envelope(document, "project", project_id)
    if given.pop("parent_id", None) not in (None, DOMAIN_ID):
        raise InvalidInput("project.parent_id: projects have no parents here but the domain 'default'; leave it out")
    if given.pop("is_domain", None) not in (None, False):
        raise InvalidInput("project.is_domain: there is one domain here, and no other can be created")
    if "tags" in given:
        _require_tags(given["tags"])
    return ProjectRequest(_name(given, "project", MAX_PROJECT), _flag(given, "enabled"), _extra(given, "project"))


def password_request_of(document: Any) -> PasswordRequest:
    """Parse a user's change of their own password; InvalidInput if it is not valid."""
    given = _envelope(document, "user", None)
    original, new = (_text(given.pop(name, None), f"user.{name}") for name in ("original_password", "password"))
    if given:
        raise InvalidInput(f"unknown member {next(iter(given))[:80]!r}; use original_password and password")
    return PasswordRequest(original, require_password(new))


def _envelope(document: Any, name: str, thing_id: str | None) -> dict[str, Any]:
    """Return a copy of the object *name*, without what it says of the domain and the id, which have to be right."""
    if not isinstance(document, dict) or not isinstance(document.get(name), dict):
        raise InvalidInput(f"the body must contain the object {name}")
    if unknown := document.keys() - {name}:
        raise InvalidInput(f"unknown member {min(unknown)[:80]!r} beside {name}; leave it out")
    given = dict(document[name])
    if not given:
        raise InvalidInput(f"the object {name} is empty")
    if thing_id is not None and given.pop("id", thing_id) != thing_id:
        raise InvalidInput(f"{name}.id is not the id in the URL")
    if given.pop("domain_id", None) not in (None, DOMAIN_ID):
        raise NotFound(f"{name}.domain_id: there is no such domain; the only one is 'default'")
    return given


def _name(given: dict[str, Any], what: str, limit: int) -> str | None:
    if "name" not in given:
        return None
    return require_name(what, _text(given.pop("name"), f"{what}.name"), limit)


def _flag(given: dict[str, Any], name: str) -> bool | None:
    value = given.pop(name, None)
    if value is not None and not isinstance(value, bool):
        raise InvalidInput(f"{name} must be true or false")
    return value


def _id(value: Any, what: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not is_name(value):
        raise InvalidInput(f"{what} must be an id, or null for none")
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{what} must be text, and {'is missing' if value is None else 'is something else'}")
    return value


def _require_tags(tags: Any) -> None:
    valid = isinstance(tags, list) and all(isinstance(tag, str) and 0 < len(tag) <= MAX_TAG for tag in tags)
    if not valid or len(tags) > MAX_TAGS or len(set(tags)) < len(tags) or any("/" in tag or "," in tag for tag in tags):
        raise InvalidInput(
            f"project.tags must be a list of at most {MAX_TAGS} different texts without / and comma, "
            f"each of 1 to {MAX_TAG} characters"
        )


def _extra(given: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    """Return the members to keep."""
    if given.get("options"):
        raise InvalidInput(f"{what}.options: {min(given['options'])[:80]!r} is not supported; leave options out")
    if read_only := given.keys() & READ_ONLY:
        raise InvalidInput(f"{what}.{min(read_only)} is read-only; leave it out")
    for name in ("description", "email"):
        if given.get(name) is not None:
            _text(given[name], f"{what}.{name}")
    kept = {name: value for name, value in given.items() if name != "options"}
    text = json.dumps(kept, ensure_ascii=False)
    if len(text) > MAX_EXTRA or not is_unicode(text) or "\\u0000" in text:
        raise InvalidInput(
            f"description and further members of a {what} may have {MAX_EXTRA} characters of Unicode text"
        )
    return kept
