"""A server with several workers sends what they did to a collector."""

import pytest

from collector import collector
from server import MakeServer, eventually

pytestmark = [pytest.mark.thorough, pytest.mark.one_server]


def test_workers_send_their_traces(own_server: MakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as sink:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.url)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "images")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        server = own_server(workers=2).start()
        image_id = server.stored(b"some bytes")
        eventually(lambda: any(image_id in str(span) for span in sink.spans), "the upload is told", within_s=60)
        assert {one["service.name"] for one in sink.resources} == {"images"}
        assert server.stop() == 0
