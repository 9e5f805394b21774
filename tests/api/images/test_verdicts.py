"""The verdict on an image, kept after its upload, and the rules that there are."""

from typing import Any

import pytest

from image_api import Person, Town
from protocols import queued
from samples import load
from server import Answer
from stillage.formats.registry import rules

PLAIN = {"disk_format": "qcow2", "container_format": "bare"}
NOT_QCOW2 = b"#!/bin/sh\n" * 100


async def verdict(person: Person, image_id: str) -> dict[str, Any]:
    answer = await person("GET", f"/v2/images/{image_id}/verdict")
    assert answer.status == 200, answer.body
    document: dict[str, Any] = answer.json
    return document


async def sent_at_once(person: Person, image_id: str, data: bytes) -> Answer:
    return await person.upload(image_id, data)


async def sent_in_pieces(person: Person, image_id: str, data: bytes) -> Answer:
    opened = (await person("POST", f"/v2/images/{image_id}/uploads", {"size": len(data)})).json
    sent = f"bytes 0-{len(data) - 1}/{len(data)}"
    return await person("PUT", opened["url"], data, content_range=sent)


@pytest.mark.parametrize("send", [sent_at_once, sent_in_pieces])
async def test_why_bytes_were_refused_is_kept_until_others_are_accepted(erin: Person, rita: Person, send: Any) -> None:
    image_id = (await erin.create(**PLAIN))["id"]
    nothing = await verdict(erin, image_id)
    assert (nothing["accepted"], nothing["message"], nothing["format"]) == (None, None, None)
    refusal = (await send(erin, image_id, NOT_QCOW2)).json["error"]
    refused = await verdict(rita, image_id)
    assert (refused["accepted"], refused["rule"], refused["declared"]) == (False, refusal["rule"], "qcow2")
    assert (await erin.show(image_id))["os_stillage_reason"].startswith(refused["message"])
    assert (refused["found"], refused["size"]) == (refusal.get("found"), None)
    assert (await send(erin, image_id, load("qcow2-v3-plain.qcow2"))).status == 204
    accepted = await verdict(rita, image_id)
    assert (accepted["accepted"], accepted["rule"], accepted["message"]) == (True, None, None)
    assert accepted["format"] == accepted["found"] == "qcow2"
    image = await erin.show(image_id)
    assert (accepted["virtual_size"], accepted["size"]) == (image["virtual_size"], image["size"])
    assert accepted["details"]


async def test_an_upload_that_breaks_off_later_is_no_verdict(erin: Person) -> None:
    image_id = (await erin.create(**PLAIN))["id"]
    assert (await erin.upload(image_id, NOT_QCOW2)).status == 415
    opened = (await erin("POST", f"/v2/images/{image_id}/uploads", {"size": 10})).json
    assert (await verdict(erin, image_id))["accepted"] is None
    await erin("DELETE", opened["url"])
    broken_off = await verdict(erin, image_id)
    assert (broken_off["accepted"], broken_off["rule"]) == (None, None)
    assert "abandoned" in broken_off["message"]


async def test_who_may_not_see_an_image_learns_of_no_verdict(erin: Person, olga: Person) -> None:
    image_id = await queued(erin)
    assert (await olga("GET", f"/v2/images/{image_id}/verdict")).status == 404


async def test_every_rule_is_listed_with_what_is_done_about_it_here(serve: Any) -> None:
    async with serve(allowed_rules="qcow2.dirty") as town:
        assert isinstance(town, Town)
        listed = {rule["id"]: rule for rule in (await town.person()("GET", "/v2/rules")).json["rules"]}
    assert list(listed) == [rule.id for rule in rules()]
    assert [name for name, rule in listed.items() if rule["allowed"]] == ["qcow2.dirty"]
    dirty, backed = listed["qcow2.dirty"], listed["format.ambiguous"]
    assert (dirty["allowable"], backed["allowable"]) == (True, False)
    assert all(rule["meaning"] for rule in listed.values())
