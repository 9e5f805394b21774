"""Writes docs/errors.md, the page of every error, from the classes themselves."""

import inspect
from collections.abc import Iterator
from pathlib import Path

from stillage import errors
from stillage.api.gateway import errors as gateway
from stillage.api.image_v2.uploads.errors import CHECKSUM_MISMATCH, PROBLEMS
from stillage.api.ims import errors as ims
from stillage.api.problems import CODE, status_of
from stillage.cli.statuses import STATUSES
from stillage.client.errors import ClientError
from stillage.errors import StillageError

PAGE = Path(__file__).parent.parent / "docs" / "errors.md"
HEAD = f"""\
# Errors

Every error has a code that never changes. Programs should compare the code; the message is for people and may change.

| where | the code is |
|---|---|
| image API, identity API, `ims` profile | `error.{CODE}` |
| answers to signed requests | `{CODE}` |
| IETF resumable uploads (`application/problem+json`) | `error.{CODE}` |
| `stillage upload --json`, `stillage download --json` | `code` |
| the log, on the line of the request | `code` |
| `/metrics` | the label `outcome` of `stillage_uploads_total` |

`status` is the HTTP status, `ims` the status and the vendor\'s code under the `ims` profile. Uploads count two outcomes
more: `stored` for success, `cut_off` where the client left or the server stopped.

This page is written by `scripts/errors_page.py`.
"""
SECTIONS = {
    "base": ("Any request", "Any API. More specific codes are below."),
    "requests": ("Requests and connections", "Any API."),
    "accounts": ("Logins, tokens and keys", "Any API; most of them the identity API."),
    "images": ("Images and their data", "The image API, in each of its upload protocols."),
    "disks": ("Disks", "The image API where a disk is read or converted; `stillage convert`."),
    "ims": ("IMS", "The calls of Huawei-style clouds. The member `code` says which of their rules it is."),
    "uploads": ("Resumable uploads", "The upload protocols: pieces with `Content-Range`, tus, and the IETF's draft."),
    "imports": ("Imports", "The image API where an import is asked for; the image and its task, as one ends."),
    "sources": (
        "Sources of imports",
        "The image and its task, as an import ends on its own.",
    ),
    "stores": ("The store", "The image API. Only the operator can do something about these."),
    "emulator": ("Faults for tests", "Any API of a server that was started with `--ephemeral`, with any status."),
}
COMMANDS = """
## Commands

`stillage upload` and `stillage download`, in JSON and by their exit status; `invalid_settings` ends any command.

| code | exit status | what it means | what to do |
|---|---|---|---|
"""


def page() -> str:
    return HEAD + "".join(_section(name, *texts) for name, texts in SECTIONS.items()) + COMMANDS + "".join(_commands())


def _section(module: str, title: str, where: str) -> str:
    head = f"\n## {title}\n\n{where}\n\n| code | status | ims | what it means | what to do |\n|---|---|---|---|---|\n"
    classes = [cls for cls in known(StillageError) if cls.__module__ == f"stillage.errors.{module}"]
    return head + "".join(_row(cls.code, _statuses(cls), _ims(cls), *_texts(cls)) for cls in classes)


def known(root: type[StillageError]) -> Iterator[type[StillageError]]:
    """Yield every class below *root*, by its code."""
    below = {cls for child in root.__subclasses__() for cls in (child, *known(child))}
    yield from sorted(below, key=lambda cls: cls.code)


def _statuses(cls: type[StillageError]) -> str:
    """The status, and what a protocol has in its place."""
    statuses = [str(status_of(cls))]
    if cls in gateway.CODES:
        statuses.append(f"signed: {gateway.CODES[cls]}")
    if issubclass(cls, errors.PieceMismatch):
        statuses.append(f"tus: {CHECKSUM_MISMATCH}")
    if (name := next((PROBLEMS[base][0] for base in cls.__mro__ if base in PROBLEMS), None)) is not None:
        statuses.append(f"IETF: {name}")
    return ", ".join(statuses)


def _ims(cls: type[StillageError]) -> str:
    if cls in gateway.CODES:
        return ""
    status, code = ims.code_of_kind(cls)
    return f"{status} {code}"


def _commands() -> Iterator[str]:
    for cls in (errors.BadSettings, *known(ClientError)):
        yield _row(cls.code, str(STATUSES.get(cls, 1)), *_texts(cls))


def _texts(cls: type[StillageError]) -> tuple[str, str]:
    meaning = " ".join((inspect.getdoc(cls) or "").partition("\n\n")[0].split())
    fix = cls.fix or ""
    return meaning.replace("``", "`"), f"{fix[:1].upper()}{fix[1:]}."


def _row(code: str, *cells: str) -> str:
    return f"| {' | '.join([f'`{code}`', *cells])} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
