"""Writes docs/ims-codes.md, the page of the error codes of IMS, from the codes themselves."""

from pathlib import Path

from stillage.api.ims.codes import MEANINGS, NEVER, OF_HUAWEI

PAGE = Path(__file__).parent.parent / "docs" / "ims-codes.md"
HEAD = """\
# Error codes of IMS

What [Huawei-style clients](huawei-clients.md) find in `error.code`, and in `error_code` of a failed job. The status is
400, but for 403 (`IMG.0026`), 401, 404 and what is no fault of the request. This page is written by
`scripts/ims_codes_page.py`.

| code | meaning |
|---|---|
"""
REST = """
## Codes that are never given

The IMS document has these as well.

| code | meaning | why never |
|---|---|---|
"""


def page() -> str:
    why = {code: reason for reason, codes in NEVER.items() for code in codes}
    meanings = {**MEANINGS, **OF_HUAWEI}
    given = [f"| `{code}` | {meanings[code]} |\n" for code in sorted(meanings) if code not in why]
    never = [f"| `{code}` | {MEANINGS[code]} | {why[code]} |\n" for code in sorted(why)]
    return HEAD + "".join(given) + REST + "".join(never)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
