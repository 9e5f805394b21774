"""Kinds of columns that both engines keep alike: times, lists of stores, text that sorts by code point, JSON.

Times are whole microseconds since 1970, UTC, so that they sort and compare alike.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import BigInteger, Dialect, String, Text
from sqlalchemy.types import TypeDecorator

from stillage.ids import StoreId

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def decoded(text: str | bytes) -> Any:
    """Return what a column of JSON holds."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:  # an unpaired surrogate: what a refusal tells may come from the bytes of an image
        return json.loads(text)


def _time_of(value: int | None) -> datetime | None:
    return None if value is None else EPOCH + timedelta(0, 0, value)


def _stores_of(value: str | None) -> tuple[StoreId, ...]:
    return tuple(map(StoreId, value.split(","))) if value else ()


class UtcTime(TypeDecorator[datetime]):
    """An aware datetime, kept as microseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else (value - EPOCH) // timedelta(microseconds=1)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[int | None], datetime | None]:  # noqa: ARG002
        return _time_of


class StoreList(TypeDecorator[tuple[StoreId, ...]]):
    """Ids of stores in order, kept as the API shows them: with commas between. None of them is NULL."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[StoreId, ...] | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return ",".join(value) if value else None

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[str | None], tuple[StoreId, ...]]:  # noqa: ARG002
        return _stores_of


def sorted_text(length: int) -> String:
    """Text that sorts by code point on both engines, whatever the locale of the database."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")
