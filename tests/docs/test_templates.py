"""The check of the console's templates finds what it is for, and finds nothing in the console."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "check_templates.py"
SPEC = importlib.util.spec_from_file_location("check_templates", SCRIPT)
assert SPEC
assert SPEC.loader
check_templates = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(check_templates)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("html`<p>`", "<p> is not closed"),
        ("html`<p><br></p>`", "</p> closes <br> of line 1"),
        ("html`</p>`", "</p> closes nothing"),
        ("html`<ul>${list.map((x) => html`<li>${x > 1 ? `<b>` : ''}`)}</ul>`", "<li> is not closed"),
        ("html`<${Page} a=${1}>`", "<${…}> is not closed"),
    ],
)
def test_a_tag_that_is_left_open_is_found(source: str, message: str) -> None:
    assert message in [text for _, text in check_templates.findings(f"const x = {source};")]


@pytest.mark.parametrize(
    "source",
    [
        "html`<p>${a}<br /></p>`",
        "html`<${Page} on=${() => a > b}><${Other} /><//>`",
        "const r = /`/, s = '`', t = \"`\"; // ` <p>\n/* ` */ html`<input value=${`<p>${1}`} />`",
        "`<p>`",
        'html`<p title="a > b">1 < 2</p>`',
    ],
)
def test_what_is_closed_is_not_found(source: str) -> None:
    assert list(check_templates.findings(source)) == []


def test_the_console_closes_every_tag() -> None:
    assert check_templates.main() == 0
