"""Makes a self-signed certificate for the names that the server listens on. Clients trust it through ``ca.pem``.

The authority's key is discarded after it has signed one certificate, so nobody can sign another. When the names
change, or the certificate expires soon, both are made again.
"""

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from stillage.stores.files.disk import write_whole

DAYS = 825  # the longest that Apple's clients accept
RENEW_BEFORE = timedelta(days=30)


class Certificate:
    """The three files of a certificate in *folder*."""

    def __init__(self, folder: Path) -> None:
        self.authority = folder / "ca.pem"
        self.chain = folder / "cert.pem"
        self.key = folder / "key.pem"

    def is_good_for(self, names: Sequence[str], now: datetime) -> bool:
        if not all(path.is_file() for path in (self.authority, self.chain, self.key)):
            return False
        certificate = x509.load_pem_x509_certificate(self.chain.read_bytes())
        known = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return set(known) >= set(_alternatives(names)) and certificate.not_valid_after_utc > now + RENEW_BEFORE


def ensure(folder: Path, names: Sequence[str], *, now: datetime | None = None) -> Certificate:
    """Return the certificate in *folder*. Make a new one unless it is valid for all *names* (hosts and addresses)."""
    now = now or datetime.now(UTC)
    certificate = Certificate(folder)
    if not certificate.is_good_for(names, now):
        folder.mkdir(mode=0o700, exist_ok=True)
        _make(certificate, names, now)
    return certificate


def _make(certificate: Certificate, names: Sequence[str], now: datetime) -> None:
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Stillage self-signed authority")])
    authority_id = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    authority = (
        _builder(now, authority_name, authority_name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(authority_id, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    server_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Stillage")])
    chain = (
        _builder(now, authority_name, server_name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(_alternatives(names)), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority_id), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_whole(certificate.key, private)
    write_whole(certificate.authority, authority.public_bytes(serialization.Encoding.PEM))
    write_whole(certificate.chain, chain.public_bytes(serialization.Encoding.PEM))


def _builder(
    now: datetime, issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))  # clocks differ
        .not_valid_after(now + timedelta(days=DAYS))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternatives(names: Sequence[str]) -> list[x509.GeneralName]:
    return [_alternative(name) for name in dict.fromkeys(names)]


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
