"""The settings of the console, and of pages of other sites that use the APIs."""

import re
from typing import Any

from pydantic import BaseModel, Field, field_validator

from stillage.source_settings import listed

ORIGIN = re.compile(r"(https?)://([a-z0-9._-]{1,253}|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")
PORTS = {"http": "80", "https": "443"}


class ConsoleSettings(BaseModel, defer_build=True):
    """Which pages browsers may use the APIs from."""

    console: bool = Field(True, description="serve the console at /console/, where browsers sign in")
    cors_origins: frozenset[str] = Field(
        frozenset(),
        description="sites whose pages may use the APIs with a token, as `https://horizon.example.net`",
    )

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: Any) -> Any:
        return frozenset(listed(value)) if isinstance(value, str) else value

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: frozenset[str]) -> frozenset[str]:
        return frozenset(map(_origin, value))


def _origin(text: str) -> str:
    """Return *text* as browsers write it: in lower case, without the scheme's own port."""
    match = ORIGIN.fullmatch(text.lower().removesuffix("/"))
    if match is None:
        raise ValueError(f"{text!r} is no origin; write scheme and host, as https://horizon.example.net")
    scheme, host, port = match.groups()
    return f"{scheme}://{host}" + ("" if port in (None, PORTS[scheme]) else f":{port}")
