"""Reading a request for an application credential."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillage.accounts.credential_request import CredentialRequest, credential_request_of
from stillage.errors import InvalidInput


def read(**wanted: Any) -> CredentialRequest:
    return credential_request_of({"application_credential": {"name": "ci", **wanted}})


def test_only_the_name_is_needed() -> None:
    assert read() == CredentialRequest("ci", None, None, None, None, restricted=True)


def test_everything_that_can_be_said_is_read() -> None:
    wanted = read(
        description="for the pipeline",
        secret="s" * 20,
        roles=[{"name": "member"}, {"id": "c3"}],
        expires_at="2030-01-02T03:04:05.678901",
        unrestricted=True,
        access_rules=[],
        project_id="ignored",
    )
    time = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert wanted == CredentialRequest("ci", "for the pipeline", "s" * 20, ("member", "c3"), time, restricted=False)


def test_an_empty_list_of_roles_means_all_of_them() -> None:
    assert read(roles=[]).roles is None


@pytest.mark.parametrize(
    "text", ["2030-01-02T03:04:05Z", "2030-01-02T03:04:05", "2030-01-02T04:04:05+01:00", "2030-01-02T03:04:05.000000Z"]
)
def test_every_way_to_write_a_time_is_read(text: str) -> None:
    assert read(expires_at=text).expires_at == datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "wanted",
    [
        {"name": None},
        {"name": ""},
        {"name": "a\nb"},
        {"name": 1},
        {"description": 1},
        {"description": "\0"},
        {"description": "\ud800"},
        {"secret": ""},
        {"secret": 1},
        {"secret": "\ud800"},
        {"roles": {}},
        {"roles": "member"},
        {"roles": ["member"]},
        {"roles": [{}]},
        {"expires_at": "tomorrow"},
        {"expires_at": 1},
        {"expires_at": "0001-01-01T00:00:00+14:00"},
        {"unrestricted": "yes"},
        {"access_rules": [{"path": "/v2/images", "method": "GET", "service": "image"}]},
    ],
)
def test_what_cannot_be_is_refused(wanted: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        read(**wanted)


@pytest.mark.parametrize("document", [None, [], {}, {"application_credential": []}, "x"])
def test_another_document_is_refused(document: Any) -> None:
    with pytest.raises(InvalidInput):
        credential_request_of(document)


def test_the_secret_does_not_show_in_what_may_be_logged() -> None:
    assert "hunter2" not in repr(read(secret="hunter2"))


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=4)
KEYS = ["name", "description", "secret", "roles", "expires_at", "unrestricted", "access_rules"]


@given(wanted=st.dictionaries(st.sampled_from(KEYS), JSON | st.datetimes().map(str)))
def test_any_json_is_read_or_refused(wanted: dict[str, Any]) -> None:
    try:
        credential_request_of({"application_credential": {"name": "ci", **wanted}})
    except InvalidInput as refused:
        str(refused).encode()  # the reason itself can be sent
