"""The heads of upload requests, made in one line."""

from multidict import CIMultiDict, CIMultiDictProxy

from stillage.api.image_v2.upload_headers import UploadHeaders, parse


def fields(**headers: str) -> CIMultiDictProxy[str]:
    """``content_type="text/plain"`` is sent as ``content-type``."""
    return CIMultiDictProxy(CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()}))


def head(length: int | None = None, **headers: str) -> UploadHeaders:
    """*length*: of the body; None: it ends where it ends."""
    return parse(fields(**headers), length)
