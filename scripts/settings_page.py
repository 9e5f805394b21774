"""Writes docs/settings.md, the page of every setting, from the settings themselves."""

from pathlib import Path

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from stillage.audit_settings import AuditSettings
from stillage.bucket_settings import BUCKET_KINDS
from stillage.config import Settings
from stillage.import_settings import ImportSettings
from stillage.job_settings import JobSettings
from stillage.store_settings import DEFAULT, KINDS

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"
HEAD = """\
# Settings

Settings come from a TOML file (`stillage serve --config FILE`), the environment (`STILLAGE_` and the name in capitals)
and the command line; the later one wins. An empty variable is unset, and lists in the environment are separated by
commas. Sizes are in bytes, durations (`_s`) in seconds, at most a century. This page is written by
`scripts/settings_page.py`.

| setting | default | meaning |
|---|---|---|
"""


STORES = """
## Stores

Without a setting there is one store: the folder `blobs` in `data`, with the id `files`. A file that names stores names
all of them, that one as well if it has images. [Stores](operation.md#stores) says how to add and retire one.

```toml
[[stores]]
id = "files"
type = "files"
path = "blobs"
default = true

[[stores]]
id = "cold"
type = "files"
path = "/mnt/cold/blobs"
weight = -1
```
"""
BUCKETS = """
## Buckets

Clients of Huawei-style clouds make images of files in buckets, as `BUCKET:OBJECT`; see
[Huawei-style clients](huawei-clients.md). The folder `buckets/PROJECT/BUCKET` in `data` is a bucket of that project
without any setting. A table binds another one to projects:

```toml
[[buckets]]
type = "folder"
name = "incoming"
projects = ["7a3c0f5d5c7f4a4f9f1f1f4b8f6d2c11"]
path = "/srv/incoming"
```
"""
TABLE = """
{meaning}

| setting | default | meaning |
|---|---|---|
"""


def page() -> str:
    audit = "\n## Audit\n" + _table(AuditSettings)
    jobs = "\n## Jobs\n" + _table(JobSettings)
    sources = "\n## Imports\n" + _table(ImportSettings)
    stores = STORES + "".join(map(_table, KINDS))
    buckets = BUCKETS + "".join(map(_table, BUCKET_KINDS))
    return (
        HEAD + _rows(Settings, AuditSettings, JobSettings, ImportSettings) + audit + jobs + sources + stores + buckets
    )


def _table(model: type[BaseModel]) -> str:
    return TABLE.format(meaning=model.__doc__) + _rows(model)


def _rows(model: type[BaseModel], *but_those_of: type[BaseModel]) -> str:
    others = {name for other in but_those_of for name in other.model_fields}
    names = [name for name in model.model_fields if name not in others]
    return "".join(f"| `{name}` | {_default(model, name)} | {_meaning(model, name)} |\n" for name in names)


def _default(model: type[BaseModel], name: str) -> str:
    default = model.model_fields[name].default
    if default is PydanticUndefined:
        return "`~/.local/share/stillage`" if name == "data" else ""
    if default is None or default in ((), frozenset(), "", DEFAULT):
        return ""
    if isinstance(default, frozenset | tuple):
        return f"`{','.join(map(str, sorted(default) if isinstance(default, frozenset) else default))}`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _meaning(model: type[BaseModel], name: str) -> str:
    return (model.model_fields[name].description or "").replace("|", "or")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
