"""Parses a login request, strictly where it matters and leniently where clients differ.

Source: Identity API v3, "Authentication and token management"; unknown keys are ignored, as Keystone does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from stillage.accounts.names import is_default_domain, is_name
from stillage.errors import InvalidInput, Unauthenticated


@dataclass(frozen=True, slots=True)
class Reference:
    """A user or project as a client names it: by its id, or by its name in a domain.

    Attributes:
        id: Takes precedence over the name if both are given.
        elsewhere: True if the name is in another domain than ours, so that no user or project matches.
    """

    id: str | None
    name: str | None = None
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class ByPassword:
    user: Reference
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ByToken:
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ByCredential:
    """An application credential: by its id, or by its name and its user."""

    id: str | None
    name: str | None
    user: Reference | None
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ProjectScope:
    project: Reference


class OtherScope(Enum):
    DEFAULT = auto()
    """No scope was given: the user's default project, or none."""
    UNSCOPED = auto()
    DOMAIN = auto()
    SYSTEM = auto()


Method = ByPassword | ByToken | ByCredential
Scope = ProjectScope | OtherScope


@dataclass(frozen=True, slots=True)
class LoginRequest:
    method: Method
    scope: Scope


def login_request_of(document: Any) -> LoginRequest:
    """Parse the body of a login request.

    Args:
        document: Any JSON value.

    Raises:
        InvalidInput: If it is not a token request, or asks for a method that we do not have.
        Unauthenticated: If an application credential comes with a scope.
    """
    auth = _part(_object(document, "the body"), "auth")
    identity = _part(auth, "identity")
    method = METHODS[_method_name(identity)](identity)
    if isinstance(method, ByCredential) and auth.get("scope") is not None:
        raise Unauthenticated(
            "Error authenticating with application credential: Application credentials cannot request a scope."
        )
    return LoginRequest(method, _scope(auth.get("scope")))


def _method_name(identity: Mapping[str, Any]) -> str:
    methods = identity.get("methods")
    if not isinstance(methods, list) or not methods or not all(isinstance(method, str) for method in methods):
        raise InvalidInput("auth.identity.methods must be a list with one method")
    if len(set(methods)) > 1:
        raise InvalidInput("auth.identity.methods: logins with several methods are not supported; send one")
    name = str(methods[0])
    if name not in METHODS:
        raise InvalidInput(f"auth.identity.methods: {name[:80]!r} is not supported; use one of {', '.join(METHODS)}")
    return name


def _by_password(identity: Mapping[str, Any]) -> ByPassword:
    user = _part(_part(identity, "password"), "user")
    return ByPassword(_user(user), _text(user, "password", "the user's password"))


def _by_token(identity: Mapping[str, Any]) -> ByToken:
    return ByToken(_text(_part(identity, "token"), "id", "the token's id"))


def _by_credential(identity: Mapping[str, Any]) -> ByCredential:
    credential = _part(identity, "application_credential")
    secret = _text(credential, "secret", "the application credential's secret")
    if credential.get("id") is not None:
        return ByCredential(_name(credential, "id"), None, None, secret)
    return ByCredential(None, _name(credential, "name"), _user(_part(credential, "user")), secret)


METHODS: Mapping[str, Callable[[Mapping[str, Any]], Method]] = {
    "password": _by_password,
    "token": _by_token,
    "application_credential": _by_credential,
}


def _user(user: Mapping[str, Any]) -> Reference:
    if user.get("id") is None and user.get("domain") is None:
        raise InvalidInput("a user needs either an id, or a name with a domain")
    return _reference(user)


def _scope(scope: Any) -> Scope:
    if scope is None:
        return OtherScope.DEFAULT
    if scope == "unscoped":
        return OtherScope.UNSCOPED
    scope = _object(scope, "scope")
    # If several are given the project wins, as in Huawei's IAM.
    if "project" in scope:
        return ProjectScope(_reference(_part(scope, "project")))
    for other in (OtherScope.DOMAIN, OtherScope.SYSTEM, OtherScope.UNSCOPED):
        if other.name.lower() in scope:
            return other
    raise InvalidInput('auth.scope names nothing we know; project, domain, system and "unscoped" are possible')


def _reference(thing: Mapping[str, Any]) -> Reference:
    if thing.get("id") is not None:
        return Reference(_name(thing, "id"))
    return Reference(None, _name(thing, "name"), elsewhere=_is_elsewhere(thing))


def _is_elsewhere(thing: Mapping[str, Any]) -> bool:
    # Clients of Huawei's IAM name a project without its domain; there is only one domain anyway.
    if thing.get("domain") is None:
        return False
    domain = _part(thing, "domain")
    if domain.get("id") is not None:
        return not is_default_domain(domain_id=_name(domain, "id"), name=None)
    return not is_default_domain(domain_id=None, name=_name(domain, "name"))


def _part(whole: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return _object(whole.get(key), key)


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidInput(
            f"{what} must be a JSON object, and {'is missing' if value is None else 'is something else'}"
        )
    return value


def _name(thing: Mapping[str, Any], key: str) -> str:
    text = _text(thing, key, key)
    if not is_name(text):
        raise InvalidInput(f"{key} {text[:80]!r} cannot be a name or id")
    return text


def _text(thing: Mapping[str, Any], key: str, what: str) -> str:
    value = thing.get(key)
    if not isinstance(value, str):
        raise InvalidInput(f"{what} must be text, and {'is missing' if value is None else 'is something else'}")
    return value
