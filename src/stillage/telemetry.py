"""Sends traces to an OpenTelemetry collector: over OTLP with HTTP, as the standard variables ``OTEL_…`` say.

Nothing of OpenTelemetry is imported unless they name a collector.

Sources: OpenTelemetry, "Environment Variable Specification", "OTLP Exporter", "HTTP Spans"; W3C, "Trace Context".
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from stillage import traces
from stillage.errors import BadSettings
from stillage.traces import Facts, Whole

COLLECTORS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SPOKEN = "http/protobuf"
FLUSH_MS = 3000
"""For so long the end of a process waits for a collector."""


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Return whether traces are sent anywhere.

    Raises:
        BadSettings: If they cannot be.
    """
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or environment.get("OTEL_TRACES_EXPORTER") == "none":
        return False
    named = next((name for name in COLLECTORS if environment.get(name)), None)
    if named is None:
        return False
    for name in PROTOCOLS:
        if environment.get(name, SPOKEN) != SPOKEN:
            raise BadSettings(f"{name} is {environment[name]!r}; only {SPOKEN} is supported, usually on port 4318")
    try:
        import opentelemetry.exporter.otlp.proto.http  # noqa: PLC0415
        import opentelemetry.sdk.trace  # noqa: F401, PLC0415
    except ImportError as error:
        raise BadSettings(f"{named} is set, and {error.name} is missing; run: pip install 'stillage[otel]'") from error
    return True


@contextmanager
def sent(environment: Mapping[str, str]) -> Iterator[None]:
    """Send traces of this process meanwhile, if *environment* names a collector.

    Raises:
        BadSettings: As `is_wanted`.
    """
    if not is_wanted(environment):
        yield
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    unnamed = "OTEL_SERVICE_NAME" not in environment and "service.name=" not in environment.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    resource = Resource.create({"service.name": "stillage"} if unnamed else None)
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    processor = BatchSpanProcessor(OTLPSpanExporter())
    provider.add_span_processor(processor)
    traces.install(OpenTelemetry(provider))
    try:
        yield
    finally:
        traces.install(traces.OFF)
        processor._batch_processor.shutdown(FLUSH_MS)  # noqa: SLF001 - `shutdown` of the provider may take 30 s


class OpenTelemetry:
    """Implements `traces.Tracer`. Only wholes are current, so that a part may end in another context than its own."""

    def __init__(self, provider: Any) -> None:
        from opentelemetry import trace  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        self._api = trace
        self._tracer = provider.get_tracer("stillage")
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def whole(self, name: str, headers: Mapping[str, str], facts: Facts) -> Iterator[Whole]:
        lower = {key.lower(): value for key, value in headers.items() if key.lower() in self._propagator.fields}
        context = self._propagator.extract(lower)
        kind = self._api.SpanKind.SERVER if headers else self._api.SpanKind.INTERNAL
        span = self._tracer.start_span(name, context, kind=kind, attributes=facts)
        with self._ended(span), self._api.use_span(span, record_exception=False, set_status_on_exception=False):
            yield _Running(span, self._api)

    def part(self, name: str, facts: Facts) -> AbstractContextManager[object]:
        if not self._api.get_current_span().is_recording():
            return traces.OFF.part(name, facts)
        return self._ended(self._tracer.start_span(name, attributes=facts))

    def headers(self) -> Mapping[str, str]:
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier

    @contextmanager
    def _ended(self, span: Any) -> Iterator[object]:
        try:
            yield span
        except BaseException as error:
            # Not its text: that may repeat what a client said.
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(self._api.Status(self._api.StatusCode.ERROR))
            raise
        finally:
            span.end()


class _Running:
    def __init__(self, span: Any, api: Any) -> None:
        self._span = span
        self._api = api

    def end_with(self, facts: Facts, *, failed: bool) -> None:
        self._span.set_attributes(facts)
        if failed:
            self._span.set_status(self._api.Status(self._api.StatusCode.ERROR))
