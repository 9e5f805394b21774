"""Join the ES modules of the console into a few, so that a browser needs few requests.

The modules are written so that joining is removing: each begins with its imports, exports by ``export function``,
``export const``, ``export let`` or ``export class``, and those that are joined declare no name twice. A module that is
joined can still be imported by its own address: there it passes on what the joined one exports, so it exists once.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from posixpath import dirname, join, normpath, relpath

IMPORT = re.compile(r'^import (?:\{(?P<names>[^}]*)\} from )?"(?P<source>[^"]+)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|const|let|class) +([A-Za-z_$][\w$]*))", re.MULTILINE)
DECLARATION = re.compile(r"^(?:export )?(?:async )?(?:function\*?|const|let|class) +([A-Za-z_$][\w$]*)", re.MULTILINE)


class CannotJoin(Exception):
    """The modules break a rule that joining relies on."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A module with those that it imports, in one text.

    Attributes:
        entry: The path of the module.
        text: Of the joined module.
        exports: The exported names of each module in it, by its path.
    """

    entry: str
    text: str
    exports: Mapping[str, tuple[str, ...]]

    def stub(self, path: str) -> str:
        """Return what to serve in the place of the module *path*."""
        names = ", ".join(self.exports[path])
        return f'export {{ {names} }} from "{_relative(self.entry, path)}";\n'


def join_modules(entry: str, read: Callable[[str], str], *, elsewhere: Callable[[str], str | None]) -> Joined:
    """Join the module *entry* with all that it imports.

    Args:
        entry: Its path, relative to the folder of all modules.
        read: Returns the text of a module by its path.
        elsewhere: Returns the path from which a module's names are imported, None for one that is to be joined.

    Raises:
        CannotJoin: If a name is declared by two modules, or an import or export is written in another way.
    """
    texts = {path: read(path) for path in _in_order(entry, read, elsewhere)}
    bodies = {path: _without_imports(path, text) for path, text in texts.items()}
    _require_unique(bodies)
    exports = {path: tuple(match[1] for match in EXPORT.finditer(body)) for path, body in bodies.items()}
    imports = [
        f'import {{ {", ".join(sorted(names))} }} from "{_relative(path, entry)}";\n'
        for path, names in _outside(texts, elsewhere).items()
    ]
    parts = [f"// {path}\n{EXPORT.sub('', body)}" for path, body in bodies.items()]
    everything = sorted({name for names in exports.values() for name in names})
    return Joined(entry, "".join([*imports, *parts, f"export {{ {', '.join(everything)} }};\n"]), exports)


def _relative(path: str, to: str) -> str:
    """Return how the module *to* imports *path*."""
    target = relpath(path, dirname(to) or ".")
    return target if target.startswith(".") else f"./{target}"


def imports_of(path: str, text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield what the module *path* imports: the path of another module, and names."""
    for match in IMPORT.finditer(text):
        names = [name.strip() for name in (match["names"] or "").split(",")]
        yield normpath(join(dirname(path), match["source"])), [name for name in names if name]


def _in_order(entry: str, read: Callable[[str], str], elsewhere: Callable[[str], str | None]) -> list[str]:
    """Return the modules, each after those that it imports."""
    order: list[str] = []
    begun: set[str] = set()

    def visit(path: str) -> None:
        begun.add(path)
        for source, _ in imports_of(path, read(path)):
            if source not in begun and elsewhere(source) is None:
                visit(source)
        order.append(path)

    visit(entry)
    return order


def _outside(texts: Mapping[str, str], elsewhere: Callable[[str], str | None]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path, text in texts.items():
        for source, names in imports_of(path, text):
            if (place := elsewhere(source)) is not None:
                found.setdefault(place, set()).update(names)
    return found


def _without_imports(path: str, text: str) -> str:
    body = IMPORT.sub("", text)
    if other := re.search(r"^(?:import [^(]|export (?:default|\{|\*)).*$", body, re.MULTILINE):
        raise CannotJoin(f"{path}: {other[0]!r} cannot be joined; import and export by name, as the others do")
    if renamed := re.search(r"^import \{[^}]* as ", text, re.MULTILINE):
        raise CannotJoin(f"{path}: {renamed[0]!r}: names are not changed where modules are joined")
    return body


def _require_unique(bodies: Mapping[str, str]) -> None:
    owners: dict[str, str] = {}
    for path, body in bodies.items():
        for name in DECLARATION.findall(body):
            if name in owners:
                raise CannotJoin(f"{path} and {owners[name]} both declare {name}; rename one")
            owners[name] = path
