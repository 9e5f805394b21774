"""Who may see an image, and who may do what with it.

Visibility comes first: what a principal may not see is not found, so that its existence does not leak; what he sees and
may not do is forbidden. The rules are Glance's secure defaults in the language of `rules`; an operator's policy file
replaces some of them.

Source: Glance, "Policy" and its default rules; OpenStack, "Consistent and secure default RBAC".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from stillage.accounts.principal import Principal
from stillage.errors import BadSettings, Forbidden, ImageNotFound
from stillage.ids import ProjectId, UserId
from stillage.images.image import Image, Visibility
from stillage.images.metadefs.rules import METADEF_RULES
from stillage.images.rules import Expression, Rules, Target, holds

IMPLIED = {"admin": ("admin", "member", "reader"), "member": ("member", "reader")}

ADMIN = "rule:context_is_admin"
OWNER = f"{ADMIN} or (role:member and project_id:%(project_id)s)"
READABLE = (
    'project_id:%(project_id)s or project_id:%(member_id)s or "public":%(visibility)s or "community":%(visibility)s'
)

DEFAULT_RULES: Mapping[str, str] = {
    "context_is_admin": "role:admin",
    "add_image": OWNER,
    "get_image": f"{ADMIN} or (role:reader and ({READABLE}))",
    "get_images": f"{ADMIN} or role:reader",
    "modify_image": OWNER,
    "delete_image": OWNER,
    "restore_image": OWNER,
    "set_retention": f"{ADMIN} or role:member",
    "delete_image_location": OWNER,
    "publicize_image": ADMIN,
    "communitize_image": OWNER,
    "upload_image": OWNER,
    "copy_image": ADMIN,
    "download_image": f"{ADMIN} or (role:member and ({READABLE}))",
    "deactivate": OWNER,
    "reactivate": OWNER,
    "deprecate": OWNER,
    "obsolete": OWNER,
    "add_member": OWNER,
    "delete_member": OWNER,
    "get_member": f"{ADMIN} or (role:reader and (project_id:%(project_id)s or project_id:%(member_id)s))",
    "get_members": f"{ADMIN} or (role:reader and (project_id:%(project_id)s or project_id:%(member_id)s))",
    "modify_member": f"{ADMIN} or (role:member and project_id:%(member_id)s)",
    "get_image_location": f"{ADMIN} or (role:reader and project_id:%(project_id)s)",
    "fetch_image_location": "role:service",
    "cache_list": ADMIN,
    "cache_image": ADMIN,
    "cache_delete": ADMIN,
    "add_image_location": "role:service or (role:member and project_id:%(project_id)s)",
    "stores_info_detail": f"{ADMIN} or role:service",
    "tasks_api_access": ADMIN,
}

# No request evaluates it, but policy files for Glance refer to it.
REFERRED_TO: Mapping[str, str] = {"default": ""}

RESOLVED, ROLE_SETS = 4096, 1024
"""How many rules are kept with the part about a principal evaluated, and how many sets of roles with implied ones."""

# Aliases of the owner, or of the principal's own project if the action is not about an image.
OWNER_NAMES = ("project_id", "owner", "tenant")

# What users read when a rule denies an action.
PHRASES: Mapping[str, str] = {
    "context_is_admin": "do what only administrators may do",
    "add_image": "create images for this project",
    "get_images": "list images",
    "modify_image": "change it",
    "delete_image": "delete it",
    "restore_image": "restore it",
    "delete_image_location": "delete copies of it",
    "publicize_image": "make it public; use shared or community instead",
    "communitize_image": "make it a community image",
    "upload_image": "upload data to it",
    "add_image_location": "say where its data is",
    "copy_image": "copy it to other stores",
    "fetch_image_location": "list where its data is; use a token of a service",
    "download_image": "download its data",
    "deactivate": "deactivate it",
    "reactivate": "reactivate it",
    "deprecate": "deprecate it",
    "obsolete": "make it obsolete",
    "add_member": "share it",
    "delete_member": "end its sharing",
    "get_members": "list its members",
    "modify_member": "accept or reject it for that project",
}


@lru_cache(ROLE_SETS)
def with_implied(roles: frozenset[str]) -> frozenset[str]:
    """Roles imply others, as in Keystone: an admin is a member, a member a reader. Names are compared without case."""
    lowered = {role.lower() for role in roles}
    return frozenset(implied for role in lowered for implied in IMPLIED.get(role, (role,)))


@dataclass(frozen=True, slots=True)
class Seen:
    """An image as seen by one principal.

    Attributes:
        is_member: The image is shared with the principal's project, whether that accepted it or not.
    """

    image: Image
    is_member: bool = False


@dataclass(frozen=True, slots=True)
class Viewer:
    """What a list needs to know about a principal.

    Attributes:
        sees_all: An administrator: a list shows images of every project.
        rule: What remains of `get_image` to evaluate for each image.
    """

    project: ProjectId
    user: UserId
    sees_all: bool
    rule: Expression


class Access:
    """The rules of a deployment."""

    def __init__(self, overrides: Mapping[str, str] | None = None) -> None:
        """*overrides*: rules by name that replace the default ones; unknown names are kept.

        Raises:
            BadSettings: If a rule cannot be read.
        """
        given = dict(overrides or {})
        if not all(isinstance(name, str) and isinstance(text, str) for name, text in given.items()):
            raise BadSettings("a policy file must map names to rules, both strings; lists of lists are not supported")
        self._rules = Rules({**DEFAULT_RULES, **METADEF_RULES, **REFERRED_TO, **given})
        # What is kept depends on its arguments alone: the roles are those that the request was found to have.
        self._resolved = lru_cache(RESOLVED)(self._resolve)

    def is_admin(self, principal: Principal) -> bool:
        """True if rule ``context_is_admin`` makes *principal* an administrator of images."""
        return self._rules.allows("context_is_admin", _identity(principal), _own(principal))

    def allows(self, principal: Principal, action: str, seen: Seen) -> bool:
        # Members count only while the image is shared.
        is_member = seen.is_member and seen.image.visibility is Visibility.SHARED
        target = _target(seen.image, principal.project_id if is_member else None)
        return self._holds(principal, action, target)

    def allows_member(self, principal: Principal, action: str, image: Image, member_id: str) -> bool:
        """True if *principal* may do *action* with member *member_id* of *image*."""
        return self._holds(principal, action, _target(image, member_id))

    def allows_target(self, principal: Principal, action: str, target: Target) -> bool:
        """True if *principal* may do *action* with something that is no image, and has these attributes."""
        return self._holds(principal, action, target)

    def viewer(self, principal: Principal) -> Viewer:
        """Return what decides which images a list shows to *principal*.

        Raises:
            Forbidden: If they may list nothing.
        """
        self.require_role(principal, "get_images")
        rule = self._resolved("get_image", principal.roles, principal.project_id, principal.user_id)
        return Viewer(principal.project_id, principal.user_id, self.is_admin(principal), rule)

    def require_visible(self, principal: Principal, seen: Seen | None, image_id: str) -> Image:
        """Return the image.

        Raises:
            ImageNotFound: If there is none, or *principal* may not know of it.
        """
        if seen is None or not self.allows(principal, "get_image", seen):
            raise ImageNotFound(image_id)
        return seen.image

    def require(self, principal: Principal, action: str, seen: Seen | None, image_id: str) -> Image:
        """Return the image if *principal* may do *action*, the name of a rule, with it.

        Raises:
            ImageNotFound: If he may not know of it.
            Forbidden: If he may see it only.
        """
        image = self.require_visible(principal, seen, image_id)
        self.require_allowed(principal, action, Seen(image, seen is not None and seen.is_member))
        return image

    def require_allowed(self, principal: Principal, action: str, seen: Seen) -> None:
        """Raise Forbidden unless *principal* may do *action* with an image that it may see."""
        if not self.allows(principal, action, seen):
            raise _refused(principal, action, seen.image.owner)

    def require_allowed_member(self, principal: Principal, action: str, image: Image, member_id: str) -> None:
        """Raise Forbidden unless *principal* may do *action* with a member that it may see."""
        if not self.allows_member(principal, action, image, member_id):
            raise _refused(principal, action, image.owner)

    def require_role(self, principal: Principal, action: str, phrase: str | None = None) -> None:
        """Raise Forbidden unless *principal* may do *action*, which concerns no image; *phrase* describes it.

        The target is the principal's own project, as Glance's is.
        """
        if not self._holds(principal, action, _own(principal)):
            raise _refused(principal, action, principal.project_id, phrase)

    def require_owner_and_visibility(self, principal: Principal, image: Image) -> None:
        """Raise Forbidden unless *principal* may set the owner and visibility of *image*, new or changed."""
        if image.owner != principal.project_id and not self.is_admin(principal):
            raise Forbidden("only administrators may set owner to another project")
        if image.visibility is Visibility.PUBLIC:
            self.require_allowed(principal, "publicize_image", Seen(image))
        if image.visibility is Visibility.COMMUNITY:
            self.require_allowed(principal, "communitize_image", Seen(image))

    def _holds(self, principal: Principal, action: str, target: Target) -> bool:
        rule = self._resolved(action, principal.roles, principal.project_id, principal.user_id)
        return rule if isinstance(rule, bool) else holds(rule, _identity(principal), target)

    def _resolve(self, action: str, roles: frozenset[str], project_id: ProjectId, user_id: UserId) -> Expression:
        """Return what remains of rule *action* for a principal."""
        principal = Principal(user_id, project_id, roles)
        return self._rules.resolve(action, {**_identity(principal), "is_admin": self.is_admin(principal)})


def _refused(principal: Principal, action: str, owner: ProjectId | None, phrase: str | None = None) -> Forbidden:
    words = f"policy {action!r} does not let you {phrase or PHRASES.get(action, action)}"
    if owner != principal.project_id:
        return Forbidden(f"the image belongs to another project; {words}")
    return Forbidden(f"{words}; this token has {', '.join(sorted(principal.roles)) or 'no role'}")


def _identity(principal: Principal) -> dict[str, object]:
    return {"roles": principal.roles, "project_id": principal.project_id, "user_id": principal.user_id}


def _own(principal: Principal) -> Target:
    return dict.fromkeys(OWNER_NAMES, principal.project_id)


def _target(image: Image, member_id: str | None) -> Target:
    return {
        **dict.fromkeys(OWNER_NAMES, image.owner),
        "image_id": image.id,
        "visibility": image.visibility,
        "status": image.status,
        "member_id": member_id,
    }
