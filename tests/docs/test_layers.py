"""The layers are one list, wherever they stand."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
LAYERS = [
    layer.replace("stillage.", "")
    for contract in CONTRACTS
    if contract["type"] == "layers"
    for layer in contract["layers"]
]


def test_contributing_has_the_layers_that_are_enforced() -> None:
    (block,) = re.findall(r"^    cli →(?:.|\n)*?$(?=\n\n)", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert " ".join(block.split()).split(" → ") == LAYERS


def test_the_design_page_has_the_layers_that_are_enforced() -> None:
    section = (ROOT / "docs" / "design.md").read_text().partition("\n## Layers\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^    (\S.*)$", section, re.MULTILINE)
    assert [re.split(" {2,}", line)[0] for line in lines] == LAYERS
