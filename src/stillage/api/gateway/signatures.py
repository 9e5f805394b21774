"""Verify the signature of a request: of its head, and of its body where that is signed.

A body whose digest is in the head, or that is not signed at all, is still unread when its sender is known: it streams,
and a digest is checked at its end. Any other has to be here first. Handlers read both through `body_of` and
cannot tell.
"""

from collections.abc import AsyncIterator
from hashlib import sha256

from aiohttp import hdrs, web

from stillage.accounts.principal import Principal
from stillage.api import log_context
from stillage.api.http.body import BODY, TARGET, Body, length_of, receive
from stillage.api.services import services
from stillage.errors import SignatureRefused, SignedBodyTooLarge
from stillage.identity.signing.authorization import is_signed
from stillage.identity.signing.canonical import EMPTY_SHA256, Head
from stillage.identity.signing.signature import MAX_BODY
from stillage.operations.identity.signatures import Recognised, Signatures

PROJECT = "X-Project-Id"
BUFFERED = web.RequestKey("buffered", int)


def find_signatures(request: web.Request) -> Signatures | None:
    """Return what verifies *request*; None if it is not signed, or if the deployment has no access keys.

    A token beside a signature is not looked at.
    """
    embedded = services(request).embedded
    given = request.headers.getall(hdrs.AUTHORIZATION, ())
    return embedded.signatures if embedded is not None and any(map(is_signed, given)) else None


async def signer_of(request: web.Request, signatures: Signatures) -> Principal:
    """Return who signed *request*, whose body must not have been touched.

    Raises:
        SignatureRefused: If it is not to be believed.
        SignedBodyTooLarge: Before the body is read, if it says how large it is.
    """
    try:
        return await _signer(request, signatures)
    except SignatureRefused as refused:
        log_context.add(fault=refused.fault)
        raise


async def _signer(request: web.Request, signatures: Signatures) -> Principal:
    address = services(request).addresses.client(request) or ""
    project = request.headers.get(PROJECT)
    found = await signatures.recognise(_head(request), address=address, project=project)
    length = length_of(request)
    if length is not None and length > MAX_BODY:
        raise SignedBodyTooLarge(MAX_BODY)
    if length == 0:
        return await signatures.verify(found, EMPTY_SHA256)
    if found.authorization.digest is None:
        body, digest = await _whole(request)
        request[BODY] = Body(_once(body), len(body))
        return await signatures.verify(found, digest)
    request[BODY] = Body(_checked(request, signatures, found), length)
    return await signatures.verify(found, None)


def forget_body(request: web.Request) -> None:
    """Release the memory of *request*'s body after the answer."""
    services(request).buffers.give_back(request.pop(BUFFERED, 0))


def _head(request: web.Request) -> Head:
    target = request.get(TARGET, request.raw_path)
    host, target = services(request).addresses.as_sent(request, target)
    head = Head.of(request.method, target.encode("utf-8", "surrogateescape"), request.raw_headers)
    return head if host is None else Head(head.method, head.target, {**head.fields, "host": [host.encode()]})


async def _whole(request: web.Request) -> tuple[bytes, str]:
    body, digest = bytearray(), sha256()
    async for piece in _limited(request):
        services(request).buffers.take(len(piece))
        request[BUFFERED] = request.get(BUFFERED, 0) + len(piece)
        body += piece
        digest.update(piece)
    return bytes(body), digest.hexdigest()


async def _checked(request: web.Request, signatures: Signatures, found: Recognised) -> AsyncIterator[bytes]:
    digest = sha256()
    async for piece in _limited(request):
        if found.authorization.signs_body:
            digest.update(piece)
        yield piece
    if found.authorization.signs_body:
        await signatures.require_body(found, digest.hexdigest())


async def _limited(request: web.Request) -> AsyncIterator[bytes]:
    received = 0
    async for piece in receive(request, idle_s=services(request).idle_s):
        received += len(piece)
        if received > MAX_BODY:
            raise SignedBodyTooLarge(MAX_BODY)
        yield piece


async def _once(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body
