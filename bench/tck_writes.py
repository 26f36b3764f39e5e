"""What a scenario's set-up needs of the writing clauses: CREATE, and MERGE and SET, between clauses that read.

Rules of this file
    - A statement is cut into clauses at the words that begin one, outside of brackets, strings and comments. Reading
      clauses are run by the language itself, over the rows so far (`$rows`, one map for each).
    - Patterns and expressions of the writing clauses are parsed and evaluated by the language too, as those of a MATCH
      or a RETURN; only what changes the graph is here.
    - Anything else in a set-up (DELETE, CALL, …) is a `WriteError`: the scenario fails and says so.

Invariant: every row of before a writing clause is a row after it, with what the clause bound.
Source: openCypher 9, CREATE, MERGE, SET.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias, cast

from tck_graph import TckGraph

from policies.evaluate import run
from policies.graph import Edge
from policies.lexer import TOKEN
from policies.parse import parse_query
from policies.syntax import (
    Direction,
    MapOf,
    Match,
    NodePattern,
    Parameter,
    PathPattern,
    Projection,
    Property,
    Query,
    Return,
    ReturnItem,
    SingleQuery,
    Unwind,
    Variable,
    With,
)
from policies.values import NodeValue, Value

Row: TypeAlias = dict[str, Value]
Rows: TypeAlias = list[Row]

READING: Final = ("MATCH", "OPTIONAL", "UNWIND", "WITH")
CLAUSES: Final = (*READING, "CREATE", "MERGE", "SET", "RETURN", "DELETE", "DETACH", "REMOVE", "CALL", "FOREACH")
DEPTHS: Final = {**dict.fromkeys("([{", 1), **dict.fromkeys(")]}", -1)}
# Words after which the next one is no clause: STARTS WITH, ENDS WITH, and MATCH of OPTIONAL MATCH.
BINDING: Final = ("STARTS", "ENDS", "OPTIONAL", "DETACH")
ROWS: Final = "winnower_rows"
ROW: Final = "winnower_row"
"""Names that no text of a scenario has."""


class WriteError(Exception):
    """A set-up that this file cannot do."""


def execute(graph: TckGraph, text: str, parameters: Mapping[str, Value] | None = None) -> None:
    """Run the statements of a set-up, separated by semicolons."""
    for statement in statements(text):
        writer = _Writer(graph, dict(parameters or {}))
        rows: Rows = [{}]
        for word, body in statement:
            rows = writer.clause(word, body, rows)


def statements(text: str) -> Iterator[list[tuple[str, str]]]:
    """Each statement as its clauses; reading clauses that follow one another are one.

    >>> [[word for word, _ in one] for one in statements("MATCH (a) WITH a CREATE (a)-[:CREATE]->(); CREATE ()")]
    [['MATCH', 'CREATE'], ['CREATE']]
    """
    clauses: list[tuple[str, str]] = []
    for word, body in _cut(text):
        if word == ";":
            yield clauses
            clauses = []
        elif clauses and clauses[-1][0] in READING and word in READING:
            clauses[-1] = (clauses[-1][0], clauses[-1][1] + body)
        else:
            clauses.append((word, body))
    if clauses:
        yield clauses


def spoken(text: str) -> Iterator[re.Match[str]]:
    """The tokens of a text as the language's lexer sees them, without spaces and comments."""
    return (token for token in TOKEN.finditer(text) if token.lastgroup != "SPACE")


def _cut(text: str) -> Iterator[tuple[str, str]]:
    """The first word of each clause and its whole text, that word included; `;` for the end of a statement."""
    depth, before, start, word = 0, "", 0, ""
    for token in spoken(text):
        depth += DEPTHS.get(token[0], 0)
        upper = token[0].upper()
        begins = token.lastgroup == "WORD" and upper in CLAUSES and before not in (*BINDING, ".", ":")
        if depth == 0 and (begins or upper == ";"):
            if word:
                yield word, text[start : token.start()]
            word, start = ("", token.end()) if upper == ";" else (upper, token.start())
            if upper == ";":
                yield ";", ""
        elif not word and depth == 0:
            raise WriteError(f"not a clause of a set-up: {text[start:][:40]!r}")
        before = upper
    if word:
        yield word, text[start:]


class _Writer:
    """One statement: the rows are handed from clause to clause."""

    def __init__(self, graph: TckGraph, parameters: Row) -> None:
        self._graph, self._parameters = graph, parameters

    def clause(self, word: str, body: str, rows: Rows) -> Rows:
        if word in READING:
            return self._read(rows, body)
        rest = body[len(word) :]
        if word == "CREATE":
            return self._create(rows, rest)
        if word == "MERGE":
            return [found for row in rows for found in self._merge(row, rest)]
        if word == "SET":
            for item in parts(rest):
                self._set(rows, item)
        elif word != "RETURN":
            raise WriteError(f"a set-up with {word}")
        return rows

    # Reading: `UNWIND $rows AS row WITH row, row.a AS a …` before the text, so that it sees the rows' variables.

    def _read(self, rows: Rows, text: str) -> Rows:
        found = self._run(rows, f"{_before(rows)} {text}\nRETURN *")
        return [{name: value for name, value in row.items() if name != ROW} for row in found]

    def _run(self, rows: Rows, text: str) -> Rows:
        if not rows:
            return []
        result = run(parse_query(text), self._graph, parameters={**self._parameters, ROWS: tuple(rows)})
        return [dict(zip(result.columns, row.values, strict=True)) for row in result.rows]

    def _values(self, rows: Rows, texts: Sequence[str]) -> list[list[Value]]:
        """What the expressions are, row by row."""
        columns = ", ".join(f"{text}\n AS `{number}`" for number, text in enumerate(texts))
        return [list(row.values()) for row in self._run(rows, f"{_before(rows)} RETURN {columns}")]

    def _properties(self, rows: Rows, path: PathPattern) -> list[list[Value]]:
        """What the property maps of a path's nodes, then of its steps are, row by row; of one without, an empty one."""
        given = [*(node.properties for node in path.nodes), *(step.properties for step in path.steps)]
        maps = [MapOf(()) if one is None else one for one in given]
        bound = [ReturnItem(name, Property(Variable(ROW), name), aliased=True) for name in rows[0]]
        clauses = (
            Unwind(Parameter(ROWS), ROW),
            With(Projection((ReturnItem(ROW, Variable(ROW)), *bound))),
            Return(Projection(tuple(ReturnItem(str(number), one, aliased=True) for number, one in enumerate(maps)))),
        )
        parameters = {**self._parameters, ROWS: tuple(rows)}
        return [
            list(row.values) for row in run(Query((SingleQuery(clauses),)), self._graph, parameters=parameters).rows
        ]

    # Writing

    def _create(self, rows: Rows, pattern: str) -> Rows:
        """Path by path, so that one may speak of the nodes of those before it."""
        if not rows:
            return []
        match = cast(Match, parse_query(f"{_before(rows)} MATCH {pattern}\nRETURN 0").parts[0].clauses[-2])
        for path in match.paths:
            values = self._properties(rows, path)
            rows = [self._create_path(dict(row), path, own) for row, own in zip(rows, values, strict=True)]
        return rows

    def _create_path(self, row: Row, path: PathPattern, values: Sequence[Value]) -> Row:
        maps = [cast(Mapping[str, Value], value) for value in values]
        ends = [self._node(row, node, own) for node, own in zip(path.nodes, maps, strict=False)]
        for place, (step, own) in enumerate(zip(path.steps, maps[len(ends) :], strict=True)):
            if step.direction is Direction.BOTH or len(step.types) != 1 or step.hops:
                raise WriteError("CREATE needs one type and one direction")
            start, end = ends[place : place + 2][:: -1 if step.direction is Direction.IN else 1]
            edge = self._graph.add_edge(start, step.types[0], end, own)
            if step.variable:
                row[step.variable] = edge
        return row

    def _node(self, row: Row, node: NodePattern, properties: Mapping[str, Value]) -> str:
        bound = row.get(node.variable or "")
        if isinstance(bound, NodeValue):
            return bound.name
        name = self._graph.add_node([label for one in node.labels for label in one], properties)
        if node.variable:
            row[node.variable] = NodeValue(name)
        return name

    def _merge(self, row: Row, pattern: str) -> Rows:
        return self._read([row], f"MATCH {pattern}") or self._create([row], pattern)

    def _set(self, rows: Rows, item: str) -> None:
        found = re.fullmatch(r"\s*(?P<name>\w+)\s*(?:\.\s*(?P<key>\w+)\s*=(?P<one>.+)|(?P<add>\+?=)(?P<map>.+)"
                             r"|(?P<labels>(?::\s*\w+\s*)+))", item, re.DOTALL)  # fmt: skip
        if found is None:
            raise WriteError(f"a set-up with SET {item}")
        texts = [found["name"], *(text for text in (found["one"], found["map"]) if text)]
        for target, *new in self._values(rows, texts):
            what = target.name if isinstance(target, NodeValue) else target
            if not isinstance(what, str | Edge):
                continue
            if found["labels"]:
                for label in found["labels"].replace(":", " ").split():
                    self._graph.add_label(str(what), label)
            elif found["key"]:
                self._graph.set_properties(what, {found["key"]: new[0]})
            else:
                self._graph.set_properties(what, cast(Mapping[str, Value], new[0]), replace=found["add"] == "=")


def _before(rows: Rows) -> str:
    """The clauses that bind the rows' variables."""
    names = "".join(f", {ROW}.`{name}` AS `{name}`" for name in (rows[0] if rows else ()))
    return f"UNWIND ${ROWS} AS {ROW} WITH {ROW}{names}"


def parts(text: str) -> Iterator[str]:
    """A list's items: cut at the commas outside of brackets and strings."""
    depth = start = 0
    for token in spoken(text):
        depth += DEPTHS.get(token[0], 0)
        if depth == 0 and token[0] == ",":
            yield text[start : token.start()]
            start = token.end()
    yield text[start:]
