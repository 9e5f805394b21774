"""Who may see an image, and who may do what with it.

Visibility comes first: what a caller may not see is not found, so that its existence does not leak; what he sees and
may not do is forbidden. The rules are Glance's secure defaults in the language of `rules`; an operator's policy file
replaces some of them.

Source: Glance, "Policy" and its default rules; OpenStack, "Consistent and secure default RBAC".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from stillage.errors import BadSettings, Forbidden, ImageNotFound
from stillage.images.image import Image, ProjectId, UserId, Visibility
from stillage.images.rules import Rules, Target

IMPLIED = {"admin": ("admin", "member", "reader"), "member": ("member", "reader")}

ADMIN = "rule:context_is_admin"
OWNER = f"{ADMIN} or (role:member and project_id:%(project_id)s)"
READABLE = (
    'project_id:%(project_id)s or project_id:%(member_id)s or "public":%(visibility)s or "community":%(visibility)s'
)

DEFAULT_RULES: Mapping[str, str] = {
    "context_is_admin": "role:admin",
    "default": "",
    "add_image": OWNER,
    "get_image": f"{ADMIN} or (role:reader and ({READABLE}))",
    "get_images": f"{ADMIN} or role:reader",
    "modify_image": OWNER,
    "delete_image": OWNER,
    "publicize_image": ADMIN,
    "communitize_image": OWNER,
    "upload_image": OWNER,
    "download_image": f"{ADMIN} or (role:member and ({READABLE}))",
    "deactivate": OWNER,
    "reactivate": OWNER,
    "add_member": OWNER,
    "delete_member": OWNER,
    "get_member": f"{ADMIN} or (role:reader and (project_id:%(project_id)s or project_id:%(member_id)s))",
    "get_members": f"{ADMIN} or (role:reader and (project_id:%(project_id)s or project_id:%(member_id)s))",
    "modify_member": f"{ADMIN} or (role:member and project_id:%(member_id)s)",
    "stores_info_detail": ADMIN,
}

# What the user reads when a rule says no.
PHRASES: Mapping[str, str] = {
    "add_image": "create images for this project",
    "modify_image": "change it",
    "delete_image": "delete it",
    "publicize_image": "make it public; shared and community are possible",
    "communitize_image": "make it a community image",
    "upload_image": "upload data to it",
    "download_image": "download its data",
    "deactivate": "deactivate it",
    "reactivate": "reactivate it",
    "add_member": "share it",
    "delete_member": "end its sharing",
    "get_members": "list its members",
    "modify_member": "accept or reject it for that project",
}


def with_implied(roles: frozenset[str]) -> frozenset[str]:
    """Roles imply others, as in Keystone: an admin is a member, a member a reader. Names are compared without case."""
    lowered = {role.lower() for role in roles}
    return frozenset(implied for role in lowered for implied in IMPLIED.get(role, (role,)))


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: made once for each request, from a token or a signature.

    Attributes:
        roles: With the implied ones.
        authenticated_by: ``token``, ``application_credential`` or ``signature``: for the audit, no rule looks at it.
        vouched_by: The service that sent the request on for the user and proved to be one; None without.
        through: What the rights came through, and end with: the id of an application credential or a permanent access
            key; with a Keystone the token. None for the user's own.
    """

    user_id: UserId
    project_id: ProjectId
    roles: frozenset[str]
    user_name: str = ""
    project_name: str = ""
    authenticated_by: str = "token"
    vouched_by: UserId | None = None
    through: str | None = field(default=None, repr=False, compare=False)

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles


@dataclass(frozen=True, slots=True)
class Seen:
    """An image as one caller meets it.

    Attributes:
        is_member: The image is shared with the caller's project, whatever that project said to it.
    """

    image: Image
    is_member: bool = False


class Access:
    """The rules of a deployment."""

    def __init__(self, overrides: Mapping[str, str] | None = None) -> None:
        """*overrides*: rules by name, in the place of the default ones; names that we do not know are kept.

        Raises:
            BadSettings: If a rule cannot be read.
        """
        given = dict(overrides or {})
        if not all(isinstance(name, str) and isinstance(text, str) for name, text in given.items()):
            raise BadSettings("a policy file holds names and rules, both strings; lists of lists are not taken")
        self._rules = Rules({**DEFAULT_RULES, **given})

    def allows(self, caller: Caller, action: str, seen: Seen) -> bool:
        return self._rules.allows(action, _credentials(caller), _target(caller, seen))

    def require_visible(self, caller: Caller, seen: Seen | None, image_id: str) -> Image:
        """Return the image.

        Raises:
            ImageNotFound: If there is none, or *caller* may not know of it.
        """
        if seen is None or not self.allows(caller, "get_image", seen):
            raise ImageNotFound(image_id)
        return seen.image

    def require(self, caller: Caller, action: str, seen: Seen | None, image_id: str) -> Image:
        """Return the image if *caller* may do *action*, the name of a rule, with it.

        Raises:
            ImageNotFound: If he may not know of it.
            Forbidden: If he may see it only.
        """
        image = self.require_visible(caller, seen, image_id)
        self.require_allowed(caller, action, Seen(image, seen is not None and seen.is_member))
        return image

    def require_allowed(self, caller: Caller, action: str, seen: Seen) -> None:
        """Raise Forbidden unless *caller* may do *action* with an image that he sees."""
        if self.allows(caller, action, seen):
            return
        phrase = PHRASES.get(action, action)
        roles = ", ".join(sorted(caller.roles)) or "no role"
        if seen.image.owner != caller.project_id:
            raise Forbidden(f"the image belongs to another project; policy {action!r} does not let you {phrase}")
        raise Forbidden(f"policy {action!r} does not let you {phrase}; this token has {roles}")

    def require_role(self, caller: Caller, action: str, phrase: str) -> None:
        """Raise Forbidden unless *caller* may do *action*, which is about no image; *phrase* says it in words."""
        if not self._rules.allows(action, _credentials(caller), {}):
            raise Forbidden(f"policy {action!r} does not let you {phrase}")

    def require_owner_and_visibility(self, caller: Caller, image: Image) -> None:
        """Raise Forbidden unless *caller* may give *image*, new or changed, its owner and its visibility."""
        if image.owner != caller.project_id and not caller.is_admin:
            raise Forbidden("only an administrator may set owner to another project")
        if image.visibility is Visibility.PUBLIC:
            self.require_allowed(caller, "publicize_image", Seen(image))
        if image.visibility is Visibility.COMMUNITY:
            self.require_allowed(caller, "communitize_image", Seen(image))


def _credentials(caller: Caller) -> dict[str, object]:
    return {
        "roles": caller.roles,
        "project_id": caller.project_id,
        "user_id": caller.user_id,
        "is_admin": caller.is_admin,
    }


def _target(caller: Caller, seen: Seen) -> Target:
    image = seen.image
    return {
        "project_id": image.owner,
        "owner": image.owner,
        "tenant": image.owner,
        "image_id": image.id,
        "visibility": image.visibility,
        "status": image.status,
        # A member of an image that is not shared at the moment is nobody to it.
        "member_id": caller.project_id if seen.is_member and image.visibility is Visibility.SHARED else None,
    }
