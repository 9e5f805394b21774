import pytest

from builders import image, principal
from stillage.errors import BadSettings, Forbidden, ImageNotFound
from stillage.ids import ProjectId
from stillage.images.access import OWNER_NAMES, Access, Seen, with_implied
from stillage.images.image import Visibility
from stillage.images.rules import PrincipalKey, assume

OWNER = principal("lab", "member")
READER = principal("lab", "reader")
STRANGER = principal("elsewhere", "member")
ADMIN = principal("elsewhere", "admin")
ACCESS = Access()
HIDDEN = [Visibility.PRIVATE, Visibility.SHARED]
OPEN = [Visibility.PUBLIC, Visibility.COMMUNITY]
WRITES = ["modify_image", "delete_image", "upload_image", "deactivate", "reactivate", "add_member", "delete_member"]


def test_roles_imply_others_whatever_their_case() -> None:
    assert with_implied(frozenset({"Admin"})) == {"admin", "member", "reader"}
    assert with_implied(frozenset({"member", "extra"})) == {"member", "reader", "extra"}


@pytest.mark.parametrize("visibility", Visibility)
def test_the_owner_and_an_administrator_see_every_image(visibility: Visibility) -> None:
    for somebody in (OWNER, READER, ADMIN):
        ACCESS.require_visible(somebody, Seen(image(visibility=visibility)), "x")


@pytest.mark.parametrize("visibility", HIDDEN)
def test_what_a_principal_may_not_see_is_not_found_whatever_he_wants(visibility: Visibility) -> None:
    for action in (*WRITES, "download_image"):
        with pytest.raises(ImageNotFound):
            ACCESS.require(STRANGER, action, Seen(image(visibility=visibility)), "x")


@pytest.mark.parametrize("action", WRITES)
@pytest.mark.parametrize("visibility", OPEN)
def test_what_a_principal_sees_and_may_not_change_is_forbidden(visibility: Visibility, action: str) -> None:
    with pytest.raises(Forbidden, match="another project"):
        ACCESS.require(STRANGER, action, Seen(image(visibility=visibility)), "x")


def test_a_member_reads_a_shared_image_and_changes_nothing() -> None:
    shared = Seen(image(visibility=Visibility.SHARED), is_member=True)
    ACCESS.require(STRANGER, "download_image", shared, "x")
    with pytest.raises(Forbidden):
        ACCESS.require(STRANGER, "modify_image", shared, "x")


def test_a_member_of_an_image_that_was_made_private_is_a_stranger() -> None:
    with pytest.raises(ImageNotFound):
        ACCESS.require_visible(STRANGER, Seen(image(visibility=Visibility.PRIVATE), is_member=True), "x")


@pytest.mark.parametrize("action", [*WRITES, "download_image"])
def test_the_owners_project_needs_the_member_role(action: str) -> None:
    with pytest.raises(Forbidden, match="this token has reader"):
        ACCESS.require(READER, action, Seen(image()), "x")
    assert ACCESS.require(OWNER, action, Seen(image()), "x") == image()
    assert ACCESS.require(ADMIN, action, Seen(image()), "x") == image()


def test_no_image_at_all_is_not_found_for_everybody() -> None:
    with pytest.raises(ImageNotFound):
        ACCESS.require_visible(ADMIN, None, "x")


def test_publishing_and_foreign_owners_are_for_administrators() -> None:
    for wanted in (image(visibility=Visibility.PUBLIC), image(owner=ProjectId("other"))):
        with pytest.raises(Forbidden):
            ACCESS.require_owner_and_visibility(OWNER, wanted)
        ACCESS.require_owner_and_visibility(ADMIN, wanted)
    ACCESS.require_owner_and_visibility(OWNER, image(visibility=Visibility.COMMUNITY))


def test_a_reader_creates_nothing() -> None:
    with pytest.raises(Forbidden, match="create images"):
        ACCESS.require_allowed(READER, "add_image", Seen(image()))


def test_an_operators_rule_takes_the_place_of_the_default() -> None:
    access = Access({"publicize_image": "role:publisher", "upload_image": "!"})
    access.require_owner_and_visibility(principal("lab", "member", "publisher"), image(visibility=Visibility.PUBLIC))
    with pytest.raises(Forbidden, match="upload_image"):
        access.require(ADMIN, "upload_image", Seen(image()), "x")


@pytest.mark.parametrize("rule", ["role:admin or", "rule:nowhere", "http://decider", "(role:admin"])
def test_a_rule_that_cannot_be_read_is_told_at_the_start(rule: str) -> None:
    with pytest.raises(BadSettings, match="upload_image"):
        Access({"upload_image": rule})


def test_of_the_default_rule_nothing_is_left_where_a_list_looks() -> None:
    """So a list costs nothing for being asked of it."""
    rule = ACCESS.viewer(READER).rule
    mine = PrincipalKey("project_id")
    assert assume(rule, dict.fromkeys(OWNER_NAMES, mine)) is True
    assert assume(rule, {"visibility": "shared", "member_id": mine}) is True
    assert assume(rule, {"visibility": "public"}) is assume(rule, {"visibility": "community"}) is True
    assert ACCESS.viewer(ADMIN).rule is True


def test_who_may_list_nothing_is_told_so() -> None:
    with pytest.raises(Forbidden, match=r"'get_images' does not let you list images; this token has unknown"):
        ACCESS.viewer(principal("lab", "unknown"))


def test_an_administrator_is_whoever_the_rule_says() -> None:
    access = Access({"context_is_admin": "role:chief and project_id:%(project_id)s", "delete_image": "is_admin:True"})
    chief = principal("elsewhere", "chief")
    assert access.viewer(chief).sees_all
    assert not access.is_admin(ADMIN)
    assert access.allows(chief, "delete_image", Seen(image()))
    assert not access.allows(ADMIN, "delete_image", Seen(image()))


def test_a_member_is_seen_by_the_owner_and_by_itself() -> None:
    for who, seen in ((OWNER, True), (READER, True), (ADMIN, True), (STRANGER, True), (principal("third"), False)):
        assert ACCESS.allows_member(who, "get_member", image(), "elsewhere") is seen
    assert ACCESS.allows_member(STRANGER, "modify_member", image(), "elsewhere")
    assert not ACCESS.allows_member(STRANGER, "modify_member", image(), "third")
    assert not ACCESS.allows_member(OWNER, "modify_member", image(), "elsewhere")
