"""Expressions made executable: each becomes a function from a frame to a value.

Rules of this file
    - Compiled once for a query, run for every candidate: constants, regexes and sets are prepared here.
    - A compiled expression reads the graph and changes nothing. Bad values at run time are `QueryError`s with the place
      of the expression that met them; everything that can grow pays the budget first.
    - Patterns inside expressions (`EXISTS { }`, pattern predicates and comprehensions) are the matching side's, which
      comes in as `Patterns`; aggregating functions are `aggregates`' and must be gone before.

Invariant: what an expression says of abstract values holds for everything that they stand for: its value for those is
    what it is for the abstract one, or that is UNKNOWN.
Complexity: of one evaluation, linear in the expression and in the lists that it goes through.
Source: openCypher 9 (expressions).
"""

from __future__ import annotations

from policies import syntax as s
from policies.errors import QueryError
from policies.expressions_access import element, has_labels, part, property_of
from policies.expressions_arithmetic import add, calculate, negative
from policies.expressions_loops import Build, compile_case, compile_comprehension, compile_quantifier, compile_reduce
from policies.expressions_tests import compile_comparison
from policies.frame import Compiled, Frame, Patterns
from policies.functions import FUNCTIONS
from policies.functions_signature import SORTS, Function
from policies.truth import UNKNOWN, Truth
from policies.values import NodeValue, Value, fault, weigh

__all__ = ["compile_expression", "place", "property_of"]


def compile_expression(expression: s.Expression, patterns: Patterns) -> Compiled:
    """The function that computes `expression`; raises `QueryError` when run on values that it cannot take."""

    def build(inner: s.Expression) -> Compiled:
        return compile_expression(inner, patterns)

    match expression:
        case s.PatternPredicate() | s.PatternComprehension() | s.Exists():
            return _compile_pattern(expression, patterns)
        case s.And(operands):
            return _connective(operands, build, stop=False)
        case s.Or(operands):
            return _connective(operands, build, stop=True)
        case s.Xor(operands):
            return _exclusive(operands, build)
        case s.Not(operand, at):
            return _placed(_negation(build(operand)), at)
        case s.Comparison():
            compared = compile_comparison(expression, build(expression.left), build(expression.right))
            return _placed(compared, expression.at) if _may_fail(expression) else compared
        case s.Quantifier() | s.ListComprehension() | s.Reduce():
            return _placed(_compile_loop(expression, build), expression.at)
        case s.Case():
            return compile_case(expression, build)
    return _compile_value(expression, build)


def _compile_pattern(
    expression: s.PatternPredicate | s.PatternComprehension | s.Exists, patterns: Patterns
) -> Compiled:
    match expression:
        case s.PatternPredicate():
            return patterns.predicate(expression)
        case s.Exists():
            return patterns.exists(expression)
    return _weighed(patterns.comprehension(expression))


def _compile_loop(expression: s.Quantifier | s.ListComprehension | s.Reduce, build: Build) -> Compiled:
    match expression:
        case s.Quantifier():
            return compile_quantifier(expression, build)
        case s.Reduce():
            return compile_reduce(expression, build)
    return compile_comprehension(expression, build)


def _compile_value(expression: s.Expression, build: Build) -> Compiled:
    match expression:
        case s.Literal(value):
            return lambda frame: value
        case s.Glob(text):
            return lambda frame: text
        case s.Variable(name):
            return lambda frame: frame.values[name]
        case s.Parameter():
            return _parameter(expression)
        case s.Property():
            return _property(expression, build)
        case s.ListOf(items):
            return _list(items, build)
        case s.MapOf(pairs):
            return _map(pairs, build)
        case s.IsNull(operand):
            return _null_test(build(operand))
        case s.Call():
            return _placed(_call(expression, build), expression.at)
        case s.CountAll():
            raise fault("SyntaxError", "InvalidAggregation", "count(*) cannot stand here")
    return _compile_operation(expression, build)


def _compile_operation(expression: s.Expression, build: Build) -> Compiled:
    match expression:
        case s.Arithmetic(s.Sign.PLUS, left, right, at):
            first, second = build(left), build(right)
            return _placed(lambda frame: add(first(frame), second(frame), frame.context), at)
        case s.Arithmetic(sign, left, right, at):
            first, second = build(left), build(right)
            return _placed(lambda frame: calculate(sign, first(frame), second(frame)), at)
        case s.Negative(operand, at):
            number = build(operand)
            return _placed(lambda frame: negative(number(frame)), at)
        case s.HasLabels(subject, labels, at):
            entity = build(subject)
            return _placed(lambda frame: has_labels(frame.context, entity(frame), labels), at)
        case s.Index(subject, index, at):
            whole, where = build(subject), build(index)
            return _placed(lambda frame: element(frame.context, whole(frame), where(frame)), at)
        case s.Slice(subject, first_end, last_end, at):
            return _placed(_slice(build(subject), first_end, last_end, build), at)
    raise TypeError(f"no expression: {expression!r}")


def _placed(run: Compiled, at: s.Place) -> Compiled:
    """The same, with the place in its errors that know none yet."""
    if at == s.NOWHERE:
        return run

    def placed(frame: Frame) -> Value:
        try:
            return run(frame)
        except QueryError as error:
            raise place(error, at) from None

    return placed


def place(error: QueryError, at: s.Place) -> QueryError:
    """The error itself, which now says where it was met unless it said so before."""
    if not error.line:
        error.line, error.column = at.line, at.column
    return error


def _may_fail(comparison: s.Comparison) -> bool:
    """Whether it can meet values that it cannot take; equality and order never do."""
    constant = isinstance(comparison.right, (s.Literal, s.ListOf))
    fallible = comparison.operator in (s.Operator.IN, s.Operator.MATCHES)
    return fallible and not (constant and comparison.operator is s.Operator.IN)


def _connective(operands: tuple[s.Expression, ...], build: Build, *, stop: bool) -> Compiled:
    """AND (which stops at False) or OR (which stops at True)."""
    parts = tuple(build(operand) for operand in operands)
    rest = not stop

    def run(frame: Frame) -> Truth:
        result: Truth = rest
        for one in parts:
            value = one(frame)
            if value is stop:
                return stop
            if value is not rest:
                result = UNKNOWN if _undecided(value) is UNKNOWN else result if result is UNKNOWN else None
        return result

    return run


def _exclusive(operands: tuple[s.Expression, ...], build: Build) -> Compiled:
    parts = tuple(build(operand) for operand in operands)

    def run(frame: Frame) -> Truth:
        odd, unknown, null = False, False, False
        for one in parts:
            value = one(frame)
            if value is True or value is False:
                odd ^= value
            elif _undecided(value) is UNKNOWN:
                unknown = True
            else:
                null = True
        return None if null else UNKNOWN if unknown else odd

    return run


def _negation(operand: Compiled) -> Compiled:
    def run(frame: Frame) -> Truth:
        value = operand(frame)
        return not value if value is True or value is False else _undecided(value)

    return run


def _undecided(value: Value) -> Truth:
    """Null or UNKNOWN; anything else is no truth value."""
    if value is None or value is UNKNOWN:
        return value
    raise fault("TypeError", "InvalidArgumentType", "this is neither true nor false", value)


def _null_test(operand: Compiled) -> Compiled:
    def run(frame: Frame) -> Truth:
        value = operand(frame)
        return UNKNOWN if value is UNKNOWN else value is None

    return run


def _parameter(parameter: s.Parameter) -> Compiled:
    name = parameter.name

    def run(frame: Frame) -> Value:
        if name in frame.context.parameters:
            return frame.context.parameters[name]
        raise fault("ParameterMissing", "MissingParameter", "no value was given for this parameter", name)

    return _placed(run, parameter.at)


def _property(expression: s.Property, build: Build) -> Compiled:
    key, whole = expression.key, build(expression.subject)
    slow = _placed(lambda frame: property_of(frame.context, whole(frame), key), expression.at)
    if not isinstance(expression.subject, s.Variable) or key == "id":
        return slow
    name = expression.subject.name

    def run(frame: Frame) -> Value:
        subject = frame.values[name]
        if subject.__class__ is NodeValue:
            return frame.context.graph.properties(subject.name).get(key)
        return slow(frame)

    return run


def _list(items: tuple[s.Expression, ...], build: Build) -> Compiled:
    if all(isinstance(item, s.Literal) for item in items):
        constant = tuple(item.value for item in items if isinstance(item, s.Literal))
        return lambda frame: constant
    parts = tuple(build(item) for item in items)
    return _weighed(lambda frame: tuple(one(frame) for one in parts))


def _map(pairs: tuple[tuple[str, s.Expression], ...], build: Build) -> Compiled:
    parts = tuple((name, build(value)) for name, value in pairs)
    return _weighed(lambda frame: {name: value(frame) for name, value in parts})


def _weighed(run: Compiled) -> Compiled:
    """The same, unless it is too large: small lists of large ones are how a query outgrows any memory."""

    def weighed(frame: Frame) -> Value:
        value = run(frame)
        frame.context.budget.spend(weigh(value) >> 3)
        return value

    return weighed


def _slice(subject: Compiled, first: s.Expression | None, last: s.Expression | None, build: Build) -> Compiled:
    start = build(first if first is not None else s.Literal(0))
    end = build(last if last is not None else s.Literal((1 << 63) - 1))
    return lambda frame: part(subject(frame), start(frame), end(frame))


def _call(call: s.Call, build: Build) -> Compiled:
    parts = tuple(build(argument) for argument in call.arguments)
    if call.function == "exists" and isinstance(call.arguments[0], s.PatternPredicate):
        return parts[0]
    if call.function == "coalesce":
        return lambda frame: next((value for one in parts if (value := one(frame)) is not None), None)
    function = FUNCTIONS[call.function]
    if function.aggregating:
        raise fault("SyntaxError", "InvalidAggregation", "an aggregating function cannot stand here", function.name)
    called = function.called
    if len(parts) == 1 and not function.contextual:
        return _unary_call(function, parts[0])
    return lambda frame: called(frame.context, tuple(one(frame) for one in parts))


def _unary_call(function: Function, argument: Compiled) -> Compiled:
    """The common case, in which nothing has to be looked at but the argument's class."""
    called, apply, fitting = function.called, function.apply, function.accepts(0)

    def run(frame: Frame) -> Value:
        value = argument(frame)
        return apply(value) if SORTS.get(value.__class__) in fitting else called(frame.context, (value,))

    return run
