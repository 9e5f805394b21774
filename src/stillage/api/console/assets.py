"""The console's files as they are served: read once, joined, compressed, under an address that names their digest.

A browser may keep them for ever, because other files have another address. Nothing is built: what is in
``stillage/console`` is what runs.
"""

import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from stillage.api.console.joining import join_modules

FOLDER = Path(__file__).parents[2] / "console"
# Each is joined with what it imports and no earlier one has. All but the first are loaded when they are needed.
ENTRIES = (
    "main.js",
    "pages/image.js",
    "pages/jobs.js",
    "pages/access.js",
    "pages/connection.js",
    "pages/admin.js",
    "pages/help.js",
)
WORKERS = ("upload/worker.js",)
"""Have a copy of everything that they import: a worker shares nothing with the page."""
STYLE = "app.css"
VENDOR = "vendor/"
LANGUAGES = ("en", "de", "zh-CN")
TYPES: Mapping[str, str] = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}


@dataclass(frozen=True)
class Asset:
    """One file. *media_type*: without the charset, which is always UTF-8."""

    body: bytes
    media_type: str

    @cached_property
    def packed(self) -> bytes:
        return gzip.compress(self.body, 9, mtime=0)


@dataclass(frozen=True)
class Assets:
    """Every file of the console.

    Attributes:
        files: By path.
        digest: Of all of them.
    """

    files: Mapping[str, Asset]
    digest: str

    def texts(self, language: str) -> str:
        """Return the catalogue of *language* as JSON."""
        return self.files[f"text/{language}.json"].body.decode()


@cache
def assets() -> Assets:
    """Return the files of the installed package. The first call takes some 10 ms."""
    return assets_of(FOLDER)


def assets_of(folder: Path) -> Assets:
    """Return the files in *folder* as they are served."""
    sources = {path: (folder / path).read_text(encoding="utf-8") for path in _paths(folder)}
    served = {**sources, **_joined(sources), STYLE: _style(sources), **dict(_catalogues(sources))}
    files = {path: Asset(text.encode(), TYPES[Path(path).suffix]) for path, text in sorted(served.items())}
    digest = hashlib.sha256()
    for path, asset in files.items():
        digest.update(b"%d %s %d " % (len(path), path.encode(), len(asset.body)) + asset.body)
    return Assets(files, digest.hexdigest()[:16])


def _paths(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.suffix in TYPES and path.is_file() and not path.name.endswith(".d.ts"):
            yield path.relative_to(folder).as_posix()


def _joined(sources: Mapping[str, str]) -> dict[str, str]:
    """Return what is served in the place of each module that is joined with others."""
    places: dict[str, str] = {}
    served: dict[str, str] = {}

    def elsewhere(path: str) -> str | None:
        return path if path.startswith(VENDOR) else places.get(path)

    for entry in ENTRIES:
        joined = join_modules(entry, sources.__getitem__, elsewhere=elsewhere)
        served |= {path: joined.stub(path) for path, names in joined.exports.items() if names}
        served[entry] = joined.text
        places |= dict.fromkeys(joined.exports, entry)
    for worker in WORKERS:
        served[worker] = join_modules(worker, sources.__getitem__, elsewhere=lambda _path: None).text
    return served


def _style(sources: Mapping[str, str]) -> str:
    return "".join(text for path, text in sources.items() if path.endswith(".css"))


def _catalogues(sources: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the catalogue of each language: the texts of all folders together."""
    for language in LANGUAGES:
        texts: dict[str, str] = {}
        for path, text in sources.items():
            if path.endswith(f"text/{language}.json"):
                texts |= json.loads(text)
        yield f"text/{language}.json", json.dumps(texts, ensure_ascii=False, separators=(",", ":"))
