"""Traces: what a request or a job did, and how long each part took. Nothing is recorded unless a tracer is installed.

`telemetry` has one that sends them to a collector. All other code knows only this module.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import Protocol

Facts = Mapping[str, str | int | float | bool]
NONE: Facts = MappingProxyType({})


class Whole(Protocol):
    """A request or a job that runs."""

    def end_with(self, facts: Facts, *, failed: bool) -> None:
        """Add *facts*, and whether it failed by a fault of ours."""


class Tracer(Protocol):
    """Records. Its context managers note an exception that passes, by its type alone, and let it pass."""

    def whole(self, name: str, headers: Mapping[str, str], facts: Facts) -> AbstractContextManager[Whole]:
        """Record a request or a job. It is a part of the trace that *headers* name, if they name one."""

    def part(self, name: str, facts: Facts) -> AbstractContextManager[object]:
        """Record a part of the whole that runs in this context. Without one nothing is recorded."""

    def headers(self) -> Mapping[str, str]:
        """Return what tells another server of the whole that runs in this context."""


class _Unrecorded:
    def end_with(self, facts: Facts, *, failed: bool) -> None: ...


class _Off:
    """Records nothing, and costs nothing: there is one context manager for everything."""

    _nothing = nullcontext(_Unrecorded())

    def whole(self, name: str, headers: Mapping[str, str], facts: Facts) -> AbstractContextManager[Whole]:  # noqa: ARG002
        return self._nothing

    def part(self, name: str, facts: Facts) -> AbstractContextManager[object]:  # noqa: ARG002
        return self._nothing

    def headers(self) -> Mapping[str, str]:
        return {}


OFF = _Off()
_installed: Tracer = OFF


def install(tracer: Tracer) -> None:
    """Record with *tracer* in this process from now on; `OFF` records nothing."""
    global _installed  # noqa: PLW0603 - there is one, as there is one log
    _installed = tracer


def whole(
    name: str, headers: Mapping[str, str] = MappingProxyType({}), facts: Facts = NONE
) -> AbstractContextManager[Whole]:
    return _installed.whole(name, headers, facts)


def part(name: str, facts: Facts = NONE) -> AbstractContextManager[object]:
    return _installed.part(name, facts)


def headers() -> Mapping[str, str]:
    return _installed.headers()
