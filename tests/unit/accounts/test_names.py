import pytest

from stillage.accounts.names import is_default_domain, is_name, require_name, require_role, role_id
from stillage.errors import InvalidInput


@pytest.mark.parametrize("name", ["erin", "grün", "two words", "a@b", "x" * 64, "🐧"])
def test_names_that_people_give_are_names(name: str) -> None:
    assert require_name("project", name, 64) == name
    assert is_name(name)


@pytest.mark.parametrize("name", ["", "x" * 65, " a", "a ", "a\nb", "a\x1b[31m", "\0", "\ud800", "a\u202eb", "\t"])
def test_names_that_would_mislead_in_a_log_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        require_name("project", name, 64)


def test_roles_are_kept_in_lower_case() -> None:
    assert require_role("Member") == "member"
    assert role_id("Member") == role_id("member") != role_id("admin")


@pytest.mark.parametrize("role", ["", "two words", "x" * 65, "-a", "a\n"])
def test_what_cannot_be_a_role_is_refused(role: str) -> None:
    with pytest.raises(InvalidInput):
        require_role(role)


@pytest.mark.parametrize(
    ("domain_id", "name", "is_it"),
    [
        ("default", None, True),
        (None, "Default", True),
        (None, "default", True),
        ("Default", None, False),
        ("other", "Default", False),
        (None, "Other", False),
        (None, None, False),
    ],
)
def test_there_is_one_domain(domain_id: str | None, name: str | None, is_it: bool) -> None:
    assert is_default_domain(domain_id=domain_id, name=name) is is_it
