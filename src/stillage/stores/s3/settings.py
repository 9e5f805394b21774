"""Which bucket a store keeps its blobs in, and how it talks to the S3 server.

Credentials are no setting: they come from where every program of AWS finds them (environment variables, a shared file,
a web identity, the machine's own role), see docs/stores.md.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stillage.s3_limits import STANDARD_PART

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class S3Settings:
    """Of one store.

    Attributes:
        bucket: Must exist.
        prefix: Of every key in the bucket, to share it with others; empty or with "/" at the end.
        endpoint: URL of the server; None for AWS itself.
        region: None if botocore's own settings name it; servers other than AWS usually accept any.
        addressing: Whether the bucket is in the path or in the host name; "auto": in the name at AWS alone.
        ca: Certificates to trust in place of the machine's.
        sign_payload: Sign a digest of the bytes as well, which costs one more SHA-256 of everything. None: only without
            TLS, where nothing else protects them.
        checksums: "when_supported" sends and checks the newer checksums, which older servers ignore or refuse.
        part_size: In bytes; larger where an image would otherwise have too many parts. So much memory each part of an
            upload needs that is filled or sent.
        equal_parts: Every part of an object has the same size, as Cloudflare R2 demands.
        parts_at_once: How many parts of one upload are sent at the same time.
        timeout_s: How long the server may be silent.
        redirect: Clients that ask for it are sent to the server itself to download.
    """

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    addressing: Literal["auto", "path", "virtual"] = "auto"
    ca: Path | None = None
    sign_payload: bool | None = None
    checksums: Literal["when_required", "when_supported"] = "when_required"
    part_size: int = STANDARD_PART
    equal_parts: bool = False
    parts_at_once: int = 3
    timeout_s: float = 20.0
    redirect: bool = False

    @property
    def place(self) -> str:
        """What messages call it."""
        return f"bucket {self.bucket!r} at {self.endpoint or 'AWS'}"

    @property
    def signs_payload(self) -> bool:
        if self.sign_payload is None:
            return self.endpoint is not None and not self.endpoint.startswith("https:")
        return self.sign_payload
