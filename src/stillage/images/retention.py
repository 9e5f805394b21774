"""Decides which images of a family a project keeps: the newest, the young, and those that somebody needs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from stillage.errors import InvalidInput
from stillage.ids import ImageId

EXEMPT = ("retention", "exempt")
"""The property of an image that no rule touches. A restored image gets it where a rule would delete it again."""
KEEP_NEWEST, KEEP_DAYS = "keep_newest", "keep_days"
MOST: Mapping[str, int] = {KEEP_NEWEST: 100_000, KEEP_DAYS: 36_500}


@dataclass(frozen=True, slots=True)
class Rule:
    """An image that meets one of the limits is kept.

    Attributes:
        keep_newest: Among so many newest; None keeps none for that.
        keep_days: Made in so many days; None keeps none for that.
    """

    keep_newest: int | None = None
    keep_days: int | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image with data, of one family and project.

    Attributes:
        in_use: Active, not hidden, neither deprecated nor obsolete.
        is_needed: Protected, exempt, or accepted by another project.
    """

    image_id: ImageId
    name: str | None
    created_at: datetime
    in_use: bool = True
    is_needed: bool = False


def rule_of(values: Mapping[str, Any]) -> Rule:
    """Return the rule in a JSON object or a query, whose values are numbers or text.

    Raises:
        InvalidInput: If it has other members, or keeps nothing.
    """
    if unknown := sorted(values.keys() - MOST.keys()):
        raise InvalidInput(f"unknown member {unknown[0][:64]!r}; use {KEEP_NEWEST} or {KEEP_DAYS}")
    given = {name: _number(name, value) for name, value in values.items() if value is not None}
    if not given:
        raise InvalidInput(f"a rule needs {KEEP_NEWEST}, {KEEP_DAYS} or both")
    return Rule(**given)


def _number(name: str, value: Any) -> int:
    most = MOST[name]
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise InvalidInput(f"{name} must be a number from 1 to {most}")
    return value


def removable(rule: Rule, candidates: Iterable[Candidate], now: datetime) -> Sequence[Candidate]:
    """Return those of *candidates* that *rule* does not keep, the newest first: never the latest of the family."""
    newest_first = sorted(candidates, key=lambda each: (each.created_at, each.image_id), reverse=True)
    latest = latest_of(newest_first)
    rest = newest_first[rule.keep_newest or 0 :]
    since = None if rule.keep_days is None else now - timedelta(days=rule.keep_days)
    return [
        each
        for each in rest
        if each is not latest and not each.is_needed and (since is None or each.created_at < since)
    ]


def latest_of(newest_first: Sequence[Candidate]) -> Candidate | None:
    """Return the newest in use; the newest at all, if none is."""
    return next((each for each in newest_first if each.in_use), newest_first[0] if newest_first else None)
