"""Writes docs/settings.md, the page of every setting, from the settings themselves."""

from pathlib import Path

from pydantic_core import PydanticUndefined

from stillage.config import Settings

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"
HEAD = """\
# Settings

One TOML file (`stillage serve --config FILE`), the environment (`STILLAGE_` and the name in capitals) and the command
line; the later wins, and what is empty in the environment is unset. Lists in the environment have commas. Sizes are
bytes, durations (`_s`) seconds, a century at the most. This page is written by `scripts/settings_page.py`.

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
