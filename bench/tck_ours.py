"""A scenario on Winnower's language: what is out of it and skipped, the graph it starts from, and its answers.

Rules of this file
    - Skipped is what the parser itself refuses as unsupported, and only if a word of `OUT` stands in the query (or in
      its set-up): both must say so. Never by a scenario's name, and never because an answer was wrong.
    - `parse_query` is compile time, `run` is runtime. A text may have several errors (all
      are reported): one of them has to be the expected one.
    - Every query runs under the language's own limits and clock: nothing here can hang.

Source: issue "a real query language": writing clauses, CALL, temporal and spatial types are out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tck_case import Asked, Case, CaseError, Phase
from tck_compare import Answer, Failure, Outcome, mismatch
from tck_graph import TckGraph
from tck_values import Node, Relationship, Shown
from tck_values import Path as Walk
from tck_writes import WriteError, execute, spoken

from grammar.errors import InputError
from policies.errors import UNSUPPORTED, PolicyErrors, QueryError
from policies.evaluate import run
from policies.graph import Edge, OwnEdge
from policies.limits import Limits
from policies.parse import parse_query
from policies.values import NodeValue, PathValue, Value

LIMITS: Final = Limits(seconds=10.0)

# What is out, by the words that it cannot be written without; a function's name counts before `(` or `.`.
CLAUSES_OUT: Final[dict[str, str]] = {
    **dict.fromkeys(("CREATE", "MERGE", "SET", "DELETE", "DETACH", "REMOVE", "FOREACH"), "writing clause"),
    "CALL": "CALL",
}
FUNCTIONS_OUT: Final[dict[str, str]] = {
    **dict.fromkeys(("date", "time", "localtime", "datetime", "localdatetime", "duration", "timestamp"), "temporal"),
    **dict.fromkeys(("point", "distance"), "spatial"),
}
ORDER: Final = ("writing clause", "CALL", "temporal", "spatial")


def why_out(case: Case) -> str:
    """The reason to skip the scenario; empty if the language claims all of it."""
    if case.procedure:
        return "CALL"
    asked = [(one.query, set(_words_out(one.query))) for one in case.asked]
    reasons = {reason for query, words in asked if words and _refused(query) for reason in words}
    functions = set(FUNCTIONS_OUT.values())
    reasons |= {reason for text in case.setups for reason in _words_out(text) if reason in functions}
    return next((reason for reason in ORDER if reason in reasons), "")


def _refused(query: str) -> bool:
    try:
        parse_query(query)
    except InputError as error:
        return any(isinstance(one, QueryError) and one.kind == UNSUPPORTED for one in errors_of(error))
    return False


def _words_out(text: str) -> Iterator[str]:
    words = [token[0] for token in spoken(text)]
    for place, word in enumerate(words):
        before, after = words[place - 1] if place else "", words[place + 1 : place + 4]
        calls = after[:1] == ["("] or (after[:1] == ["."] and after[2:] == ["("])
        if before not in (".", ":") and word.upper() in CLAUSES_OUT:
            yield CLAUSES_OUT[word.upper()]
        if before != "." and calls and word.lower() in FUNCTIONS_OUT:
            yield FUNCTIONS_OUT[word.lower()]


def errors_of(error: InputError) -> tuple[InputError, ...]:
    """One error or several, in the order of the text."""
    return error.errors if isinstance(error, PolicyErrors) else (error,)


def prepared(case: Case, graphs: Path | None) -> TckGraph:
    """The graph that the scenario starts from; `graphs` is the folder of the ready-made ones."""
    graph = TckGraph()
    try:
        for text in ([_script(case.graph, graphs)] if case.graph else []) + case.setups:
            execute(graph, text, {name: value_of(value) for name, value in case.parameters.items()})
    except (WriteError, InputError) as error:
        raise CaseError(f"its set-up does not run: {error}") from None
    return graph


def _script(name: str, graphs: Path | None) -> str:
    path = (graphs or Path()) / name / f"{name}.cypher"
    if graphs is None or not path.is_file():
        raise CaseError(f"no graph {name} beside the features")
    return path.read_text("utf-8")


def graphs_beside(folder: Path) -> Path | None:
    """The folder of ready-made graphs, at the features' or above."""
    for place in (folder, *folder.resolve().parents):
        if (place / "graphs").is_dir():
            return place / "graphs"
    return None


def mismatches(case: Case, graph: TckGraph) -> Iterator[str]:
    """One text for each query that is not answered as expected."""
    before = _count(graph)
    for asked in case.asked:
        assert asked.expected is not None, "a case is understood"
        if wrong := mismatch(asked.expected, outcome(case, asked, graph)):
            yield wrong
    if asked.effects or _count(graph) != before:
        yield f"expected effects {asked.effects}\ngot      {before} before, {_count(graph)} after"


def outcome(case: Case, asked: Asked, graph: TckGraph) -> Outcome:
    """What the language answers."""
    phase = Phase.COMPILE
    try:
        query = parse_query(asked.query)
        phase = Phase.RUN
        parameters = {name: value_of(value) for name, value in case.parameters.items()}
        result = run(query, graph, parameters=parameters, limits=LIMITS, clock=time.monotonic)
    except InputError as error:
        found = [_failure(one, phase) for one in errors_of(error)]
        return next((one for one in found if asked.expected and not mismatch(asked.expected, one)), found[0])
    rows = tuple(tuple(shown(value, graph) for value in row.values) for row in result.rows)
    uncertain = [row for row in result.rows if not row.certain]
    return Failure("Uncertain", "", phase, "a row that is only possible") if uncertain else Answer(result.columns, rows)


def _failure(error: InputError, phase: Phase) -> Failure:
    if isinstance(error, QueryError):
        return Failure(error.kind, error.detail, phase, error.message)
    return Failure(type(error).__name__, "", phase, str(error))


def _count(graph: TckGraph) -> tuple[int, int]:
    return len(graph.nodes()), sum(1 for _ in graph.edges())


def value_of(value: Shown) -> Value:
    """A parameter's value; the kit has no nodes, relationships or paths in them."""
    if isinstance(value, tuple):
        return tuple(map(value_of, value))
    if isinstance(value, Mapping):
        return {name: value_of(item) for name, item in value.items()}
    if isinstance(value, Node | Relationship | Walk):
        raise CaseError("a parameter that is no plain value")
    return value


def shown(value: Value, graph: TckGraph) -> Shown:
    """A value as the kit knows it: by what it carries."""
    if isinstance(value, tuple):
        return tuple(shown(item, graph) for item in value)
    if isinstance(value, Mapping):
        return {name: shown(item, graph) for name, item in value.items()}
    if isinstance(value, NodeValue):
        return _node(value.name, graph)
    if isinstance(value, Edge):
        own = value.own if isinstance(value, OwnEdge) else value.properties()
        return Relationship(value.relation, {name: shown(item, graph) for name, item in own.items()})
    if isinstance(value, PathValue):
        steps = []
        for start, edge in zip(value.nodes, value.edges, strict=False):
            one = shown(edge, graph)
            assert isinstance(one, Relationship), "an edge is shown as one"
            steps.append((one, edge.effect == start))
        return Walk(tuple(_node(name, graph) for name in value.nodes), tuple(steps))
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return f"no value of the kit: {value!r}"


def _node(name: str, graph: TckGraph) -> Node:
    properties = {key: shown(item, graph) for key, item in graph.properties(name).items()}
    return Node(frozenset(graph.labels(name)), properties)
