"""Values as the compatibility kit writes them: read, compared and written.

    (:A:B {k: 1})   [:T {k: 'v'}]   <(:A)-[:T]->()<-[:S]-(:B)>   [1, 2.0]   {k: null}   'it''s'   NaN   -Inf

Rules of this file
    - Nodes, relationships and paths are known by what they carry, never by an identity.
    - Comparison is strict: 1 is not 1.0, and true is not 1. NaN is NaN here: it is an answer is compared.
    - `loose` is the kit's "ignoring element order for lists": lists at every depth are compared as multisets.

Invariant: `read(written(value))` has the key of `value`.
Complexity: linear in the length of the text, `key` with `loose` sorts each list.
Source: openCypher's TCK, grammar FeatureResults.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias


@dataclass(frozen=True, slots=True)
class Node:
    """A node by its labels and properties."""

    labels: frozenset[str] = frozenset()
    properties: Mapping[str, Shown] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Relationship:
    """A relationship by its type and properties."""

    relation: str
    properties: Mapping[str, Shown] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Path:
    """`nodes[0] steps[0] nodes[1] …`; a step is a relationship, and whether it points to the right."""

    nodes: tuple[Node, ...]
    steps: tuple[tuple[Relationship, bool], ...] = ()


Shown: TypeAlias = (
    "bool | int | float | str | tuple[Shown, ...] | Mapping[str, Shown] | Node | Relationship | Path | None"
)
TOKEN: Final = re.compile(
    r"\s*(?:(?P<string>'(?:[^'\\]|\\.)*')"
    r"|(?P<number>-?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<word>-?[^\W\d]\w*|`[^`]*`)"
    r"|(?P<sign><-\[|-\[|\]->|\]-|[(){}\[\]<>:,]))",
    re.DOTALL,
)
WORDS: Final[dict[str, bool | float | None]] = {
    **{"null": None, "true": True, "false": False},
    **{"NaN": math.nan, "Inf": math.inf, "-Inf": -math.inf},
}


class NotationError(Exception):
    """Text that is no value of the kit's notation."""


def read(text: str) -> Shown:
    """The value that a cell of a table holds.

    >>> read("[1, {k: 'a'}]")
    (1, {'k': 'a'})
    """
    reader = _Reader(text)
    value = reader.value()
    reader.end()
    return value


class _Reader:
    """Reads one value after the other from the left; one token of look-ahead."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._kind, self._token = "", ""
        self._next()

    def _next(self) -> str:
        had = self._token
        if not (rest := self._text[self._at :].strip()):
            self._kind, self._token = "end", ""
            return had
        found = TOKEN.match(self._text, self._at)
        if found is None or found.lastgroup is None:
            raise NotationError(f"no value of the notation: {self._text!r} from {rest[:20]!r}")
        self._kind, self._token, self._at = found.lastgroup, found[found.lastgroup], found.end()
        return had

    def _take(self, *tokens: str) -> str:
        if self._kind == "string" or self._token not in tokens:
            raise NotationError(f"expected {' or '.join(tokens)} in {self._text!r}, found {self._token!r}")
        return self._next()

    def _found(self, token: str) -> bool:
        if self._kind != "sign" or self._token != token:
            return False
        self._next()
        return True

    def end(self) -> None:
        if self._kind != "end":
            raise NotationError(f"more than a value: {self._text!r}")

    def value(self) -> Shown:
        if self._kind == "string":
            return re.sub(r"\\(['\\])", r"\1", self._next()[1:-1])
        if self._kind == "number":
            return _number(self._next())
        if self._kind == "word":
            if self._token not in WORDS:
                raise NotationError(f"no value: {self._token!r} in {self._text!r}")
            return WORDS[self._next()]
        if self._token == "(":
            return self._node()
        if self._token == "{":
            return self._map()
        if self._token == "<":
            return self._path()
        self._take("[")
        return self._relationship("]") if self._token == ":" else self._list()

    def _list(self) -> tuple[Shown, ...]:
        items: list[Shown] = []
        while not self._found("]"):
            if items:
                self._take(",")
            items.append(self.value())
        return tuple(items)

    def _map(self) -> dict[str, Shown]:
        pairs: dict[str, Shown] = {}
        self._take("{")
        while not self._found("}"):
            if pairs:
                self._take(",")
            name = self._name()
            self._take(":")
            pairs[name] = self.value()
        return pairs

    def _name(self) -> str:
        if self._kind not in ("word", "number"):
            raise NotationError(f"expected a name in {self._text!r}, found {self._token!r}")
        return self._next().strip("`")

    def _properties(self) -> dict[str, Shown]:
        return self._map() if self._token == "{" else {}

    def _node(self) -> Node:
        self._take("(")
        labels = []
        while self._found(":"):
            labels.append(self._name())
        properties = self._properties()
        self._take(")")
        return Node(frozenset(labels), properties)

    def _relationship(self, *ends: str) -> Relationship:
        self._take(":")
        one = Relationship(self._name(), self._properties())
        self._take(*ends)
        return one

    def _path(self) -> Path:
        self._take("<")
        nodes, steps = [self._node()], []
        while not self._found(">"):
            right = self._take("-[", "<-[") == "-["
            steps.append((self._relationship("]->" if right else "]-"), right))
            nodes.append(self._node())
        return Path(tuple(nodes), tuple(steps))


def _number(text: str) -> int | float:
    return int(text) if re.fullmatch(r"-?\d+", text) else float(text)


def key(value: Shown, loose: bool = False) -> Hashable:
    """Equal for values that are the same answer, and only for those."""
    if isinstance(value, bool) or value is None:
        return (type(value).__name__, value)
    if isinstance(value, float):
        return ("float", "nan" if math.isnan(value) else value)
    if isinstance(value, (int, str)):
        return (type(value).__name__, value)
    if isinstance(value, tuple):
        items = [key(item, loose) for item in value]
        return ("list", *(sorted(items, key=repr) if loose else items))
    if isinstance(value, Mapping):
        return ("map", frozenset((name, key(item, loose)) for name, item in value.items()))
    if isinstance(value, Node):
        return ("node", value.labels, key(value.properties, loose))
    if isinstance(value, Relationship):
        return ("relationship", value.relation, key(value.properties, loose))
    steps = tuple((key(one, loose), right) for one, right in value.steps)
    return ("path", tuple(key(node, loose) for node in value.nodes), steps)


def written(value: Shown) -> str:
    """The value in the kit's notation, to be shown beside what was expected."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return repr(value).replace("inf", "Inf").replace("nan", "NaN")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if isinstance(value, tuple):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_named(name)}: {written(item)}' for name, item in value.items())}}}"
    if isinstance(value, Node):
        parts = ["".join(f":{_named(label)}" for label in sorted(value.labels)), _written_properties(value)]
        return f"({' '.join(part for part in parts if part)})"
    if isinstance(value, Relationship):
        return f"[{' '.join(part for part in (f':{_named(value.relation)}', _written_properties(value)) if part)}]"
    text = written(value.nodes[0])
    for (one, right), node in zip(value.steps, value.nodes[1:], strict=True):
        text += ("-" if right else "<-") + written(one) + ("->" if right else "-") + written(node)
    return f"<{text}>"


def _written_properties(value: Node | Relationship) -> str:
    return written(value.properties) if value.properties else ""


def _named(name: str) -> str:
    return name if re.fullmatch(r"[^\W\d]\w*", name) else f"`{name}`"
