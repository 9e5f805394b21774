"""docs/api.md names every route of the image API, and tests that are there."""

import re
from pathlib import Path

from stillage.api import root
from stillage.api.image_v2 import description

ROOT = Path(__file__).parents[2]
DETAILS = {**root.DETAILS, **description.DETAILS}
TEXT = (ROOT / "docs" / "api.md").read_text()
ROUTES = TEXT.partition("## Routes")[2].partition("## Client commands")[0]


def test_every_route_has_a_row() -> None:
    for route in DETAILS:
        assert f"`{route}`" in ROUTES, route
    assert set(re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE|OPTIONS) /\S*)`", ROUTES)) == set(DETAILS)


def test_every_named_test_is_there() -> None:
    named = re.findall(r"\b((?:cli/|conformance/|e2e/|identity/)?test_\w+)", TEXT)
    assert len(named) > 60
    for name in named:
        places = [f"{name}.py", f"api/images/{name}.py", f"api/{name}.py", f"conformance/{name}.py"]
        assert any((ROOT / "tests" / place).exists() for place in places), name
