"""Finds the latest image of a family: which address names it, and which query.

A family is the property `family`. Its latest is the newest image in use that a default list would show: active, not
hidden, neither deprecated nor obsolete.

Source: Compute Engine, "Image families": the newest image that is not deprecated.
"""

from collections.abc import Sequence
from dataclasses import replace

from stillage.images.access import Viewer
from stillage.images.lifecycle import RETIRED
from stillage.images.query import NEWEST_FIRST, Condition, Operator, Query
from stillage.images.status import Status

FAMILY, LATEST = "family", "latest"
ONLY_LATEST = (LATEST, "true")


def family_of(name: str) -> str | None:
    """Return the family in an address such as ``ubuntu-24.04:latest``; None if *name* is none."""
    family, _, word = name.rpartition(":")
    return family if family and word == LATEST else None


def without_latest(pairs: Sequence[tuple[str, str]]) -> tuple[list[tuple[str, str]], bool]:
    """Return the *pairs* of a list without ``latest=true``, and whether it was there beside a family.

    Without a family it is a property like others.
    """
    asked = ONLY_LATEST in pairs and any(name == FAMILY for name, _ in pairs)
    return [pair for pair in pairs if not (asked and pair == ONLY_LATEST)], asked


def named(viewer: Viewer, name: str, *, hidden: bool) -> Query:
    """Return the query for an image that has *name* itself, which a client would look for next."""
    conditions = Condition("os_hidden", Operator.EQ, hidden), Condition("name", Operator.EQ, name)
    return Query(viewer.project, viewer.user, viewer.sees_all, viewer.rule, limit=1, conditions=conditions)


def latest_of(viewer: Viewer, family: str) -> Query:
    """Return the query for the latest image of *family*."""
    query = Query(viewer.project, viewer.user, viewer.sees_all, viewer.rule, properties=((FAMILY, family),))
    return latest_in(query)


def latest_in(query: Query) -> Query:
    """Return the query for the latest of the images that *query* finds.

    Nobody's latest is another project's private image, not an administrator's either, whose lists have them all.
    """
    conditions = [each for each in query.conditions if each.column != "os_hidden"]
    conditions += [Condition("os_hidden", Operator.EQ, value=False), Condition("status", Operator.EQ, Status.ACTIVE)]
    return replace(
        query,
        sees_all=False,
        order=NEWEST_FIRST,
        limit=min(query.limit, 1),
        conditions=tuple(conditions),
        lacking=RETIRED,
    )


def family_named_in(query: Query) -> str | None:
    """Return the family that *query* names in place of an image, as in ``name=ubuntu-24.04:latest``; None if none."""
    names = [each.value for each in query.conditions if each.column == "name" and each.operator is Operator.EQ]
    return family_of(names[0]) if len(names) == 1 and isinstance(names[0], str) else None


def latest_named_in(query: Query, family: str) -> Query:
    """Return the query for the latest image of *family*, which *query* names in place of an image."""
    conditions = tuple(each for each in query.conditions if each.column != "name")
    return latest_in(replace(query, conditions=conditions, properties=(*query.properties, (FAMILY, family))))
