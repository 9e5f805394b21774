"""Modules of the console are joined into one that means the same, or not at all."""

import pytest

from stillage.api.console.joining import CannotJoin, Joined, join_modules

MODULES = {
    "main.js": 'import { html } from "./vendor/v.js";\nimport { b } from "./core/b.js";\n\nbegin(b, html);\n',
    "core/b.js": (
        'import { html } from "../vendor/v.js";\nimport {\n  a,\n} from "./a.js";\nexport const b = a + html;\n'
    ),
    "core/a.js": "export function a() {}\nexport async function c() {}\nlet hidden = 1;\n",
}
JOINED = """\
import * as vendor_v from "./vendor/v.js";
// core/a.js
export const core_a = (() => {
function a() {}
async function c() {}
let hidden = 1;
return { a, c };
})();
// core/b.js
export const core_b = (() => {
const { html } = vendor_v;
const { a, } = core_a;
const b = a + html;
return { b };
})();
// main.js
export const main = (() => {
const { html } = vendor_v;
const { b } = core_b;

begin(b, html);
return {  };
})();
"""


def vendored(path: str) -> str | None:
    return path if path.startswith("vendor/") else None


def joined(**changed: str) -> Joined:
    modules = MODULES | {name.replace("_", "/") + ".js": text for name, text in changed.items()}
    return join_modules("main.js", modules.__getitem__, elsewhere=vendored)


def test_each_module_comes_once_and_after_those_it_imports() -> None:
    assert joined().text == JOINED


def test_a_module_can_be_imported_as_a_whole() -> None:
    assert "const all = core_a;\n" in joined(core_b='import * as all from "./a.js";\nexport const b = all.a;\n').text


def test_a_module_by_its_own_address_passes_on_what_the_joined_one_has() -> None:
    stub = joined().stub("core/a.js")
    assert stub == 'import { core_a } from "../main.js";\nexport const { a, c } = core_a;\n'


def test_what_an_earlier_one_has_is_imported_from_there() -> None:
    made = join_modules("core/b.js", MODULES.__getitem__, elsewhere=lambda path: "main.js" if "a.js" in path else path)
    assert made.text.startswith('import * as vendor_v from "../vendor/v.js";\nimport { core_a } from "../main.js";\n')
    assert list(made.exports) == ["core/b.js"]
    assert made.text.endswith("export const { b } = core_b;\n")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("export default 1;\n", "'export default 1;' cannot be joined"),
        ("export let x = 1;\n", "cannot be joined"),
        ('export { x } from "./y.js";\n', "cannot be joined"),
        ("await x;\n", "cannot be joined"),
        ('import { h as y } from "../vendor/v.js";\n', "names are not changed"),
        ('import { b } from "./b.js";\n', "core/b.js → core/a.js → core/b.js: modules import one another"),
    ],
)
def test_what_cannot_be_joined_is_named(text: str, why: str) -> None:
    with pytest.raises(CannotJoin) as error:
        joined(core_a=text)
    assert why in str(error.value)
