"""The settings as administrators are shown them: everything but what is secret."""

from pathlib import Path

from stillage.config import Settings, load
from stillage.deployment import shown_settings_of

SECRETS = ("hunter2", "tok3n", "pr0xy")


def test_every_setting_is_shown_without_its_secrets(tmp_path: Path) -> None:
    settings = load(
        data=tmp_path,
        database_url="postgresql+psycopg://user:hunter2@host/name?sslpassword=hunter2",
        audit_webhook="https://user:hunter2@host/x?token=tok3n",
        import_proxy="http://user:pr0xy@host:3128",
        admin_password="hunter2",
        public_url="https://images.example.test",
        workers=1,
        max_project_images=7,
    )
    shown = {one["name"]: one for one in shown_settings_of(settings)}
    assert shown.keys() == Settings.model_fields.keys()
    assert not any(secret in str(shown) for secret in SECRETS)
    assert shown["database_url"]["value"] == "postgresql+psycopg://…@host/name?sslpassword=…"
    assert shown["public_url"]["value"] == "https://images.example.test"
    assert shown["max_project_images"] == {
        "name": "max_project_images",
        "value": 7,
        "meaning": "number of images of a project; no limit if unset",
        "set": True,
        "secret": False,
    }
    assert {name for name, one in shown.items() if one["secret"]} == {
        "admin_password", "audit_webhook", "import_proxy", "keystone_secret",
    }  # fmt: skip
    assert (shown["admin_password"]["value"], shown["admin_password"]["set"]) == (None, True)
    assert (shown["workers"]["set"], shown["stores"]["value"][0]["path"]) == (False, "blobs")


def test_databases_named_in_other_ways_hide_their_passwords_too(tmp_path: Path) -> None:
    settings = load(data=tmp_path, database_url="postgresql+psycopg:///name?host=h&password=hunter2")
    [url] = [one["value"] for one in shown_settings_of(settings) if one["name"] == "database_url"]
    assert url == "postgresql+psycopg:///name?host=…&password=…"
