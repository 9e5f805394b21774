"""Discovery: what keystoneauth reads before it logs in."""

import pytest
from aiohttp import ClientSession
from yarl import URL

from stillage.config import Settings


@pytest.mark.parametrize("prefix", ["", "/identity"])
@pytest.mark.parametrize("slash", ["", "/"])
async def test_the_version_is_told_without_a_token_or_a_redirect(api: ClientSession, prefix: str, slash: str) -> None:
    async with api.get(f"{prefix}/v3{slash}", allow_redirects=False) as response:
        assert response.status == 200
        version = (await response.json())["version"]
        base = response.url.origin()
    assert version["id"].startswith("v3.")
    assert version["status"] == "stable"
    assert version["links"] == [{"rel": "self", "href": f"{base}{prefix}/v3/"}]
    assert version["media-types"][0]["type"] == "application/vnd.openstack.identity-v3+json"


@pytest.mark.parametrize("path", ["/identity", "/identity/"])
async def test_the_root_offers_the_version(api: ClientSession, path: str) -> None:
    async with api.get(path, allow_redirects=False) as response:
        assert response.status == 300
        (version,) = (await response.json())["versions"]["values"]
        assert response.headers["Location"] == version["links"][0]["href"]
        assert URL(version["links"][0]["href"]).path == "/identity/v3/"


class TestBehindAProxy:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"public_url": "https://images.example.test/image"})

    async def test_links_have_the_public_url(self, api: ClientSession) -> None:
        async with api.get("/identity/v3") as response:
            (link,) = (await response.json())["version"]["links"]
        assert link["href"] == "https://images.example.test/image/identity/v3/"

    async def test_so_has_the_challenge(self, api: ClientSession) -> None:
        async with api.get("/v3/auth/tokens") as response:
            challenge = response.headers["WWW-Authenticate"]
        assert challenge == 'Keystone uri="https://images.example.test/image/identity/v3"'
