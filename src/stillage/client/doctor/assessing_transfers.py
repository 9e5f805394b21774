"""Assesses uploads and downloads: pauses, bodies without a length, hostile images, ranges. Pure."""

from stillage.client.doctor import advice
from stillage.client.doctor.assessing_bodies import amount
from stillage.client.doctor.bodies import TOO_LARGE, Early
from stillage.client.doctor.findings import Finding, good, note, problem, unknown
from stillage.client.doctor.transfers import SILENCE_S, Fetched, Put, Silence
from stillage.client.doctor.wire import Head


def assess_pause(put: Put, pause_s: float) -> Finding:
    """Say who ends an upload in which nothing moves for a while."""
    if not put.in_pause:
        return good("upload_idle", f"an upload may pause for {pause_s:g} s")
    if put.head is not None and put.head.is_of_the_service:
        if put.head.status == 408:
            return good("upload_idle", "the server ends an upload that pauses, and says why")
        return unknown("upload_idle", f"the server refused the upload with {put.head.status}")
    return problem("upload_idle", f"the proxy ends an upload within {pause_s:g} s without a byte", advice.UPLOAD_IDLE)


def assess_upload(put: Put) -> Finding:
    """Say whether an upload with a length succeeded."""
    if put.is_done or (put.in_pause and put.head is not None and put.head.status == 408):
        return good("upload", f"an upload of {amount(put.size)} was accepted")
    if put.in_pause:
        return unknown("upload", "it was ended in its pause")
    return problem("upload", f"an upload of {amount(put.size)} failed: {_said(put.head)}", advice.UPLOAD)


def assess_growing(put: Put) -> Finding:
    """Say whether uploads without a length succeeded, up to the largest that was tried."""
    if put.is_done:
        return good("chunked_upload", f"{amount(put.size)} without a length were accepted")
    what = f"an upload of {amount(put.size)} without a length failed: {_said(put.head)}"
    is_limit = put.head is not None and put.head.status == TOO_LARGE and not put.head.is_of_the_service
    return problem("chunked_upload", what, advice.BODY_LIMIT if is_limit else advice.CHUNKED)


def assess_refusal(early: Early, *, buffered: bool) -> Finding:
    """Say whether a hostile image is refused at its beginning. *buffered*: the proxy hides it from the server."""
    if early.head is not None and 400 <= early.head.status < 500:
        return good("early_refusal", f"a hostile image is refused with {early.head.status} within its first MiB")
    if buffered:
        return problem("early_refusal", "a hostile image is not refused within its first MiB", advice.EARLY_REFUSAL)
    if early.cut:
        return problem("early_refusal", "the connection breaks where a hostile image is refused", advice.EARLY)
    why = "it reads hostile images to their end, if it refuses them at all"
    return note("early_refusal", "this server does not refuse a hostile image within its first MiB", why)


def assess_fetched(fetched: Fetched | None) -> list[Finding]:
    """Return what was found of downloads. *fetched* None: there was nothing to download."""
    if fetched is None:
        return [unknown("range", "nothing could be uploaded"), unknown("etag", "nothing could be uploaded")]
    if fetched.status != 200:
        said = f"a download failed with {fetched.status}"
        return [problem("range", said, advice.RANGE)]
    return [_assess_range(fetched), _assess_etag(fetched), _assess_encoding(fetched)]


def _assess_range(fetched: Fetched) -> Finding:
    if fetched.is_right:
        return good("range", "downloads of ranges work")
    what = f"a request for a range is answered with {fetched.range_status}, not with its bytes"
    return problem("range", what, advice.RANGE)


def _assess_etag(fetched: Fetched) -> Finding:
    if not fetched.etag:
        return problem("etag", "downloads have no ETag", advice.ETAG)
    if fetched.etag.startswith("W/"):
        return problem("etag", f"the ETag of downloads is weak: {fetched.etag}", advice.ETAG)
    return good("etag", "downloads have a strong ETag")


def _assess_encoding(fetched: Fetched) -> Finding:
    if fetched.encoding not in ("", "identity"):
        return problem("compression", f"downloads are compressed with {fetched.encoding}", advice.COMPRESSION)
    return good("compression", "downloads are not compressed on the way")


def assess_silence(silence: Silence) -> Finding:
    """Say whether an answer may be silent for a while."""
    match silence:
        case Silence.SURVIVED:
            return good("answer_idle", f"an answer may be silent for {SILENCE_S} s; a verdict can take longer")
        case Silence.CUT:
            return problem("answer_idle", f"an answer that is silent for {SILENCE_S} s is cut off", advice.ANSWER_IDLE)
        case Silence.NEVER:
            return unknown("answer_idle", "there was too much news for a silent answer; try when less happens")
        case Silence.NO_STREAM:
            return unknown("answer_idle", "this server has no stream of events")


def _said(head: Head | None) -> str:
    return "no answer" if head is None else f"status {head.status}"
