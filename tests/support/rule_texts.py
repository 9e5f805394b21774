"""Rules of a policy file, generated: everything that the language has."""

from hypothesis import strategies as st

LEAVES = (
    "@",
    "!",
    "role:reader",
    "role:member",
    "role:auditor",
    "is_admin:True",
    "project_id:lab",
    "project_id:%(project_id)s",
    "project_id:%(member_id)s",
    "user_id:%(owner)s",
    '"public":%(visibility)s',
    "'shared':%(visibility)s",
    '"active":%(status)s',
    '"lab/private":%(tenant)s/%(visibility)s',
    '"":%(member_id)s',
    '"x":%(nowhere)s',
)


def rule_texts(*leaves: str) -> st.SearchStrategy[str]:
    """*leaves*: beside those that are always there."""
    return st.recursive(
        st.sampled_from(LEAVES + leaves),
        lambda part: st.one_of(
            part.map("not {}".format),
            st.tuples(part, part).map("({0[0]} and {0[1]})".format),
            st.tuples(part, part).map("({0[0]} or {0[1]})".format),
        ),
        max_leaves=5,
    )
