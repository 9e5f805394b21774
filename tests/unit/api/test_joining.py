"""Modules of the console are joined into one that means the same, or not at all."""

import pytest

from stillage.api.console.joining import CannotJoin, join_modules

MODULES = {
    "main.js": 'import { html } from "./vendor/v.js";\nimport { b } from "./core/b.js";\n\nbegin(b, html);\n',
    "core/b.js": (
        'import { html, h } from "../vendor/v.js";\nimport {\n  a,\n} from "./a.js";\nexport const b = a + html + h;\n'
    ),
    "core/a.js": "export function a() {}\nexport async function c() {}\nlet hidden = 1;\n",
}


def vendored(path: str) -> str | None:
    return path if path.startswith("vendor/") else None


def joined(**changed: str) -> str:
    modules = MODULES | {name.replace("_", "/") + ".js": text for name, text in changed.items()}
    return join_modules("main.js", modules.__getitem__, elsewhere=vendored).text


def test_every_module_comes_once_and_after_those_it_imports() -> None:
    text = joined()
    assert (
        text.index("// core/a.js\nfunction a") < text.index("// core/b.js\nconst b") < text.index("// main.js\n\nbegin")
    )
    assert text.startswith('import { h, html } from "./vendor/v.js";\n')
    assert text.count("import") == 1
    assert text.endswith("export { a, b, c };\n")


def test_a_module_by_its_own_address_passes_on_what_the_joined_one_exports() -> None:
    made = join_modules("main.js", MODULES.__getitem__, elsewhere=vendored)
    assert made.stub("core/a.js") == 'export { a, c } from "../main.js";\n'


def test_what_an_earlier_one_has_is_imported_from_there() -> None:
    made = join_modules("core/b.js", MODULES.__getitem__, elsewhere=lambda path: "main.js" if "a.js" in path else path)
    assert made.text.startswith('import { h, html } from "../vendor/v.js";\nimport { a } from "../main.js";\n')
    assert list(made.exports) == ["core/b.js"]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"core_a": "export const b = 1;\n"}, "core/b.js and core/a.js both declare b"),
        ({"core_a": "export default 1;\n"}, "'export default 1;' cannot be joined"),
        ({"core_a": 'export { x } from "./y.js";\n'}, "cannot be joined"),
        ({"core_a": 'import * as y from "./y.js";\n'}, "cannot be joined"),
        ({"core_a": 'import { h as y } from "../vendor/v.js";\n'}, "names are not changed"),
    ],
)
def test_what_cannot_be_joined_is_named(changed: dict[str, str], why: str) -> None:
    with pytest.raises(CannotJoin, match=why.replace("{", r"\{").replace("*", r"\*")):
        joined(**changed)
