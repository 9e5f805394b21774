"""Join the ES modules of the console into a few, so that a browser needs few requests.

Each module becomes a function that is called once and returns what the module exports. For that the modules import
and export by name, each begins with its imports, and none imports itself through others. A module that is joined can
still be imported by its own address: there it passes on what the joined one has, so that it exists once.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from posixpath import dirname, join, normpath, relpath

IMPORT = re.compile(
    r'^import (?:(?:(?P<names>\{[^}]*\})|\* as (?P<all>\w+)) from )?"(?P<source>[^"]+)";\n', re.MULTILINE
)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|const|class) +([A-Za-z_$][\w$]*))", re.MULTILINE)


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
        variable, names = variable_of(path), ", ".join(self.exports[path])
        return (
            f'import {{ {variable} }} from "{_relative(self.entry, path)}";\nexport const {{ {names} }} = {variable};\n'
        )


def join_modules(entry: str, read: Callable[[str], str], *, elsewhere: Callable[[str], str | None]) -> Joined:
    """Join the module *entry* with all that it imports.

    Args:
        entry: Its path, relative to the folder of all modules.
        read: Returns the text of a module by its path.
        elsewhere: Returns the path of the file that has a module: its own, or that of another joined one. None for a
            module that is to be joined.

    Raises:
        CannotJoin: If an import or export is written in another way, or modules import one another.
    """
    texts = {path: read(path) for path in _in_order(entry, read, elsewhere)}
    bodies = {path: _body(path, text) for path, text in texts.items()}
    exports = {path: tuple(match[1] for match in EXPORT.finditer(body)) for path, body in bodies.items()}
    imported = dict.fromkeys(source for path, text in texts.items() for source, _ in imports_of(path, text))
    heads = [_import(source, place, entry) for source in imported if (place := elsewhere(source)) is not None]
    parts = [_function(path, texts[path], bodies[path], exports[path]) for path in texts]
    if exports[entry]:
        parts.append(f"export const {{ {', '.join(exports[entry])} }} = {variable_of(entry)};\n")
    return Joined(entry, "".join([*heads, *parts]), exports)


def variable_of(path: str) -> str:
    """Return the name that the module *path* has in a joined one."""
    return re.sub(r"\W", "_", path.removesuffix(".js"))


def imports_of(path: str, text: str) -> Iterator[tuple[str, str]]:
    """Yield what the module *path* imports: the path of another module, and what its names are bound to."""
    for match in IMPORT.finditer(text):
        bound = match["all"] or " ".join((match["names"] or "").replace(",}", "}").split())
        yield normpath(join(dirname(path), match["source"])), bound


def _in_order(entry: str, read: Callable[[str], str], elsewhere: Callable[[str], str | None]) -> list[str]:
    """Return the modules, each after those that it imports."""
    order: list[str] = []

    def visit(path: str, within: tuple[str, ...]) -> None:
        if path in within:
            raise CannotJoin(f"{' → '.join((*within, path))}: modules import one another; move what both need")
        for source, _ in imports_of(path, read(path)):
            if source not in order and elsewhere(source) is None:
                visit(source, (*within, path))
        order.append(path)

    visit(entry, ())
    return order


def _import(source: str, place: str, entry: str) -> str:
    address = _relative(place, entry)
    if place == source:
        return f'import * as {variable_of(source)} from "{address}";\n'
    return f'import {{ {variable_of(source)} }} from "{address}";\n'


def _function(path: str, text: str, body: str, exports: Sequence[str]) -> str:
    imports = [f"const {bound} = {variable_of(source)};\n" for source, bound in imports_of(path, text) if bound]
    return (
        f"// {path}\nexport const {variable_of(path)} = (() => {{\n{''.join(imports)}{EXPORT.sub('', body)}"
        f"return {{ {', '.join(exports)} }};\n}})();\n"
    )


def _body(path: str, text: str) -> str:
    if renamed := re.search(r"^import \{[^}]* as ", text, re.MULTILINE):
        raise CannotJoin(f"{path}: {renamed[0]!r}: names are not changed where modules are joined")
    body = IMPORT.sub("", text)
    if other := re.search(r"^(?:import [^(]|export (?:default|let|\{|\*)|await ).*$", body, re.MULTILINE):
        raise CannotJoin(f"{path}: {other[0]!r} cannot be joined; import and export by name, as the others do")
    return body


def _relative(path: str, to: str) -> str:
    """Return how the module *to* imports *path*."""
    target = relpath(path, dirname(to) or ".")
    return target if target.startswith(".") else f"./{target}"
