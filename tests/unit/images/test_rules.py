from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rule_texts import rule_texts
from stillage.errors import BadSettings
from stillage.images.rules import PrincipalKey, Rules, assume, holds

CREDENTIALS = {"roles": frozenset({"member", "reader"}), "project_id": "p1", "user_id": "u1", "is_admin": False}
TARGET = {"project_id": "p1", "owner": "p1", "visibility": "public", "member_id": None}


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        ("", True),
        ("@", True),
        ("!", False),
        ("role:member", True),
        ("role:MEMBER", True),
        ("role:admin", False),
        ("not role:admin", True),
        ("not not role:admin", False),
        ("role:admin or role:member", True),
        ("role:admin and role:member", False),
        ("role:member or role:member and !", True),
        ("(role:member or role:member) and !", False),
        ("NOT role:admin AND role:reader", True),
        ("project_id:%(project_id)s", True),
        ("project_id:%(member_id)s", False),
        ("project_id:%(nowhere)s", False),
        ("project_id:p1", True),
        ("user_id:p1", False),
        ("unknown:p1", False),
        ("is_admin:False", True),
        ('"public":%(visibility)s', True),
        ("'private':%(visibility)s", False),
        ('(role:reader and ("public":%(visibility)s or "community":%(visibility)s))', True),
        ("rule:other", True),
        ("not rule:other", False),
    ],
)
def test_a_rule_says_what_oslo_policy_would_say(rule: str, allowed: bool) -> None:
    assert Rules({"asked": rule, "other": "role:reader"}).allows("asked", CREDENTIALS, TARGET) is allowed


@pytest.mark.parametrize(
    "rule",
    ["role:a or", "and role:a", "(role:a", "role:a)", "role:a role:b", "role", "role:", ":x", "not", "()",
     "rule:missing", "rule:asked", "http://x", "https:x", "role:%(owner)s", "(" * 60 + "@" + ")" * 60],
)  # fmt: skip
def test_what_is_no_rule_is_told_by_name(rule: str) -> None:
    with pytest.raises(BadSettings, match="asked"):
        Rules({"asked": rule})


def test_rules_that_refer_to_one_another_in_a_circle_are_told() -> None:
    with pytest.raises(BadSettings, match="itself"):
        Rules({"asked": "rule:a", "a": "rule:b", "b": "rule:a"})


words = st.sampled_from(["role:a", "rule:other", "not", "and", "or", "(", ")", "@", "!", '"x":%(y)s', "%(", ":", "a:b"])


@given(st.lists(words, max_size=12).map(" ".join) | st.text(max_size=40))
def test_any_text_is_a_rule_or_is_told(rule: str) -> None:
    with suppress(BadSettings):
        Rules({"asked": rule, "other": "@"}).allows("asked", CREDENTIALS, TARGET)


MINE = PrincipalKey("project_id")


@given(rule=rule_texts(), owner=st.sampled_from(["p1", "lab", None]), visibility=st.sampled_from(["public", "shared"]))
def test_what_is_known_of_a_target_need_not_be_asked(rule: str, owner: str | None, visibility: str) -> None:
    target = {**dict.fromkeys(["project_id", "owner", "tenant"], owner), "visibility": visibility, "status": "active"}
    known = {"visibility": visibility, "owner": MINE if owner == "p1" else owner, "member_id": None}
    rules = Rules({"asked": rule})
    rest = assume(rules.resolve("asked", CREDENTIALS), known)
    assert holds(rest, CREDENTIALS, target) == rules.allows("asked", CREDENTIALS, target)


@given(rule=rule_texts())
def test_a_resolved_rule_is_the_same_for_principals_with_the_same_roles(rule: str) -> None:
    """Its statement is made once and kept."""
    rules = Rules({"asked": rule.replace("project_id:lab", "@")})
    others = {**CREDENTIALS, "project_id": "p2", "user_id": "u2"}
    assert rules.resolve("asked", CREDENTIALS) == rules.resolve("asked", others)
