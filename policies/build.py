"""From lark's parse tree to our syntax tree: literals decoded, the published form rewritten.

Rules of this file
    - lark is seen only here and in `parse`; what leaves is typed and frozen.
    - Bottom-up without recursion (`Transformer_NonRecursive`), so that depth is `parse`'s business alone.
    - What is wrong with a literal is gathered in `errors`, and building goes on: all errors of a query are reported.

Published form: `(a) used (b {operation: 'write'})`. `operation` belongs to the edge, `*` in a string is a glob, and
`used` with an operation means a pair joined by that operation whichever way the edge points: a write is File
-WAS_GENERATED_BY-> Process.
Source: Winnower's published queries; openCypher 9 for literals and escapes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from lark import Token, Transformer_NonRecursive, Tree, v_args
from lark.tree import Meta

from grammar.errors import InputError
from policies import syntax as s

MAX_HOPS: Final = 16
WORDS: Final = {
    "used": ("USED",),
    "wasgeneratedby": ("WAS_GENERATED_BY",),
    "wastriggeredby": ("WAS_TRIGGERED_BY",),
    "wasderivedfrom": ("WAS_DERIVED_FROM",),
}
ESCAPE: Final = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
ESCAPES: Final = {"\\": "\\", "'": "'", '"': '"', "`": "`", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Kinds:
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Map:
    tests: tuple[s.PropertyTest, ...]


@dataclass(frozen=True, slots=True)
class _Limit:
    rows: int


def build(tree: Tree[Token], text: str, file: str = "", lines: int = 0) -> tuple[s.Query, list[InputError]]:
    """The `Query` of a parse tree, and what is wrong with its literals.

    `text` is the query's (columns are named by it), `lines` how many lines of the file stand above it.
    """
    builder = _Builder(text, file, lines)
    return builder.transform(tree), builder.errors


def _pick(parts: tuple[object, ...], kind: type[T]) -> T | None:
    return next((part for part in parts if isinstance(part, kind)), None)


def _named(parts: tuple[object, ...]) -> str | None:
    return next((_name(part) for part in parts if isinstance(part, Token) and part.type == "NAME"), None)


def _name(token: Token) -> str:
    return str(token).strip("`")


@v_args(inline=True)
class _Builder(Transformer_NonRecursive[Token, s.Query]):
    """One method for each rule of `policy.lark`, of the same name."""

    def __init__(self, text: str, file: str = "", lines: int = 0) -> None:
        super().__init__()
        self.errors: list[InputError] = []
        self._text, self._file, self._lines = text, file, lines

    def place(self, token: Token) -> s.Place:
        return s.Place((token.line or 0) + self._lines, token.column or 0)

    def _wrong(self, message: str, token: Token, hint: str = "") -> None:
        at = self.place(token)
        self.errors.append(
            InputError(message, file=self._file, line=at.line, column=at.column, offending=str(token), hint=hint)
        )

    # Literals

    def string(self, token: Token) -> s.Literal:
        def decode(found: re.Match[str]) -> str:
            code = found[1]
            if code[0] in "uU" and len(code) > 1 and not 0xD800 <= (number := int(code[1:], 16)) <= 0xDFFF:
                if number <= 0x10FFFF:
                    return chr(number)
            elif code in ESCAPES:
                return ESCAPES[code]
            self._wrong("unknown escape in a string", token, f"write \\\\ for a backslash; got \\{code}")
            return ""

        return s.Literal(ESCAPE.sub(decode, token[1:-1]))

    def integer(self, *tokens: Token) -> s.Literal:
        if len(tokens[-1]) > 19 or int(tokens[-1]) >= 1 << 63:
            self._wrong("an integer that does not fit 64 bits", tokens[-1])
            return s.Literal(0)
        return s.Literal(int("".join(tokens)))

    def decimal(self, *tokens: Token) -> s.Literal:
        value = float("".join(tokens))
        if value in (float("inf"), float("-inf")):
            self._wrong("a number that is too large", tokens[-1])
        return s.Literal(value)

    def true(self) -> s.Literal:
        return s.Literal(True)

    def false(self) -> s.Literal:
        return s.Literal(False)

    def null(self) -> s.Literal:
        return s.Literal(None)

    # Expressions

    def list_of(self, *items: s.Expression) -> s.ListOf:
        return s.ListOf(items)

    def variable(self, name: Token) -> s.Variable:
        return s.Variable(_name(name), self.place(name))

    def property_of(self, variable: Token, key: Token) -> s.Property:
        return s.Property(_name(variable), _name(key), self.place(variable))

    def call(self, function: Token, *arguments: s.Expression) -> s.Call:
        return s.Call(_name(function).lower(), arguments, self.place(function))

    def quantifier(self, quantity: Token, name: Token, items: s.Expression, condition: s.Expression) -> s.Quantifier:
        return s.Quantifier(s.Quantity(quantity.lower()), _name(name), items, condition, self.place(quantity))

    def disjunction(self, *operands: s.Expression) -> s.Or:
        return s.Or(operands)

    def conjunction(self, *operands: s.Expression) -> s.And:
        return s.And(operands)

    def negation(self, operand: s.Expression) -> s.Not:
        return s.Not(operand)

    def comparator(self, token: Token) -> s.Operator:
        return s.Operator(str(token))

    def comparison(self, *parts: s.Expression | s.Operator) -> s.Expression:
        # `a < b < c` means `a < b AND b < c`.
        pairs = tuple(
            s.Comparison(operator, left, right)
            for left, operator, right in zip(parts[::2], parts[1::2], parts[2::2], strict=False)
            if isinstance(operator, s.Operator)
            and not isinstance(left, s.Operator)
            and not isinstance(right, s.Operator)
        )
        return pairs[0] if len(pairs) == 1 else s.And(pairs)

    def membership(self, left: s.Expression, right: s.Expression) -> s.Comparison:
        return s.Comparison(s.Operator.IN, left, right)

    def starts_with(self, left: s.Expression, right: s.Expression) -> s.Comparison:
        return s.Comparison(s.Operator.STARTS_WITH, left, right)

    def ends_with(self, left: s.Expression, right: s.Expression) -> s.Comparison:
        return s.Comparison(s.Operator.ENDS_WITH, left, right)

    def contains(self, left: s.Expression, right: s.Expression) -> s.Comparison:
        return s.Comparison(s.Operator.CONTAINS, left, right)

    def matches(self, left: s.Expression, sign: Token, right: s.Expression) -> s.Matches:
        if isinstance(right, s.Literal) and isinstance(right.value, str):
            return s.Matches(left, right.value, self.place(sign))
        # A pattern out of the graph would be a program that the watched side writes.
        self._wrong("the right side of =~ must be a string", sign)
        return s.Matches(left, "", self.place(sign))

    def is_null(self, operand: s.Expression) -> s.IsNull:
        return s.IsNull(operand)

    def is_not_null(self, operand: s.Expression) -> s.Not:
        return s.Not(s.IsNull(operand))

    # Patterns

    def kinds(self, *names: Token) -> _Kinds:
        return _Kinds(tuple(dict.fromkeys(_name(name) for name in names)))

    def pair(self, key: Token, value: s.Literal) -> s.PropertyTest:
        return s.PropertyTest(_name(key), value)

    def property_map(self, *tests: s.PropertyTest) -> _Map:
        return _Map(tests)

    @v_args(meta=True)
    def node(self, meta: Meta, parts: list[object]) -> s.NodePattern:
        return _node_pattern(tuple(parts), s.Place(meta.line + self._lines, meta.column))

    def hops(self, *tokens: Token) -> s.Hops:
        kinds = [token.type for token in tokens]
        numbers = [min(int(token[:9]), 10**8) for token in tokens if token.type == "INTEGER"]
        if kinds[1:] == ["INTEGER"]:
            least = most = numbers[0]
        else:
            least = numbers[0] if kinds[1:2] == ["INTEGER"] else 1
            most = numbers[-1] if kinds[-1] == "INTEGER" and kinds[-2] == "DOTS" else MAX_HOPS
        if most > MAX_HOPS:
            self._wrong(f"a step of more than {MAX_HOPS} hops", tokens[-1], "give a smaller upper bound")
        elif least > most:
            self._wrong("a step whose least number of hops is above its most", tokens[-1])
        return s.Hops(least, min(most, MAX_HOPS))

    def detail(self, *parts: object) -> s.RelationshipPattern:
        kinds, tests = _pick(parts, _Kinds), _pick(parts, _Map)
        return s.RelationshipPattern(
            s.Direction.BOTH,
            _named(parts),
            kinds.names if kinds else (),
            tests.tests if tests else (),
            _pick(parts, s.Hops),
        )

    def step(self, *parts: object) -> s.RelationshipPattern:
        signs = [part for part in parts if isinstance(part, Token)]
        left, right = (any(sign.type == kind for sign in signs) for kind in ("LEFT", "RIGHT"))
        direction = s.Direction.BOTH if left == right else s.Direction.IN if left else s.Direction.OUT
        detail = _pick(parts, s.RelationshipPattern) or s.RelationshipPattern(direction)
        return replace(detail, direction=direction, at=self.place(signs[0]))

    def path(self, *parts: s.NodePattern | s.RelationshipPattern) -> s.PathPattern:
        return s.PathPattern(
            tuple(part for part in parts if isinstance(part, s.NodePattern)),
            tuple(part for part in parts if isinstance(part, s.RelationshipPattern)),
        )

    def published(self, *parts: s.NodePattern | Token) -> s.PathPattern:
        nodes = [part for part in parts if isinstance(part, s.NodePattern)]
        words = [part for part in parts if isinstance(part, Token)]
        steps = []
        for index, word in enumerate(words):
            # `operation` speaks of the edge to its node; the first node has only the edge from it.
            tests = _operations(nodes[index + 1]) + (_operations(nodes[0]) if index == 0 else ())
            either = word.lower() == "used" and bool(tests)
            types = ("USED", "WAS_GENERATED_BY") if either else WORDS[word.lower()]
            direction = s.Direction.BOTH if either else s.Direction.OUT
            steps.append(s.RelationshipPattern(direction, None, types, tests, None, self.place(word)))
        plain = (
            replace(node, properties=tuple(_globbed(t) for t in node.properties if t.key != "operation"))
            for node in nodes
        )
        return s.PathPattern(tuple(plain), tuple(steps))

    # Clauses

    def where(self, condition: s.Expression) -> s.Expression:
        return condition

    def limit(self, token: Token) -> _Limit:
        value = self.integer(token).value
        return _Limit(value if isinstance(value, int) else 0)

    @v_args(meta=True)
    def item(self, meta: Meta, parts: list[s.Expression | Token]) -> s.ReturnItem:
        expression, *alias = parts
        text = " ".join(self._text[meta.start_pos : meta.end_pos].split())
        name = _name(alias[0]) if alias and isinstance(alias[0], Token) else text
        if isinstance(expression, Token):  # cannot be: the grammar puts an expression first
            raise TypeError("an item begins with its expression")
        return s.ReturnItem(name, expression, s.Place(meta.line + self._lines, meta.column))

    def query(self, *parts: object) -> s.Query:
        paths = tuple(part for part in parts if isinstance(part, s.PathPattern))
        items = tuple(part for part in parts if isinstance(part, s.ReturnItem))
        where = next((part for part in parts if isinstance(part, s.Expression)), None)
        tokens = {part.type for part in parts if isinstance(part, Token)}
        limit = _pick(parts, _Limit)
        if "STAR" in tokens:
            items = tuple(s.ReturnItem(name, s.Variable(name)) for name in _variables(paths))
        return s.Query(paths, where, items, "DISTINCT" in tokens, limit.rows if limit else None)


def _node_pattern(parts: tuple[object, ...], at: s.Place) -> s.NodePattern:
    kinds, tests = _pick(parts, _Kinds), _pick(parts, _Map)
    return s.NodePattern(_named(parts), kinds.names if kinds else (), tests.tests if tests else (), at)


def _variables(paths: tuple[s.PathPattern, ...]) -> list[str]:
    names = [name for path in paths for name in [*(n.variable for n in path.nodes), *(e.variable for e in path.steps)]]
    return list(dict.fromkeys(name for name in names if name is not None))


def _operations(node: s.NodePattern) -> tuple[s.PropertyTest, ...]:
    return tuple(_globbed(test) for test in node.properties if test.key == "operation")


def _globbed(test: s.PropertyTest) -> s.PropertyTest:
    value = test.value.value if isinstance(test.value, s.Literal) else None
    return replace(test, value=s.Glob(value)) if isinstance(value, str) and "*" in value else test
