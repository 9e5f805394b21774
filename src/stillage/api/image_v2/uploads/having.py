"""Pieces that the server has already: a client lists their digests, and sends only what is missing.

Source: docs/resumable.md, "Pieces that the server already has".
"""

import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from stillage.api.http.json_bodies import json_object, json_response
from stillage.api.http.time_limits import let_take_long
from stillage.api.image_v2.uploads import documents
from stillage.api.image_v2.uploads.pieces import answer_to
from stillage.api.image_v2.uploads.shape import ranges_of
from stillage.api.image_v2.uploads.upload_request import upload_of
from stillage.api.services import PRINCIPAL, services
from stillage.errors import InvalidInput
from stillage.formats.piece_digests import LENGTH, MOST_LISTED, PIECE, PieceList
from stillage.images.upload import Upload
from stillage.operations.resumable.having import Found

MEMBERS = frozenset({"first", "digests", "nonce", "proof"})


async def have(request: web.Request) -> web.Response:
    """POST /v2/images/{image_id}/uploads/{upload}/have: which pieces are missing; with a proof, take the others."""
    upload = await upload_of(request)
    document = await json_object(request)
    if unknown := sorted(set(document) - MEMBERS):
        raise InvalidInput(f"unknown member {unknown[0][:32]!r}; use {', '.join(sorted(MEMBERS))}")
    pieces, nonce = _pieces(document, upload.size), document.get("nonce")
    if nonce is None and "proof" not in document:
        return _answer(await services(request).uploads.having.find(upload, pieces, request.get(PRINCIPAL)))
    return await _take(request, upload, pieces, nonce, _proof(document))


async def _take(
    request: web.Request, upload: Upload, pieces: PieceList, nonce: Any, proof: Sequence[str]
) -> web.Response:
    if not isinstance(nonce, str):
        raise InvalidInput("proof needs nonce, the string that the answer to these digests had")
    let_take_long(request)  # gigabytes may have to be copied
    with services(request).metrics.piece() as ended:
        having = services(request).uploads.having
        progress = await having.take(upload, pieces, nonce, proof, request.get(PRINCIPAL))
        if progress.image is not None:
            ended("stored")
    return await answer_to(request, progress)


def _answer(found: Found) -> web.Response:
    document: documents.Missing = {"piece_size": PIECE, "missing": ranges_of(found.missing)}
    if found.proof is not None:
        document["proof"] = {"nonce": found.proof.nonce, "ranges": ranges_of(found.proof.ranges)}
    return json_response(document, headers={"Cache-Control": "no-store"})


def _pieces(document: Mapping[str, Any], size: int | None) -> PieceList:
    first, text = document.get("first", 0), document.get("digests")
    if not isinstance(first, int) or isinstance(first, bool) or first < 0:
        raise InvalidInput(f"first must be the number of a piece, not {str(first)[:32]!r}")
    packed = _decoded(text) if isinstance(text, str) else b""
    if not packed or len(packed) % LENGTH or len(packed) > MOST_LISTED * LENGTH:
        raise InvalidInput(
            f"digests must be the base64 of 1 to {MOST_LISTED} SHA-256 digests, {LENGTH} bytes each, one after another"
        )
    return PieceList(first, packed, size or 0)


def _decoded(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except ValueError:  # also UnicodeEncodeError and binascii.Error
        return b""


def _proof(document: Mapping[str, Any]) -> Sequence[str]:
    proof = document.get("proof")
    if not isinstance(proof, list) or not all(isinstance(digest, str) for digest in proof):
        raise InvalidInput("nonce needs proof, a list of hex strings, one for each range")
    return proof
