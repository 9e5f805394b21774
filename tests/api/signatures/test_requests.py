"""Signed requests, rule by rule."""

from hashlib import sha256
from typing import Any

import pytest

from signing_people import Office, Signing, as_terraform, chunked, new_image, send, send_raw
from stillage.api.http.allowance import Allowance
from stillage.errors import Unavailable
from stillage.identity.signing.authorization import UNSIGNED_PAYLOAD
from stillage.identity.signing.canonical import Head
from stillage.identity.signing.signature import MAX_BODY

OCTETS = "application/octet-stream"
DATA = b"x" * 4096


async def as_terraform_does(erin: Signing, path: str, body: bytes, wire: bytes, **more: str) -> Any:
    """PUT: chunked, no length, the digest of the body in the signature and nowhere else."""
    signed = as_terraform(erin.key, "PUT", f"{erin.url}{path}", body, erin.clock())
    headers = {"Content-Type": OCTETS, "Transfer-Encoding": "chunked", **more, **signed}
    return await send(erin.url, "PUT", path, headers, wire)


async def test_a_signature_opens_what_its_users_token_opens(erin: Signing) -> None:
    image_id = await new_image(erin)
    assert (await erin("GET", f"/v2/images/{image_id}")).json["name"] == "disk"
    assert [image["id"] for image in (await erin("GET", "/v2/images?name=disk&limit=2")).json["images"]] == [image_id]
    assert (await erin("PUT", f"/v2/images/{image_id}/tags/a%20b%C3%BC")).status == 204
    assert (await erin("DELETE", f"/v2/images/{image_id}")).status == 204


async def test_the_signature_decides_where_there_is_a_token_as_well(office: Office, erin: Signing) -> None:
    token = await office.token()
    assert (await erin("GET", "/v2/images", X_Auth_Token="gst1-nonsense")).status == 200
    refused = await erin.with_secret("another")("GET", "/v2/images", X_Auth_Token=token)
    assert refused.status == 401
    other = await send(office.url, "GET", "/v2/images", {"X-Auth-Token": token, "Authorization": "Bearer x"})
    assert other.status == 200


async def test_a_refusal_has_the_shape_of_the_gateway_and_shows_what_was_expected(erin: Signing) -> None:
    refused = await erin.with_secret("another")("GET", "/v2/images?limit=1")
    assert refused.status == 401
    assert refused.json.keys() == {"error_msg", "error_code", "request_id", "stillage_code"}
    assert refused.json["error_code"] == "APIGW.0301"
    assert refused.json["stillage_code"] == "signature_refused"
    assert "canonicalRequest:GET|/v2/images/|limit=1|content-type:application/json|" in refused.json["error_msg"]
    assert refused.headers["x-request-id"] == refused.json["request_id"]


async def test_the_clock_may_differ_by_900_seconds(office: Office, erin: Signing) -> None:
    given = {"Content-Type": "application/json"}
    sent = given | erin.headers("GET", "/v2/images", sha256(b"").hexdigest(), given)
    statuses = []
    for seconds in (900, 1, -1802, 1):
        office.clock.advance(seconds)
        statuses.append((await send(office.url, "GET", "/v2/images", sent)).status)
    assert statuses == [200, 401, 401, 200]


async def test_the_same_request_is_good_twice(office: Office, erin: Signing) -> None:
    sent = erin.headers("GET", "/v2/images", sha256(b"").hexdigest(), {})
    assert [(await send(office.url, "GET", "/v2/images", sent)).status for _ in range(2)] == [200, 200]


async def test_five_failures_in_a_row_lock_a_key_for_five_minutes(office: Office, erin: Signing) -> None:
    liar = erin.with_secret("another")
    for _ in range(4):
        assert "canonicalRequest" in (await liar("GET", "/v2/images")).json["error_msg"]
        office.clock.advance(10)
    assert (await erin("GET", "/v2/images")).status == 200
    for _ in range(5):
        assert "canonicalRequest" in (await liar("GET", "/v2/images")).json["error_msg"]
        office.clock.advance(10)
    office.clock.advance(280)
    locked = await erin("GET", "/v2/images")
    assert (locked.status, locked.json["error_code"]) == (401, "APIGW.0301")
    assert locked.json["error_msg"].endswith("AK access failed to reach the limit,forbidden")
    office.clock.advance(10)
    assert (await erin("GET", "/v2/images")).status == 200


async def test_a_locked_key_locks_out_its_address_only(office: Office, erin: Signing) -> None:
    head = {"Content-Type": "application/json"}
    liar = erin.with_secret("another")
    for _ in range(5):
        await liar("GET", "/v2/images")
    sent = erin.headers("GET", "/v2/images", sha256(b"").hexdigest(), head)
    signatures = office.identity.signatures
    pairs = [(name.encode(), value.encode()) for name, value in (head | sent).items()]
    host = erin.url.removeprefix("http://").encode()
    known = await signatures.recognise(
        Head.of("GET", b"/v2/images", [(b"Host", host), *pairs]), address="192.0.2.7", project=None
    )
    assert (await signatures.verify(known, sha256(b"").hexdigest())).user_name == "erin"


async def test_an_unknown_key_is_named_and_a_disabled_one_is_as_unknown(office: Office, erin: Signing) -> None:
    await office.identity.access_keys.set_enabled(erin.key.access, enabled=False)
    refused = await erin("GET", "/v2/images")
    assert refused.json["error_msg"].endswith(f"Get secretKey failed,ak:{erin.key.access},err:ak not exist")
    await office.identity.access_keys.set_enabled(erin.key.access, enabled=True)
    assert (await erin("GET", "/v2/images")).status == 200
    await office.accounts.set_user_enabled("erin", enabled=False)
    assert (await erin("GET", "/v2/images")).status == 401
    await office.accounts.set_user_enabled("erin", enabled=True)
    await office.identity.access_keys.remove(erin.key.access)
    assert (await erin("GET", "/v2/images")).status == 401


async def test_the_project_is_the_headers_or_the_keys_or_the_users(office: Office, erin: Signing) -> None:
    await office.accounts.grant("works", "erin", "reader")
    works, lab = await office.id_of("works"), await office.id_of("lab")
    assert (await erin("POST", "/v2/images", {"name": "a"})).json["owner"] == lab
    assert (await erin("POST", "/v2/images", {"name": "a"}, X_Domain_Id="default")).json["owner"] == lab
    assert (await erin("POST", "/v2/images", {"name": "a"}, X_Project_Id=works)).status == 403
    await office.accounts.grant("works", "erin", "member")
    other = await office.signing(project="works")
    assert (await other("POST", "/v2/images", {"name": "a"})).json["owner"] == works


async def test_a_project_without_a_role_is_refused_like_one_that_is_not_there(office: Office, erin: Signing) -> None:
    closed = await office.id_of("closed")
    answers = [await erin("GET", "/v2/images", X_Project_Id=project) for project in (closed, "0" * 32, "a\tb")]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.json["error_msg"] for answer in answers}) == 1
    await office.accounts.set_project_enabled("lab", enabled=False)
    assert (await erin("GET", "/v2/images")).status == 401


async def test_a_project_header_that_is_not_signed_chooses_no_project(office: Office, erin: Signing) -> None:
    await office.accounts.grant("works", "erin", "admin")
    works, lab, closed = [await office.id_of(name) for name in ("works", "lab", "closed")]
    sent = erin.headers("GET", "/v2/images", sha256(b"").hexdigest(), {})
    for project in (works, closed, "0" * 32, "", "a\tb"):
        refused = await send(office.url, "GET", "/v2/images", {**sent, "X-Project-Id": project})
        assert refused.status == 401, project
        assert "SignedHeaders" in refused.json["error_msg"]
    # Terraform adds it after signing; it changes nothing where it names the project that the key is for.
    assert (await send(office.url, "GET", "/v2/images", {**sent, "X-Project-Id": lab})).status == 200
    assert (await send(office.url, "GET", "/v2/images", {**sent, "X-Domain-Id": works})).status == 200
    assert (await erin("GET", "/v2/images", X_Project_Id=works)).status == 200


async def test_an_unsigned_project_says_nothing_to_who_does_not_have_the_secret(office: Office, erin: Signing) -> None:
    liar = erin.with_secret("another")
    sent = liar.headers("GET", "/v2/images", sha256(b"").hexdigest(), {})
    for project in (await office.id_of("lab"), await office.id_of("works")):
        refused = await send(office.url, "GET", "/v2/images", {**sent, "X-Project-Id": project})
        assert "canonicalRequest" in refused.json["error_msg"]


async def test_a_temporary_pair_is_good_with_its_token_and_for_its_time(office: Office, erin: Signing) -> None:
    temporary = await office.temporary()
    assert (await temporary("GET", "/v2/images")).status == 200
    without = erin.headers("GET", "/v2/images", sha256(b"").hexdigest(), {})
    assert without.keys() == {"X-Sdk-Date", "X-Sdk-Content-Sha256", "Authorization"}
    forged = as_terraform(temporary.key, "GET", f"{office.url}/v2/images", b"", office.clock())
    for token, status in ((None, 401), ("gss1-other", 401), (temporary.key.security_token, 200)):
        headers = forged if token is None else {**forged, "X-Security-Token": token}
        assert (await send(office.url, "GET", "/v2/images", headers)).status == status
    office.clock.advance(900)
    expired = await temporary("GET", "/v2/images")
    assert expired.json["error_msg"].endswith("calc ak sk signature fail:signature expired")


async def test_a_temporary_pair_opens_its_own_project_only(office: Office) -> None:
    await office.accounts.grant("works", "erin", "member")
    temporary = await office.temporary()
    assert (await temporary("GET", "/v2/images", X_Project_Id=await office.id_of("lab"))).status == 200
    assert (await temporary("GET", "/v2/images", X_Project_Id=await office.id_of("works"))).status == 401


@pytest.mark.parametrize("payload", [None, UNSIGNED_PAYLOAD])
async def test_an_upload_streams_with_a_digest_or_unsigned(erin: Signing, payload: str | None) -> None:
    image_id = await new_image(erin)
    stored = await erin("PUT", f"/v2/images/{image_id}/file", DATA, payload=payload, Content_Type=OCTETS)
    assert stored.status == 204, stored.body
    assert (await erin("GET", f"/v2/images/{image_id}/file")).body == DATA


async def test_an_upload_whose_digest_lies_leaves_its_image_queued(erin: Signing) -> None:
    image_id = await new_image(erin)
    path, lie = f"/v2/images/{image_id}/file", sha256(b"other").hexdigest()
    refused = await erin("PUT", path, DATA, payload=lie, Content_Type=OCTETS)
    assert (refused.status, refused.json["error_code"]) == (401, "APIGW.0301")
    shown = (await erin("GET", f"/v2/images/{image_id}")).json
    assert shown["status"] == "queued"
    assert "verify aksk signature fail" in shown["os_stillage_reason"]
    assert (await erin("PUT", path, DATA, Content_Type=OCTETS)).status == 204


async def test_an_upload_as_terraform_sends_it_is_stored(erin: Signing) -> None:
    image_id = await new_image(erin)
    path = f"/v2/images/{image_id}/file"
    refused = await as_terraform_does(erin, path, DATA, chunked(DATA[:1000], DATA[1001:]))
    assert refused.status == 401
    assert (await erin("GET", f"/v2/images/{image_id}")).json["status"] == "queued"
    stored = await as_terraform_does(erin, path, DATA, chunked(DATA[:1000], DATA[1000:]))
    assert stored.status == 204, stored.body
    assert (await erin("GET", f"/v2/images/{image_id}/file")).body == DATA


async def test_as_much_as_may_be_is_buffered_and_one_byte_more_is_refused(office: Office, erin: Signing) -> None:
    image_id = await new_image(erin)
    path, most = f"/v2/images/{image_id}/file", bytes(MAX_BODY)
    refused = await as_terraform_does(erin, path, most + b"x", chunked(most, b"x"))
    assert (refused.status, refused.json["error_code"]) == (413, "APIGW.0201")
    assert "X-Auth-Token" in refused.json["error_msg"]
    assert (await as_terraform_does(erin, path, most, chunked(most))).status == 204
    whole = office.services.buffers
    whole.take(240 << 20)  # all of it has been given back
    whole.give_back(240 << 20)


async def test_a_body_that_is_too_long_by_its_length_is_refused_unread(erin: Signing) -> None:
    path = "/v2/images/0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a11/file"
    for payload in (UNSIGNED_PAYLOAD, sha256(b"").hexdigest()):
        given = {"Content-Type": OCTETS}
        sent = given | erin.headers("PUT", path, payload, given)
        length = [("Host", erin.url.removeprefix("http://")), ("Content-Length", str(MAX_BODY + 1))]
        refused = await send_raw(erin.url, "PUT", path, [*length, *sent.items()])
        assert (refused.status, refused.json["error_code"]) == (413, "APIGW.0201")


async def test_changed_json_is_refused_before_anything_is_made_of_it(office: Office, erin: Signing) -> None:
    headers = {"Content-Type": "application/json"}
    signed = as_terraform(erin.key, "POST", f"{office.url}/v2/images", b'{"name": "aa"}', office.clock())
    answer = await send(office.url, "POST", "/v2/images", {**headers, **signed}, b'{"name": "ab"}')
    assert answer.status == 401
    assert (await erin("GET", "/v2/images")).json["images"] == []


async def test_identity_routes_that_clients_sign(office: Office, erin: Signing) -> None:
    found = (await erin("GET", "/v3/projects?name=lab")).json["projects"]
    assert [project["name"] for project in found] == ["lab"]
    assert (await erin("GET", "/v3/auth/domains?name=Default")).json["domains"][0]["id"] == "default"
    assert {entry["type"] for entry in (await erin("GET", "/v3/auth/catalog")).json["catalog"]} >= {"image"}
    assert [project["name"] for project in (await erin("GET", "/identity/v3/auth/projects")).json["projects"]] == [
        "lab"
    ]
    refused = await erin.with_secret("another")("GET", "/v3/projects")
    assert (refused.status, refused.json["error_code"]) == (401, "APIGW.0301")


async def test_a_user_without_a_project_finds_his_projects_and_opens_no_image(office: Office) -> None:
    paul = await office.signing("paul")
    assert (await paul("GET", "/v3/auth/projects")).json["projects"] == []
    assert (await paul("GET", "/v2/images")).status == 401


async def test_no_secret_is_written_anywhere(office: Office, erin: Signing, capsys: pytest.CaptureFixture[str]) -> None:
    temporary = await office.temporary()
    answers = [
        await erin.with_secret("another")("GET", "/v2/images"),
        await temporary.with_secret("another")("GET", "/v2/images"),
        await temporary("GET", "/v2/images"),
    ]
    written = capsys.readouterr().out + "".join(answer.body.decode() for answer in answers)
    for secret in (erin.key.secret, temporary.key.secret, temporary.key.security_token):
        assert str(secret) not in written


def test_memory_for_bodies_of_unknown_clients_is_limited() -> None:
    allowance = Allowance(10)
    allowance.take(6)
    with pytest.raises(Unavailable):
        allowance.take(5)
    allowance.give_back(6)
    allowance.take(10)
