"""What a plain `stillage convert` is understood as, without typer: exactly what typer understands."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from stillage import config
from stillage.cli import converting, inspecting, local_rules, main
from stillage.cli.convert_request import ConvertRequest
from stillage.cli.start import plain_files, plain_request
from stillage.client.local import Rules
from stillage.deployment import policy_of, profile_of

WORDS = (
    "in.raw", "out.qcow2", "out", "", "-", "--", "-O", "-Oraw", "-O=raw", "raw", "fixed", "zlib", "--json", "--force",
    "--check", "--check=1", "--subformat", "--subformat=fixed", "--subformat=", "--compress", "--compress=zstd",
    "--output-format", "--output-format=vdi", "--disk-format", "--config", "--config=a.toml", "--help", "--jso",
)  # fmt: skip


def typed(words: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[ConvertRequest]]:
    """What typer makes of them: an exit status, and the request if it got as far."""
    requests: list[ConvertRequest] = []

    def convert_file(request: ConvertRequest) -> int:
        requests.append(request)
        return 0

    with monkeypatch.context() as patch:
        patch.setattr(converting, "convert_file", convert_file)
        status = CliRunner().invoke(main.app, ["convert", *words]).exit_code
    return status, requests


@pytest.mark.parametrize(
    "line",
    [
        "in.raw out.qcow2",
        "--json in.vmdk out.img --check --force",
        "in.raw -O vhd --subformat fixed out",
        "in.raw out.qcow2 --compress=zstd --config a.toml",
        "in.raw out.raw --output-format=vdi -O qed",
    ],
)
def test_a_plain_line_is_understood_without_typer_as_with_it(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = line.split()
    request = plain_request(words)
    assert request is not None
    assert typed(words, monkeypatch) == (0, [request])


@given(st.lists(st.sampled_from(WORDS), max_size=5))
@settings(max_examples=30, deadline=None)
def test_nothing_is_understood_in_another_way(words: list[str]) -> None:
    request = plain_request(words)
    if request is not None:
        with pytest.MonkeyPatch.context() as monkeypatch:
            assert typed(words, monkeypatch) == (0, [request])


@pytest.mark.parametrize("line", ["--help", "in.raw", "in.raw out", "in.raw out.raw --disk-format raw", "a b.raw c"])
def test_help_and_mistakes_are_left_to_typer(line: str) -> None:
    assert plain_request(line.split()) is None


@given(st.lists(st.sampled_from((*WORDS, "a.raw", "--json")), max_size=4))
@settings(max_examples=30, deadline=None)
def test_what_is_understood_of_an_inspection_is_what_typer_understands(words: list[str]) -> None:
    asked: list[tuple[list[str], str | None, bool]] = []

    def inspect_files(files: list[str], disk_format: str | None, *, as_json: bool, config_file: Path | None) -> int:
        assert config_file is None
        asked.append((files, disk_format, as_json))
        return 0

    if files := plain_files(words):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(inspecting, "inspect_files", inspect_files)
            assert CliRunner().invoke(main.app, ["inspect", *words]).exit_code == 0
        assert asked == [(files, None, "--json" in words)]


def test_without_settings_the_rules_are_those_of_the_settings_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STILLAGE_PROFILE", "STILLAGE_DATA"):
        monkeypatch.delenv(name, raising=False)
    usual = config.load()
    assert local_rules.local_rules(None) == Rules(policy_of(usual), profile_of(usual).may_be_empty)


def test_a_setting_in_the_environment_or_in_a_file_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "stillage.toml"
    file.write_text("max_virtual_size = 1024")
    assert local_rules.local_rules(file).policy.max_virtual_size == 1024
    monkeypatch.setenv("stillage_max_virtual_size", "2048")
    assert local_rules.local_rules(None).policy.max_virtual_size == 2048
