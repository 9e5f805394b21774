"""Parse and evaluate policy rules: a subset of oslo.policy's language.

    get_image: role:admin or (role:reader and project_id:%(project_id)s)

    ""  @            always               role:NAME        the principal has the role
    !                never                rule:NAME        another rule, by name
    and or not ( )   in this order:       KEY:%(ATTR)s     the principal's KEY equals the target's ATTR
                     not, and, or         KEY:TEXT         the principal's KEY equals TEXT
                                          "TEXT":%(ATTR)s  the target's ATTR equals TEXT

The principal has ``project_id user_id roles is_admin``. Not supported: lists of lists (deprecated by oslo.policy),
checks by another server (``http:``, ``https:``), and roles named by the target (``role:%(ATTR)s``).

A rule is an expression. `Rules.resolve` evaluates the part about the principal. The rest is about the target alone, so
the database can filter a list by it. `Rules.allows` does the same and then evaluates the rest for one target, so that a
list and a single record never disagree.

Source: oslo.policy, "Policy rule expressions".
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stillage.errors import BadSettings

Credentials = Mapping[str, Any]
Target = Mapping[str, str | None]

TOKEN = re.compile(r"""\(|\)|(?:%\([^)]*\)s|"[^"]*"|'[^']*'|[^\s()])+""")
ATTRIBUTE = re.compile(r"%\(([^)]*)\)s")
MAX_DEPTH = 50


@dataclass(frozen=True, slots=True)
class PrincipalKey:
    """The principal's own value, by name."""

    name: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """The target's value, by name."""

    name: str


@dataclass(frozen=True, slots=True)
class Role:
    name: str


@dataclass(frozen=True, slots=True)
class Reference:
    """Another rule."""

    name: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """*left* equals *right*. An attribute without a value equals nothing."""

    left: str | PrincipalKey
    right: tuple[str | Attribute, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: "Expression"


@dataclass(frozen=True, slots=True)
class AllOf:
    parts: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: "tuple[Expression, ...]"


Leaf = Role | Reference | Comparison
Expression = bool | Leaf | Not | AllOf | AnyOf

KEPT = frozenset({"project_id", "user_id"})
"""Keys of the principal that stay in a resolved rule, which is then the same for all principals with the same roles."""


class Rules:
    """Named rules that may refer to one another."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        """Parse *texts*, by name.

        Raises:
            BadSettings: If a rule is malformed, refers to a rule that does not exist, or to itself.
        """
        self._expressions = {name: _Parser(name, text).parse() for name, text in texts.items()}
        for name in texts:
            self._require_end(name, texts, ())

    def allows(self, name: str, credentials: Credentials, target: Target) -> bool:
        """True if rule *name* holds for a principal with *credentials* and a target with the attributes *target*."""
        return holds(self.resolve(name, credentials), credentials, target)

    def resolve(self, name: str, credentials: Credentials) -> Expression:
        """Return the rest of rule *name* for a target: True, False, or an expression of comparisons with it."""

        def answer(leaf: Leaf) -> Expression:
            match leaf:
                case Role(role):
                    return role in credentials["roles"]
                case Reference(other):
                    return self.resolve(other, credentials)
                case Comparison():
                    return _of_the_principal(leaf, credentials)

        return _rewrite(self._expressions[name], answer)

    def _require_end(self, name: str, texts: Mapping[str, str], above: tuple[str, ...]) -> None:
        if name in above:
            raise BadSettings(f"policy rule {name!r} refers to itself: {' → '.join([*above, name])}")
        if name not in texts:
            raise BadSettings(f"policy rule {above[-1]!r} refers to {name!r}, which does not exist")
        for other in re.findall(r"\brule:([\w.:-]+)", texts[name]):
            self._require_end(other, texts, (*above, name))


def holds(rule: Expression, credentials: Credentials, target: Target) -> bool:
    """True if a resolved *rule* holds for *target*."""

    def answer(leaf: Leaf) -> bool:
        assert isinstance(leaf, Comparison)  # noqa: S101 - a resolved rule has no other leaves
        left = str(credentials[leaf.left.name]) if isinstance(leaf.left, PrincipalKey) else leaf.left
        pieces = [target.get(piece.name) if isinstance(piece, Attribute) else piece for piece in leaf.right]
        return None not in pieces and "".join(map(str, pieces)) == left

    return _rewrite(rule, answer) is True


def assume(rule: Expression, values: Mapping[str, str | PrincipalKey | None]) -> Expression:
    """Return the rest of a resolved *rule* for targets whose attributes have these *values*."""

    def answer(leaf: Leaf) -> Expression:
        match leaf:
            case Comparison(left, (Attribute(name),)) if name in values:
                value = values[name]
                if value is None or value == left:
                    return value is not None
                return False if isinstance(value, str) and isinstance(left, str) else leaf
        return leaf

    return _rewrite(rule, answer)


def _of_the_principal(leaf: Comparison, credentials: Credentials) -> Expression:
    left = leaf.left
    is_about_target = any(isinstance(piece, Attribute) for piece in leaf.right)
    if isinstance(left, PrincipalKey):
        if left.name not in credentials:
            return False
        if is_about_target and left.name in KEPT:
            return leaf
        left = str(credentials[left.name])
    return Comparison(left, leaf.right) if is_about_target else left == "".join(map(str, leaf.right))


def _rewrite(expression: Expression, answer: Callable[[Leaf], Expression]) -> Expression:
    """Return *expression* with every leaf replaced by its *answer*, and simplified."""
    match expression:
        case bool():
            return expression
        case Not(part):
            rest = _rewrite(part, answer)
            return not rest if isinstance(rest, bool) else Not(rest)
        case AllOf(parts):
            return _joined([_rewrite(part, answer) for part in parts], AllOf, decides=False)
        case AnyOf(parts):
            return _joined([_rewrite(part, answer) for part in parts], AnyOf, decides=True)
        case _:
            return answer(expression)


def _joined(parts: Iterable[Expression], kind: type[AllOf | AnyOf], *, decides: bool) -> Expression:
    open_parts: dict[Expression, None] = {}
    for part in parts:
        if part is decides:
            return decides
        if not isinstance(part, bool):
            open_parts[part] = None
    if not open_parts:
        return not decides
    first, *others = open_parts
    return kind((first, *others)) if others else first


class _Parser:
    """Recursive descent over the tokens of one rule."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._text = text
        self._tokens: list[str] = TOKEN.findall(text)
        self._depth = 0

    def parse(self) -> Expression:
        if not self._tokens:
            return True
        expression = self._either()
        if self._tokens:
            raise self._unreadable(f"unexpected {self._tokens[0]!r}")
        return expression

    def _either(self) -> Expression:
        return _joined(list(self._separated(self._both, "or")), AnyOf, decides=True)

    def _both(self) -> Expression:
        return _joined(list(self._separated(self._single, "and")), AllOf, decides=False)

    def _separated(self, part: Callable[[], Expression], word: str) -> Iterator[Expression]:
        yield part()
        while self._tokens and self._tokens[0].lower() == word:
            self._tokens.pop(0)
            yield part()

    def _single(self) -> Expression:
        if not self._tokens:
            raise self._unreadable("unexpected end")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._unreadable("it is nested too deeply")
        token = self._tokens.pop(0)
        if token.lower() == "not":
            part = self._single()
            expression: Expression = not part if isinstance(part, bool) else Not(part)
        elif token == "(":  # noqa: S105 - a parenthesis
            expression = self._either()
            if not self._tokens or self._tokens.pop(0) != ")":
                raise self._unreadable("unclosed parenthesis")
        else:
            expression = self._leaf(token)
        self._depth -= 1
        return expression

    def _leaf(self, token: str) -> Expression:
        if token in ("@", "!"):
            return token == "@"  # noqa: S105 - a word of the language
        kind, colon, match = token.partition(":") if token[0] not in "\"'" else _split_quoted(token)
        if not kind or not colon or not match or token == ")":  # noqa: S105 - a parenthesis
            raise self._unreadable(f"{token!r} is not a check")
        if kind in ("http", "https"):
            raise self._unreadable("checks that ask another server are not supported")
        if kind == "rule":
            return Reference(match)
        right = _pieces(match.strip("\"'"))
        if kind == "role":
            if any(isinstance(piece, Attribute) for piece in right):
                raise self._unreadable("a role must be named; it cannot come from an attribute of the image")
            return Role("".join(map(str, right)).lower())
        return Comparison(kind[1:-1] if kind[0] in "\"'" else PrincipalKey(kind), right)

    def _unreadable(self, why: str) -> BadSettings:
        return BadSettings(f"cannot parse policy rule {self._name!r}: {why}, in {self._text!r}")


def _split_quoted(token: str) -> tuple[str, str, str]:
    end = token.find(token[0], 1) + 1
    return token[:end], token[end : end + 1].replace("=", ""), token[end + 1 :]


def _pieces(text: str) -> tuple[str | Attribute, ...]:
    """Split *text* at the attributes that it names."""
    texts, names = ATTRIBUTE.split(text)[::2], ATTRIBUTE.findall(text)
    pieces: list[str | Attribute] = [texts[0]]
    for name, following in zip(names, texts[1:], strict=True):
        pieces += [Attribute(name), following]
    return tuple(piece for piece in pieces if piece != "")
