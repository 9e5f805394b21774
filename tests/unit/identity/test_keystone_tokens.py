from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillage.identity.keystone.tokens import NoToken, ServiceUser, renewal_of, validated_of

NOW = datetime(2026, 1, 2, tzinfo=UTC)
TOKEN: dict[str, Any] = {
    "user": {"id": "a1", "name": "erin", "domain": {"id": "default", "name": "Default"}},
    "project": {"id": "b2", "name": "lab", "domain": {"id": "default", "name": "Default"}},
    "roles": [{"id": "c3", "name": "Member"}],
    "expires_at": "2026-01-03T03:04:05.000000Z",
}

any_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def test_a_token_is_read() -> None:
    found = validated_of({"token": TOKEN})
    assert (found.user_id, found.user_name, found.project_id, found.project_name) == ("a1", "erin", "b2", "lab")
    assert found.roles == {"member", "reader"}
    assert found.expires_at == datetime(2026, 1, 3, 3, 4, 5, tzinfo=UTC)
    assert not found.has_rules


@pytest.mark.parametrize(
    "scope", [{}, {"project": None}, {"system": {"all": True}}, {"domain": {"id": "default", "name": "Default"}}]
)
def test_a_token_of_something_else_is_of_no_project(scope: dict[str, Any]) -> None:
    token = {name: value for name, value in TOKEN.items() if name != "project"} | scope
    assert validated_of({"token": token}).project_id is None


def test_a_time_without_a_zone_is_utc() -> None:
    assert validated_of({"token": TOKEN | {"expires_at": "2026-01-03T03:04:05"}}).expires_at.tzinfo is UTC


@pytest.mark.parametrize(("rules", "has"), [(None, False), ([], True), ([{"path": "/v2/images"}], True)])
def test_rules_are_seen(rules: Any, has: bool) -> None:
    assert validated_of({"token": TOKEN | {"application_credential": {"access_rules": rules}}}).has_rules is has


@given(any_json)
def test_anything_else_is_no_token(document: Any) -> None:
    with pytest.raises(NoToken):
        validated_of(document)


@given(st.sampled_from(sorted(TOKEN)), any_json)
def test_a_part_of_another_kind_is_seen_or_does_no_harm(name: str, value: Any) -> None:
    try:
        found = validated_of({"token": TOKEN | {name: value}})
    except NoToken:
        return
    assert isinstance(found.user_id, str)
    assert isinstance(found.project_id, str | None)


def test_a_user_logs_in_with_a_password_and_a_credential_with_its_secret() -> None:
    by_password = ServiceUser("stillage", None, "service", "Default").login("pw")["auth"]
    assert by_password["identity"]["password"]["user"]["password"] == "pw"
    assert by_password["scope"]["project"]["name"] == "service"
    by_credential = ServiceUser(None, "c1", "service", "Default").login("sec")["auth"]
    assert by_credential["identity"]["application_credential"] == {"id": "c1", "secret": "sec"}
    assert "scope" not in by_credential  # Keystone refuses one


@given(st.integers(1, 10**6), st.integers(0, 10**4))
def test_a_token_is_renewed_while_it_is_good(lives_s: int, before_s: int) -> None:
    end = NOW + timedelta(seconds=lives_s)
    assert NOW < renewal_of(NOW, end, timedelta(seconds=before_s)) <= end
