"""Each setting of a bucket does what it says with a real server: TLS, addressing, checksums, parts, credentials."""

import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import s3_server
from rude_s3 import RudeS3
from s3_server import ACCESS, SECRET, contents, session, session_with, settings
from stillage.cli.server import certificate
from stillage.errors import StoreRefused
from stillage.spans import Span
from stillage.stores.s3 import parts
from stillage.stores.s3.blobs import S3Store
from stillage.stores.s3.settings import S3Settings
from stores import KEY, MIB, Remembered, put, read_all

PART = 5 * MIB


@cache
def data() -> bytes:
    return os.urandom(2 * PART + 77)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> certificate.Certificate:
    """A certificate of an authority that no machine knows."""
    return certificate.ensure(tmp_path_factory.mktemp("tls"), ["127.0.0.1"])


@pytest.fixture(scope="module")
def tls(authority: certificate.Certificate) -> Iterator[str]:
    """The URL of the server behind TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority.chain, authority.key)
    with RudeS3(s3_server.endpoint(), context).running() as url:
        yield url


@contextmanager
def store_with(chosen: S3Settings, credentials: Any = None) -> Iterator[S3Store]:
    store = S3Store(chosen, credentials, timeout_s=60)
    yield store
    store.close()


async def serves(store: S3Store) -> None:
    """Write and read as a plain and as a resumable upload do, in parts and in one."""
    await store.check()
    await put(store, data())
    assert await read_all(store) == data()
    await store.delete(KEY)
    await put(store, b"small")
    assert await read_all(store) == b"small"
    await store.delete(KEY)
    await resume(store)
    assert await read_all(store) == data()
    await store.delete(KEY)
    assert set(contents(store)) <= {".probe"}


async def resume(store: S3Store) -> None:
    """Write pieces of which the server copies one part, and one passes through here."""
    memory = Remembered()
    await store.begin(KEY)
    for first, end in ((0, PART), (PART, 2 * PART - 9), (2 * PART - 9, len(data()))):
        async with store.partial(KEY, memory.recall, len(data())) as partial:
            await partial.write(first, data()[first:end])
            memory.count(await partial.flush())
    async with store.partial(KEY, memory.recall, len(data())) as partial:
        assert b"".join([block async for block in partial.stream(Span(0, len(data())), MIB)]) == data()
        assert await partial.publish(len(data()))


@pytest.mark.parametrize("checksums", ["when_required", "when_supported"])
@pytest.mark.parametrize("sign_payload", [False, pytest.param(True, marks=pytest.mark.thorough)])
async def test_checksums_and_signed_bytes_work_with_and_without_tls(
    tls: str,
    authority: certificate.Certificate,
    checksums: str,
    sign_payload: bool,
) -> None:
    for url in (s3_server.endpoint(), tls):
        chosen = settings(endpoint=url, ca=authority.authority, checksums=checksums, sign_payload=sign_payload)
        with store_with(chosen, session()) as store:
            await serves(store)


@pytest.mark.parametrize(("checksums", "count"), [("when_required", 0), ("when_supported", 3)])
async def test_an_object_is_completed_with_the_checksums_of_its_parts(checksums: str, count: int) -> None:
    completed: list[bytes] = []
    watched = session_with(ACCESS, SECRET)
    watched.register("before-call.s3.CompleteMultipartUpload", lambda params, **_: completed.append(params["body"]))
    with store_with(settings(checksums=checksums), watched) as store:
        await put(store, data())
    assert [body.count(b"<ChecksumCRC32>") for body in completed] == [count]


async def test_a_certificate_of_another_authority_is_refused_in_a_sentence(tls: str) -> None:
    refused = pytest.raises(StoreRefused, match=r"the certificate of the bucket 'images' at https.* set `ca`")
    with store_with(settings(endpoint=tls), session()) as store, refused:
        await store.check()


async def test_a_file_that_is_no_certificate_is_refused_in_a_sentence(tls: str, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")
    with (
        store_with(settings(endpoint=tls, ca=tmp_path / "ca.pem"), session()) as store,
        pytest.raises(StoreRefused, match="set `ca`"),
    ):
        await store.check()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name below the server's domain is this machine, as its DNS would say."""
    known = socket.getaddrinfo

    def resolve(host: Any, *args: Any, **more: Any) -> Any:
        return known("127.0.0.1" if str(host).endswith(s3_server.DOMAIN) else host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.mark.skipif(s3_server.IS_CEPH, reason="the name that buckets are below is a setting of the server")
@pytest.mark.parametrize(("addressing", "in_path"), [("path", True), ("virtual", False), ("auto", True)])
@pytest.mark.usefixtures("names")
async def test_the_bucket_is_in_the_path_or_in_the_name(addressing: str, in_path: bool) -> None:
    rude = RudeS3(s3_server.endpoint())
    with rude.running() as url:
        chosen = settings(endpoint=url.replace("127.0.0.1", s3_server.DOMAIN), addressing=addressing, redirect=True)
        with store_with(chosen, session()) as store:
            await (store.check() if in_path else serves(store))  # most tests have it in the path
            located = str(await store.locate(KEY, 60))
    assert {" /images" in line for line in rude.asked} == {in_path}
    assert located.startswith(f"http://{'' if in_path else 'images.'}{s3_server.DOMAIN}:")


@pytest.mark.parametrize(("equal_parts", "count"), [(True, 3), (False, 2)])
async def test_equal_parts_do_not_grow_if_the_size_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
    equal_parts: bool,
    count: int,
) -> None:
    monkeypatch.setattr(parts, "GROWING", ((1, 1), (9, 2)))
    rude = RudeS3(s3_server.endpoint())
    with rude.running() as url, store_with(settings(endpoint=url, equal_parts=equal_parts), session()) as store:
        await put(store, data())
        assert await read_all(store) == data()
    assert sum("partNumber" in line for line in rude.asked) == count


async def test_credentials_and_region_come_from_where_botocore_looks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    with store_with(settings()) as store, pytest.raises(StoreRefused, match="there are no credentials"):
        await store.check()
    secrets = tmp_path / ".aws" / "credentials"
    secrets.parent.mkdir()
    secrets.write_text(f"[images]\naws_access_key_id = {ACCESS}\naws_secret_access_key = {SECRET}\n")
    secrets.with_name("config").write_text("[profile images]\nregion = eu-test-7\n")
    monkeypatch.setenv("AWS_PROFILE", "images")
    with store_with(settings(region=None, redirect=True)) as store:
        await store.check()
        assert "%2Feu-test-7%2Fs3%2F" in str(await store.locate(KEY, 60))
    monkeypatch.delenv("AWS_PROFILE")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with store_with(settings(region="eu-test-8", redirect=True)) as store:
        await store.check()
        assert "%2Feu-test-8%2Fs3%2F" in str(await store.locate(KEY, 60))
