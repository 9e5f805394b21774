"""The S3 server as we use it: a few blocking calls, in which botocore signs, retries and finds credentials.

Source: Amazon S3 API reference. No call relies on conditions (If-Match) or on ListParts: servers differ in both.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, Protocol

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError
from urllib3.exceptions import HTTPError

from stillage.errors import StoreFailed
from stillage.spans import Span
from stillage.stores.s3.answers import MISSING, code_of, is_missing, is_truncated, is_unexplained, translated
from stillage.stores.s3.buffers import Blocks
from stillage.stores.s3.presigned import presigned
from stillage.stores.s3.settings import S3Settings

ATTEMPTS = 4
CONNECT_S = 5.0
CONNECTIONS = 64
DELETED_AT_ONCE = 1000
CHECKSUMS = frozenset({"ChecksumCRC32", "ChecksumCRC32C", "ChecksumCRC64NVME", "ChecksumSHA1", "ChecksumSHA256"})
BINARY = "application/octet-stream"
MARK = "stillage-mark"
FAILURES = (BotoCoreError, ClientError, HTTPClientError, HTTPError, OSError)


class Missing(Exception):
    """The server has no such object or upload."""


class Exists(Exception):
    """The server has an object of this name already."""


class Answer(Protocol):
    """The body of an answer, to be read in a thread."""

    def read(self, amount: int) -> bytes: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Stored:
    """An object. *key*: without the prefix. *mark*: what who has begun its upload gave it."""

    key: str
    size: int
    changed_at: datetime
    etag: str
    mark: str | None = None


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """An object whose parts are being sent. *key*: without the prefix."""

    key: str
    id: str
    begun_at: datetime


class MadePart(NamedTuple):
    """What the server wants to hear of a part when its object is completed: its checksums too, if it told them."""

    etag: str
    checksums: Mapping[str, str]


class S3Client:
    def __init__(self, settings: S3Settings, session: botocore.session.Session | None = None) -> None:
        self.settings = settings
        with self._failures("begin"):
            self.session = session or botocore.session.Session()
            self._client: Any = self.session.create_client(
                "s3",
                region_name=settings.region or self.session.get_config_variable("region") or "us-east-1",
                endpoint_url=settings.endpoint,
                verify=None if settings.ca is None else str(settings.ca),
                config=_config(settings),
            )

    def put(self, key: str, body: Blocks) -> None:
        with self._failures("write an object"):
            self._client.put_object(**self._at(key), Body=body, ContentType=BINARY)

    def head(self, key: str) -> Stored:
        with self._failures("look at an object"):
            try:
                found = self._client.head_object(**self._at(key))
            except ClientError as error:
                if is_unexplained(error):
                    self._require_bucket(key)
                    if code_of(error) == "404":
                        raise Missing from None
                raise
        mark = found.get("Metadata", {}).get(MARK)
        return Stored(key, found["ContentLength"], found["LastModified"], found["ETag"], mark)

    def get(self, key: str, span: Span, etag: str | None = None) -> Answer:
        """Ask for the bytes of *span*, which is not empty.

        Raises:
            StoreFailed: If the object is not the one with *etag*, or ends before *span*: it is damaged.
        """
        with self._failures("read an object"):
            try:
                found = self._client.get_object(**self._at(key), Range=f"bytes={span.first}-{span.end - 1}")
            except ClientError as error:
                if is_truncated(error):
                    raise StoreFailed(f"an object ends before byte {span.first}; restore it") from None
                raise
        body: Answer = found["Body"]
        if etag not in (None, found["ETag"]):
            body.close()
            raise StoreFailed("an object was changed behind the store's back; restore it")
        return body

    def read(self, body: Answer, amount: int) -> bytes:
        """Return the next *amount* bytes of an answer, fewer at its end."""
        with self._failures("read an object"):
            return body.read(amount)

    def delete(self, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), DELETED_AT_ONCE):
            objects = [{"Key": self.settings.prefix + key} for key in keys[start : start + DELETED_AT_ONCE]]
            with self._failures("delete objects"):
                answer = self._client.delete_objects(
                    Bucket=self.settings.bucket, Delete={"Objects": objects, "Quiet": True}
                )
                if errors := [each for each in answer.get("Errors", ()) if each.get("Code") not in MISSING]:
                    raise ClientError({"Error": errors[0]}, "DeleteObjects")

    def objects(self, prefix: str) -> tuple[list[Stored], datetime]:
        """Return the objects whose keys begin with *prefix*, and the server's time."""
        found: list[Stored] = []
        more: dict[str, str] = {}
        cut = len(self.settings.prefix)
        while True:
            with self._failures("list objects"):
                page = self._client.list_objects_v2(
                    Bucket=self.settings.bucket, Prefix=self.settings.prefix + prefix, **more
                )
            found += [
                Stored(each["Key"][cut:], each["Size"], each["LastModified"], each["ETag"])
                for each in page.get("Contents", ())
            ]
            if not page["IsTruncated"]:
                return found, _date_of(page)
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def begin_upload(self, key: str, mark: str | None = None) -> str:
        """*mark*: what the object can be recognised by."""
        more: dict[str, Any] = {} if mark is None else {"Metadata": {MARK: mark}}
        with self._failures("begin an object"):
            begun = self._client.create_multipart_upload(**self._at(key), ContentType=BINARY, **more)
        return str(begun["UploadId"])

    def put_part(self, key: str, upload_id: str, number: int, body: Blocks) -> MadePart:
        with self._failures("write a part"):
            found = self._client.upload_part(**self._at(key), UploadId=upload_id, PartNumber=number, Body=body)
        return _made(found)

    def copy_part(self, key: str, upload_id: str, number: int, source: str, span: Span) -> MadePart:
        """Make *span* of another object a part, without reading it."""
        with self._failures("copy a part"):
            found = self._client.upload_part_copy(
                **self._at(key),
                UploadId=upload_id,
                PartNumber=number,
                CopySource={"Bucket": self.settings.bucket, "Key": self.settings.prefix + source},
                CopySourceRange=f"bytes={span.first}-{span.end - 1}",
            )
        return _made(found["CopyPartResult"])

    def complete(self, key: str, upload_id: str, made: Sequence[MadePart], *, only_new: bool = False) -> None:
        """Join the parts of an upload. *only_new*: raise Exists if there is such an object already."""
        condition = {"IfNoneMatch": "*"} if only_new else {}
        parts = [{"PartNumber": number, "ETag": part.etag, **part.checksums} for number, part in enumerate(made, 1)]
        with self._failures("complete an object"):
            try:
                self._client.complete_multipart_upload(
                    **self._at(key), UploadId=upload_id, MultipartUpload={"Parts": parts}, **condition
                )
            except ClientError as error:
                if only_new and code_of(error) in ("PreconditionFailed", "412"):
                    raise Exists from None
                raise

    def require_absent(self, key: str) -> None:
        """Raise Exists if there is such an object."""
        try:
            self.head(key)
        except Missing:
            return
        raise Exists

    def abort(self, key: str, upload_id: str) -> None:
        """Drop the parts of an upload, if there still is one."""
        try:
            with self._failures("drop an object"):
                self._client.abort_multipart_upload(**self._at(key), UploadId=upload_id)
        except Missing:
            return

    def open_uploads(self, prefix: str) -> list[OpenUpload]:
        found: list[OpenUpload] = []
        more: dict[str, str] = {}
        cut = len(self.settings.prefix)
        while True:
            with self._failures("list objects"):
                page = self._client.list_multipart_uploads(
                    Bucket=self.settings.bucket, Prefix=self.settings.prefix + prefix, **more
                )
            found += [OpenUpload(e["Key"][cut:], e["UploadId"], e["Initiated"]) for e in page.get("Uploads", ())]
            if not page.get("IsTruncated"):
                return found
            more = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    def url_of(self, key: str, seconds: int) -> str:
        """Return a URL that anybody can download the object with for *seconds*. See `presigned`."""
        with self._failures("sign a URL"):
            url: str = self._client.generate_presigned_url("get_object", self._at(key))
            credentials = self.session.get_credentials()
            if credentials is None:
                raise NoCredentialsError
            frozen = credentials.get_frozen_credentials()
        region = str(self._client.meta.region_name)
        return presigned(url.partition("?")[0], frozen, region, seconds=seconds, now=time.time())

    def close(self) -> None:
        self._client.close()

    def _require_bucket(self, key: str) -> None:
        """Raise what is wrong with the bucket, if it is not only the object with this key that is missing."""
        self._client.list_objects_v2(Bucket=self.settings.bucket, Prefix=self.settings.prefix + key, MaxKeys=1)

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self.settings.bucket, "Key": self.settings.prefix + key}

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        try:
            yield
        except FAILURES as error:
            if is_missing(error):
                raise Missing from None
            # Without its cause: a traceback in the log would have the server's words.
            raise translated(error, what, self.settings) from None


def _config(settings: S3Settings) -> Config:
    style = {} if settings.addressing == "auto" else {"addressing_style": settings.addressing}
    return Config(
        signature_version="s3v4",
        connect_timeout=CONNECT_S,
        read_timeout=settings.timeout_s,
        max_pool_connections=CONNECTIONS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        request_checksum_calculation=settings.checksums,
        response_checksum_validation=settings.checksums,
        user_agent_extra="stillage",
        s3={"payload_signing_enabled": settings.signs_payload, **style},
    )


def _made(answer: Any) -> MadePart:
    checksums = {name: value for name, value in answer.items() if name in CHECKSUMS}
    return MadePart(answer["ETag"], checksums)


def _date_of(answer: Any) -> datetime:
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
