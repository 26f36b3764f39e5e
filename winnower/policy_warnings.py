"""What is allowed in a policy and yet is hardly meant: patterns that nothing fits, conditions that only workers decide.

Rules of this file
    - Each warning has a name, a place, and a hint; a warning that is wrong is a bug, so where this cannot tell, it says
      nothing.
    - Pure: policies come in, marks come out.

Complexity: linear in the query.
Source: issue "policies and questions", item 4; `policies.incremental` (what is evaluated whole).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from policies import syntax as s
from policies.check_walk import walk
from policies.evaluate import compiled
from policies.incremental import Change
from policies.plan_names import conjuncts, parts
from policies.policy import Policy
from winnower.policy_edges import ALL, OPERATIONS, Wanted, joined
from winnower.policy_marks import Mark

WORKERS_ONLY: Final = {
    "command": "a model does not know command lines: every match is only possible until a worker has confirmed it",
    "pid": "a model has no process numbers: this is null there, so the policy matches nothing at the monitor",
}
FORWARD: Final = {s.Direction.OUT: True, s.Direction.IN: False, s.Direction.BOTH: None}
Kinds = dict[str, frozenset[str]]


def warnings_of(policy: Policy) -> list[Mark]:
    """All of them, as they stand in the file."""
    found = [*_patterns(policy.query), *_properties(policy.query), *_whole(policy.query)]
    marks = [Mark("warning", text, policy.file, at.line, at.column, "", hint, rule) for rule, text, hint, at in found]
    return sorted(dict.fromkeys(marks), key=lambda one: one.order)


Warned = tuple[str, str, str, s.Place]


def _patterns(query: s.Query) -> Iterator[Warned]:
    """Steps that no edge fits, and steps without an end."""
    for clause in _matches(query):
        kinds = _kinds(clause)
        operations = _operations(clause.where)
        for path in clause.paths:
            yield from _steps(path, kinds, operations)
    for part in parts(query):
        if isinstance(part, (s.PatternPredicate, s.PatternComprehension)):
            yield from _steps(part.path, {}, {})


def _matches(query: s.Query) -> Iterator[s.Match]:
    return (part for part in parts(query) if isinstance(part, s.Match))


def _steps(path: s.PathPattern, kinds: Kinds, operations: dict[str, frozenset[str]]) -> Iterator[Warned]:
    for left, step, right in zip(path.nodes, path.steps, path.nodes[1:], strict=False):
        least, most = (1, 1) if step.hops is None else (step.hops.least, step.hops.most)
        if most is None:
            hint = "say how far: *1..12; the longer, the more there is to search"
            yield "unbounded", "a way of any length", hint, step.at
        named = _words(step) or (operations.get(step.variable) if step.variable else None)
        unknown = sorted((named or frozenset()) - OPERATIONS)
        if unknown:
            hint = "one of " + ", ".join(sorted(OPERATIONS))
            yield "unknown-operation", f"no edge has the operation {', '.join(map(repr, unknown))}", hint, step.at
            continue
        wanted = Wanted(_types(step), named, FORWARD[step.direction])
        if not joined(_of(left, kinds), wanted, least, most) & _of(right, kinds):
            text = f"no graph has such an edge: {_pattern(left, step, right, named, kinds)}"
            yield "never-matches", text, "see the relations in: winnower policy explain --language", step.at


def _of(node: s.NodePattern, kinds: Kinds) -> frozenset[str]:
    """The kinds that a node can be of."""
    found = ALL.intersection(*node.labels)
    return found & kinds.get(node.variable, ALL) if node.variable else found


def _kinds(clause: s.Match) -> Kinds:
    """The kinds of named nodes, by all that the clause says of them."""
    found: Kinds = {}
    for path in clause.paths:
        for node in path.nodes:
            if node.variable:
                found[node.variable] = found.get(node.variable, ALL).intersection(*node.labels)
    for part in conjuncts(clause.where):
        if isinstance(part, s.HasLabels) and isinstance(part.subject, s.Variable) and part.subject.name in found:
            found[part.subject.name] &= frozenset(part.labels)
    return found


def _types(step: s.RelationshipPattern) -> frozenset[str] | None:
    return frozenset(step.types) or None


def _words(step: s.RelationshipPattern) -> frozenset[str] | None:
    """The operation that the step's own map names."""
    pairs = dict(step.properties.pairs) if isinstance(step.properties, s.MapOf) else {}
    return _strings(pairs["operation"]) if "operation" in pairs else None


def _operations(where: s.Expression | None) -> dict[str, frozenset[str]]:
    """The operations that WHERE demands of edges, and of all edges of walks, by variable."""
    found: dict[str, frozenset[str]] = {}
    for part in conjuncts(where):
        name, condition = "", part
        if isinstance(part, s.Quantifier) and part.quantity is s.Quantity.ALL and isinstance(part.items, s.Variable):
            name, condition = part.items.name, part.condition
        for asked in conjuncts(condition):
            match asked:
                case s.Comparison(
                    s.Operator.EQUAL | s.Operator.IN, s.Property(s.Variable(subject), "operation"), right
                ) if (words := _strings(right)) is not None and (not name or _inner(part) == subject):
                    key = name or subject
                    found[key] = found.get(key, words) & words
    return found


def _inner(part: s.Expression) -> str:
    return part.variable if isinstance(part, s.Quantifier) else ""


def _strings(value: s.Expression) -> frozenset[str] | None:
    """The strings that a literal, or a list of them, stands for."""
    items = value.items if isinstance(value, s.ListOf) else (value,)
    found = [item.value for item in items if isinstance(item, s.Literal) and isinstance(item.value, str)]
    return frozenset(found) if len(found) == len(items) else None


def _pattern(
    left: s.NodePattern, step: s.RelationshipPattern, right: s.NodePattern, named: frozenset[str] | None, kinds: Kinds
) -> str:
    words = "|".join(step.types)
    asked = f" {{operation: {' or '.join(sorted(named))}}}" if named else ""
    tail, head = {"->": ("-", "->"), "<-": ("<-", "-"), "--": ("-", "-")}[step.direction.value]
    return f"({_kind(left, kinds)}){tail}[:{words or 'any'}{asked}]{head}({_kind(right, kinds)})"


def _kind(node: s.NodePattern, kinds: Kinds) -> str:
    found = _of(node, kinds)
    return "" if found == ALL else "|".join(sorted(found)) or "nothing"


class Asked(NamedTuple):
    """A condition on a property, and where it stands."""

    key: str
    at: s.Place


def workers_only(query: s.Query) -> Iterator[Asked]:
    """Conditions on what only workers know."""
    for expression in _conditions(query):
        for part in walk(expression, subqueries=False):
            if isinstance(part, s.Property) and part.key in WORKERS_ONLY:
                yield Asked(part.key, part.at)
    for pattern in parts(query):
        if isinstance(pattern, s.NodePattern) and isinstance(pattern.properties, s.MapOf):
            yield from (Asked(key, pattern.at) for key, _ in pattern.properties.pairs if key in WORKERS_ONLY)


def _properties(query: s.Query) -> Iterator[Warned]:
    for key, at in workers_only(query):
        yield "workers-only", f"a condition on '{key}'", WORKERS_ONLY[key], at


def _conditions(query: s.Query) -> Iterator[s.Expression]:
    for part in parts(query):
        if isinstance(part, (s.Match, s.With, s.ListComprehension, s.PatternComprehension)) and part.where is not None:
            yield part.where


def _whole(query: s.Query) -> Iterator[Warned]:
    """Parts that are evaluated on the whole model whenever it changes."""
    for part, reason in zip(query.parts, not_incremental(query), strict=True):
        if reason:
            yield "not-incremental", reason, "it costs the whole model at each change", part.clauses[0].at


def not_incremental(query: s.Query) -> tuple[str, ...]:
    """Of each part of the query, why a change costs all of the model; nothing if it does not."""
    return tuple(_reason(change) for change in compiled(query, traced=True).changes)


def _reason(change: Change | None) -> str:
    if change is None:
        return "the query does not begin with MATCH, and is evaluated whole"
    if change.grouped and change.pivot is None:
        return "no key of the groups is made of one node alone (or rows are cut off): all groups are computed again"
    if any(not other.anchors for other in change.tied):
        return "a pattern that shares no node with the first MATCH: where it is touched, all is evaluated again"
    return ""


def marked(policies: Iterable[Policy]) -> list[Mark]:
    """The warnings of several policies."""
    return [mark for policy in policies for mark in warnings_of(policy)]
