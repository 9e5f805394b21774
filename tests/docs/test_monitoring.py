"""The alert rules and the dashboard of packaging/ name metrics that exist. `test_alerts.py` makes each rule fire."""

import json
import re
from pathlib import Path

import yaml

PACKAGING = Path(__file__).parents[2] / "packaging"
RULES = yaml.safe_load((PACKAGING / "alerts.yaml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((PACKAGING / "grafana-dashboard.json").read_text())
NAME = re.compile(r"\b(?:stillage|process)_[a-z_]+\b")
SOURCES = Path(__file__).parents[2] / "src/stillage/api"


def expressions() -> list[str]:
    shown = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    return [*(rule["expr"] for rule in RULES), *shown]


def test_every_metric_that_a_rule_or_the_dashboard_names_is_exposed() -> None:
    exposed = (SOURCES / "metrics.py").read_text() + (SOURCES / "deployment_metrics.py").read_text()
    named = {name for expression in expressions() for name in NAME.findall(expression)}
    ours = {re.sub(r"_(total|bucket)$", "", name.removeprefix("stillage_")) for name in named if "stillage_" in name}
    families = {f"{prefix}{name}" for prefix in ("store_", "project_") for name in re.findall(r'"(\w+)"', exposed)}
    assert ours - families - {name.removeprefix("stillage_") for name in re.findall(r'"(\w+)"', exposed)} == set()
