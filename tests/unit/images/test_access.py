import pytest

from builders import caller, image
from stillage.errors import Forbidden, ImageNotFound
from stillage.images.access import require_change, require_visible, with_implied
from stillage.images.image import NEXT, Status, Visibility

OWNER = caller("lab", "member")
READER = caller("lab", "reader")
STRANGER = caller("elsewhere", "member")
ADMIN = caller("elsewhere", "admin")


def test_roles_imply_others_whatever_their_case() -> None:
    assert with_implied(frozenset({"Admin"})) == {"admin", "member", "reader"}
    assert with_implied(frozenset({"member", "extra"})) == {"member", "reader", "extra"}


@pytest.mark.parametrize("visibility", Visibility)
def test_the_owner_and_an_administrator_see_every_image(visibility: Visibility) -> None:
    for somebody in (OWNER, READER, ADMIN):
        require_visible(somebody, image(visibility=visibility), "x")


@pytest.mark.parametrize("visibility", [Visibility.PRIVATE, Visibility.SHARED])
def test_what_a_caller_may_not_see_is_not_found(visibility: Visibility) -> None:
    with pytest.raises(ImageNotFound):
        require_visible(STRANGER, image(visibility=visibility), "x")
    with pytest.raises(ImageNotFound):
        require_change(STRANGER, image(visibility=visibility), "x", "delete")


@pytest.mark.parametrize("visibility", [Visibility.PUBLIC, Visibility.COMMUNITY])
def test_what_a_caller_sees_and_may_not_change_is_forbidden(visibility: Visibility) -> None:
    require_visible(STRANGER, image(visibility=visibility), "x")
    with pytest.raises(Forbidden, match="owner"):
        require_change(STRANGER, image(visibility=visibility), "x", "delete")


def test_changing_needs_the_member_role() -> None:
    with pytest.raises(Forbidden, match="member"):
        require_change(READER, image(), "x", "delete")
    assert require_change(OWNER, image(), "x", "delete") == image()
    assert require_change(ADMIN, image(), "x", "delete") == image()


def test_no_image_at_all_is_not_found_for_everybody() -> None:
    with pytest.raises(ImageNotFound):
        require_visible(ADMIN, None, "x")


def test_no_path_leads_from_active_back_to_queued() -> None:
    reached = {Status.ACTIVE}
    while (further := {after for status in reached for after in NEXT[status]} | reached) != reached:
        reached = further
    assert reached == {Status.ACTIVE, Status.DEACTIVATED, Status.DELETED}
