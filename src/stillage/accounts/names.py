"""Rules for names of users, projects and roles, and the only domain.

Users and projects are compared as they are written, roles and the domain without case: in this module and nowhere
else.
"""

import re
from uuid import UUID, uuid5

from stillage.errors import InvalidInput

DOMAIN_ID = "default"
DOMAIN_NAME = "Default"

MAX_USER = 255
MAX_PROJECT = 64  # as in Keystone
MAX_ROLE = 64

ROLE = re.compile(r"[a-z0-9_][a-z0-9_.-]*")
ROLES = UUID("6f3a1f0e-54a5-4a4e-9d57-6f0b1c3f2b10")


def require_name(what: str, name: str, limit: int) -> str:
    """Return *name* if it is valid for a new user or project.

    Names end up in logs and on screens, so nothing in them may look like nothing, or like a new line.

    Raises:
        InvalidInput: Otherwise.
    """
    if not 0 < len(name) <= limit:
        raise InvalidInput(f"the name of a {what} must have 1 to {limit} characters, not {len(name)}")
    if not is_name(name) or name != name.strip():
        raise InvalidInput(f"the name {name!r} of a {what} must not have invisible characters, or blanks at its ends")
    return name


def is_name(text: str) -> bool:
    """True if *text* could be a name or an id. Other text (NUL, unpaired surrogates) breaks databases."""
    return 0 < len(text) <= MAX_USER and text.isprintable()


def require_role(role: str) -> str:
    """Return *role* in the form in which it is stored.

    Raises:
        InvalidInput: If it cannot be a role's name.
    """
    lowered = role.lower()
    if len(lowered) > MAX_ROLE or not ROLE.fullmatch(lowered):
        raise InvalidInput(f"invalid role {role!r}; use letters, digits and _ . -, for instance member")
    return lowered


def role_id(role: str) -> str:
    """Return the id that clients see. Roles are stored by name; the id is derived from it and never changes."""
    return uuid5(ROLES, role.lower()).hex


def is_default_domain(*, domain_id: str | None, name: str | None) -> bool:
    """True if this is the only domain. Many a clouds.yaml says ``user_domain_name: default``."""
    if domain_id is not None:
        return domain_id == DOMAIN_ID
    return name is not None and name.lower() == DOMAIN_NAME.lower()
