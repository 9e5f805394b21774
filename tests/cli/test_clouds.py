import json
from pathlib import Path

import pytest

from stillage.client.clouds import choose
from stillage.client.errors import BadCloud

SECRET = "pass-word"
AUTH = {"auth_url": "https://id.example.test/v3", "username": "erin", "project_name": "lab"}


def write(folder: Path, clouds: object, name: str = "clouds.yaml") -> dict[str, str]:
    (folder / name).write_text(json.dumps({"clouds": clouds}))
    return {"HOME": str(folder / "nobody")}


def test_the_only_cloud_needs_no_name(tmp_path: Path) -> None:
    environ = write(tmp_path, {"lab": {"auth": AUTH, "region_name": "r1", "interface": "internalURL"}})
    cloud = choose(None, environ, folder=tmp_path)
    assert (cloud.name, cloud.region, cloud.interface, cloud.auth_type) == ("lab", "r1", "internal", "password")


def test_of_several_one_must_be_named(tmp_path: Path) -> None:
    environ = write(tmp_path, {"lab": {"auth": AUTH}, "live": {"auth": AUTH}})
    with pytest.raises(BadCloud, match=r"one of lab, live .* --os-cloud"):
        choose(None, environ, folder=tmp_path)
    assert choose(None, {**environ, "OS_CLOUD": "live"}, folder=tmp_path).name == "live"
    assert choose("lab", {**environ, "OS_CLOUD": "live"}, folder=tmp_path).name == "lab"
    with pytest.raises(BadCloud, match="no cloud 'dead': there are lab, live"):
        choose("dead", environ, folder=tmp_path)


def test_secure_yaml_adds_what_clouds_yaml_leaves_out(tmp_path: Path) -> None:
    environ = write(tmp_path, {"lab": {"auth": AUTH}})
    write(tmp_path, {"lab": {"auth": {"password": SECRET}}}, "secure.yaml")
    cloud = choose("lab", environ, folder=tmp_path)
    assert (cloud.need("password"), cloud.need("username")) == (SECRET, "erin")
    assert SECRET not in repr(cloud)


def test_a_file_may_be_named_and_the_users_folder_is_looked_into(tmp_path: Path) -> None:
    write(tmp_path, {"lab": {"auth": AUTH}}, "elsewhere.json")
    environ = {"OS_CLIENT_CONFIG_FILE": str(tmp_path / "elsewhere.json"), "HOME": str(tmp_path)}
    assert choose("lab", environ, folder=tmp_path).name == "lab"
    config = tmp_path / ".config" / "openstack"
    config.mkdir(parents=True)
    write(config, {"mine": {"auth": AUTH}})
    assert choose(None, {"HOME": str(tmp_path)}, folder=tmp_path).name == "mine"


def test_the_environment_is_a_cloud(tmp_path: Path) -> None:
    environ = {f"OS_{key.upper()}": value for key, value in AUTH.items()} | {"OS_PASSWORD": SECRET, "OS_CACERT": "~/ca"}
    cloud = choose(None, environ, folder=tmp_path)
    assert (cloud.name, cloud.need("password"), cloud.auth_type) == ("the environment", SECRET, "password")
    assert cloud.cacert == str(Path("~/ca").expanduser())


@pytest.mark.parametrize(
    ("auth", "kind"),
    [
        ({"token": "t"}, "token"),
        ({"application_credential_id": "x", "application_credential_secret": "s"}, "application_credential"),
        ({"access_key": "ak", "secret_key": "sk"}, "aksk"),
        ({"ak": "ak", "sk": "sk"}, "aksk"),
        ({"username": "erin", "password": "p"}, "password"),
    ],
)
def test_how_to_log_in_is_seen_from_what_is_there(tmp_path: Path, auth: dict[str, str], kind: str) -> None:
    assert choose("lab", write(tmp_path, {"lab": {"auth": auth}}), folder=tmp_path).auth_type == kind
    environ = {f"OS_{key.upper()}": value for key, value in auth.items()} | {"OS_AUTH_URL": "https://id.example.test"}
    assert choose(None, environ, folder=tmp_path).auth_type == kind


def test_the_vendors_variables_hold_access_keys_too(tmp_path: Path) -> None:
    environ = {"HUAWEICLOUD_SDK_AK": "ak", "HUAWEICLOUD_SDK_SK": "sk", "HUAWEICLOUD_SDK_PROJECT_ID": "p"}
    cloud = choose(None, environ, folder=tmp_path)
    assert (cloud.auth_type, cloud.need("access_key"), cloud.need("project_id")) == ("aksk", "ak", "p")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"auth": "x"}, "must be a mapping"),
        ({"profile": "vendor"}, "uses a profile"),
        ({"auth": AUTH, "auth_type": "v3oidcpassword"}, "unknown auth_type"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, entry: object, message: str) -> None:
    with pytest.raises(BadCloud, match=message):
        choose("lab", write(tmp_path, {"lab": entry}), folder=tmp_path)


def test_a_broken_file_is_named_and_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "clouds.yaml").write_text(f'clouds: {{lab: {{auth: {{password: "{SECRET}\n')
    with pytest.raises(BadCloud, match=r"clouds\.yaml: it is not valid YAML") as caught:
        choose("lab", {"HOME": "/nobody"}, folder=tmp_path)
    assert SECRET not in str(caught.value)


def test_nothing_at_all_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadCloud, match=r"clouds\.yaml, or set OS_AUTH_URL"):
        choose(None, {"HOME": str(tmp_path)}, folder=tmp_path)


def test_the_deployment_on_this_machine_is_used_where_nothing_else_names_a_cloud(tmp_path: Path) -> None:
    served = {"stillage": {"auth": AUTH}, "stillage-admin": {"auth": AUTH}}
    (tmp_path / "data").mkdir()
    write(tmp_path / "data", served)
    local = tmp_path / "data" / "clouds.yaml"
    nobody = {"HOME": str(tmp_path / "nobody")}
    assert choose(None, nobody, folder=tmp_path, local=lambda: local).name == "stillage"
    assert choose("stillage-admin", nobody, folder=tmp_path, local=lambda: local).name == "stillage-admin"
    environ = write(tmp_path, {"lab": {"auth": AUTH}})
    assert choose(None, environ, folder=tmp_path, local=lambda: local).name == "lab"
    assert choose("stillage", environ, folder=tmp_path, local=lambda: local).name == "stillage"
    with pytest.raises(BadCloud, match="which cloud"):
        choose(None, nobody, folder=tmp_path / "empty")
