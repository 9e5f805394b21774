"""A finding: what a probe saw on the path to a server, why it matters and which directive of a proxy to change."""

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """How a check ended. Only a problem changes the exit status."""

    GOOD = "good"
    NOTE = "note"
    PROBLEM = "problem"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do about a problem.

    Attributes:
        why: What goes wrong for users.
        fix: In a sentence.
        nginx: The directives, as they stand in its configuration.
        haproxy: The same of HAProxy.
    """

    why: str = ""
    fix: str = ""
    nginx: tuple[str, ...] = ()
    haproxy: tuple[str, ...] = ()


NOTHING_TO_DO = Advice()


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. *check* is a stable name."""

    check: str
    result: Result
    what: str
    advice: Advice = NOTHING_TO_DO


def good(check: str, what: str) -> Finding:
    return Finding(check, Result.GOOD, what)


def note(check: str, what: str, why: str) -> Finding:
    return Finding(check, Result.NOTE, what, Advice(why))


def unknown(check: str, why: str) -> Finding:
    return Finding(check, Result.UNKNOWN, f"not measured: {why}")


def problem(check: str, what: str, advice: Advice) -> Finding:
    return Finding(check, Result.PROBLEM, what, advice)
