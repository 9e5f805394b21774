"""Failed logins over HTTP, from two addresses."""

from aiohttp import ClientSession, TCPConnector

from asking import TOKENS, password


async def test_a_stranger_does_not_lock_the_admin_out(api: ClientSession) -> None:
    async with ClientSession(api._base_url, connector=TCPConnector(local_addr=("127.0.0.2", 0))) as stranger:
        for _ in range(3):
            async with stranger.post(TOKENS, json=password("root", "wrong")) as response:
                assert response.status == 401
        async with stranger.post(TOKENS, json=password("root")) as response:
            assert response.status == 429
            assert response.headers["Retry-After"] == "60"
            assert "from your network" in (await response.json())["error"]["message"]
    async with api.post(TOKENS, json=password("root")) as response:
        assert response.status == 201
