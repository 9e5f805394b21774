"""Traces reach a collector, as parts of the trace that a client names; without a collector nothing is imported."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from aiohttp import web

from collector import Collector, collector, facts
from image_api import Town
from protocols import DATA, queued
from serving import serving
from stillage import telemetry, traces
from stillage.errors import BadSettings
from stillage.outgoing.peer import HttpPeer

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
UPLOAD = "PUT /v2/images/{image_id}/file"
SERVE_WITHOUT = """
import sys
from stillage import telemetry
from stillage.cli.server import serve
with telemetry.sent({}):
    print([name for name in sys.modules if name.startswith("opentelemetry")])
"""


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collector() as made:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
        monkeypatch.setattr(telemetry, "FLUSH_MS", 60_000)
        yield made


async def test_an_upload_is_a_trace_of_its_parts(town: Town, sink: Collector) -> None:
    erin = town.person()
    with telemetry.sent(os.environ):
        image_id = await queued(erin)
        assert (await erin.upload(image_id, DATA, traceparent=TRACEPARENT)).status == 204
        await erin("GET", f"/v2/images/{image_id}/file")
    assert sink.resources[0]["service.name"] == "stillage"
    (request,) = [span for span in sink.spans if span.name == UPLOAD]
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, PARENT)
    assert facts(request)["http.response.status_code"] == 204
    assert facts(request)["url.path"] == f"/v2/images/{image_id}/file"
    parts = [span for span in sink.spans if span.parent_span_id == request.span_id]
    assert {part.trace_id.hex() for part in parts} == {TRACE}
    assert {"verification", "store write", "database write", "database lookup"} <= {part.name for part in parts}
    assert "claim" in [facts(part).get("stillage.unit") for part in parts]
    (read,) = [span for span in sink.spans if span.name == "store read"]
    assert read.trace_id.hex() != TRACE
    assert all(erin.token.encode() not in body for body in sink.bodies)


async def test_a_request_that_fails_by_our_fault_is_marked(
    town: Town, sink: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(type(town.worker.services.database), "look_up", fail)
    with telemetry.sent(os.environ):
        assert (await town.person()("GET", f"/v2/images/{TRACE}")).status == 500
    (request,) = sink.spans
    assert request.status.code == request.status.STATUS_CODE_ERROR
    assert b"a secret" not in b"".join(sink.bodies)


async def test_another_server_is_told_of_the_trace(sink: Collector) -> None:
    told: list[str | None] = []

    async def answer(request: web.Request) -> web.Response:
        told.append(request.headers.get("traceparent"))
        return web.Response()

    application = web.Application()
    application.router.add_get("/", answer)
    with telemetry.sent(os.environ):
        async with serving(application) as url:
            peer = HttpPeer(url, "a server", timeout_s=60)
            await peer("GET", "/", {})
            with traces.whole("job", {"Traceparent": TRACEPARENT}):
                await peer("GET", "/", {})
            await peer.close()
    (span,) = sink.spans
    assert told == [None, f"00-{TRACE}-{span.span_id.hex()}-01"]


def test_nothing_is_imported_unless_a_collector_is_named() -> None:
    done = subprocess.run([sys.executable, "-c", SERVE_WITHOUT], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_traces_are_off(environment: dict[str, str]) -> None:
    assert not telemetry.is_wanted(environment)


def test_what_cannot_be_sent_is_said_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    with pytest.raises(BadSettings, match="OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc'; only http/protobuf is supported"):
        telemetry.is_wanted(given)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    with pytest.raises(BadSettings, match=r"is missing; run: pip install 'stillage\[otel\]'"):
        telemetry.is_wanted({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"})
