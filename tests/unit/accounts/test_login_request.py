"""Reading a token request: everything clients send, and anything at all."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillage.accounts.login_request import (
    ByCredential,
    ByPassword,
    ByToken,
    OtherScope,
    ProjectScope,
    Reference,
    login_request_of,
)
from stillage.errors import InvalidInput, Unauthenticated

DEFAULT = {"name": "Default"}
ERIN = {"name": "erin", "domain": DEFAULT, "password": "pw"}


def body(identity: Any, scope: Any = None) -> dict[str, Any]:
    auth = {"identity": identity} if scope is None else {"identity": identity, "scope": scope}
    return {"auth": auth}


def password(user: Any, scope: Any = None) -> dict[str, Any]:
    return body({"methods": ["password"], "password": {"user": user}}, scope)


def credential(values: Any, scope: Any = None) -> dict[str, Any]:
    return body({"methods": ["application_credential"], "application_credential": values}, scope)


@pytest.mark.parametrize(
    ("user", "reference"),
    [
        ({"id": "a1", "password": "pw"}, Reference("a1")),
        ({"name": "erin", "domain": {"name": "Default"}, "password": "pw"}, Reference(None, "erin")),
        ({"domain": {"id": "default"}, "password": "pw", "name": "erin"}, Reference(None, "erin")),
        ({"name": "erin", "domain": {"id": "other"}, "password": "pw"}, Reference(None, "erin", elsewhere=True)),
        ({"name": "erin", "domain": {"name": "OTC0001"}, "password": "pw"}, Reference(None, "erin", elsewhere=True)),
        ({"id": "a1", "name": "x", "domain": {"id": "other"}, "password": "pw"}, Reference("a1")),
        ({"id": None, "name": "erin", "domain": DEFAULT, "password": "pw"}, Reference(None, "erin")),
    ],
)
def test_a_user_is_named_by_id_or_by_name_and_domain(user: dict[str, Any], reference: Reference) -> None:
    request = login_request_of(password(user))
    assert request.method == ByPassword(reference, "pw")
    assert request.scope is OtherScope.DEFAULT


@pytest.mark.parametrize(
    ("scope", "read"),
    [
        (None, OtherScope.DEFAULT),
        ("unscoped", OtherScope.UNSCOPED),
        ({"unscoped": {}}, OtherScope.UNSCOPED),
        ({"domain": {"id": "default"}}, OtherScope.DOMAIN),
        ({"system": {"all": True}}, OtherScope.SYSTEM),
        ({"project": {"id": "p"}}, ProjectScope(Reference("p"))),
        ({"project": {"name": "lab", "domain": DEFAULT}}, ProjectScope(Reference(None, "lab"))),
        ({"project": {"name": "eu-de"}}, ProjectScope(Reference(None, "eu-de"))),
        ({"project": {"name": "lab", "domain": {"id": "x"}}}, ProjectScope(Reference(None, "lab", elsewhere=True))),
        ({"domain": {"name": "x"}, "project": {"id": "p"}}, ProjectScope(Reference("p"))),
    ],
)
def test_every_scope_is_understood(scope: Any, read: Any) -> None:
    assert login_request_of(password(ERIN, scope)).scope == read


def test_a_token_is_a_method() -> None:
    request = login_request_of(body({"methods": ["token"], "token": {"id": "gst1"}}, "unscoped"))
    assert request.method == ByToken("gst1")


def test_an_application_credential_is_named_by_id_or_by_name_and_user() -> None:
    by_id = login_request_of(credential({"id": "c", "secret": "s"}))
    assert by_id.method == ByCredential("c", None, None, "s")
    by_name = login_request_of(credential({"name": "ci", "user": {"id": "a1"}, "secret": "s"}))
    assert by_name.method == ByCredential(None, "ci", Reference("a1"), "s")


@pytest.mark.parametrize("scope", ["unscoped", {"project": {"id": "p"}}, {}, {"system": {"all": True}}])
def test_an_application_credential_takes_no_scope(scope: Any) -> None:
    with pytest.raises(Unauthenticated, match="Application credentials cannot request a scope"):
        login_request_of(credential({"id": "c", "secret": "s"}, scope))


def test_unknown_keys_are_ignored() -> None:
    document = password({**ERIN, "otp": 1}, {"project": {"id": "p", "x": []}, "OS-TRUST:trust": None})
    document["auth"]["identity"]["password"]["y"] = document["auth"]["z"] = document["more"] = {}
    assert login_request_of(document).scope == ProjectScope(Reference("p"))


def test_a_method_may_be_said_twice() -> None:
    document = password(ERIN)
    document["auth"]["identity"]["methods"] = ["password", "password"]
    assert isinstance(login_request_of(document).method, ByPassword)


@pytest.mark.parametrize(
    "methods", [None, [], "password", ["totp"], ["external"], ["password", "totp"], ["password", "token"], [1], [[]]]
)
def test_other_methods_are_bad_requests(methods: Any) -> None:
    document = password(ERIN)
    document["auth"]["identity"]["methods"] = methods
    with pytest.raises(InvalidInput, match="methods"):
        login_request_of(document)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"auth": None},
        {"auth": {"identity": []}},
        body({"methods": ["password"]}),
        body({"methods": ["password"], "password": {"user": "erin"}}),
        password({"name": "erin", "password": "pw"}),
        password({"name": "erin", "domain": {}, "password": "pw"}),
        password({"name": "erin", "domain": "Default", "password": "pw"}),
        password({"name": "erin", "domain": DEFAULT}),
        password({"name": "erin", "domain": DEFAULT, "password": 1}),
        password({"name": ["erin"], "domain": DEFAULT, "password": "pw"}),
        password({"name": "er\0in", "domain": DEFAULT, "password": "pw"}),
        password({"id": "\ud800", "password": "pw"}),
        password({"id": "x" * 300, "password": "pw"}),
        password(ERIN, {}),
        password(ERIN, "scoped"),
        password(ERIN, 1),
        password(ERIN, {"project": None}),
        password(ERIN, {"project": {}}),
        body({"methods": ["token"], "token": {}}),
        credential({"secret": "s"}),
        credential({"id": "c"}),
        credential({"name": "ci", "secret": "s"}),
    ],
)
def test_what_is_no_token_request_is_refused_with_a_reason(document: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        login_request_of(document)
    assert str(refused.value)


def test_no_secret_shows_in_what_may_be_logged() -> None:
    bodies = (
        password({**ERIN, "password": "hunter2"}),
        body({"methods": ["token"], "token": {"id": "hunter2"}}),
        credential({"id": "c", "secret": "hunter2"}),
    )
    for document in bodies:
        assert "hunter2" not in repr(login_request_of(document))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        "id": JSON | st.just("default"),
        "name": JSON | st.just("erin"),
        "password": JSON,
        "secret": JSON,
        "domain": JSON | st.just(DEFAULT),
        "user": JSON | st.just(ERIN),
    },
)
IDENTITIES = st.fixed_dictionaries(
    {"methods": st.lists(st.sampled_from(["password", "token", "application_credential"]) | JSON, max_size=2)},
    optional={
        "password": st.fixed_dictionaries({"user": NEARLY}) | JSON,
        "token": NEARLY | JSON,
        "application_credential": NEARLY | JSON,
    },
)
SCOPES = (
    JSON
    | st.sampled_from(["unscoped", {}])
    | st.dictionaries(st.sampled_from(["project", "domain", "system", "unscoped"]), NEARLY | JSON)
)
REQUESTS = JSON | st.fixed_dictionaries(
    {"auth": JSON | st.fixed_dictionaries({"identity": IDENTITIES | JSON}, optional={"scope": SCOPES})}
)


@given(document=REQUESTS)
def test_any_json_is_read_or_refused(document: Any) -> None:
    try:
        request = login_request_of(json.loads(json.dumps(document)))
    except (InvalidInput, Unauthenticated) as refused:
        str(refused).encode()  # the reason itself can be sent
    else:
        assert isinstance(request.method, ByPassword | ByToken | ByCredential)
