"""Imports libraries without what they load at once and a server hardly needs: fewer CPU seconds and MiB at each start.

The modules of this folder are what every process of a server imports first, so the folder itself calls `import_lean`.
A library that somebody has imported already stays as it is.
"""

import ssl
import sys
from importlib import import_module
from types import ModuleType
from typing import Any, cast


def import_lean() -> None:
    """Import structlog without rich, which would draw its tracebacks, and aiohttp without anybody to trust yet."""
    if "structlog" not in sys.modules:
        _import_without("rich", "structlog")
    if "aiohttp" not in sys.modules:
        _import_trusting_later("aiohttp")


def _import_without(other: str, library: str) -> None:
    """Import *library* as if *other*, which it can do without, were not installed."""
    there = sys.modules.get(other)
    sys.modules[other] = cast("ModuleType", None)  # Python's own way to say that a module cannot be imported
    try:
        import_module(library)
    finally:
        del sys.modules[other]
        if there is not None:
            sys.modules[other] = there


def _import_trusting_later(library: str) -> None:
    """Import *library*, which makes TLS contexts: they read the machine's authorities when they are first used."""
    original = ssl.SSLContext.set_default_verify_paths

    def later(self: ssl.SSLContext) -> None:
        self.__class__ = _TrustsLater

    ssl.SSLContext.set_default_verify_paths = later  # type: ignore[method-assign]
    try:
        import_module(library)
    finally:
        ssl.SSLContext.set_default_verify_paths = original  # type: ignore[method-assign]


class _TrustsLater(ssl.SSLContext):
    """A context for which nobody has been verified yet. It trusts nobody until it has read whom the machine trusts."""

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:
        return self._complete().wrap_bio(*arguments, **named)

    def wrap_socket(self, *arguments: Any, **named: Any) -> ssl.SSLSocket:
        return self._complete().wrap_socket(*arguments, **named)

    def _complete(self) -> ssl.SSLContext:
        self.__class__ = ssl.SSLContext  # type: ignore[assignment]
        self.set_default_verify_paths()
        return self
