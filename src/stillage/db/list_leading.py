"""Which indexes a list is read from: those that give the fewest images, as far as counting a few entries tells.

The images of a list by another key than time are sorted if they are few, else read from an index of that key.

It is decided here and not by the engine's planner, because SQLite keeps no statistics and PostgreSQL's know nothing of
a property's name together with its value.
"""

import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, func, literal_column, select

from stillage.db.list_filters import holds
from stillage.db.list_sources import Source, candidates, filtering, scope_of, walking
from stillage.db.lookups import Memory, Question, Questions
from stillage.db.rules import Clause, clause_of
from stillage.images.query import Query
from stillage.images.rules import Expression, assume

COUNTED = 2000
"""How many index entries of each set are counted. Larger sets are treated alike."""
FEW = 100
"""So few images are read sooner than anything else is counted."""
CANDIDATES = 8
"""How many filters are counted, the first ones."""

KEPT = 64
"""How many plans, and how many statements, are kept: making one costs more than SQLite takes to run it."""
REMEMBERED = 256
REMEMBERED_S = 10.0
"""How many decisions a connection remembers, and for how long: a list that is asked often is not counted each time.

An older decision makes a list slower, never different.
"""


@dataclass(frozen=True, eq=False)
class Plan:
    """How to read the pages of one kind of query.

    Attributes:
        scope: The branches of what the principal may list.
        filters: Sources that can lead in their place.
        walks: For each branch, the same images in the order of the list; empty if that is time, as all sources are.
        filter_sizes, scope_sizes: Statements that count entries; None if that would decide nothing.
    """

    scope: tuple[Source, ...]
    filters: tuple[Source, ...] = ()
    walks: tuple[tuple[Source, ...], ...] = ()
    filter_sizes: Select[Any] | None = None
    scope_sizes: Select[Any] | None = None


def leading(memory: Memory, kind: Query, values: Mapping[str, Any]) -> Questions[tuple[Source, ...]]:
    """Return the sources to read for *kind*: the query without what differs between principals and between pages.

    *values*: Of the parameters.
    """
    plan = plan_of(kind)
    if plan.scope_sizes is None:
        return plan.scope
    remembered: OrderedDict[int, tuple[float, tuple[Source, ...]]]
    remembered = memory.setdefault("leading", OrderedDict())
    now, key = time.monotonic(), hash((plan, *values.values()))
    until, sources = remembered.get(key, (0.0, ()))
    if now >= until:
        sources = yield from _counted(plan, plan.scope_sizes, values)
        remembered[key] = now + REMEMBERED_S, sources
        remembered.move_to_end(key)
        if len(remembered) > REMEMBERED:
            remembered.popitem(last=False)
    return sources


@lru_cache(KEPT)
def plan_of(kind: Query) -> Plan:
    scope = tuple(_seen(scope_of(kind), kind.rule))
    if not scope:
        return Plan(())
    for condition in kind.conditions:
        if condition.column == "id":
            return Plan((filtering(condition, scope),))
    filters = tuple(candidates(kind, scope))[:CANDIDATES]
    key = kind.order[0].column
    walks = () if key == "created_at" else tuple(tuple(walking(source, key)) for source in scope)
    if not filters and not walks:
        return Plan(scope)
    hidden = [holds(each, leads=True) for each in kind.conditions if each.column == "os_hidden"]
    filter_sizes = _sizes(_size(source) for source in filters) if filters else None
    scope_sizes = _sizes(_size(source, *(hidden if source.hidden_is_next else ())) for source in scope)
    return Plan(scope, filters, walks, filter_sizes, scope_sizes)


def _counted(plan: Plan, scope_sizes: Select[Any], values: Mapping[str, Any]) -> Questions[tuple[Source, ...]]:
    size, leader = COUNTED + 1, None
    if plan.filter_sizes is not None:
        (sizes,) = yield Question(plan.filter_sizes, values)
        size, leader = min(zip(sizes, plan.filters, strict=True), key=lambda pair: pair[0])
        if size <= FEW:
            return (leader,)
    (parts,) = yield Question(scope_sizes, values)
    listed = sum(parts)
    if leader is not None and size <= min(listed, COUNTED):
        return (leader,)
    if plan.walks:
        return tuple(_sorted_branches(plan, parts))
    big = tuple(source for source in plan.filters if source.in_order)
    return big[:1] if big and min(size, listed) > COUNTED else plan.scope


def _sorted_branches(plan: Plan, sizes: Iterable[int]) -> Iterable[Source]:
    """Few images are sorted, unless their index tells of no others."""
    for size, branch, walk in zip(sizes, plan.scope, plan.walks, strict=True):
        yield from walk if branch.walk.is_exact or size > COUNTED else (branch,)


def _sizes(sizes: Iterable[ColumnElement[int]]) -> Select[Any]:
    columns: list[Any] = list(sizes)
    return select(*columns)


def _size(source: Source, *also: Clause) -> ColumnElement[int]:
    entries: Select[Any] = select(literal_column("1")).select_from(source.index).where(*source.entries, *also)
    some = entries.limit(constant(COUNTED + 1))
    return select(func.count()).select_from(some.subquery()).scalar_subquery()


def _seen(scope: Iterable[Source], rule: Expression) -> Iterable[Source]:
    """The same branches, limited to images for which *rule* holds. What is known of a whole branch is not queried."""
    for source in scope:
        rest = assume(rule, source.known)
        if rest is True:
            yield source
        elif rest is not False:
            yield replace(source, also=(*source.also, clause_of(rest)))


def constant(limit: int) -> ColumnElement[int]:
    """A limit that the planner knows, also of a prepared statement."""
    return literal_column(str(limit), Integer)
