"""What an S3 server's errors mean for us. Messages have our own words only: a server's may repeat keys or URLs.

Whatever trying again may cure, perhaps once the operator has corrected a setting, is `Unavailable`: uploads stay open.
Source: Amazon S3 API reference, "Error responses".
"""

from botocore import exceptions
from botocore.exceptions import ClientError

from stillage.errors import StillageError, StorageFull, StoreReadOnly, StoreRefused, Unavailable
from stillage.stores.s3.settings import S3Settings

MISSING = frozenset({"NoSuchKey", "NoSuchUpload"})
"""A 404 without such a code may be of a bucket that is gone, or of a proxy on the way."""
UNEXPLAINED = frozenset({"400", "403", "404"})
"""Of answers to HEAD, which have no room for a code."""
ENDED = frozenset({"InvalidRange", "416"})
"""Of bytes behind the end of an object. We ask for none that were not there once."""
FULL = frozenset({"EntityTooLarge", "QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "507"})
BUSY = frozenset({"SlowDown", "ServiceUnavailable", "Throttling", "RequestLimitExceeded", "TooManyRequests"})
TRANSIENT = frozenset({"InternalError", "RequestTimeout", "OperationAborted", "BadDigest", "IncompleteBody"})
REFUSED = {
    "NoSuchBucket": "the bucket does not exist; create it, or correct the setting",
    "InvalidAccessKeyId": "the access key is unknown there; correct the credentials",
    "SignatureDoesNotMatch": "the secret of the access key is wrong; correct the credentials",
    "InvalidToken": "the session token is not valid; correct the credentials",
    "ExpiredToken": "the credentials have expired; renew them",
    "RequestTimeTooSkewed": "the clocks of this server and of the store differ; set them right",
    "AuthorizationHeaderMalformed": "the region is wrong; correct the setting",
    "PermanentRedirect": "the bucket is in another region; correct the setting",
    "IllegalLocationConstraintException": "the bucket is in another region; correct the setting",
}
DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "403", "MethodNotAllowed"})


def is_missing(error: Exception) -> bool:
    """Return whether the server says that there is no such object or upload."""
    return isinstance(error, ClientError) and code_of(error) in MISSING


def is_truncated(error: ClientError) -> bool:
    """Return whether the object ends before the bytes that it was asked for."""
    return code_of(error) in ENDED


def is_unexplained(error: ClientError) -> bool:
    """Return whether the server refuses something and does not say why."""
    return code_of(error) in UNEXPLAINED


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def translated(error: Exception, what: str, settings: S3Settings) -> StillageError:
    """Return our error for one of botocore or its HTTP client while trying to *what*."""
    place = settings.place
    if isinstance(error, ClientError):
        return _of_answer(error, what, place)
    if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
        return StoreRefused(f"the store cannot {what}: there are no credentials for the {place}; see docs/stores.md")
    if isinstance(error, exceptions.CredentialRetrievalError | exceptions.NoRegionError):
        return StoreRefused(f"the store cannot {what}: {type(error).__name__} for the {place}; see docs/stores.md")
    if isinstance(error, exceptions.SSLError):
        return StoreRefused(f"the store cannot {what}: the certificate of the {place} is not trusted; set `ca`")
    # Time-outs, refused and broken connections.
    return Unavailable(
        f"the store cannot {what}: the {place} does not answer ({type(error).__name__}); try again later"
    )


def _of_answer(error: ClientError, what: str, place: str) -> StillageError:
    code = code_of(error)
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in FULL or status == 507:
        return StorageFull(f"the store is full ({code}); ask the operator, then send what is missing")
    if code in REFUSED:
        return StoreRefused(f"the store cannot {what} in the {place}: {REFUSED[code]}")
    if code in DENIED:
        return StoreReadOnly(f"the store cannot {what}: access to the {place} is denied; correct its policy")
    if code in BUSY or status in (429, 503):
        return Unavailable(f"the store cannot {what} now: the {place} is busy; try again later", retry_after_s=10)
    if code in TRANSIENT or status >= 500:
        return Unavailable(f"the store cannot {what} now: the {place} failed ({code or status}); try again later")
    # It may be for a while. `StoreFailed` ends an upload whose pieces are all there.
    return Unavailable(f"the store cannot {what}: the {place} answered {code or status}; ask the operator")
