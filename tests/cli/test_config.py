from pathlib import Path
from typing import Any

import pytest

from stillage.config import Settings, address_of, load
from stillage.errors import BadSettings
from stillage.ids import StoreId
from stillage.storage import stores_of


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
        ("LEASE_S", "inf", "less than or equal to 3153600000"),
        ("LEASE_S", "nan", "less than or equal to 3153600000"),
        ("UPLOAD_AGE_S", "1e15", "less than or equal to 3153600000"),
        ("TOKEN_LIFETIME_S", "100000000000000", "less than or equal to 3153600000"),
        ("TRUSTED_PROXIES", "abc", "'abc' does not appear to be an IPv4 or IPv6 network"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "has host bits set"),
        ("DATABASE_URL", "nonsense", "must be postgresql+psycopg://"),
        ("DATABASE_URL", "mysql://host/db", "must be postgresql+psycopg://"),
        ("DATABASE_URL", "postgresql://host/db", "must be postgresql+psycopg://"),
        ("DATABASE_URL", "postgresql+psycopg://host:port/db", "must be postgresql+psycopg://"),
        ("DATABASE_URL", "sqlite://", "sqlite:////FILE"),
        ("MAX_IMAGE_BYTES", str(1 << 63), f"less than or equal to {(1 << 63) - 1}"),
        ("MAX_PROJECT_BYTES", str(1 << 63), f"less than or equal to {(1 << 63) - 1}"),
        ("MAX_PROJECT_IMAGES", str(1 << 31), f"less than or equal to {(1 << 31) - 1}"),
        ("MAX_PROJECT_UPLOADS", str(1 << 31), f"less than or equal to {(1 << 31) - 1}"),
        ("MAX_NODE_UPLOADS", str(1 << 31), f"less than or equal to {(1 << 31) - 1}"),
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
    assert str(refused.value).count("setting ") == 1


def test_a_password_in_the_url_of_the_database_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STILLAGE_DATABASE_URL", "postgres://stillage:secret@host/db")
    with pytest.raises(BadSettings, match="database_url: must be") as refused:
        load()
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_what_is_empty_in_the_environment_is_unset(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"STILLAGE_{name.upper()}", "")
    assert load().model_fields_set == set()


def test_an_unknown_setting_in_the_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "stillage.toml"
    file.write_text("lisen = 'x'\n")
    with pytest.raises(BadSettings, match="unknown setting 'lisen'"):
        load(file)


def test_a_file_that_is_no_toml_or_not_there_is_told(tmp_path: Path) -> None:
    file = tmp_path / "stillage.toml"
    with pytest.raises(BadSettings, match="does not exist"):
        load(file)
    file.write_text("= =")
    with pytest.raises(BadSettings, match="cannot read the settings file"):
        load(file)


def test_a_bad_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadSettings) as refused:
        load(admin_password=["secret"])
    assert "secret" not in str(refused.value).replace("secretstr", "")


def test_rules_are_a_list_with_commas_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STILLAGE_ALLOWED_RULES", "qcow2.dirty,qcow2.internal-snapshot")
    assert load().allowed_rules == {"qcow2.dirty", "qcow2.internal-snapshot"}


def test_lists_may_have_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STILLAGE_TRUSTED_PROXIES", "10.0.0.0/8, ::1")
    monkeypatch.setenv("STILLAGE_ALLOWED_RULES", "qcow2.dirty, raw.size ,")
    assert [str(network) for network in load().trusted_proxies] == ["10.0.0.0/8", "::1/128"]
    assert load().allowed_rules == {"qcow2.dirty", "raw.size"}


def test_addresses_have_a_host_and_a_port() -> None:
    assert address_of("[::1]:80") == ("::1", 80)
    assert address_of("localhost:0") == ("localhost", 0)


def test_certificate_and_key_go_together() -> None:
    with pytest.raises(BadSettings, match="must be set together"):
        load(tls_certificate=Path("cert.pem"))


KEYSTONE: dict[str, Any] = {"keystone_url": "https://cloud.example.test/identity/v3/", "keystone_username": "stillage"}


@pytest.mark.parametrize("url", ["http://k:5000", "http://k:5000/", "http://k:5000/v3", "http://k:5000/v3/"])
def test_a_keystone_is_named_with_or_without_its_version(url: str) -> None:
    assert load(**KEYSTONE | {"keystone_url": url}, keystone_secret="s").keystone_url == "http://k:5000"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"keystone_url": "k:5000", "keystone_secret": "s"}, "http:// or https://"),
        ({"keystone_url": "http://a:secret@k", "keystone_secret": "s"}, "without user"),
        ({"keystone_url": "http://k?x=1", "keystone_secret": "s"}, "without user, query"),
        ({"keystone_credential_id": "c1", "keystone_secret": "s"}, "either keystone_username or"),
        ({"keystone_username": None, "keystone_secret": "s"}, "either keystone_username or"),
        ({}, "either keystone_secret or keystone_secret_file"),
        ({"keystone_secret": "secret", "keystone_secret_file": Path("x")}, "either keystone_secret or"),
        ({"keystone_secret": "secret", "admin_password": "secret"}, "Keystone manages users"),
        (
            {"keystone_url": None, "keystone_secret": "secret"},
            "keystone_secret, keystone_username: used only together with",
        ),
    ],
)
def test_what_belongs_to_a_keystone_goes_together(given: dict[str, Any], told: str) -> None:
    with pytest.raises(BadSettings) as refused:
        load(**KEYSTONE | given)
    assert told in str(refused.value)
    assert "'secret'" not in str(refused.value)
    assert ":secret@" not in str(refused.value)


def test_the_secret_for_keystone_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    settings = load(**KEYSTONE, keystone_secret_file=file)
    with pytest.raises(BadSettings, match="cannot read keystone_secret_file"):
        settings.read_keystone_secret()
    file.write_text("\n")
    with pytest.raises(BadSettings, match="is empty"):
        settings.read_keystone_secret()
    file.write_text("the secret \n")
    assert settings.read_keystone_secret() == "the secret "
    assert load(**KEYSTONE, keystone_secret="given").read_keystone_secret() == "given"


@pytest.mark.parametrize("url", ["http://h/x?key=secret", "ftp://secret@h", "secret", "https://"])
def test_events_are_sent_over_tls_only_and_the_url_is_a_secret(url: str) -> None:
    with pytest.raises(BadSettings, match="must be an https:// URL") as refused:
        load(audit_webhook=url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["https://u:p@h/x?key=y", "http://127.0.0.1:1/x", "http://localhost:1", "http://[::1]:1"]
)
def test_events_may_go_to_this_machine_without_tls(url: str) -> None:
    settings = load(audit_webhook=url)
    assert settings.audit_webhook is not None
    assert settings.audit_webhook.get_secret_value() == url
    assert load(audit_webhook="").audit_webhook is None


@pytest.mark.parametrize("rule", ["vhdx.dirty", "qcow2.bad-header", "format.ambiguous", "vmdk.descriptor"])
def test_a_rule_that_would_open_more_than_it_says_cannot_be_allowed(rule: str) -> None:
    with pytest.raises(BadSettings, match=f"{rule} cannot be allowed: "):
        load(allowed_rules=["qcow2.dirty", rule])


def a_store(store_id: str, **more: Any) -> dict[str, Any]:
    return {"id": store_id, "type": "files", "path": store_id, **more}


@pytest.mark.parametrize(
    ("stores", "told"),
    [
        ([], "at least 1 item"),
        ([a_store("a"), a_store("b")], "set default = true for one of them"),
        ([a_store("a", default=True), a_store("b", default=True)], "set default = true for one of them"),
        ([a_store("a", default=True), a_store("a")], "two have the id 'a'"),
        ([a_store("a", read_only=True)], "'a' is the default and read-only"),
        ([a_store("a", default=True), a_store("b", path="x/../a")], "the folders of 'a' and 'b' overlap"),
        ([a_store("a", default=True), a_store("b", path="a/b")], "the folders of 'a' and 'b' overlap"),
        ([a_store("a,b")], "stores.0.files.id"),
        ([a_store("os_glance_tasks_store")], "reserved"),
        ([a_store("a", pth="x")], "stores.0.files.pth"),
        ([a_store("a", type="tape")], "any of the expected tags: 'files', 's3'"),
    ],
)
def test_stores_that_cannot_be_meant_are_told(stores: list[Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(BadSettings) as refused:
        load(data=tmp_path, stores=stores)
    assert told in str(refused.value)


def test_stores_are_tables_in_the_file_and_cannot_be_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "stillage.toml"
    file.write_text('[[stores]]\nid = "a"\ntype = "files"\npath = "a"\n')
    (store,) = load(file).stores
    assert (store.id, store.weight, store.read_only) == ("a", 0, False)
    monkeypatch.setenv("STILLAGE_STORES", "a,b")
    with pytest.raises(BadSettings, match="only be set in the settings file"):
        load(file)


async def nothing_held(_store: StoreId) -> tuple[int, int]:
    return 0, 0


def test_a_folder_that_is_not_there_is_not_made_where_a_disk_may_be_missing(tmp_path: Path) -> None:
    cold = a_store("cold", path=str(tmp_path / "mnt" / "cold"))
    with pytest.raises(BadSettings, match="'cold' does not exist; create it, or mount its disk"):
        stores_of(load(data=tmp_path / "data", stores=[cold]), nothing_held)
    assert not (tmp_path / "mnt").exists()
    stores_of(load(data=tmp_path / "data", stores=[a_store("near")]), nothing_held).close()
    assert (tmp_path / "data" / "near").is_dir()


@pytest.mark.parametrize(
    "origin", ["*", "null", "horizon.example.net", "https://h/x", "https://u@h", "ftp://h", "https://"]
)
def test_what_is_no_origin_is_refused(tmp_path: Path, origin: str) -> None:
    with pytest.raises(BadSettings, match="is no origin"):
        load(data=tmp_path, cors_origins=origin)
