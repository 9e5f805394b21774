"""The description of the API: complete, well formed, and true of what generated requests are answered."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from aiohttp import web
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from image_api import V2_0, V2_1, Town
from server import Server
from stillage.api import root
from stillage.api.image_v2 import description
from stillage.api.ims import description as ims_description

EXAMPLES, MANY = 6, 12
CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]


@schemathesis.serializer(V2_1, V2_0)
def patch_of(_context: Any, value: Any) -> bytes:
    """How schemathesis writes a patch."""
    return json.dumps(value).encode()


@schemathesis.serializer("application/partial-upload", "application/offset+octet-stream")
def piece_of(_context: Any, value: Any) -> bytes:
    """How schemathesis writes a piece of an image."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("home"))
    try:
        yield made.start()
    finally:
        made.close()


async def test_it_is_served_without_a_token(town: Town) -> None:
    async with town.session.get("/openapi.json") as response:
        assert response.status == 200
        document = await response.json()
    assert document["openapi"].startswith("3.1")
    assert document["paths"]["/v2/images/{image_id}/file"]["put"]["summary"]


async def test_every_route_is_described_and_nothing_else(town: Town) -> None:
    async with town.session.get("/openapi.json") as response:
        document = await response.json()
    described = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
    application: web.Application = town.application
    routes = {
        f"{route.method} {route.resource.canonical}"
        for route in application.router.routes()
        if route.method != "HEAD" and route.resource is not None
    }
    assert described == routes
    assert {*root.DETAILS, *description.DETAILS} <= routes, "details of routes that are gone"


async def test_every_operation_says_what_it_is_and_every_reference_leads_somewhere(town: Town) -> None:
    async with town.session.get("/openapi.json") as response:
        text = await response.text()
    document = json.loads(text)
    names = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(set(names)) == len(names)
    for path, item in document["paths"].items():
        for operation in item.values():
            assert operation["summary"], path
            given_ = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
            assert given_ == set(re.findall(r"{(\w+)}", path))
    for name in re.findall(r'"#/components/schemas/(\w+)"', text):
        assert name in document["components"]["schemas"]


def test_generated_requests_are_answered_as_described(server: Server) -> None:
    """Every operation, with values that its description allows; those on an image with one that is there as well."""
    document = server.call("GET", "/openapi.json").json
    seen: dict[str, set[int]] = {}
    with requests.Session() as session:
        session.headers["X-Auth-Token"] = server.token("admin", "demo")
        for result in schemathesis.openapi.from_dict(document).get_all_operations():
            assert isinstance(result, Ok)
            operation = result.ok()
            # Those end tokens, ours among them; a stream of events has no end.
            if not operation.path.endswith(("/auth/tokens", "/v2/events")):
                seen[operation.label] = ask(operation, server, session)
    assert len(seen) > 40
    assert sum(1 for statuses in seen.values() if min(statuses) < 400) > 30, "more than refusals were seen"


@pytest.mark.thorough
def test_many_generated_requests_to_ims_are_answered_as_described(server: Server) -> None:
    """Every operation of the dialect alone, with values that its description allows and with others."""
    document = server.call("GET", "/openapi.json").json
    of_ims: dict[str, dict[str, Any]] = {}
    for method, _, path in (label.partition(" ") for label in ims_description.DETAILS):
        of_ims.setdefault(path, {})[method.lower()] = document["paths"][path][method.lower()]
    seen: dict[str, set[int]] = {}
    with requests.Session() as session:
        session.headers["X-Auth-Token"] = server.token("admin", "demo")
        for result in schemathesis.openapi.from_dict({**document, "paths": of_ims}).get_all_operations():
            assert isinstance(result, Ok)
            operation = result.ok()
            for mode in GenerationMode:
                statuses = ask(operation, server, session, examples=MANY, mode=mode)
                seen.setdefault(operation.label, set()).update(statuses)
    assert set(seen) == set(ims_description.DETAILS)
    assert sum(1 for statuses in seen.values() if min(statuses) < 400) > 6, "more than refusals were seen"


def ask(
    operation: Any,
    server: Server,
    session: requests.Session,
    *,
    examples: int = EXAMPLES,
    mode: GenerationMode = GenerationMode.POSITIVE,
) -> set[int]:
    """Send a few generated requests, check the answers, and return their statuses."""
    known = {"image_id": server.create(protected=True), "project_id": project_of(server)}
    statuses: list[int] = []

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(mode))
    def check(case: Any) -> None:
        if len(statuses) % 2:
            case.path_parameters.update({name: known[name] for name in case.path_parameters if name in known})
        response = case.call(base_url=server.url, session=session)
        statuses.append(response.status_code)
        case.validate_response(response, checks=CHECKS)

    check()
    return set(statuses)


def project_of(server: Server) -> str:
    token = server.token("admin", "demo")
    shown = server.call("GET", "/v3/auth/tokens", headers={"X-Auth-Token": token, "X-Subject-Token": token})
    return str(shown.json["token"]["project"]["id"])
