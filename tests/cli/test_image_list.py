"""The table of `stillage image list`, however narrow the terminal is."""

import io

import pytest
from rich.console import Console

from stillage.cli.image_actions import print_images

IMAGES = [
    {
        "id": f"0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a1{number}",
        "name": name,
        "status": "deactivated",
        "disk_format": "qcow2",
        "size": 123456789,
        "visibility": "community",
        "created_at": "2026-11-30T00:44:47Z",
    }
    for number, name in enumerate(["short", "a name that is much longer than any column has room for " * 2, "[red]é☃"])
]


def shown(width: int, *, terminal: bool = True) -> list[str]:
    out = io.StringIO()
    print_images(IMAGES, Console(file=out, width=width, force_terminal=terminal, color_system=None, highlight=False))
    return [line.rstrip() for line in out.getvalue().splitlines() if line.strip()]


@pytest.mark.parametrize("width", [50, 80, 100, 132, 300])
def test_an_image_is_one_line_with_its_whole_id(width: int) -> None:
    lines = shown(width)[1:]
    assert len(lines) == len(IMAGES)
    for line, image in zip(lines, IMAGES, strict=True):
        assert line.startswith(str(image["id"]))
        assert len(line) <= width


def test_80_columns_have_what_most_people_look_for() -> None:
    lines = shown(80)
    assert lines[0].split() == ["Id", "Name", "Status", "Size"]
    assert "…" in lines[2]
    assert "deactivated" in lines[2]


def test_what_is_no_terminal_gets_everything() -> None:
    lines = shown(80, terminal=False)
    assert lines[0].split() == ["Id", "Name", "Status", "Size", "Disk", "format", "Visibility", "Created"]
    assert str(IMAGES[1]["name"]).strip() in lines[2]
    assert "2026-11-30T00:44:47Z" in lines[2]
