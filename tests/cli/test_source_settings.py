"""What the settings say of sources is what is allowed."""

from pathlib import Path

import pytest

from stillage.config import load
from stillage.errors import BadSettings, SourceForbidden
from stillage.operations.imports.sources import RemoteImage
from stillage.sources import destinations_of, sources_of

ID = "4d5a2b1e-5c5d-4b52-9f0b-2f6f2f0c9a11"


def test_without_settings_only_the_public_web_is_open() -> None:
    destinations = destinations_of(load())
    destinations.require("https://mirror.example/")
    for url in ("https://mirror.example:8443/", "http://10.0.0.1/", "http://127.0.0.1/", "http://169.254.169.254/"):
        with pytest.raises(SourceForbidden):
            destinations.require(url)


def test_the_environment_allows_and_denies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "HOSTS": "*.mirror.example, 10.1.2.3, 10.1.9.9",
        "DENIED_HOSTS": "old.mirror.example",
        "NETWORKS": "10.1.0.0/16,fd00::/8",
        "DENIED_NETWORKS": "10.1.9.0/24",
        "PORTS": "80,8080",
    }.items():
        monkeypatch.setenv(f"STILLAGE_IMPORT_{name}", value)
    destinations = destinations_of(load())
    destinations.require("http://new.mirror.example:8080/")
    destinations.require("http://10.1.2.3/")
    for url in ("https://new.mirror.example/", "http://old.mirror.example/", "http://10.1.9.9/", "http://8.8.8.8/"):
        with pytest.raises(SourceForbidden):
            destinations.require(url)


def test_a_file_may_have_lists(tmp_path: Path) -> None:
    file = tmp_path / "stillage.toml"
    file.write_text('import_hosts = ["mirror.example"]\nimport_networks = ["10.0.0.0/8"]\nimport_ports = [8080]\n')
    destinations_of(load(file)).require("http://mirror.example:8080/")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("import_hosts", "http://mirror.example/"),
        ("import_hosts", "mirror.*"),
        ("import_denied_hosts", "*"),
        ("import_networks", "10.0.0.1/8"),
        ("import_ports", "0"),
        ("import_ports", "http"),
        ("import_proxy", "https://proxy.example"),
        ("import_proxy", "proxy.example:3128"),
        ("import_connections", "5"),
        ("import_max_ratio", "0"),
        ("import_remotes", "https://glance.example"),
        ("import_remotes", "Two=ftp://glance.example"),
        ("import_remotes", "Two=https://user@glance.example"),
    ],
)
def test_what_is_no_host_network_or_port_is_refused(name: str, value: str) -> None:
    with pytest.raises(BadSettings, match=name):
        load(None, **{name: value})


def test_a_refused_proxy_does_not_show_its_password() -> None:
    with pytest.raises(BadSettings) as refused:
        load(import_proxy="socks5://user:secret@proxy.example")
    assert "secret" not in str(refused.value)


async def test_services_are_named_by_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STILLAGE_IMPORT_REMOTES", "Two=https://two.example/image, Three=http://10.0.0.1:9292")
    sources = sources_of(load())
    for region in ("Two", "Three"):
        sources.remote.check(RemoteImage(region, ID))
    for address in (RemoteImage("Four", ID), RemoteImage("Two", ID, "private")):
        with pytest.raises(SourceForbidden):
            async with sources.remote.open(address):
                pass
    await sources.close()


async def test_a_source_is_made_of_the_settings(tmp_path: Path) -> None:
    await sources_of(load(import_proxy="http://127.0.0.1:1")).close()
    for name in ("import_ca", "import_keyring"):
        with pytest.raises(BadSettings, match="missing"):
            sources_of(load(None, **{name: str(tmp_path / "missing")}))
