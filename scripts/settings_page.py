"""Writes docs/settings.md, the page of every setting, from the settings themselves."""

from pathlib import Path

from pydantic_core import PydanticUndefined

from stillage.config import Settings

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


def page() -> str:
    return HEAD + "".join(f"| `{name}` | {_default(name)} | {_meaning(name)} |\n" for name in Settings.model_fields)


def _default(name: str) -> str:
    default = Settings.model_fields[name].default
    if default is PydanticUndefined:
        return "`~/.local/share/stillage`" if name == "data" else ""
    if default is None or default in ((), frozenset()):
        return ""
    if isinstance(default, frozenset):
        return f"`{','.join(sorted(default))}`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _meaning(name: str) -> str:
    return (Settings.model_fields[name].description or "").replace("|", "or")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
