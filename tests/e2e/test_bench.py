"""The bench itself works. Nothing here looks at a speed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]
ODD_SIZE = 3 * 1024 * 1024 + 4321
SOURCE = (bytes(range(256)) * 256 + bytes(3 * 64 * 1024)) * 16


def answer_of(module: str, *arguments: str) -> Any:
    command = [sys.executable, "-m", module, *arguments]
    return json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)


@contextmanager
def floor(folder: Path) -> Iterator[int]:
    command = [sys.executable, "-m", "bench.floor", "--dir", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


@pytest.mark.parametrize("chunk", [None, 64 * 1024, 1 << 20])
def test_the_floor_stores_and_returns_what_the_client_sends(tmp_path: Path, chunk: int | None) -> None:
    source = tmp_path / "source"
    source.write_bytes(SOURCE)
    with floor(tmp_path) as port:
        job = {"port": port, "tls": False, "headers": {}, "paths": ["/a", "/b"], "size": ODD_SIZE}
        sent = answer_of("bench.client", json.dumps({**job, "verb": "PUT", "source": str(source), "chunk": chunk}))
        received = answer_of("bench.client", json.dumps({**job, "verb": "GET"}))
    assert sent["size"] == received["size"] == 2 * ODD_SIZE
    stored = (tmp_path / "a").read_bytes()
    assert stored[: 3 << 20] == SOURCE[: 3 << 20]
    assert len(stored) == ODD_SIZE


def test_one_scenario_of_each_kind_runs_and_leaves_nothing_behind(tmp_path: Path) -> None:
    names = ["upload-tls", "download", "memory-upload", "latency-uploads", "get-image"]
    small = ["--size", "1MiB", "--rounds", "1", "--seconds", "0.1"]
    document = answer_of("bench", *names, *small, "--dir", str(tmp_path), "--json")
    assert document["environment"]["folder"] == str(tmp_path)
    assert document["scenarios"].keys() == set(names)
    assert all(row["figure"] > 0 for row in document["scenarios"].values())
    assert list(tmp_path.iterdir()) == []


def test_the_cost_of_knowing_who_asks_is_measured() -> None:
    rows = answer_of("bench.authentication", "--seconds", "0.01", "--json")
    assert len(rows) >= 3
    assert all(row["microseconds"] > 0 and row["ratio"] > 0 for row in rows)


def test_what_starting_costs_is_measured() -> None:
    document = answer_of("bench.starting", "--rounds", "1", "--json")
    assert document["ratios"].keys() == {"--help", "--version", "inspect FILE", "upload --help"}
    assert all(ratio > 0 for ratio in document["ratios"].values())
    assert all(row["cpu"] > 0 and row["memory"] > 0 for row in document["serve"].values())


def test_one_connection_is_compared_with_four() -> None:
    document = answer_of("bench.parallel", "--size", "4MiB", "--json")
    assert document["seconds"].keys() == {"1", "4"}
    assert document["ratio"] > 0


def test_sweeps_of_few_and_of_many_images_are_compared() -> None:
    rows = answer_of("bench.sweeping", "--images", "1100", "--rounds", "1", "--engine", "sqlite", "--json")
    assert {row["engine"] for row in rows} == {"sqlite"}
    assert all(row["few"] > 0 and row["many"] > 0 and row["ratio"] > 0 for row in rows)


@pytest.mark.parametrize("how", [[], ["--chunked"]], ids=["declared", "chunked"])
def test_a_nearly_empty_image_takes_what_its_data_takes_and_comes_back(tmp_path: Path, how: list[str]) -> None:
    report = answer_of("bench.sparse", "--size", "48MiB", "--data", "3MiB", "--dir", str(tmp_path), "--json", *how)
    assert report["declared"] == (not how)
    assert 3 << 20 <= report["disk"] < 4 << 20
    assert report["peak_memory"] > 0
    assert all(resident > 0 for _, resident in report["curve"])
    assert list(tmp_path.iterdir()) == []


def test_an_upload_from_a_browser_is_measured_beside_the_command() -> None:
    figures = answer_of("bench.console", "--size", "8MiB", "--json")
    assert figures["size"] == 8 << 20
    assert min(figures["browser_s"], figures["command_s"], figures["refused_mib"]) > 0
