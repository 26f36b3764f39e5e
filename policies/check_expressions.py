"""Checks expressions: names that are bound, functions that exist, sorts that fit, aggregates where they may stand.

Rules of this file
    - One walk does all of it and returns what the expression can be (`Shape`), so that each part is looked at once.
    - All problems are reported; a part that is wrong can be anything, so that one mistake is one error.

Complexity: linear in the expression; recursion as deep as the tree (`lalr.MAX_TREE`).
Source: openCypher 9; the error details of its conformance suite.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from enum import Enum
from typing import Final

from policies import check_shapes as h
from policies import functions_signature as f
from policies import syntax as s
from policies.check_patterns import check_path
from policies.check_scope import MAX_ERRORS, Report, Scope, near
from policies.errors import TYPE, UNSUPPORTED
from policies.functions import FUNCTIONS
from policies.patterns import regex_problem

MAX_REGEXES: Final = 200  # each may hold `patterns.MAX_PROGRAM` bytes
TEMPORAL: Final = frozenset({"date", "time", "datetime", "localtime", "localdatetime", "duration", "timestamp"})
SPATIAL: Final = frozenset({"point", "distance"})
HOLDERS: Final = f.NODE | f.RELATIONSHIP | f.MAP


class Mode(Enum):
    """Whether an aggregate may stand here."""

    FREE = "an aggregate may stand here"
    WITHIN = "inside of an aggregate"
    NOWHERE = "no aggregate may stand here"


class ExpressionChecker:
    """Checks the expressions of one query; `subquery` checks the query of an EXISTS."""

    def __init__(self, report: Report, excused: Container[s.Place], subquery: Callable[[s.Query, Scope], None]) -> None:
        self.report = report
        self._excused, self._subquery = excused, subquery
        self._regexes = 0

    def condition(self, expression: s.Expression, scope: Scope, mode: Mode = Mode.NOWHERE) -> None:
        """Check what a WHERE says: a truth value, in which pattern predicates may stand."""
        shape = self.check(expression, scope, mode, truth=True)
        self._want(shape, f.BOOLEAN, expression, "a condition")

    def check(self, expression: s.Expression, scope: Scope, mode: Mode = Mode.NOWHERE, truth: bool = False) -> h.Shape:
        """Check an expression; `truth` if it stands where a pattern predicate may."""
        match expression:
            case s.Literal(value):
                return h.of_literal(value)
            case s.Variable():
                return self._variable(expression, scope)
            case s.Property(subject):
                return self._property(expression, self.check(subject, scope, mode))
            case s.Comparison():
                return self._comparison(expression, scope, mode)
            case s.And(operands) | s.Or(operands) | s.Xor(operands):
                for operand in operands:
                    self._operand(operand, scope, mode, truth)
            case s.Not(operand):
                self._operand(operand, scope, mode, truth)
            case s.IsNull(operand):
                self.check(operand, scope, mode)
            case s.PatternPredicate():
                return self._predicate(expression, scope, truth)
            case s.Exists(query):
                self._subquery(query, scope)
            case _:
                return self._value(expression, scope, mode)
        return h.BOOLEAN

    def _value(self, expression: s.Expression, scope: Scope, mode: Mode) -> h.Shape:
        match expression:
            case s.Call():
                return self._call(expression, scope, mode)
            case s.CountAll():
                self._aggregate(expression, "count", mode)
                return h.INTEGER
            case s.ListOf(items):
                return h.Shape(f.LIST, h.either([self.check(item, scope, mode) for item in items]))
            case s.MapOf(pairs):
                for _, part in pairs:
                    self.check(part, scope, mode)
                return h.MAP
            case s.Arithmetic() | s.Negative():
                return self._calculation(expression, scope, mode)
            case s.Case():
                return self._case(expression, scope, mode)
            case s.Quantifier() | s.ListComprehension():
                return self._loop(expression, scope, mode)
            case s.Reduce():
                return self._reduce(expression, scope, mode)
            case s.PatternComprehension():
                return self._paths(expression, scope)
        return self._part(expression, scope, mode)

    def _part(self, expression: s.Expression, scope: Scope, mode: Mode) -> h.Shape:
        match expression:
            case s.HasLabels(subject):
                shape = self.check(subject, scope, mode)
                self._want(shape, f.NODE | f.RELATIONSHIP, expression, "what has a label")
                return h.BOOLEAN
            case s.Index(subject, index):
                shape = self.check(subject, scope, mode)
                self.check(index, scope, mode)
                return shape.settled.elements if shape.sorts == f.LIST else h.ANYTHING
            case s.Slice(subject, first, last):
                shape = self.check(subject, scope, mode)
                for end in (first, last):
                    if end is not None:
                        self.check(end, scope, mode)
                return h.Shape(f.LIST, shape.element)
        return h.STRING if isinstance(expression, s.Glob) else h.ANYTHING  # a parameter

    def _predicate(self, pattern: s.PatternPredicate, scope: Scope, truth: bool) -> h.Shape:
        check_path(pattern.path, scope, self, binds=False)
        if truth or pattern.at in self._excused:
            return h.BOOLEAN
        hint = "exists((a)-->()) is a value"
        self.report.wrong("a pattern where a value stands", pattern.at, hint=hint, detail="UnexpectedSyntax")
        return h.ANYTHING

    # Names and what hangs on them

    def _variable(self, variable: s.Variable, scope: Scope) -> h.Shape:
        shape = scope.get(variable.name)
        if shape is None:
            self.report.unknown(variable, scope)
            return h.ANYTHING
        return shape

    def _property(self, expression: s.Property, shape: h.Shape) -> h.Shape:
        if shape.may_be(HOLDERS):
            return h.ANYTHING
        of_pattern = shape.may_be(f.PATH) or shape == h.EDGES
        hint = f"all(e IN … WHERE e.{expression.key} = …)" if shape == h.EDGES else ""
        message = f"{shape.named} has no properties"
        kind = "SyntaxError" if of_pattern else TYPE
        self.report.wrong(message, expression, expression.key, hint, detail="InvalidArgumentType", kind=kind)
        return h.ANYTHING

    def _want(self, shape: h.Shape, wanted: f.Sorts, part: object, what: str) -> None:
        if not shape.may_be(wanted):
            message = f"{what} is {h.Shape(wanted).named}, not {shape.named}"
            self.report.wrong(message, part, detail="InvalidArgumentType")

    # Operators

    def _operand(self, operand: s.Expression, scope: Scope, mode: Mode, truth: bool) -> None:
        self._want(self.check(operand, scope, mode, truth), f.BOOLEAN, operand, "an operand here")

    def _comparison(self, test: s.Comparison, scope: Scope, mode: Mode) -> h.Shape:
        self.check(test.left, scope, mode)
        right = self.check(test.right, scope, mode)
        if test.operator is s.Operator.IN:
            self._want(right, f.LIST, test.right, "what IN looks through")
        elif test.operator is s.Operator.MATCHES and isinstance(test.right, s.Literal):
            self._regex(test.right)
        return h.BOOLEAN

    def _regex(self, pattern: s.Literal) -> None:
        if not isinstance(pattern.value, str):
            return
        self._regexes += 1
        if self._regexes == MAX_REGEXES + 1:
            message = f"more than {MAX_REGEXES} regular expressions"
            self.report.wrong(message, pattern, pattern.value, "join some with |", detail="QueryTooLarge")
        problem = regex_problem(pattern.value) if self._regexes <= MAX_REGEXES else None
        if problem is not None:
            message = f"not a regular expression: {problem}"
            self.report.wrong(message, pattern, pattern.value, "RE2 syntax", detail="InvalidArgumentValue")

    def _calculation(self, expression: s.Arithmetic | s.Negative, scope: Scope, mode: Mode) -> h.Shape:
        if isinstance(expression, s.Negative):
            shape = self.check(expression.operand, scope, mode)
            self._want(shape, f.NUMBER, expression.operand, "what a minus stands before")
            return h.NUMBER
        left, right = self.check(expression.left, scope, mode), self.check(expression.right, scope, mode)
        if expression.sign is not s.Sign.PLUS:
            for shape, operand in ((left, expression.left), (right, expression.right)):
                self._want(shape, f.NUMBER, operand, f"an operand of {expression.sign.value}")
        return h.of_arithmetic(expression.sign, left, right)

    def _case(self, case: s.Case, scope: Scope, mode: Mode) -> h.Shape:
        if case.subject is not None:
            self.check(case.subject, scope, mode)
        results = []
        for condition, result in case.branches:
            if case.subject is None:
                self.condition(condition, scope, mode)
            else:
                self.check(condition, scope, mode)
            results.append(self.check(result, scope, mode))
        results.append(h.ANYTHING if case.otherwise is None else self.check(case.otherwise, scope, mode))
        return h.either(results)

    # Calls

    def _call(self, call: s.Call, scope: Scope, mode: Mode) -> h.Shape:
        function = FUNCTIONS.get(call.function)
        inner = mode
        if function is None:
            self._no_function(call)
        elif function.aggregating:
            self._aggregate(call, function.name, mode)
            inner = Mode.WITHIN
        elif call.function == "rand" and mode is Mode.WITHIN:
            self.report.wrong("chance inside of an aggregate", call.at, "rand", detail="NonConstantExpression")
        if function is not None and call.distinct and not function.aggregating:
            self.report.wrong(
                "DISTINCT in a call that does not aggregate", call.at, function.name, detail="UnexpectedSyntax"
            )
        shapes = tuple(self.check(argument, scope, inner) for argument in call.arguments)
        if function is None or not self._counted(call, function):
            return h.ANYTHING
        self._arguments(call, function, shapes)
        return h.of_call(function, shapes)

    def _no_function(self, call: s.Call) -> None:
        base = call.function.split(".")[0]
        if base in TEMPORAL or base in SPATIAL:
            what = "times and durations" if base in TEMPORAL else "points"
            message = f"this language has no {what}"
            self.report.wrong(message, call.at, call.function, detail="UnknownFunction", kind=UNSUPPORTED)
            return
        names = (function.name for function in FUNCTIONS.values())
        hint = near(call.function, names) if len(self.report.errors) < MAX_ERRORS else ""
        self.report.wrong("unknown function", call.at, call.function, hint, detail="UnknownFunction")

    def _counted(self, call: s.Call, function: f.Function) -> bool:
        count, least, most = len(call.arguments), function.least, function.most
        if least <= count and (most is None or count <= most):
            return True
        message = f"{function.name} does not take {count} argument{'s' * (count != 1)}"
        self.report.wrong(message, call.at, function.name, function.signature, detail="InvalidNumberOfArguments")
        return False

    def _arguments(self, call: s.Call, function: f.Function, shapes: tuple[h.Shape, ...]) -> None:
        if call.function == "exists" and not isinstance(call.arguments[0], s.Property | s.Index):
            hint = "exists(a.name), exists((a)-->())"
            self.report.wrong(
                "exists takes a property or a pattern", call.at, "exists", hint, detail="InvalidArgumentType"
            )
        for position, (shape, argument) in enumerate(zip(shapes, call.arguments, strict=True)):
            self._want(shape, function.accepts(position), argument, f"what {function.name} takes")

    def _aggregate(self, call: s.Call | s.CountAll, name: str, mode: Mode) -> None:
        if mode is Mode.WITHIN:
            self.report.wrong(
                "an aggregate inside of an aggregate", call.at, name, "WITH first", detail="NestedAggregation"
            )
        elif mode is Mode.NOWHERE:
            hint = f"WITH {name}(…) AS x before"
            self.report.wrong("an aggregate where none may stand", call.at, name, hint, detail="InvalidAggregation")

    # What binds names of its own

    def _loop(self, loop: s.Quantifier | s.ListComprehension, scope: Scope, mode: Mode) -> h.Shape:
        items = self.check(loop.items, scope, mode)
        self._want(items, f.LIST, loop.items, "what is gone through")
        element = items.elements if items.sorts == f.LIST else h.ANYTHING
        inside = scope.inner({loop.variable: element})
        if isinstance(loop, s.Quantifier):
            self.condition(loop.condition, inside)
            return h.BOOLEAN
        if loop.where is not None:
            self.condition(loop.where, inside)
        return h.Shape(f.LIST, element if loop.result is None else self.check(loop.result, inside))

    def _reduce(self, reduce: s.Reduce, scope: Scope, mode: Mode) -> h.Shape:
        self.check(reduce.start, scope, mode)
        items = self.check(reduce.items, scope, mode)
        self._want(items, f.LIST, reduce.items, "what is gone through")
        element = items.elements if items.sorts == f.LIST else h.ANYTHING
        self.check(reduce.step, scope.inner({reduce.accumulator: h.ANYTHING, reduce.variable: element}))
        return h.ANYTHING

    def _paths(self, comprehension: s.PatternComprehension, scope: Scope) -> h.Shape:
        inside = scope.inner()
        check_path(comprehension.path, inside, self, binds=True)
        if comprehension.where is not None:
            self.condition(comprehension.where, inside)
        return h.Shape(f.LIST, self.check(comprehension.result, inside))
