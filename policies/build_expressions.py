"""Builds the expressions of a query, bottom-up: one method for each rule of `policy.lark`, of the same name.

Rules of this file
    - What is wrong with a literal is gathered in `errors`, and building goes on: all errors of a query are reported.
    - A chain of comparisons is an AND of pairs; a minus before a number makes the number negative.
    - `begins` knows of each part that was made its first token, so that `check` can say where it stands.

Source: openCypher 9 (Expression); Winnower's published form.
"""

# ruff: noqa: D102 - a method says what it builds by its name, which is its rule's
from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from policies import syntax as s
from policies.build_literals import (
    INTEGER_END,
    LiteralProblemError,
    read_decimal,
    read_integer,
    read_name,
    read_string,
)
from policies.errors import QueryError
from policies.lexer import Source, Token

T = TypeVar("T")
TESTS: Final = {
    "STARTS": s.Operator.STARTS_WITH,
    "ENDS": s.Operator.ENDS_WITH,
    "CONTAINS": s.Operator.CONTAINS,
    "=~": s.Operator.MATCHES,
}
COMPARED: Final = {one.value: one for one in s.Operator}
SIGNS: Final = {one.value: one for one in s.Sign}


class Where:
    """`WHERE condition`."""

    __slots__ = ("condition",)

    def __init__(self, condition: s.Expression) -> None:
        self.condition = condition


class Otherwise:
    """`ELSE value`."""

    __slots__ = ("value",)

    def __init__(self, value: s.Expression) -> None:
        self.value = value


class Outcome:
    """`| result`."""

    __slots__ = ("value",)

    def __init__(self, value: s.Expression) -> None:
        self.value = value


class Elements:
    """`variable IN items`."""

    __slots__ = ("items", "variable")

    def __init__(self, variable: str, items: s.Expression) -> None:
        self.variable, self.items = variable, items


class When(tuple[s.Expression, s.Expression]):
    """`WHEN condition THEN value`."""

    __slots__ = ()


class Pair(tuple[str, s.Expression]):
    """`key: value`."""

    __slots__ = ()


class Expressions:
    """What a rule of an expression makes of its parts; tokens come as they are."""

    def __init__(self, source: Source, tokens: list[Token]) -> None:
        self.source, self.tokens = source, tokens
        self.errors: list[QueryError] = []
        self.begins: dict[int, int] = {}
        self.excused: set[s.Place] = set()
        self.begin = self.finish = 0
        self._overflows: dict[int, Token] = {}

    def place(self) -> s.Place:
        """Where the rule that is being built begins."""
        return self.source.place(self.tokens[self.begin].start)

    def at(self, token: Token) -> s.Place:
        """Where a token stands."""
        return self.source.place(token.start)

    def wrong(self, message: str, token: Token, hint: str = "", *, detail: str = "UnexpectedSyntax") -> None:
        """Note an error."""
        self.errors.append(self.source.error(message, token.start, token.text, hint, detail=detail))

    def same(self, part: T) -> T:
        """What stands in parentheses."""
        return part

    # Literals

    def _read(self, read: Callable[[str], T], token: Token, instead: T) -> T:
        try:
            return read(token.text)
        except LiteralProblemError as problem:
            self.wrong(problem.message, token, problem.hint, detail=problem.detail)
            return instead

    def string(self, token: Token) -> s.Literal:
        return s.Literal(self._read(read_string, token, ""))

    def integer(self, token: Token) -> s.Literal:
        literal = s.Literal(self._read(read_integer, token, 0))
        if literal.value == INTEGER_END:
            self._overflows[id(literal)] = token
        return literal

    def decimal(self, token: Token) -> s.Literal:
        return s.Literal(self._read(read_decimal, token, 0.0))

    def true(self) -> s.Literal:
        return s.Literal(True)

    def false(self) -> s.Literal:
        return s.Literal(False)

    def null(self) -> s.Literal:
        return s.Literal(None)

    def overflowed(self) -> None:
        """Note the integers that only a minus would have made small enough."""
        for token in self._overflows.values():
            self.wrong("an integer that does not fit 64 bits", token, detail="IntegerOverflow")

    def list_of(self, *items: s.Expression) -> s.ListOf:
        return s.ListOf(items)

    def pair(self, key: Token, value: s.Expression) -> Pair:
        return Pair((read_name(key.text), value))

    def map(self, *pairs: Pair) -> s.MapOf:
        return s.MapOf(tuple((key, value) for key, value in pairs))

    def parameter(self, token: Token) -> s.Parameter:
        return s.Parameter(read_name(token.text[1:]), self.at(token))

    # Names and what hangs on them

    def variable(self, name: Token) -> s.Variable:
        return s.Variable(read_name(name.text), self.at(name))

    def property_of(self, subject: s.Expression, key: Token) -> s.Property:
        return s.Property(subject, read_name(key.text), self.place())

    def has_labels(self, subject: s.Expression, *labels: Token) -> s.HasLabels:
        return s.HasLabels(subject, tuple(read_name(label.text) for label in labels), self.place())

    def index(self, subject: s.Expression, index: s.Expression) -> s.Index:
        return s.Index(subject, index, self.place())

    def slice_all(self, subject: s.Expression) -> s.Slice:
        return s.Slice(subject, None, None, self.place())

    def slice_from(self, subject: s.Expression, first: s.Expression) -> s.Slice:
        return s.Slice(subject, first, None, self.place())

    def slice_to(self, subject: s.Expression, last: s.Expression) -> s.Slice:
        return s.Slice(subject, None, last, self.place())

    def slice_between(self, subject: s.Expression, first: s.Expression, last: s.Expression) -> s.Slice:
        return s.Slice(subject, first, last, self.place())

    # Operators

    def either(self, *operands: s.Expression) -> s.Or:
        return s.Or(operands)

    def one_of(self, *operands: s.Expression) -> s.Xor:
        return s.Xor(operands)

    def both(self, *operands: s.Expression) -> s.And:
        return s.And(operands)

    def not_(self, sign: Token, operand: s.Expression) -> s.Not:
        return s.Not(operand, self.at(sign))

    def comparator(self, sign: Token) -> Token:
        return sign

    def compared(self, *parts: s.Expression | Token) -> s.Expression:
        pairs = []
        for left, sign, right in zip(parts[::2], parts[1::2], parts[2::2], strict=False):
            if isinstance(sign, Token) and not isinstance(left, Token) and not isinstance(right, Token):
                pairs.append(s.Comparison(COMPARED[sign.text], left, right, self.at(sign)))
        for pair in pairs:
            self.begins[id(pair)] = self.begin
        return pairs[0] if len(pairs) == 1 else s.And(tuple(pairs))

    def membership(self, left: s.Expression, right: s.Expression) -> s.Comparison:
        return s.Comparison(s.Operator.IN, left, right, self.place())

    def tested(self, left: s.Expression, sign: Token, right: s.Expression) -> s.Comparison:
        return s.Comparison(TESTS[sign.text.upper()], left, right, self.at(sign))

    def is_null(self, operand: s.Expression) -> s.IsNull:
        return s.IsNull(operand)

    def is_not_null(self, operand: s.Expression, sign: Token) -> s.Not:
        return s.Not(s.IsNull(operand), self.at(sign))

    def calculated(self, left: s.Expression, sign: Token, right: s.Expression) -> s.Arithmetic:
        return s.Arithmetic(SIGNS[sign.text], left, right, self.at(sign))

    def negative(self, sign: Token, operand: s.Expression) -> s.Expression:
        value = operand.value if isinstance(operand, s.Literal) else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            return s.Negative(operand, self.at(sign))
        self._overflows.pop(id(operand), None)
        literal = s.Literal(-value)
        if literal.value == INTEGER_END:  # - -9223372036854775808
            self._overflows[id(literal)] = sign
        return literal

    def positive(self, operand: s.Expression) -> s.Expression:
        return operand

    # Calls and what looks like them

    def call(self, function: Token, *parts: s.Expression | Token) -> s.Expression:
        distinct = bool(parts) and isinstance(parts[0], Token)
        arguments = tuple(part for part in parts if not isinstance(part, Token))
        name = read_name(function.text).lower()
        if name == "exists" and len(arguments) == 1 and isinstance(arguments[0], s.PatternPredicate):
            self.excused.add(arguments[0].at)
            return arguments[0]
        return s.Call(name, arguments, distinct, self.at(function))

    def call_of_all(self, function: Token) -> s.CountAll:
        if function.text.lower() != "count":
            self.wrong("only count takes a *", function)
        return s.CountAll(self.at(function))

    def when(self, condition: s.Expression, value: s.Expression) -> When:
        return When((condition, value))

    def otherwise(self, value: s.Expression) -> Otherwise:
        return Otherwise(value)

    def searched_case(self, *parts: When | Otherwise) -> s.Case:
        return self._case(None, parts)

    def simple_case(self, subject: s.Expression, *parts: When | Otherwise) -> s.Case:
        return self._case(subject, parts)

    def _case(self, subject: s.Expression | None, parts: tuple[When | Otherwise, ...]) -> s.Case:
        branches = tuple((part[0], part[1]) for part in parts if isinstance(part, When))
        last = parts[-1]
        return s.Case(subject, branches, last.value if isinstance(last, Otherwise) else None)

    def where(self, condition: s.Expression) -> Where:
        return Where(condition)

    def result(self, value: s.Expression) -> Outcome:
        return Outcome(value)

    def elements(self, name: Token, items: s.Expression) -> Elements:
        return Elements(read_name(name.text), items)

    def quantifier(self, quantity: Token, of: Elements, where: Where) -> s.Quantifier:
        which = s.Quantity(quantity.text.lower())
        return s.Quantifier(which, of.variable, of.items, where.condition, self.at(quantity))

    def reduce(self, word: Token, name: Token, start: s.Expression, of: Elements, step: Outcome) -> s.Reduce:
        return s.Reduce(read_name(name.text), start, of.variable, of.items, step.value, self.at(word))

    def list_comprehension(self, bracket: Token, of: Elements, *parts: Where | Outcome) -> s.ListComprehension:
        where = next((part.condition for part in parts if isinstance(part, Where)), None)
        result = next((part.value for part in parts if isinstance(part, Outcome)), None)
        return s.ListComprehension(of.variable, of.items, where, result, self.at(bracket))
