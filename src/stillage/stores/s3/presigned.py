"""URLs with which anybody can download an object for a while, without credentials of their own.

Within five minutes every node makes the same URL of an object, so that caches on the way recognise it.
Source: Amazon S3 API reference, "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)".
"""

from datetime import UTC, datetime
from typing import Any

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest

WINDOW_S = 300
LONGEST_S = 7 * 24 * 3600
"""S3 accepts no longer time."""


class _SignatureOfWindow(S3SigV4QueryAuth):  # type: ignore[misc] # botocore has no types
    """A signature of the moment *at* instead of now."""

    def __init__(self, credentials: Any, region: str, lifetime_s: int, at: datetime) -> None:
        super().__init__(credentials, "s3", region, expires=lifetime_s)
        self._at = at

    def add_auth(self, request: Any) -> None:
        request.context["timestamp"] = self._at.strftime("%Y%m%dT%H%M%SZ")
        self._modify_request_before_signing(request)
        text = self.string_to_sign(request, self.canonical_request(request))
        self._inject_signature_to_request(request, self.signature(text, request))


def presigned(url: str, credentials: Any, region: str, *, seconds: int, now: float) -> str:
    """Return *url* with a signature that is valid for *seconds* at least, and `WINDOW_S` more at most.

    Args:
        url: Of the object, without a query.
        credentials: botocore's, frozen.
        region: Of the bucket.
        seconds: At most `LONGEST_S` less `WINDOW_S`.
        now: In seconds since 1970.
    """
    begin = datetime.fromtimestamp(now - now % WINDOW_S, UTC)
    request = AWSRequest("GET", url)
    _SignatureOfWindow(credentials, region, min(seconds + WINDOW_S, LONGEST_S), begin).add_auth(request)
    signed: str = request.url
    return signed
