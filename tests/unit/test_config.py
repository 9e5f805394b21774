from pathlib import Path

import pytest

from stillage.config import Settings, address_of, load
from stillage.errors import BadSettings


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"STILLAGE_{name.upper()}", raising=False)


def test_the_command_line_beats_the_environment_and_that_beats_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "stillage.toml"
    file.write_text('listen = "1.1.1.1:1"\nworkers = 3\nregion = "file"\n')
    monkeypatch.setenv("STILLAGE_LISTEN", "2.2.2.2:2")
    monkeypatch.setenv("STILLAGE_REGION", "env")
    settings = load(file, region="line", tls=None)
    assert (settings.listen, settings.workers, settings.region, settings.tls) == ("2.2.2.2:2", 3, "line", True)


@pytest.mark.parametrize(("value", "tls"), [("0", False), ("1", True)])
def test_tls_is_zero_or_one_in_the_environment(value: str, tls: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STILLAGE_TLS", value)
    assert load().tls is tls


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("LISTEN", "9292", "HOST:PORT"),
        ("LISTEN", "localhost:99999", "HOST:PORT"),
        ("WORKERS", "0", "greater than or equal to 1"),
        ("WORKERS", "many", "integer"),
        ("HASH_ALGORITHM", "md5", "'sha512' or 'sha256'"),
        ("PUBLIC_URL", "example.test", "http://"),
        ("PROFILE", "glance", "'openstack' or 'ims'"),
        ("IDLE_TIMEOUT_S", "-1", "greater than 0"),
    ],
)
def test_a_bad_setting_is_told_by_name_value_and_what_is_allowed(
    setting: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"STILLAGE_{setting}", value)
    with pytest.raises(BadSettings) as refused:
        load()
    assert setting.lower() in str(refused.value)
    assert value in str(refused.value)
    assert told in str(refused.value)


def test_an_unknown_setting_in_the_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "stillage.toml"
    file.write_text("lisen = 'x'\n")
    with pytest.raises(BadSettings, match="no setting 'lisen'"):
        load(file)


def test_a_file_that_is_no_toml_or_not_there_is_told(tmp_path: Path) -> None:
    file = tmp_path / "stillage.toml"
    with pytest.raises(BadSettings, match="not there"):
        load(file)
    file.write_text("= =")
    with pytest.raises(BadSettings, match="cannot be read"):
        load(file)


def test_a_bad_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadSettings) as refused:
        load(admin_password=["secret"])
    assert "secret" not in str(refused.value).replace("secretstr", "")


def test_rules_are_a_list_with_commas_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STILLAGE_ALLOWED_RULES", "qcow2.dirty,qcow2.internal-snapshot")
    assert load().allowed_rules == {"qcow2.dirty", "qcow2.internal-snapshot"}


def test_addresses_have_a_host_and_a_port() -> None:
    assert address_of("[::1]:80") == ("::1", 80)
    assert address_of("localhost:0") == ("localhost", 0)


def test_certificate_and_key_go_together() -> None:
    with pytest.raises(BadSettings, match="go together"):
        load(tls_certificate=Path("cert.pem"))
