"""Which status may follow which."""

from itertools import product

import pytest

from stillage.images.status import NEXT, Status, require_move, statuses_before


def reachable(start: Status) -> set[Status]:
    """Every status that any number of moves leads to from *start*."""
    found: set[Status] = set()
    ahead = [start]
    while ahead:
        new = NEXT[ahead.pop()] - found
        found |= new
        ahead += new
    return found


def test_every_status_is_in_the_table() -> None:
    assert set(NEXT) == set(Status)


def test_a_new_image_can_get_into_every_status() -> None:
    assert reachable(Status.QUEUED) == set(Status)


def test_published_bytes_never_change() -> None:
    for published in (Status.ACTIVE, Status.DEACTIVATED):
        assert not reachable(published) & {Status.QUEUED, Status.SAVING}


def test_only_an_upload_or_an_import_makes_an_image_active() -> None:
    assert statuses_before(Status.SAVING) == {Status.QUEUED}
    assert statuses_before(Status.ACTIVE) == {Status.SAVING, Status.IMPORTING, Status.DEACTIVATED}
    assert statuses_before(Status.DEACTIVATED) == {Status.ACTIVE}


def test_an_image_can_be_deleted_from_every_status_once() -> None:
    assert statuses_before(Status.DELETED) == set(Status) - {Status.DELETED}
    assert not NEXT[Status.DELETED]


@pytest.mark.parametrize(("old", "new"), list(product(Status, Status)))
def test_a_move_that_is_not_in_the_table_is_refused(old: Status, new: Status) -> None:
    if new in NEXT[old]:
        require_move(old, new)
    else:
        with pytest.raises(ValueError, match=f"from {old} to {new}"):
            require_move(old, new)
