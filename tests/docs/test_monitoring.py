"""The alert rules and the dashboard of packaging/: they name metrics that there are, and every rule fires."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from alert_conditions import CONDITIONS

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


def test_every_rule_has_a_condition_that_makes_it_fire() -> None:
    assert {rule["alert"] for rule in RULES} == set(CONDITIONS)
    assert {rule["labels"]["severity"] for rule in RULES} == {"page", "ticket"}


@pytest.mark.thorough
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_each_rule_fires_when_its_condition_is_caused(rule: dict[str, object], tmp_path: Path) -> None:
    assert shutil.which("promtool"), "this test needs promtool: scripts/system-packages prometheus"
    name = str(rule["alert"])
    series = [{"series": what, "values": values} for what, values in CONDITIONS[name]]
    found = f'count(ALERTS{{alertname="{name}", alertstate="firing"}}) > bool 0'
    fires = [{"expr": found, "eval_time": at(name), "exp_samples": [{"labels": "{}", "value": 1}]}]
    document = {
        "rule_files": [str(PACKAGING / "alerts.yaml")],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": fires}],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(document))
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def at(name: str) -> str:
    """Return when the last sample of its condition is."""
    values = CONDITIONS[name][0][1]
    return f"{sum(int(part.partition('x')[2]) for part in values.split())}m"
