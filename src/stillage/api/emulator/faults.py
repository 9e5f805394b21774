"""The rules that an ephemeral server was given, and which fault each request has."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count

from stillage.api.emulator.fault import NOTHING, Fault, Rule
from stillage.errors import InvalidInput, NotFound
from stillage.stores.emulated import Hold, StoreFault

MOST_RULES = 1000


@dataclass(slots=True)
class Counted:
    """A rule, how many requests it has matched, and how many of them it met.

    Attributes:
        removed: Set when the rule is removed.
    """

    rule: Rule
    removed: asyncio.Event
    matched: int = 0
    met: int = 0

    def take(self) -> bool:
        """Count a request that matches; True if the fault meets it."""
        self.matched += 1
        is_over = self.rule.times is not None and self.met >= self.rule.times
        if is_over or self.matched <= self.rule.after:
            return False
        self.met += 1
        return True


class Faults:
    """All rules, in the order in which they were added."""

    def __init__(self) -> None:
        self._rules: dict[str, Counted] = {}
        self._ids = count(1)
        self._cleared = asyncio.Event()

    def __iter__(self) -> Iterator[tuple[str, Counted]]:
        return iter(self._rules.items())

    def add(self, rule: Rule) -> str:
        """Add a rule and return its id; InvalidInput if there are too many."""
        if len(self._rules) >= MOST_RULES:
            raise InvalidInput(f"there are {MOST_RULES} faults already; remove some")
        rule_id = str(next(self._ids))
        self._rules[rule_id] = Counted(rule, asyncio.Event())
        return rule_id

    def get(self, rule_id: str) -> Counted:
        if rule_id not in self._rules:
            raise NotFound(f"there is no fault {rule_id[:64]!r}")
        return self._rules[rule_id]

    def remove(self, rule_id: str) -> None:
        """Remove a rule. Uploads that it held go on. NotFound if there is none."""
        self.get(rule_id).removed.set()
        del self._rules[rule_id]

    def clear(self) -> None:
        """Remove all rules. All uploads that were held go on."""
        for rule_id in [*self._rules]:
            self.remove(rule_id)
        self._cleared.set()
        self._cleared = asyncio.Event()

    def of(self, method: str, path: str, own: Fault) -> tuple[Fault, StoreFault]:
        """Return the fault of a request, and what it means for the store. *own*: what the request asks for itself."""
        due = [one for one in self._rules.values() if one.rule.meets(method, path) and one.take()]
        fault = NOTHING
        for one in due:
            fault |= one.rule.fault
        released = next((one.removed for one in due if one.rule.fault.stuck_in_saving), self._cleared)
        return fault | own, _in_store(fault | own, released)

    def outside_of_requests(self) -> StoreFault:
        """Return what the store does for jobs: the faults of all rules that name no request. It holds no job."""
        general = [one for _, one in self if one.rule.method is None and one.rule.path is None]
        fault = NOTHING
        for one in general:
            fault |= one.rule.fault
        return _in_store(replace(fault, stuck_in_saving=False), self._cleared)


def _in_store(fault: Fault, released: asyncio.Event) -> StoreFault:
    hold = Hold(released) if fault.stuck_in_saving else None
    return StoreFault(fault.full_store, fault.slow_store, hold, in_blocks=fault.cut_answer_at is not None)
