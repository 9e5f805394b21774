"""The routes of the emulator, and their handlers."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from aiohttp import web

from stillage.api.emulator.clock import EmulatedClock, time_of
from stillage.api.emulator.emulator import PREFIX, Emulator
from stillage.api.emulator.fault import rule_of
from stillage.api.emulator.faults import Counted
from stillage.api.http.json_bodies import json_object, json_response
from stillage.errors import InvalidInput

CLOCK = ("time", "advance_s", "runs")


def add_routes(router: web.UrlDispatcher, emulator: Emulator) -> None:
    handlers = _Handlers(emulator)
    router.add_get(f"{PREFIX}/faults", handlers.list_faults)
    router.add_post(f"{PREFIX}/faults", handlers.add_fault)
    router.add_delete(f"{PREFIX}/faults", handlers.clear_faults)
    router.add_delete(f"{PREFIX}/faults/{{fault_id}}", handlers.remove_fault)
    router.add_get(f"{PREFIX}/requests", handlers.list_requests)
    router.add_delete(f"{PREFIX}/requests", handlers.clear_requests)
    router.add_get(f"{PREFIX}/clock", handlers.show_clock)
    router.add_put(f"{PREFIX}/clock", handlers.set_clock)


class _Handlers:
    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    async def list_faults(self, _request: web.Request) -> web.Response:
        """GET /_emulator/faults: list the faults, and how many requests each has met."""
        return json_response({"faults": [_fault(fault_id, one) for fault_id, one in self._emulator.faults]})

    async def add_fault(self, request: web.Request) -> web.Response:
        """POST /_emulator/faults: let requests fail from now on."""
        faults = self._emulator.faults
        fault_id = faults.add(rule_of(await json_object(request)))
        return json_response(_fault(fault_id, faults.get(fault_id)), status=201)

    async def clear_faults(self, _request: web.Request) -> web.Response:
        """DELETE /_emulator/faults: remove all faults; what they held goes on."""
        self._emulator.faults.clear()
        return web.Response(status=204)

    async def remove_fault(self, request: web.Request) -> web.Response:
        """DELETE /_emulator/faults/{fault_id}: remove one fault; what it held goes on."""
        self._emulator.faults.remove(request.match_info["fault_id"])
        return web.Response(status=204)

    async def list_requests(self, request: web.Request) -> web.Response:
        """GET /_emulator/requests: list the requests that came, the oldest first."""
        found = self._emulator.records.find(method=request.query.get("method"), path=request.query.get("path"))
        return json_response({"requests": found})

    async def clear_requests(self, _request: web.Request) -> web.Response:
        """DELETE /_emulator/requests: forget the requests that came."""
        self._emulator.records.clear()
        return web.Response(status=204)

    async def show_clock(self, _request: web.Request) -> web.Response:
        """GET /_emulator/clock: tell the server's time."""
        return json_response(_time(self._emulator.clock))

    async def set_clock(self, request: web.Request) -> web.Response:
        """PUT /_emulator/clock: set, move, stop or start the server's time."""
        _change(self._emulator.clock, await json_object(request))
        return json_response(_time(self._emulator.clock))


def _fault(fault_id: str, one: Counted) -> dict[str, Any]:
    rule = asdict(one.rule)
    del rule["fault"]
    return {"id": fault_id, **rule, **one.rule.fault.shown, "met": one.met}


def _time(clock: EmulatedClock) -> dict[str, Any]:
    return {"time": clock().isoformat().replace("+00:00", "Z"), "runs": clock.runs}


def _change(clock: EmulatedClock, document: Mapping[str, Any]) -> None:
    for name in document:
        if name not in CLOCK:
            raise InvalidInput(f"unknown member {name[:64]!r}; use {', '.join(CLOCK)}")
    at, advance_s, runs = document.get("time"), document.get("advance_s", 0), document.get("runs")
    if at is not None and not isinstance(at, str):
        raise InvalidInput("time must be a text such as 2026-01-31T12:00:00Z")
    if isinstance(advance_s, bool) or not isinstance(advance_s, int | float):
        raise InvalidInput("advance_s must be a number of seconds")
    if runs is not None and not isinstance(runs, bool):
        raise InvalidInput("runs must be true or false")
    clock.change(at=None if at is None else time_of(at), advance_s=advance_s, runs=runs)
