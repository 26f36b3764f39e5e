"""What a query may not say although it parses: names without a binding, patterns without a meaning.

Rules of this file
    - All problems of a query are reported, in reading order; nothing is raised here.
    - `query_problems` is the language's own; `vocabulary_problems` adds what is known of Winnower's graphs, so that a
      policy with a misspelt kind is refused instead of never matching.

Invariant: the evaluator may rely on every rule here and checks none of them again.
Complexity: linear in the tree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum
from typing import Final

from grammar.errors import InputError
from policies import syntax as s
from policies.graph import KINDS, RELATIONS
from policies.patterns import regex_problem

MAX_NODES: Final = 64
MAX_REGEXES: Final = 200  # each may hold `patterns.MAX_PROGRAM` bytes
FUNCTIONS: Final = {
    "type": (1, 1),
    "id": (1, 1),
    "coalesce": (1, 100),
    "tointeger": (1, 1),
    "tolower": (1, 1),
    "toupper": (1, 1),
    "size": (1, 1),
}


class Sort(Enum):
    """What a variable stands for."""

    NODE = "a node"
    EDGE = "a relationship"
    EDGES = "the relationships of a variable-length step"
    ELEMENT = "the element of a quantifier"


def query_problems(query: s.Query, file: str = "") -> list[InputError]:
    """All that is wrong with `query` on any graph."""
    checker = _Checker(file)
    checker.bind(query)
    if query.where is not None:
        checker.expression(query.where, {})
    names = Counter(item.name for item in query.items)
    for item in query.items:
        checker.expression(item.expression, {})
        if names[item.name] > 1:
            checker.wrong("two columns have one name", item.at, item.name, "name one of them with AS")
    if not query.items:
        checker.wrong("RETURN * without a variable", query.paths[0].nodes[0].at)
    return checker.errors


def vocabulary_problems(query: s.Query, file: str = "") -> list[InputError]:
    """Kinds, relations and properties of relationships that no graph of Winnower has."""
    checker = _Checker(file)
    for path in query.paths:
        for node in path.nodes:
            checker.words(node.labels, KINDS, "kind of node", node.at)
        for step in path.steps:
            checker.words(step.types, RELATIONS, "relation", step.at)
            checker.words(tuple(t.key for t in step.properties), ("operation",), "property of a relationship", step.at)
    edges = {step.variable for path in query.paths for step in path.steps if step.variable}
    for expression in [query.where, *(item.expression for item in query.items)]:
        for part in walk(expression) if expression is not None else ():
            if isinstance(part, s.Property) and part.variable in edges:
                checker.words((part.key,), ("operation",), "property of a relationship", part.at)
    return checker.errors


def children(expression: s.Expression) -> tuple[s.Expression, ...]:
    """The direct parts of an expression."""
    match expression:
        case s.ListOf(items):
            return items
        case s.Call(_, arguments):
            return arguments
        case s.And(operands) | s.Or(operands):
            return operands
        case s.Not(operand) | s.IsNull(operand) | s.Matches(operand):
            return (operand,)
        case s.Comparison(_, left, right):
            return (left, right)
        case s.Quantifier(_, _, items, condition):
            return (items, condition)
    return ()


def walk(expression: s.Expression) -> Iterator[s.Expression]:
    """The expression and all its parts, in reading order."""
    stack = [expression]
    while stack:
        part = stack.pop()
        yield part
        stack.extend(reversed(children(part)))


@dataclass(slots=True)
class _Checker:
    file: str
    errors: list[InputError] = field(default_factory=list)
    sorts: dict[str, Sort] = field(default_factory=dict)
    edges: set[str] = field(default_factory=set)
    regexes: int = 0

    def wrong(self, message: str, at: s.Place, offending: str = "", hint: str = "") -> None:
        self.errors.append(
            InputError(message, file=self.file, line=at.line, column=at.column, offending=offending, hint=hint)
        )

    def words(self, words: tuple[str, ...], known: tuple[str, ...], what: str, at: s.Place) -> None:
        for word in words:
            if word not in known:
                near = get_close_matches(word, known, 1) or get_close_matches(word.upper(), known, 1)
                self.wrong(
                    f"unknown {what}", at, word, f"did you mean {near[0]}?" if near else "one of " + ", ".join(known)
                )

    def bind(self, query: s.Query) -> None:
        if sum(len(path.nodes) for path in query.paths) > MAX_NODES:
            self.wrong(f"a MATCH of more than {MAX_NODES} nodes", query.paths[0].nodes[0].at)
        for path in query.paths:
            for node in path.nodes:
                self._bind(node.variable, Sort.NODE, node.at)
            for step in path.steps:
                self._bind(step.variable, Sort.EDGES if step.hops else Sort.EDGE, step.at)

    def _bind(self, name: str | None, sort: Sort, at: s.Place) -> None:
        if name is None:
            return
        before = self.sorts.setdefault(name, sort)
        if before is not sort:
            self.wrong(f"a variable that is already {before.value}", at, name)
        elif sort is not Sort.NODE:
            if name in self.edges:
                self.wrong("a relationship variable is bound twice", at, name, "give the second one its own name")
            self.edges.add(name)

    def expression(self, expression: s.Expression, scope: dict[str, Sort]) -> None:
        match expression:
            case s.Variable(name, at):
                self._lookup(name, at, scope)
            case s.Property(name, _, at):
                if self._lookup(name, at, scope) is Sort.EDGES:
                    self.wrong(
                        "a variable-length step has no properties", at, name, "all(e IN r WHERE e.operation = …)"
                    )
            case s.Call():
                self._call(expression, scope)
            case s.Matches():
                self._regex(expression)
            case s.Quantifier(_, name, items, condition, at):
                if name in self.sorts or name in scope:
                    self.wrong("a quantifier's variable is already bound", at, name)
                self.expression(items, scope)
                self.expression(condition, {**scope, name: Sort.ELEMENT})
                return
        for part in children(expression):
            self.expression(part, scope)

    def _regex(self, test: s.Matches) -> None:
        self.regexes += 1
        if self.regexes == MAX_REGEXES + 1:
            self.wrong(f"more than {MAX_REGEXES} regular expressions", test.at, test.pattern, "join some with |")
        problem = regex_problem(test.pattern) if self.regexes <= MAX_REGEXES else None
        if problem is not None:
            self.wrong(f"not a regular expression: {problem}", test.at, test.pattern, "RE2 syntax")

    def _lookup(self, name: str, at: s.Place, scope: dict[str, Sort]) -> Sort | None:
        sort = scope.get(name) or self.sorts.get(name)
        if sort is None:
            known = [*self.sorts, *scope]
            near = get_close_matches(name, known, 1)
            self.wrong("a variable that MATCH does not bind", at, name, f"did you mean {near[0]}?" if near else "")
        return sort

    def _call(self, call: s.Call, scope: dict[str, Sort]) -> None:
        least, most = FUNCTIONS.get(call.function, (0, 1 << 20))
        if call.function not in FUNCTIONS:
            near = get_close_matches(call.function, FUNCTIONS, 1)
            self.wrong("unknown function", call.at, call.function, f"did you mean {near[0]}?" if near else "")
        elif not least <= len(call.arguments) <= most:
            self.wrong(f"{call.function} takes {least} argument{'s' * (least > 1)}", call.at, call.function)
        subject = call.arguments[0] if call.arguments else None
        wanted = {"type": (Sort.EDGE, Sort.ELEMENT), "id": (Sort.NODE,)}.get(call.function)
        if wanted and not (
            isinstance(subject, s.Variable) and (scope | self.sorts).get(subject.name, wanted[0]) in wanted
        ):
            self.wrong(f"{call.function} takes {wanted[0].value}", call.at, call.function)
