"""Quotas and usage of projects over HTTP: `/v2/quotas` and `/v2/usage`."""

from typing import Any

import pytest
from aiohttp import ClientSession

from asking import headers_of
from stillage.operations.identity.accounts import Accounts

RAW = {"disk_format": "raw", "container_format": "bare"}


async def ask(
    api: ClientSession, method: str, path: str, body: Any = None, user: str = "root", status: int = 200
) -> Any:
    async with api.request(method, path, json=body, headers=await headers_of(api, user)) as response:
        assert response.status == status, await response.text()
        return await response.json() if status != 204 else None


async def test_a_quota_is_set_holds_and_is_taken_back(api: ClientSession, accounts: Accounts) -> None:
    lab = (await accounts.get_project("lab")).id
    path = f"/v2/quotas/{lab}"
    none = {"bytes": -1, "images": -1, "uploads": -1, "jobs": -1}
    nothing = {"bytes": 0, "images": 0, "uploads": 0, "jobs": 0}
    first = {"project_id": lab, "project_name": "lab", "limits": none, "own": [], "usage": nothing}
    assert await ask(api, "GET", path) == await ask(api, "GET", path, user="erin") == first
    changed = await ask(api, "PUT", path, {"limits": {"images": 1, "bytes": 5 << 20, "uploads": None}})
    assert changed == {**first, "limits": {**none, "images": 1, "bytes": 5 << 20}, "own": ["bytes", "images"]}
    await ask(api, "POST", "/v2/images", RAW, "erin", 201)
    refused = await ask(api, "POST", "/v2/images", RAW, "erin", 413)
    assert refused["error"]["stillage_code"] == "quota_exceeded"
    shown = (await ask(api, "GET", "/v2/info/usage", user="erin"))["usage"]
    assert shown["image_count_total"] == {"limit": 1, "usage": 1}
    assert shown["image_size_total"]["limit"] == 5
    ims = await ask(api, "GET", "/v1/cloudimages/quota", user="erin")
    assert (ims["quotas"]["resources"][0]["quota"], ims["quotas"]["resources"][0]["used"]) == (1, 1)
    await ask(api, "DELETE", path, status=204)
    await ask(api, "POST", "/v2/images", RAW, "erin", 201)


async def test_an_administrator_sees_what_all_projects_use(api: ClientSession, accounts: Accounts) -> None:
    ids = sorted([(await accounts.get_project(name)).id for name in ("lab", "secret")])
    page = await ask(api, "GET", "/v2/usage?by=project")
    assert [quota["project_id"] for quota in page["usage"]] == ids
    assert "next" not in page
    page = await ask(api, "GET", "/v2/usage?by=project&limit=1")
    following = page["next"].partition("/v2")[2]
    assert [quota["project_id"] for quota in (await ask(api, "GET", f"/v2{following}"))["usage"]] == ids[1:]
    own = await ask(api, "GET", "/v2/usage", user="erin")
    assert [quota["project_name"] for quota in own["usage"]] == ["lab"]
    assert (await ask(api, "GET", "/v2/quotas"))["quotas"] == []
    await ask(api, "PUT", f"/v2/quotas/{ids[0]}", {"limits": {"jobs": 1}})
    assert [quota["own"] for quota in (await ask(api, "GET", "/v2/quotas"))["quotas"]] == [["jobs"]]


@pytest.mark.parametrize(
    "body",
    [{}, {"limits": 5}, {"limits": {}, "usage": {}}, {"limits": {"bytes": -2}}, {"limits": {"images": 1 << 31}},
     {"limits": {"bytes": True}}, {"limits": {"tags": 1}}, {"limits": {"bytes": 1.5}}],
)  # fmt: skip
async def test_what_is_no_quota_is_refused(api: ClientSession, accounts: Accounts, body: Any) -> None:
    await ask(api, "PUT", f"/v2/quotas/{(await accounts.get_project('lab')).id}", body, status=400)


async def test_a_project_that_does_not_exist_gets_none(api: ClientSession) -> None:
    for name in ("none", "%00", "x" * 300):
        await ask(api, "PUT", f"/v2/quotas/{name}", {"limits": {}}, status=404)
    await ask(api, "GET", "/v2/usage?by=user", status=400)
