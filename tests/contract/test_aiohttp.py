"""What we use of aiohttp and it does not promise: every private name.

A new minor version of aiohttp may change each of them, so `pyproject.toml` excludes it until this test has passed with
it. Source: aiohttp 3.14, ``aiohttp/web_protocol.py``, ``streams.py``, ``web_runner.py``, ``web_server.py``.
"""

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest
from aiohttp import web, web_protocol
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader
from aiohttp.test_utils import make_mocked_request

import stillage

SOURCE = Path(stillage.__file__).parent
USERS = [*sorted((SOURCE / "api").rglob("*.py")), *sorted((SOURCE / "client").rglob("*.py"))]

PRIVATE = {
    "RequestHandler": {
        "_buffer_paused", "_loop", "_max_msg_queue_size", "_messages", "_parser", "_pause_transport_reading",
        "_read_bufsize", "_reading_paused", "_resume_transport_reading", "_waiter",
    },
    "BaseRequest": {"_payload_writer"},
    "StreamReader": {"_buffer", "_eof", "_read_nowait_chunk", "_wait"},
    "AppRunner": {"_make_server"},
    "Server": {"_kwargs", "_loop"},
    "Application": {"_router"},
    "web_protocol": {"_ErrInfo"},
}  # fmt: skip
"""By the class or module of aiohttp that has them."""
REPLACED = {"_parser"}
"""What we also set."""
PUBLIC = {"_replace"}
"""Of a named tuple."""


def test_every_private_name_that_we_use_is_listed_here() -> None:
    used = {name for path in USERS for name in foreign_names(ast.parse(path.read_text()))}
    assert used == set[str]().union(*PRIVATE.values())


@pytest.mark.parametrize("owner", PRIVATE)
async def test_aiohttp_has_what_we_use(owner: str) -> None:
    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response()

    loop = asyncio.get_running_loop()
    server = web.Server(handler)
    owners: dict[str, object] = {
        "RequestHandler": server(),
        "BaseRequest": make_mocked_request("GET", "/"),
        "StreamReader": StreamReader(BaseProtocol(loop), 1, loop=loop),
        "AppRunner": web.AppRunner(web.Application()),
        "Server": server,
        "Application": web.Application(),
        "web_protocol": web_protocol,
    }
    assert [name for name in PRIVATE[owner] if not hasattr(owners[owner], name)] == []


def foreign_names(module: ast.Module) -> Iterator[str]:
    """Private names of others: imported, taken from another object, or from a base that another package has."""
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aiohttp"):
            yield from (alias.name for alias in node.names if alias.name.startswith("_"))
        if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own_names(module):
            yield node.attr
        if isinstance(node, ast.Call) and is_super(node.func):
            yield node.func.attr  # an override, which `own_names` takes for our own


def own_names(module: ast.Module) -> set[str]:
    methods = {node.name for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    stored = {
        node.attr
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_self(node.value)
    }
    return methods | (stored - REPLACED)


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC


def is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def is_super(node: ast.AST) -> TypeGuard[ast.Attribute]:
    return (
        isinstance(node, ast.Attribute)
        and is_private(node.attr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "super"
    )
