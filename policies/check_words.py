"""Words of a query that no graph of Winnower has: kinds of nodes, relations, properties.

Rules of this file
    - A policy with a misspelt kind is refused instead of never matching.
    - Only what is certain is refused: a name that a WITH gives to something else is followed no further.

Complexity: linear in the tree.
Source: design section 2 (kinds, relations, properties of labels).
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from grammar.errors import InputError
from policies import syntax as s
from policies.check_walk import of_clause, walk
from policies.graph import KINDS, RELATIONS
from policies.vocabulary import EDGE_FIELDS, keys_of

OF_EDGES: Final = tuple(EDGE_FIELDS)
ALL: Final = frozenset(KINDS)
EDGE: Final = frozenset[str]()


def vocabulary_problems(query: s.Query, file: str = "") -> list[InputError]:
    """Kinds, relations and properties that no graph of Winnower has."""
    words = _Words(file)
    words.query(query, {})
    return words.errors


class _Words:
    """`names` are the variables whose sort is known: the kinds that a node may be of, none for a relationship."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.errors: list[InputError] = []

    def query(self, query: s.Query, around: dict[str, frozenset[str]]) -> None:
        for part in query.parts:
            names = dict(around)
            for clause in part.clauses:
                if isinstance(clause, s.Match):
                    self._paths(clause.paths, names)
                for expression in of_clause(clause):
                    self._expression(expression, names)
                if isinstance(clause, s.With):
                    names = _kept(clause.projection, names)

    def _paths(self, paths: Iterable[s.PathPattern], names: dict[str, frozenset[str]]) -> None:
        for path in paths:
            for node in path.nodes:
                kinds = ALL.intersection(*node.labels)
                if node.variable:
                    kinds = names[node.variable] = (names.get(node.variable) or ALL) & kinds or ALL
                for labels in node.labels:
                    self._words(labels, KINDS, "kind of node", node.at)
                self._words(_keys(node), keys_of(kinds or ALL), "property of a node", node.at)
            for step in path.steps:
                if step.variable and step.hops is None:
                    names[step.variable] = EDGE
                self._words(step.types, RELATIONS, "relation", step.at)
                self._words(_keys(step), OF_EDGES, "property of a relationship", step.at)

    def _expression(self, expression: s.Expression, names: dict[str, frozenset[str]]) -> None:
        parts = list(walk(expression, subqueries=False))
        hidden = {name for part in parts for name in _hidden(part)}
        known = {name: kinds for name, kinds in names.items() if name not in hidden}
        for part in parts:
            if isinstance(part, s.PatternPredicate | s.PatternComprehension):
                self._paths([part.path], known)
        for part in parts:
            match part:
                case s.Exists(query):
                    self.query(query, known)
                case s.Property(s.Variable(name), key, at) if name in known:
                    edge = known[name] == EDGE
                    keys, what = (OF_EDGES, "a relationship") if edge else (keys_of(known[name]), "a node")
                    self._words((key,), keys, f"property of {what}", at)
                case s.HasLabels(s.Variable(name), labels, at) if name in known:
                    edge = known[name] == EDGE
                    self._words(labels, RELATIONS if edge else KINDS, "relation" if edge else "kind of node", at)

    def _words(self, words: tuple[str, ...], known: tuple[str, ...], what: str, at: s.Place) -> None:
        for word in words:
            if word in known:
                continue
            tries = (word[:80], word[:80].upper(), word[:80].title(), word[:80].lower())
            near = next((found[0] for one in tries if (found := get_close_matches(one, known, 1))), "")
            hint = f"did you mean {near}?" if near else "one of " + ", ".join(known)
            message = f"unknown {what}"
            self.errors.append(
                InputError(message, file=self._file, line=at.line, column=at.column, offending=word, hint=hint)
            )


def _keys(part: s.NodePattern | s.RelationshipPattern) -> tuple[str, ...]:
    return tuple(key for key, _ in part.properties.pairs) if isinstance(part.properties, s.MapOf) else ()


def _hidden(part: s.Expression) -> tuple[str, ...]:
    """The names that are something else somewhere in an expression."""
    if isinstance(part, s.Quantifier | s.ListComprehension):
        return (part.variable,)
    return (part.accumulator, part.variable) if isinstance(part, s.Reduce) else ()


def _kept(projection: s.Projection, names: dict[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """What is still known after a WITH: what it renames, and with a star all."""
    kept = dict(names) if projection.star else {}
    for item in projection.items:
        if isinstance(item.expression, s.Variable) and item.expression.name in names:
            kept[item.name] = names[item.expression.name]
    return kept
