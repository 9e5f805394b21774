"""Log lines at a terminal are short."""

from typing import Any

import pytest

from stillage.cli.short_lines import shorten

REQUEST = {
    "event": "request",
    "level": "info",
    "method": "PUT",
    "path": "/v2/images/ba529fd7-0b5c-4b5d-a8a0-2f4c7e3c7d6e/file",
    "status": 204,
    "seconds": 0.0123,
    "peer": "192.0.2.7",
    "client_request_id": None,
    "request_id": "req-1",
    "user_id": "u",
    "project_id": "p",
}
PHRASE = "PUT /v2/images/ba529fd7-0b5c-4b5d-a8a0-2f4c7e3c7d6e/file"


@pytest.mark.parametrize(
    ("differs", "line"),
    [
        ({}, {"event": f"{PHRASE} 204 13 ms 192.0.2.7"}),
        ({"seconds": 632.21}, {"event": f"{PHRASE} 204 632.2 s 192.0.2.7"}),
        (
            {"status": 409, "code": "image_in_use"},
            {"event": f"{PHRASE} 409 13 ms 192.0.2.7", "code": "image_in_use"},
        ),
        ({"status": 500}, {"event": f"{PHRASE} 500 13 ms 192.0.2.7", "request_id": "req-1"}),
    ],
)
def test_a_request_is_one_phrase(differs: dict[str, Any], line: dict[str, Any]) -> None:
    assert shorten(None, "", REQUEST | differs) == line


def test_other_lines_keep_what_concerns_them() -> None:
    event = {"event": "upload begins", "level": "info", "image_id": "i", "upload_id": "x", "request_id": "req-1"}
    assert shorten(None, "", dict(event)) == {"event": "upload begins", "image_id": "i"}


def test_a_warning_keeps_its_level_and_what_to_follow_it_by() -> None:
    event = {"event": "upload failed", "level": "warning", "upload_id": "x", "request_id": "req-1", "user_id": "u"}
    kept = {"event": "upload failed", "level": "warning", "upload_id": "x", "request_id": "req-1"}
    assert shorten(None, "", dict(event)) == kept
