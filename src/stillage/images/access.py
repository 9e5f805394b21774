"""Who may see an image, and who may change it.

Source: Glance's secure defaults (roles reader, member, admin). What a caller may not see is not found, so that its
existence does not leak; what he sees and may not change is forbidden.
"""

from dataclasses import dataclass

from stillage.errors import Forbidden, ImageNotFound
from stillage.images.image import Image, ProjectId, UserId, Visibility

IMPLIED = {"admin": ("admin", "member", "reader"), "member": ("member", "reader")}


def with_implied(roles: frozenset[str]) -> frozenset[str]:
    """Roles imply others, as in Keystone: an admin is a member, a member a reader. Names are compared without case."""
    lowered = {role.lower() for role in roles}
    return frozenset(implied for role in lowered for implied in IMPLIED.get(role, (role,)))


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: made once for each request, from a token or a signature. Roles include the implied ones."""

    user_id: UserId
    project_id: ProjectId
    roles: frozenset[str]
    user_name: str = ""
    project_name: str = ""

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles

    @property
    def may_write(self) -> bool:
        return "member" in self.roles


def is_visible_to(caller: Caller, image: Image) -> bool:
    """True if *caller* may read the record."""
    return (
        caller.is_admin
        or image.owner == caller.project_id
        or image.visibility in (Visibility.PUBLIC, Visibility.COMMUNITY)
    )


def require_visible(caller: Caller, image: Image | None, image_id: str) -> Image:
    """Return *image*.

    Raises:
        ImageNotFound: If there is none, or *caller* may not know of it.
    """
    if image is None or not is_visible_to(caller, image):
        raise ImageNotFound(image_id)
    return image


def require_change(caller: Caller, image: Image | None, image_id: str, what: str) -> Image:
    """Return *image* if *caller* may do *what* ("upload data to") to it.

    Raises:
        ImageNotFound: If *caller* may not know of it.
        Forbidden: If he may read it only.
    """
    image = require_visible(caller, image, image_id)
    if caller.is_admin:
        return image
    if image.owner != caller.project_id:
        raise Forbidden(f"image {image.id} belongs to another project; only its owner may {what} it")
    require_member(caller, f"{what} images")
    return image


def require_member(caller: Caller, what: str) -> None:
    """Raise Forbidden unless *caller* has the role that writing needs."""
    if not caller.may_write:
        raise Forbidden(
            f"the role member is needed to {what}; this token has {', '.join(sorted(caller.roles)) or 'none'}"
        )
