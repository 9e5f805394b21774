import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from stillage.cli.server.certificate import ensure

NAMES = ["localhost", "127.0.0.1", "::1", "images.example.test"]


def test_a_strict_client_trusts_it_under_each_of_its_names(tmp_path: Path) -> None:
    made = ensure(tmp_path / "tls", NAMES)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(made.chain, made.key)
    for name in NAMES:
        client = ssl.create_default_context(cafile=made.authority)
        client.verify_flags |= ssl.VERIFY_X509_STRICT
        assert _shake_hands(client, server, name)


def test_it_is_kept_while_it_is_good_and_made_anew_when_it_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    first = ensure(folder, NAMES).chain.read_bytes()
    assert ensure(folder, NAMES[:2]).chain.read_bytes() == first
    second = ensure(folder, [*NAMES, "other.example.test"]).chain.read_bytes()
    assert second != first
    assert ensure(folder, NAMES, now=datetime.now(UTC) + timedelta(days=800)).chain.read_bytes() != second


def test_it_is_kept_while_the_clock_is_wrong(tmp_path: Path) -> None:
    begins = datetime.now(UTC) + timedelta(days=100)
    first = ensure(tmp_path, NAMES, now=begins).chain.read_bytes()
    assert ensure(tmp_path, NAMES).chain.read_bytes() == first


@pytest.mark.parametrize("name", ["key.pem", "cert.pem", "ca.pem"])
def test_files_that_do_not_belong_together_are_made_anew(tmp_path: Path, name: str) -> None:
    ensure(tmp_path, NAMES)
    ensure(tmp_path / "other", NAMES)
    (tmp_path / name).write_bytes((tmp_path / "other" / name).read_bytes())
    made = ensure(tmp_path, NAMES)
    assert made.is_good_for(NAMES, datetime.now(UTC))


def test_what_is_no_certificate_is_made_anew(tmp_path: Path) -> None:
    ensure(tmp_path, NAMES).chain.write_bytes(b"nothing")
    assert ensure(tmp_path, NAMES).is_good_for(NAMES, datetime.now(UTC))


def test_nobody_else_can_read_the_key_and_the_authoritys_is_gone(tmp_path: Path) -> None:
    made = ensure(tmp_path / "tls", NAMES)
    assert made.key.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in (tmp_path / "tls").iterdir()) == ["ca.pem", "cert.pem", "key.pem"]
    authority = x509.load_pem_x509_certificate(made.authority.read_bytes())
    key = made.key.read_bytes()
    assert ssl.PEM_cert_to_DER_cert(made.chain.read_text())
    assert authority.public_key() != _public_key_of(key)


def _public_key_of(pem: bytes) -> object:
    return load_pem_private_key(pem, None).public_key()


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> bool:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=name)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    done = [False, False]
    while not all(done):
        for place, side in enumerate((ours, theirs)):
            try:
                side.do_handshake()
                done[place] = True
            except ssl.SSLWantReadError:
                pass
    return True
