"""Send the disk inside an image, raw or in another format; say what is on it."""

from aiohttp import hdrs, web

from stillage.api.http.json_bodies import json_response
from stillage.api.http.sending import send_chunks, send_pieces
from stillage.api.http.time_limits import let_take_long
from stillage.api.image_v2 import documents
from stillage.api.image_v2.ranges import Part, part_of, precondition_status
from stillage.api.image_v2.upload_headers import OCTETS
from stillage.api.services import principal, services
from stillage.errors import InvalidInput
from stillage.formats.file_systems import FileSystem
from stillage.formats.packing.outputs import Output
from stillage.images.image import Image
from stillage.operations.disks.view import OpenView
from stillage.operations.disks.wanted import RAW, Wanted, wanted_of

# An image may be a web page with a script. Browsers must save it and run none of it in our origin. It gets no file
# name, because names are tenants' text as well. Every response has nosniff (`api.middleware`).
HARMLESS = {
    "Content-Disposition": "attachment",
    "Content-Security-Policy": "sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
}
DEFAULT_CELLS, MOST_CELLS = 100, 4096
CONVERSION = ("disk_format", "subformat", "compression")


async def disk(request: web.Request) -> web.StreamResponse:
    """GET and HEAD /v2/images/{image_id}/disk: the disk inside the image as a raw file, or one range of it.

    QEMU, nbdkit and other programs can use it as a disk of their own.
    """
    image = await services(request).download.describe(principal(request), request.match_info["image_id"])
    return await send_as(request, image, RAW)


async def data_map(request: web.Request) -> web.Response:
    """GET /v2/images/{image_id}/map: how much of each part of the disk, and of its file, holds data."""
    cells = _cells(request)
    image = await services(request).download.describe(principal(request), request.match_info["image_id"])
    found = await services(request).contents.map(principal(request), image, cells)
    file = found.file
    document: documents.DataMap = {
        "size": found.size,
        "data": found.data,
        "cells": list(found.cells),
        "file": {
            "size": file.size,
            "data": list(file.data),
            "compressed": list(file.compressed),
            "holes": list(file.holes),
        },
    }
    return json_response(document)


async def layout(request: web.Request) -> web.Response:
    """GET /v2/images/{image_id}/layout: partitions of the disk, and the file systems that their first bytes show."""
    image = await services(request).download.describe(principal(request), request.match_info["image_id"])
    found = await services(request).contents.layout(principal(request), image)
    document: documents.Layout = {
        "size": found.size,
        "table": found.table or None,
        **_shown(found.file_system),
        "partitions": [
            {
                "number": partition.number,
                "first": partition.first,
                "length": partition.length,
                "type": partition.kind,
                "name": partition.name,
                **_shown(file_system),
            }
            for partition, file_system in found.partitions
        ],
    }
    return json_response(document)


def _cells(request: web.Request) -> int:
    given = request.query.get("cells", str(DEFAULT_CELLS))
    if not given.isascii() or not given.isdigit() or len(given) > 4 or not 1 <= int(given) <= MOST_CELLS:
        raise InvalidInput(f"cells must be a number from 1 to {MOST_CELLS}, not {given[:32]!r}")
    return int(given)


def _shown(found: FileSystem | None) -> documents.Contained:
    return {"file_system": found.name if found else None, "label": found.label if found else ""}


def is_conversion(request: web.Request) -> bool:
    """Whether a download asks for another format than the stored one."""
    return any(name in request.query for name in CONVERSION)


def wanted_by(request: web.Request) -> Wanted:
    """Return what a download asks for.

    Raises:
        InvalidInput: If the parameters name nothing that exists.
        FormatNotAvailable: If a download cannot be in that format.
    """
    for name in CONVERSION:
        if len(request.query.getall(name, [])) > 1:
            raise InvalidInput(f"{name} is given twice; give it once")
    if "disk_format" not in request.query:
        raise InvalidInput("subformat and compression need disk_format beside them")
    query = request.query
    return wanted_of(query["disk_format"], query.get("subformat"), query.get("compression"))


async def send_as(request: web.Request, image: Image, wanted: Wanted) -> web.StreamResponse:
    """Send *image* converted to what is *wanted*, whole or one range of it."""
    if wanted.packing is not None:
        return await _send_packed(request, image, wanted.packing)
    etag = wanted.etag_of(image)
    headers = {"ETag": etag, "Accept-Ranges": "bytes", **HARMLESS}
    if (status := precondition_status(request, etag)) is not None:
        return web.Response(status=status, headers=headers)
    async with services(request).views.open(principal(request), image, wanted) as view:
        part = part_of(request, view.size, etag)
        response = web.StreamResponse(status=200 if part.whole else 206, headers=headers | part.headers(view.size))
        if request.method == hdrs.METH_HEAD:
            await response.prepare(request)
            return response
        await _send(request, response, view, part)
    services(request).metrics.sent.inc(part.length)
    await response.write_eof()
    return response


async def _send(request: web.Request, response: web.StreamResponse, view: OpenView, part: Part) -> None:
    async with view.reading(part.first, part.length) as batches:
        let_take_long(request)
        await response.prepare(request)
        await send_chunks(request, response, view.blob, batches, part.length)


async def _send_packed(request: web.Request, image: Image, output: Output) -> web.StreamResponse:
    """Send *image* compressed while it is made: nobody knows how long it is, or whether it is the same next time."""
    headers = {"Accept-Ranges": "none", "Content-Type": OCTETS, **HARMLESS}
    response = web.StreamResponse(headers=headers)
    response.enable_chunked_encoding()
    async with services(request).packed_downloads.open(principal(request), image, output) as pieces:
        let_take_long(request)
        await response.prepare(request)
        if request.method == hdrs.METH_HEAD:
            return response
        sent = await send_pieces(request, response, pieces)
    services(request).metrics.sent.inc(sent)
    await response.write_eof()
    return response
