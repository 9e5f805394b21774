"""What keeps somebody out: logins, tokens, signatures and access keys."""

from stillage.errors.base import Conflict, Forbidden, InvalidInput, NotFound, StillageError, TooLarge


class Unauthenticated(StillageError):
    """The request has no valid credentials. The message never says which part was wrong.

    Attributes:
        user_id: Whose login failed, if there is such a user; for the audit, never for the client.
    """

    code = "unauthenticated"
    fix = "log in, and send the new token in X-Auth-Token"

    def __init__(
        self, message: str = "The request you have made requires authentication.", *, user_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.user_id = user_id


class SignatureRefused(Unauthenticated):
    """The signature of the request is not valid. The message is the vendor's gateway's, and says no more.

    Attributes:
        fault: Which check it did not pass, see `identity.signing.authorization.Fault`; for logs and tests.
    """

    code = "signature_refused"
    fix = "check the access key, its secret and the clock; the server's log names the check that failed"

    def __init__(self, fault: str, why: str = "verify aksk signature fail") -> None:
        super().__init__(f"Incorrect IAM authentication information: {why}")
        self.fault = fault


class SignedBodyTooLarge(TooLarge):
    """The body of a signed request exceeds its limit."""

    code = "signed_body_too_large"
    fix = "send the token in X-Auth-Token instead of a signature: then there is no such limit"

    def __init__(self, limit: int) -> None:
        super().__init__(f"Request entity too large. The limit for a signed request is {limit} bytes; {self.fix}")


class CrossSite(Forbidden):
    """A page of another site had the browser send a request with the cookie of the console."""

    code = "cross_site_request"
    fix = "send it from the console itself, or with a token in X-Auth-Token"

    def __init__(self) -> None:
        super().__init__(
            "this request comes from a page of another site: with the cookie of the console it needs "
            f"Sec-Fetch-Site: same-origin, or the Origin of this server; {self.fix}"
        )


class LinkInvalid(NotFound):
    """The download link is not valid, has expired, or its creator may no longer download the image."""

    code = "link_invalid"
    fix = "make a new one with POST /v2/images/{image_id}/links"

    def __init__(self) -> None:
        super().__init__(f"this address does not download an image, or does not any more; {self.fix}")


class HttpsNeeded(Forbidden):
    """Signing in to the console over plain HTTP would send the password and the cookie in the clear."""

    code = "https_needed"
    fix = "open the console with https://, or on the server's own machine at http://localhost"

    def __init__(self) -> None:
        super().__init__(f"signing in needs HTTPS, because the cookie would travel unencrypted; {self.fix}")


class TooManyFailures(StillageError):
    """Too many logins failed that came from one network."""

    code = "too_many_failed_logins"
    fix = "wait for the seconds in Retry-After"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"too many failed logins from your network; try again in {retry_after_s} seconds")
        self.retry_after_s = retry_after_s


class TooManyAccessKeys(InvalidInput):
    """The user has as many permanent access keys as one may have."""

    code = "too_many_access_keys"
    fix = "delete one first"

    def __init__(self, limit: int) -> None:
        super().__init__(f"akSkNumExceed: this user already has {limit} access keys, the limit; {self.fix}")


class UserLimitReached(Forbidden):
    """The user has as many credentials or temporary keys as one may have. The status is Keystone's: 403, not 413."""

    code = "user_limit_reached"
    fix = "delete one that is not needed, or wait until one expires"

    def __init__(self, what: str, limit: int, used: int, fix: str) -> None:
        super().__init__(f"this user already has {used} {what}, and the limit is {limit}; {fix}")
        self.limit = limit
        self.used = used


class LastAdministrator(Conflict):
    """After this change nobody who can log in would have the role admin."""

    code = "last_administrator"
    fix = "give another user the role admin first"

    def __init__(self) -> None:
        super().__init__(f"no enabled user would have the role admin in an enabled project any more; {self.fix}")


class ProjectInUse(Conflict):
    """The project has images, or jobs that have not ended, and cannot be deleted."""

    code = "project_in_use"
    fix = "delete its images or give them to another project, and wait for its jobs; or disable the project"

    def __init__(self, name: str, images: int, jobs: int) -> None:
        super().__init__(f"project {name!r} has {images} images and {jobs} jobs that have not ended; {self.fix}")


class RightsLost(Forbidden):
    """The user, project or credential has lost a right that it had when the upload or import began."""

    code = "rights_lost"
    fix = "ask an administrator for the right that the message names"


class SecretUnreadable(StillageError):
    """The secret of an access key was encrypted under another deployment's secret."""

    code = "secret_unreadable"
    fix = "delete the access key and create a new one"

    def __init__(self, access: str) -> None:
        super().__init__(
            f"the secret of access key {access} cannot be decrypted: it was encrypted with another secret.key; "
            f"{self.fix}"
        )
