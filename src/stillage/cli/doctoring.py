"""Runs ``stillage doctor``: examines the path to a server and prints the findings."""

import asyncio
import dataclasses
import json
import os
from typing import Any

import typer
import uvloop

from stillage.cli.cloud_options import Talk
from stillage.cli.conversation import chosen
from stillage.cli.statuses import INTERRUPTED, OK, result_view
from stillage.client.clouds import Cloud
from stillage.client.doctor.examination import Examination
from stillage.client.doctor.findings import Finding, Result
from stillage.client.errors import NetworkGaveUp
from stillage.errors import StillageError

PROBLEMS = 1
INTERRUPT = "interrupted; run the same command again, and look for images named stillage-doctor"


def examine(url: str | None, talk: Talk, *, cacert: str | None, answer_s: float, thorough: bool) -> int:
    """Examine *url*, or the cloud of *talk*; return the exit status. A URL alone is examined without credentials."""
    one: Examination | None = None
    try:
        one = Examination(_cloud_of(url, talk, cacert), url, answer_s=answer_s, thorough=thorough)
        uvloop.run(one.run())
        _require_reached(one)
    except StillageError as error:
        return _end(one, result_view(error), as_json=talk.as_json)
    except (KeyboardInterrupt, asyncio.CancelledError):
        ended = {"status": INTERRUPTED, "error": INTERRUPT, "code": "interrupted"}
        return _end(one, result_view(None) | ended, as_json=talk.as_json)
    has_problems = any(finding.result is Result.PROBLEM for finding in one.findings)
    return _end(one, result_view(None) | {"status": PROBLEMS if has_problems else OK}, as_json=talk.as_json)


def _cloud_of(url: str | None, talk: Talk, cacert: str | None) -> Cloud:
    if url is None or talk.cloud or talk.data:
        found = chosen(talk)
        return dataclasses.replace(found, cacert=cacert or found.cacert)
    return Cloud(url, {}, cacert=cacert or os.environ.get("OS_CACERT") or None)


def _require_reached(one: Examination) -> None:
    if not one.is_reached:
        unreached = one.findings[0]
        raise NetworkGaveUp(f"{unreached.what}; {unreached.advice.fix}")


def _end(one: Examination | None, ended: dict[str, Any], *, as_json: bool) -> int:
    """Print what was found and how it *ended*, as of `result_view`; return the status."""
    if ended["error"] is not None:
        typer.echo(f"stillage: {ended['error']}", err=True)
    if as_json:
        findings = [] if one is None else [view_of(finding) for finding in one.findings]
        typer.echo(json.dumps({"url": None if one is None else one.url, **ended, "findings": findings}))
        return int(ended["status"])
    if one is not None and one.is_reached:
        from stillage.cli.show.findings import print_findings  # noqa: PLC0415 - it takes a while to import

        print_findings(one.url, one.findings)
    return int(ended["status"])


def view_of(finding: Finding) -> dict[str, Any]:
    """Return what JSON says of *finding*."""
    advice = finding.advice
    return {
        "check": finding.check,
        "result": finding.result.value,
        "what": finding.what,
        "why": advice.why or None,
        "fix": advice.fix or None,
        "nginx": list(advice.nginx),
        "haproxy": list(advice.haproxy),
    }
