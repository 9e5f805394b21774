"""The language in which operators say who may do what: a subset of oslo.policy's.

    get_image: role:admin or (role:reader and project_id:%(project_id)s)

    ""  @            always               role:NAME        the caller has the role
    !                never                rule:NAME        another rule, by name
    and or not ( )   in this order:       KEY:%(ATTR)s     the caller's KEY equals the target's ATTR
                     not, and, or         KEY:TEXT         the caller's KEY equals TEXT
                                          "TEXT":%(ATTR)s  the target's ATTR equals TEXT

The caller has ``project_id user_id roles is_admin``. Not taken: lists of lists (deprecated by oslo.policy itself) and
checks that ask another server (``http:``, ``https:``).

Source: oslo.policy, "Policy rule expressions".
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stillage.errors import BadSettings

Credentials = Mapping[str, Any]
Target = Mapping[str, str | None]
Check = Callable[[Credentials, Target], bool]

TOKEN = re.compile(r"""\(|\)|(?:%\([^)]*\)s|"[^"]*"|'[^']*'|[^\s()])+""")
ATTRIBUTE = re.compile(r"%\(([^)]*)\)s")
MAX_DEPTH = 50


class Rules:
    """Named rules that may refer to one another."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        """Parse *texts*, by name.

        Raises:
            BadSettings: If one cannot be read, refers to a rule that is not there, or to itself.
        """
        self._checks = {name: _Parser(name, text, self).parse() for name, text in texts.items()}
        for name in texts:
            self._require_end(name, texts, ())

    def allows(self, name: str, credentials: Credentials, target: Target) -> bool:
        """True if rule *name* holds for a caller with *credentials* and the thing with the attributes *target*."""
        return self._checks[name](credentials, target)

    def _require_end(self, name: str, texts: Mapping[str, str], above: tuple[str, ...]) -> None:
        if name in above:
            raise BadSettings(f"policy rule {name!r} refers to itself: {' → '.join([*above, name])}")
        if name not in texts:
            raise BadSettings(f"policy rule {above[-1]!r} refers to {name!r}, which is not there")
        for other in re.findall(r"\brule:([\w.:-]+)", texts[name]):
            self._require_end(other, texts, (*above, name))


class _Parser:
    """Recursive descent over the tokens of one rule."""

    def __init__(self, name: str, text: str, rules: Rules) -> None:
        self._name = name
        self._text = text
        self._rules = rules
        self._tokens: list[str] = TOKEN.findall(text)
        self._depth = 0

    def parse(self) -> Check:
        if not self._tokens:
            return lambda _credentials, _target: True
        check = self._either()
        if self._tokens:
            raise self._unreadable(f"{self._tokens[0]!r} is one too many")
        return check

    def _either(self) -> Check:
        checks = list(self._joined(self._both, "or"))
        return checks[0] if len(checks) == 1 else lambda c, t: any(check(c, t) for check in checks)

    def _both(self) -> Check:
        checks = list(self._joined(self._single, "and"))
        return checks[0] if len(checks) == 1 else lambda c, t: all(check(c, t) for check in checks)

    def _joined(self, part: Callable[[], Check], word: str) -> Iterator[Check]:
        yield part()
        while self._tokens and self._tokens[0].lower() == word:
            self._tokens.pop(0)
            yield part()

    def _single(self) -> Check:
        if not self._tokens:
            raise self._unreadable("it ends too early")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._unreadable("it is nested too deeply")
        token = self._tokens.pop(0)
        if token.lower() == "not":
            inner = self._single()
            check: Check = lambda c, t: not inner(c, t)  # noqa: E731
        elif token == "(":  # noqa: S105 - a parenthesis
            check = self._either()
            if not self._tokens or self._tokens.pop(0) != ")":
                raise self._unreadable("a parenthesis is not closed")
        else:
            check = self._leaf(token)
        self._depth -= 1
        return check

    def _leaf(self, token: str) -> Check:
        if token in ("@", "!"):
            return lambda _credentials, _target: token == "@"  # noqa: S105 - a word of the language
        kind, colon, match = token.partition(":") if token[0] not in "\"'" else _split_quoted(token)
        if not kind or not colon or not match or token == ")":  # noqa: S105 - a parenthesis
            raise self._unreadable(f"{token!r} is no check")
        if kind in ("http", "https"):
            raise self._unreadable("checks that ask another server are not taken")
        if kind == "rule":
            return lambda credentials, target: self._rules.allows(match, credentials, target)
        if kind == "role":
            return lambda credentials, target: (_filled(match, target) or "").lower() in credentials["roles"]
        if kind[0] in "\"'":
            literal = kind[1:-1]
            return lambda _credentials, target: _filled(match, target) == literal
        return lambda credentials, target: kind in credentials and _filled(match, target) == str(credentials[kind])

    def _unreadable(self, why: str) -> BadSettings:
        return BadSettings(f"policy rule {self._name!r} cannot be read: {why}, in {self._text!r}")


def _split_quoted(token: str) -> tuple[str, str, str]:
    end = token.find(token[0], 1) + 1
    return token[:end], token[end : end + 1].replace("=", ""), token[end + 1 :]


def _filled(match: str, target: Target) -> str | None:
    """Put the target's attributes into *match*; None when one of them is not there."""
    named = ATTRIBUTE.findall(match)
    if any(target.get(name) is None for name in named):
        return None
    return ATTRIBUTE.sub(lambda found: str(target[found[1]]), match).strip("\"'")
