"""Stillage with the tokens of a real Keystone: they end, are revoked, and Keystone itself goes and comes back."""

import select
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from real_keystone import SERVICE_PASSWORD, RealKeystone
from rude import Rude, request
from server import Answer, Server, eventually

# One Keystone for all of them: starting it takes seconds.
pytestmark = [pytest.mark.xdist_group("keystone"), pytest.mark.thorough]

LIST = "/v2/images"
RAW = {"disk_format": "raw", "container_format": "bare"}


@pytest.fixture(scope="module")
def keystone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKeystone]:
    made = RealKeystone(tmp_path_factory.mktemp("keystone"))
    try:
        yield made
    finally:
        made.close()


Serve = Callable[..., Server]


@pytest.fixture(scope="module")
def serve(keystone: RealKeystone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """``serve(keystone_cache_s=0)``: a running server with these settings; the same one for the same settings."""
    running: dict[object, Server] = {}

    def get(**settings: object) -> Server:
        key = tuple(sorted(settings.items()))
        if key not in running:
            by_password = {"keystone_username": "stillage", "keystone_secret": SERVICE_PASSWORD}
            given = {"keystone_url": keystone.url} | (settings if "keystone_secret" in settings else by_password)
            running[key] = Server(tmp_path_factory.mktemp("home"), **given | settings).start()  # type: ignore[arg-type]
        return running[key]

    yield get
    for server in running.values():
        server.close()


@pytest.fixture(scope="module")
def remembering(serve: Serve) -> Server:
    """As it is by default."""
    return serve()


@pytest.fixture(scope="module")
def forgetful(serve: Serve) -> Server:
    """Asks Keystone every time."""
    return serve(keystone_cache_s=0)


def ask(server: Server, token: str, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.call("GET", LIST, headers={"X-Auth-Token": token, **named})


def create(server: Server, token: str) -> str:
    answer = server.call("POST", LIST, RAW, headers={"X-Auth-Token": token})
    assert answer.status == 201, answer.body
    return str(answer.json["id"])


def show(server: Server, token: str, image_id: str) -> Answer:
    return server.call("GET", f"{LIST}/{image_id}", headers={"X-Auth-Token": token})


def logins(server: Server) -> int:
    return sum(event["event"] == "logged in to Keystone" for event in server.events)


def upload_head(image_id: str, token: str, length: int) -> bytes:
    return request(
        "PUT",
        f"{LIST}/{image_id}/file",
        x_auth_token=token,
        content_type="application/octet-stream",
        content_length=str(length),
    )


def test_a_user_of_keystone_stores_an_image(remembering: Server, keystone: RealKeystone) -> None:
    token = keystone.token("erin", "lab")
    image_id = create(remembering, token)
    headers = {"X-Auth-Token": token, "Content-Type": "application/octet-stream"}
    assert remembering.call("PUT", f"{LIST}/{image_id}/file", b"x" * 5000, headers=headers).status == 204
    image = show(remembering, token, image_id).json
    assert (image["status"], image["size"]) == ("active", 5000)
    assert show(remembering, keystone.admin, image_id).status == 200  # an admin sees all
    nova = keystone.token("nova", "service")
    assert show(remembering, nova, image_id).status == 404
    assert not (remembering.data_folder / "clouds.yaml").exists()


def test_a_bad_token_is_a_401_that_points_to_keystone(remembering: Server, keystone: RealKeystone) -> None:
    good = keystone.token("erin", "lab")
    for token in ("x", good[:-5] + "AAAAA", "A" * 8000, keystone.token("erin")):
        answer = ask(remembering, token)
        assert answer.status == 401, token
        assert answer.headers["www-authenticate"] == f'Keystone uri="{keystone.url}/v3"'


def test_a_token_that_ends_in_the_middle_of_an_upload_changes_nothing(
    remembering: Server, keystone: RealKeystone
) -> None:
    longer = keystone.token("erin", "lab")
    image_id = create(remembering, longer)
    data = b"y" * 300_000

    def begun(lives_s: float) -> tuple[Rude, str]:
        """Begin with a token, which may end too soon where everything takes long: then with one that lives longer."""
        token = keystone.short_token("erin", "lab", lives_s)
        client = Rude(remembering)
        client.send_as_far_as_taken(upload_head(image_id, token, len(data)) + data[:100_000])
        while show(remembering, longer, image_id).json["status"] != "saving":
            if select.select([client.socket], [], [], 0.01)[0]:
                assert client.answer().status == 401
                client.close()
                return begun(2 * lives_s)
        return client, token

    client, token = begun(3)
    with client:
        keystone.await_end(token)
        assert ask(remembering, token).status == 401
        client.send(data[100_000:])
        assert client.answer().status == 204
    assert show(remembering, longer, image_id).json["status"] == "active"


def test_a_token_that_is_revoked_in_the_middle_of_an_upload_changes_nothing(
    forgetful: Server, keystone: RealKeystone
) -> None:
    token, other = keystone.token("erin", "lab"), keystone.token("erin", "lab")
    image_id = create(forgetful, other)
    with Rude(forgetful) as client:
        client.send(upload_head(image_id, token, 2000), b"z" * 1000)
        eventually(lambda: show(forgetful, other, image_id).json["status"] == "saving", "the upload has begun")
        keystone.revoke(token)
        assert ask(forgetful, token).status == 401
        client.send(b"z" * 1000)
        assert client.answer().status == 204


def test_a_revoked_token_works_as_long_as_it_is_remembered(serve: Serve, keystone: RealKeystone) -> None:
    remembering, short = serve(), serve(keystone_cache_s=2)
    token = keystone.token("erin", "lab")
    assert ask(remembering, token).status == ask(short, token).status == 200
    keystone.revoke(token)
    assert ask(remembering, token).status == 200
    eventually(lambda: ask(short, token).status == 401, "the answer about the token is old")
    assert ask(remembering, token).status == 200


def test_while_keystone_is_away_known_tokens_go_on_and_others_are_a_503(
    remembering: Server, keystone: RealKeystone
) -> None:
    known, new = keystone.token("erin", "lab"), keystone.token("erin", "lab")
    image_id = create(remembering, known)
    keystone.stop()
    try:
        headers = {"X-Auth-Token": known, "Content-Type": "application/octet-stream"}
        assert remembering.call("PUT", f"{LIST}/{image_id}/file", b"x" * 100, headers=headers).status == 204
        answer = ask(remembering, new)
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0
        assert "cannot reach Keystone" in answer.message
    finally:
        keystone.start()
    assert ask(remembering, new).status == 200
    assert ask(remembering, known).status == 200


def test_a_keystone_that_hangs_is_a_503(serve: Serve, keystone: RealKeystone) -> None:
    server = serve(keystone_cache_s=0, keystone_timeout_s=0.3)
    token = keystone.token("erin", "lab")
    keystone.stop()
    try:
        with socket.create_server(("127.0.0.1", keystone.port)):  # accepts, and says nothing
            answer = ask(server, token)
    finally:
        keystone.start()
    assert answer.status == 503
    assert "in time" in answer.message


def test_a_service_user_whose_token_was_ended_logs_in_again(forgetful: Server, keystone: RealKeystone) -> None:
    token = keystone.token("erin", "lab")
    assert ask(forgetful, token).status == 200
    eventually(lambda: logins(forgetful), "the log tells of a login")
    before = logins(forgetful)
    keystone.end_tokens_of("stillage")
    assert ask(forgetful, token).status == 200
    assert ask(forgetful, token).status == 200
    eventually(lambda: logins(forgetful) == before + 1, "the log tells of one more")


def test_a_service_user_whose_own_token_ends_logs_in_again(serve: Serve, keystone: RealKeystone) -> None:
    token, credential = keystone.token("erin", "lab"), keystone.credential("stillage", "service")
    keystone.stop()
    keystone.start(tokens_live_s=4)  # all requests of a login fit in
    try:
        server = serve(
            keystone_cache_s=0, keystone_credential_id=credential["id"], keystone_secret=credential["secret"]
        )
        eventually(lambda: ask(server, token).status == 200 and logins(server) > 2, "our own token has ended twice")
        assert {event["status"] for event in server.events if event["event"] == "request"} == {200}
    finally:
        keystone.stop()
        keystone.start()


def test_a_service_user_that_keystone_does_not_know_is_a_503_and_loud(serve: Serve, keystone: RealKeystone) -> None:
    server = serve(keystone_username="stillage", keystone_secret="wrong-secret")
    answer = ask(server, keystone.token("erin", "lab"))
    assert answer.status == 503
    eventually(lambda: "Keystone refuses the login" in server.log, "the log is loud")
    assert "wrong-secret" not in server.log


def test_a_service_goes_on_with_a_token_that_ended(remembering: Server, keystone: RealKeystone) -> None:
    nova, erin = keystone.token("nova", "service"), keystone.token("erin", "lab")
    token = keystone.short_token("erin", "lab", lives_s=2)
    keystone.await_end(token)
    assert ask(remembering, token).status == 401
    assert ask(remembering, token, x_service_token=nova).status == 200
    assert ask(remembering, token, x_service_token=erin).status == 401
    assert ask(remembering, erin, x_service_token=erin).status == 401
    assert ask(remembering, token).status == 401


def test_a_token_with_access_rules_is_refused_by_keystone_itself(forgetful: Server, keystone: RealKeystone) -> None:
    rules = [{"service": "image", "method": "GET", "path": "/v2/images"}]
    limited = keystone.token_of(keystone.credential("erin", "lab", access_rules=rules))
    assert ask(forgetful, limited).status == 401
    assert ask(forgetful, keystone.token_of(keystone.credential("erin", "lab"))).status == 200


def test_forged_headers_give_nothing(forgetful: Server, keystone: RealKeystone, tmp_path: Path) -> None:
    hidden = create(forgetful, keystone.admin)
    forged = {"X-Identity-Status": "Confirmed", "X-Roles": "admin", "X-Project-Id": "x", "X-User-Id": "x"}
    token = keystone.token("erin", "lab")
    path = f"{LIST}/{hidden}"
    assert forgetful.call("GET", path, headers=forged).status == 401
    assert forgetful.call("GET", path, headers={"X-Auth-Token": token, **forged}).status == 404
