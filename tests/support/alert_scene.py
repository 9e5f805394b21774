"""A deployment that Prometheus scrapes once a minute of the deployment's own clock, and what promtool makes of it."""

import re
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiohttp import ClientConnectionError, ClientSession
from prometheus_client.parser import text_string_to_metric_families

from fakes import Clock
from image_api import Person, Town

RULES = Path(__file__).parents[2] / "packaging" / "alerts.yaml"
MINUTE_S = 60
SHOWN = re.compile(r"stillage_|process_")
OURS = {"job": "stillage", "instance": "a"}


@dataclass
class Scene:
    """What is scraped.

    Attributes:
        metrics_url: Where the metrics are served.
        keep: Takes what is called at the end.
        database: What stands before the database, if anything does.
        scrapes: The samples of each minute, by their series.
    """

    town: Town
    clock: Clock
    folder: Path
    metrics_url: str
    keep: Callable[[Callable[[], object]], object]
    database: Any = None
    scrapes: list[dict[str, float]] = field(default_factory=list)
    began_at: float = 0

    @property
    def person(self) -> Person:
        return self.town.person()

    async def record(self, minutes: int, meanwhile: Callable[["Scene"], Awaitable[None]] | None = None) -> None:
        """Scrape at the end of each of so many minutes, in each of which *meanwhile* happens."""
        for _ in range(minutes):
            if meanwhile is not None:
                await meanwhile(self)
            if not self.scrapes:
                self.began_at = self.clock().timestamp()
            self.scrapes.append(await self._scrape())
            self.clock.advance(MINUTE_S)

    async def _scrape(self) -> dict[str, float]:
        try:
            async with ClientSession() as session, session.get(self.metrics_url) as answer:
                text = await answer.text()
        except ClientConnectionError:
            return {_named("up", {}): 0}
        samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
        found = {_named(one.name, one.labels): self._moved(one.name, one.value) for one in samples}
        return {_named("up", {}): 1, **{name: value for name, value in found.items() if SHOWN.match(name)}}

    def _moved(self, name: str, value: float) -> float:
        """For promtool the first scrape was in 1970."""
        return value - self.began_at if name.endswith("_timestamp_seconds") else value

    def series(self) -> list[dict[str, str]]:
        """Return all samples as promtool reads them."""
        names = sorted({name for scrape in self.scrapes for name in scrape})
        return [{"series": name, "values": " ".join(_value(one.get(name)) for one in self.scrapes)} for name in names]


def _named(name: str, labels: dict[str, str]) -> str:
    texts = (f'{label}="{value}"' for label, value in sorted({**labels, **OURS}.items()))
    return f"{name}{{{', '.join(texts)}}}"


def _value(value: float | None) -> str:
    return "_" if value is None else repr(float(value))


def why_not(series: list[dict[str, str]], alerts: dict[int, list[str]], folder: Path) -> str:
    """Return why these *alerts*, by the minute, are not those that fire; empty if they are."""
    expression = 'count by (alertname) (ALERTS{alertstate="firing"}) > bool 0'
    tests = [
        {
            "expr": expression,
            "eval_time": f"{minute}m",
            "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(names)],
        }
        for minute, names in alerts.items()
    ]
    document = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": tests}],
    }
    (folder / "promtool.yaml").write_text(yaml.safe_dump(document))
    line = ["promtool", "test", "rules", "promtool.yaml"]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    return "" if done.returncode == 0 else done.stdout + done.stderr
