"""Images that are deprecated, obsolete, in use again; dates in properties."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import builders
from stillage import times
from stillage.errors import Conflict, Forbidden, InvalidInput
from stillage.images import families, lifecycle
from stillage.images.image import Image
from stillage.images.lifecycle import Stage
from stillage.images.status import Status

NOW = datetime(2027, 6, 30, 12, tzinfo=UTC)
TIMES = st.integers(0, 250_000_000_000).map(lambda second: datetime.fromtimestamp(second, UTC))


def active(**properties: str) -> Image:
    return builders.image(status=Status.ACTIVE, properties=properties)


def test_what_is_undone_leaves_the_properties_that_were_there() -> None:
    image = active(family="f", deprecate_at="2028-01-01", os_distro="debian")
    for change in (lifecycle.deprecated, lifecycle.obsolete):
        changed = change(image, replaced_by="other", now=NOW)
        assert changed.properties["replaced_by"] == "other"
        assert (changed.updated_at, changed.version) == (NOW, image.version + 1)
        back = lifecycle.in_use_again(changed, now=NOW)
        assert dict(back.properties) == {"family": "f", "os_distro": "debian"}
        assert back.os_hidden is image.os_hidden


def test_only_what_was_hidden_for_it_is_shown_again() -> None:
    hidden = builders.image(status=Status.ACTIVE, os_hidden=True, properties={"lifecycle": "deprecated"})
    assert lifecycle.in_use_again(hidden, now=NOW).os_hidden
    assert lifecycle.in_use_again(active(lifecycle="production"), now=NOW).properties == {"lifecycle": "production"}


def test_an_image_without_marks_is_not_changed() -> None:
    image = active(replaced_by="mine")
    assert lifecycle.in_use_again(image, now=NOW) is image


def test_what_replaces_an_image_is_kept_unless_it_is_said_again() -> None:
    image = lifecycle.deprecated(active(replaced_by="a"), replaced_by=None, now=NOW)
    assert image.properties["replaced_by"] == "a"
    assert lifecycle.obsolete(image, replaced_by="b", now=NOW).properties["replaced_by"] == "b"


def test_obsolete_images_are_not_deprecated_and_others_need_data() -> None:
    with pytest.raises(Conflict, match="reactivate it first"):
        lifecycle.deprecated(active(lifecycle="obsolete"), replaced_by=None, now=NOW)
    for change in (lifecycle.deprecated, lifecycle.obsolete):
        with pytest.raises(Forbidden, match="is queued"):
            change(builders.image(), replaced_by=None, now=NOW)


def test_stages() -> None:
    assert lifecycle.stage_of(active(lifecycle="obsolete")) is Stage.OBSOLETE
    assert lifecycle.stage_of(active(lifecycle="Obsolete")) is None
    assert lifecycle.successor_of(active(family="f")) == "f:latest"
    assert lifecycle.successor_of(active(family="f", replaced_by="x")) == "x"
    assert lifecycle.successor_of(active()) is None


@given(TIMES, TIMES)
def test_dates_as_text_are_in_the_order_of_time(one: datetime, other: datetime) -> None:
    texts = [times.to_seconds(one), times.to_seconds(one)[:10], times.to_seconds(other), times.to_seconds(other)[:10]]
    moments = [lifecycle.moment(text) for text in texts]
    assert None not in moments
    assert sorted(texts, key=lambda text: (lifecycle.moment(text), text)) == sorted(texts)


@given(st.text())
def test_what_is_no_date_is_none(text: str) -> None:
    moment = lifecycle.moment(text)
    assert moment is None or text.startswith(f"{moment:%Y-%m-%d}")


@pytest.mark.parametrize(
    "value", ["", "soon", "2027-13-01", "2027-02-30", "2027-06-30T12:00Z", "2027-06-30 12:00:00Z", "\u0662027-01-01"]
)
def test_bad_dates(value: str) -> None:
    with pytest.raises(InvalidInput, match="must be a date such as"):
        lifecycle.require_date("deprecate_at", value, NOW)


def test_nothing_is_deleted_in_the_past() -> None:
    lifecycle.require_date("deprecate_at", "2027-06-30", NOW)
    lifecycle.require_date("delete_at", times.to_seconds(NOW + timedelta(seconds=1)), NOW)
    with pytest.raises(InvalidInput, match="must be in the future"):
        lifecycle.require_date("delete_at", times.to_seconds(NOW), NOW)


def test_dates_are_looked_at_when_they_change() -> None:
    before = active(delete_at="2027-01-01", deprecate_at="2027-01-01")
    after = active(delete_at="2027-01-01", deprecate_at="2027-01-02", obsolete_at="2027-01-01")
    assert lifecycle.dates_set(after, before) == ["deprecate_at", "obsolete_at"]
    assert lifecycle.dates_set(active(), before) == []
    assert lifecycle.dates_set(before, None) == ["deprecate_at", "delete_at"]


@pytest.mark.parametrize(
    ("name", "family"),
    [("f:latest", "f"), ("a:b:latest", "a:b"), (":latest", None), ("latest", None), ("f:Latest", None), ("f:1", None)],
)
def test_addresses_of_families(name: str, family: str | None) -> None:
    assert families.family_of(name) == family


def test_latest_is_a_filter_beside_a_family_only() -> None:
    family, latest = ("family", "f"), ("latest", "true")
    assert families.without_latest([latest, family]) == ([family], True)
    assert families.without_latest([latest]) == ([latest], False)
    assert families.without_latest([family, ("latest", "no")]) == ([family, ("latest", "no")], False)
