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
from stillage.cli.statuses import INTERRUPTED, OK, status_of
from stillage.client.clouds import Cloud
from stillage.client.doctor.examination import Examination
from stillage.client.doctor.findings import Finding, Result
from stillage.client.errors import NetworkGaveUp
from stillage.errors import StillageError

PROBLEMS = 1


def examine(
    url: str | None, cloud: str | None, *, cacert: str | None, answer_s: float, thorough: bool, as_json: bool
) -> int:
    """Examine *url*, or *cloud*, and return the exit status. A URL alone is examined without credentials."""
    one: Examination | None = None
    try:
        one = Examination(_cloud_of(url, cloud, cacert), url, answer_s=answer_s, thorough=thorough)
        uvloop.run(one.run())
        _require_reached(one)
    except StillageError as error:
        return _end(one, status_of(error), error, as_json=as_json)
    except (KeyboardInterrupt, asyncio.CancelledError):
        typer.echo("stillage: interrupted; images named stillage-doctor may be left, and can be deleted", err=True)
        return INTERRUPTED
    found = any(finding.result is Result.PROBLEM for finding in one.findings)
    return _end(one, PROBLEMS if found else OK, None, as_json=as_json)


def _cloud_of(url: str | None, name: str | None, cacert: str | None) -> Cloud:
    found = chosen(Talk(name)) if name or url is None else Cloud(url, {}, cacert=os.environ.get("OS_CACERT") or None)
    return dataclasses.replace(found, cacert=cacert or found.cacert)


def _require_reached(one: Examination) -> None:
    if not one.is_reached:
        unreached = one.findings[0]
        raise NetworkGaveUp(f"{unreached.what}; {unreached.advice.fix}")


def _end(one: Examination | None, status: int, error: StillageError | None, *, as_json: bool) -> int:
    if as_json:
        typer.echo(json.dumps(_view(one, status, error)))
        return status
    if one is not None and one.is_reached:
        from stillage.cli.show.findings import print_findings  # noqa: PLC0415 - it takes a while to import

        print_findings(one.url, one.findings)
    if error is not None:
        typer.echo(f"stillage: {error}", err=True)
    return status


def _view(one: Examination | None, status: int, error: StillageError | None) -> dict[str, Any]:
    return {
        "url": None if one is None else one.url,
        "status": status,
        "error": None if error is None else str(error),
        "code": None if error is None else error.code,
        "findings": [] if one is None else [view_of(finding) for finding in one.findings],
    }


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
