"""Show why an image was refused, or what its bytes are, and every rule. Extensions of Stillage."""

from aiohttp import web

from stillage.api.http.json_bodies import json_response
from stillage.api.image_v2 import verdict_documents as documents
from stillage.api.services import principal, services
from stillage.images.image import Image
from stillage.images.image_verdict import ImageVerdict

RULES_PAGE = "docs/rules.md"


async def show(request: web.Request) -> web.Response:
    """GET /v2/images/{image_id}/verdict: why the last upload was refused, or what the bytes of the image are."""
    image, verdict = await services(request).verdicts.of(principal(request), request.match_info["image_id"])
    return json_response(_document(image, verdict))


async def rules(request: web.Request) -> web.Response:
    """GET /v2/rules: every rule that an image can break, and which of them refuse none here."""
    document: documents.Rules = {
        "rules": [
            {
                "id": known.rule.id,
                "meaning": known.rule.meaning,
                "fix": known.rule.fix,
                "allowed": known.is_allowed,
                "allowable": known.is_allowable,
                "documentation": RULES_PAGE,
            }
            for known in services(request).verdicts.rules()
        ]
    }
    return json_response(document)


def _document(image: Image, verdict: ImageVerdict) -> documents.ImageVerdict:
    refusal, facts = verdict.refusal or {}, verdict.facts or {}
    found = facts.get("format") or refusal.get("found")
    return {
        "image_id": image.id,
        "accepted": verdict.accepted,
        "message": verdict.message,
        "rule": refusal.get("rule"),
        "offset": refusal.get("offset"),
        "found": found,
        "declared": refusal.get("declared", image.disk_format),
        "fix": refusal.get("fix"),
        "format": found,
        "subformat": facts.get("subformat") or None,
        "virtual_size": facts.get("virtual_size"),
        "size": image.size if verdict.facts is not None else None,
        "details": dict(facts.get("details", {})),
    }
