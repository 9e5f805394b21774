"""The console's page and files: what may run, how long they are kept, what is in them."""

import gzip
import hashlib
import json
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from image_api import Town
from stillage.api.console.assets import FOLDER, LANGUAGES, assets
from stillage.api.console.files import language_of
from stillage.config import load
from stillage.deployment import authority_of

Serve = Callable[..., AbstractAsyncContextManager[Town]]
VENDORED = "htm-preact-standalone.module.js"


async def get(town: Town, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    sent = {"Accept-Encoding": "identity", **{name.replace("_", "-"): value for name, value in headers.items()}}
    url = URL(f"{town.url}{path}", encoded=True)
    async with town.session.get(url, headers=sent, allow_redirects=False, auto_decompress=False) as response:
        return response.status, {name.lower(): value for name, value in response.headers.items()}, await response.read()


def data_of(page: bytes, element: str) -> Any:
    found = re.search(rf'<script type="application/json" id="{element}">(.*?)</script>', page.decode())
    assert found
    return json.loads(found[1])


async def test_a_browser_is_led_to_the_console_and_a_client_gets_the_versions(town: Town) -> None:
    status, headers, _ = await get(town, "/", Accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert (status, headers["location"], headers["vary"]) == (303, f"{town.url}/console/", "Accept")
    status, headers, _ = await get(town, "/console")
    assert (status, headers["location"]) == (308, f"{town.url}/console/")
    assert (await get(town, "/", Accept="*/*"))[0] == 300


@pytest.mark.parametrize("path", ["/console/", "/console/images", "/console/images/x/disk?a=b", "/console/%3Cb%3E"])
async def test_the_page_lets_nothing_run_but_its_own_files(town: Town, path: str) -> None:
    status, headers, body = await get(town, path)
    assert status == 200
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["form-action"] == "'self'"
    assert policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-cache"
    assert not re.findall(rb"<script(?! type=\"application/json\"| type=\"module\" src=)", body)
    assert b" style=" not in body
    assert b"{{" not in body


async def test_the_page_is_not_sent_again_to_who_has_it(town: Town) -> None:
    _, headers, _ = await get(town, "/console/")
    status, again, body = await get(town, "/console/", If_None_Match=headers["etag"])
    assert (status, again["etag"], body) == (304, headers["etag"], b"")


async def test_files_may_be_kept_for_ever_and_travel_compressed(town: Town) -> None:
    digest = assets().digest
    _, _, page = await get(town, "/console/")
    assert f"/console/{digest}/main.js".encode() in page
    for path in assets().files:
        status, headers, body = await get(town, f"/console/{digest}/{path}", Accept_Encoding="gzip, br")
        assert status == 200, path
        assert "immutable" in headers["cache-control"]
        assert headers["content-encoding"] == "gzip"
        assert gzip.decompress(body) == assets().files[path].body
        assert (await get(town, f"/console/{digest}/{path}", If_None_Match=headers["etag"]))[0] == 304


@pytest.mark.parametrize("path", [f"{'0' * 16}/main.js", "{}/nothing.js", "{}/../app.py", "{}/%2e%2e/app.py"])
async def test_files_of_another_version_and_of_other_folders_are_not_found(town: Town, path: str) -> None:
    assert (await get(town, f"/console/{path.format(assets().digest)}"))[0] == 404


async def test_the_configuration_is_in_the_page_and_public(town: Town) -> None:
    _, _, page = await get(town, "/console/images")
    _, _, body = await get(town, "/console/config")
    config = json.loads(body)
    assert data_of(page, "config").items() >= config.items()
    assert config["identity"] == {"kind": "embedded", "url": f"{town.url}/identity/v3"}
    assert config["limits"]["image_bytes"] == 1 << 40
    assert "qcow2" in config["disk_formats"]


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("", "en"), ("fr,de-AT;q=0.8", "de"), ("zh-TW,zh;q=0.9", "zh-CN"), ("xx", "en"), ("EN-us", "en")],
)
async def test_the_page_comes_in_the_language_of_the_browser(town: Town, accepted: str, language: str) -> None:
    assert language_of(accepted) == language
    _, _, page = await get(town, "/console/", Accept_Language=accepted)
    assert f'<html lang="{language}">'.encode() in page
    assert data_of(page, "texts") == json.loads(assets().texts(language))


def test_catalogues_have_the_same_texts_with_the_same_names_in_them() -> None:
    for english in FOLDER.rglob("en.json"):
        texts = json.loads(english.read_text())
        for language in LANGUAGES[1:]:
            other = json.loads(english.with_name(f"{language}.json").read_text())
            plurals = {key for key in texts if key.endswith(".one")}  # Chinese has no such form
            assert texts.keys() - other.keys() <= plurals, (english, language)
            assert other.keys() <= texts.keys(), (english, language)
            for key, text in other.items():
                assert text, (english, language, key)
                assert set(re.findall(r"\{\w+\}", text)) <= set(re.findall(r"\{\w+\}", texts[key])), (language, key)


def test_every_text_that_the_pages_show_is_in_the_catalogue_and_none_is_unused() -> None:
    texts = json.loads(assets().texts("en"))
    sources = "".join(path.read_text() for path in FOLDER.rglob("*.js") if path.parent.name != "vendor")
    shown = set(re.findall(r"""\bt\(\s*["']([^"'$]+)["']""", sources))
    assert shown <= texts.keys(), shown - texts.keys()
    prefixes = tuple(
        set(re.findall(r"`([\w.]+\.)\$\{", sources)) | {f"{key}." for key in re.findall(r'plural\("([\w.]+)"', sources)}
    )
    words = set(re.findall(r"[\"'`]([\w.]+)[\"'`]", sources))
    unused = {key for key in texts if key not in words and not key.startswith(prefixes)}
    assert not unused


def test_the_vendored_file_is_the_one_whose_digest_is_recorded() -> None:
    body = (FOLDER / "vendor" / VENDORED).read_bytes()
    assert hashlib.sha256(body).hexdigest() in (FOLDER / "vendor" / "LICENSES.txt").read_text()


def test_no_file_asks_another_host() -> None:
    asking = re.compile(rb"""(?:fetch\(|import\(|from |src=|href=|url\()\s*["'`]?(?:https?:)?//""")
    for path, asset in assets().files.items():
        assert not asking.search(asset.body), path


async def test_without_a_console_there_is_no_page_and_nobody_is_led_to_one(serve: Serve) -> None:
    async with serve(console=False) as town:
        for path in ("/console", "/console/", "/console/config", f"/console/{assets().digest}/main.js"):
            assert (await get(town, path))[0] == 404, path
        assert (await get(town, "/", Accept="text/html"))[0] == 300


async def test_who_must_trust_our_own_authority_finds_it(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    async with serve() as town:  # over plain HTTP there is nothing to trust
        assert (await get(town, "/console/ca.pem"))[0] == 404
        assert json.loads((await get(town, "/console/config"))[2])["authority"] is False
    settings: dict[str, Any] = {"data": tmp_path, "tls": True}
    assert authority_of(load(**settings)) == "-----BEGIN CERTIFICATE-----\n"
    own = {"tls_certificate": tmp_path / "c.pem", "tls_key": tmp_path / "k.pem"}
    assert authority_of(load(**settings, **own)) is None
