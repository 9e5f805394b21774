"""What an ephemeral server does not start with: options and settings that contradict it."""

from pathlib import Path

import pytest

from stillage.cli.server import serve
from stillage.errors import BadSettings, InvalidInput


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"data": Path("d")}, "--data cannot be used with --ephemeral; leave it out"),
        ({"tls": True}, "--tls cannot be used with --ephemeral; leave it out"),
        ({"workers": 2}, "--workers cannot be used with --ephemeral; leave it out"),
        ({"ephemeral": False, "password": "x"}, "--password works with --ephemeral only; leave it out"),
        ({"ephemeral": False, "ready_file": Path("f")}, "--ready-file works with --ephemeral only; leave it out"),
        ({"ephemeral": False, "ends_with_stdin": True}, "--ends-with-stdin works with --ephemeral only; leave it out"),
        ({"access_key": "AK"}, "--access-key and --secret-key must be given together"),
        (
            {"clouds": Path("/nowhere/clouds.yaml")},
            "cannot write /nowhere/clouds.yaml: the folder /nowhere does not exist; create it",
        ),
    ],
)
def test_an_option_that_has_no_meaning_is_refused_with_a_sentence(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadSettings) as refused:
        serve.command(**{"ephemeral": True, **options})  # type: ignore[arg-type]
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", "sqlite:////tmp/x"),
        ("metrics_listen", "127.0.0.1:0"),
    ],
)
def test_a_setting_that_contradicts_it_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"STILLAGE_{name.upper()}", value)
    with pytest.raises(BadSettings, match=f"^{name} cannot be used with --ephemeral"):
        serve.command(ephemeral=True)


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'noon' is no time"):
        serve.command(ephemeral=True, clock="noon")
