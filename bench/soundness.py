"""What an answer on a model promises, tried on the graphs that the model stands for; and what one decision costs.

    python bench/soundness.py [--cases 2000] [--seed 0] [--show 5] [--markdown]

Rules of this file
    - A case is a random model, a random query and some random graphs that the model may stand for. The query's answer
      on each of the graphs (concrete: what the TCK judges) is compared with its answer on the model.
    - Complete: every row of every graph is among the model's certain and possible rows, with the same states.
    - Certain: every row that the model calls certain is there on every graph, with the same states.
    - What SKIP and LIMIT leave out of an answer about states is not missed: they are there for paging.
    - "instances": a state stands for one to three vertices (what policies mean). "states": each stands for one vertex
      of which the label is known (what ad hoc queries mean).
    - Dismissed: possible rows that a graph does not show, of all possible rows and graphs. More of them is not wrong,
      only more to ask the workers.
    - Decisions: the shipped policies' regular expressions on typical labels; cold is nothing remembered, not even the
      expression; new is a pattern that was not asked before; warm is asked again. CPU time.

Limits: no violation; exit 1 with one. A decision under 1 ms warm, under 20 ms cold; exit 1 above.
Source: issue "a real query language" (soundness).
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from random import Random
from typing import Final

from rich.console import Console
from rich.table import Table
from soundness_cases import Instance, ModelCase, model, query

from grammar.errors import InputError
from grammar.pattern import Pattern
from policies.errors import QueryError
from policies.evaluate import run
from policies.graph import Edge, Meaning
from policies.languages import Question, decide, forget
from policies.limits import LimitError, Limits, Row
from policies.parse import parse_query
from policies.text import Text
from policies.truth import UNKNOWN
from policies.values import NodeId, NodeValue, PathValue, Value, key

LIMITS: Final = Limits(rows=20_000, steps=200_000)
GRAPHS: Final = 4
CUT: Final = re.compile("SKIP|LIMIT")
WARM: Final = 0.001
COLD: Final = 0.020
LABELS: Final = (
    "/tmp/sess_{token:26}",
    "/var/lib/php/sessions/sess_{token:26}",
    "/tmp/{word}",
    "{any}",
    "/proc/{int}/fd/{int}",
    "/home/{lower}/.ssh/{word}",
    "{ip}",
    "/var/log/{word}.log",
    "/usr/bin/{word}",
    "sh -c {any}",
    "/var/www/html/uploads/{hex:32}.php",
    "/var/lib/containers/storage/overlay/{id}/merged/{any}",
)


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken: by what, and of which row."""

    kind: str
    text: str
    meaning: Meaning
    case: ModelCase
    instance: Instance
    detail: str

    def __str__(self) -> str:
        states = {name: (kind, dict(own)) for name, (kind, own) in self.case.states.items()}
        graph = self.instance.graph
        real = {one: dict(graph.properties(one)) for one in graph.nodes()}
        edges = [f"{e.effect} {e.relation} {e.operation} {e.cause}" for one in graph.nodes() for e in graph.causes(one)]
        return (
            f"{self.kind} ({self.meaning.value}): {self.detail}\n  query  {self.text}\n  states {states}\n"
            f"  edges  {[f'{e.effect} {e.relation} {e.operation} {e.cause}' for e in self.case.edges]}\n"
            f"  real   {real}\n  links  {edges}"
        )


@dataclass(slots=True)
class Count:
    """What all cases came to."""

    cases: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)


def covers(abstract: Value, real: Value, state: Mapping[str, str]) -> bool:
    """Whether what the model says stands for what the graph says."""
    match abstract:
        case Text():
            return isinstance(real, str) and abstract.pattern.matches(real)
        case NodeId(name):
            return isinstance(real, str) and state.get(real) == name
        case NodeValue(name):
            return isinstance(real, NodeValue) and state[real.name] == name
        case Edge():
            return isinstance(real, Edge) and of_model(real, state) == abstract
        case PathValue(nodes, edges):
            return (
                isinstance(real, PathValue)
                and tuple(state[node] for node in real.nodes) == nodes
                and tuple(of_model(edge, state) for edge in real.edges) == edges
            )
        case tuple():
            return (
                isinstance(real, tuple)
                and len(real) == len(abstract)
                and all(covers(one, other, state) for one, other in zip(abstract, real, strict=True))
            )
        case Mapping():
            return (
                isinstance(real, Mapping)
                and real.keys() == abstract.keys()
                and all(covers(value, real[name], state) for name, value in abstract.items())
            )
    return abstract is UNKNOWN or key(abstract) == key(real)


def of_model(edge: Edge, state: Mapping[str, str]) -> Edge:
    """The model's edge that a real one is."""
    return Edge(state[edge.effect], edge.relation, edge.operation, state[edge.cause])


def row_covers(abstract: Row, real: Row, state: Mapping[str, str]) -> bool:
    """Column by column."""
    return all(covers(one, other, state) for one, other in zip(abstract.values, real.values, strict=True))


def check(text: str, case: ModelCase, instances: Sequence[Instance], meaning: Meaning, count: Count) -> None:
    """Compare the answers on the model and on graphs that it stands for."""
    try:
        parsed = parse_query(text)
    except InputError:
        count.cases["refused"] += 1
        return
    try:
        rows = run(parsed, case.graph, meaning=meaning, limits=LIMITS).rows
    except LimitError:
        count.cases["given up"] += 1
        return
    except QueryError as error:
        rows, problem = [], str(error)
    else:
        problem = ""
    count.cases["cases"] += 1
    count.cases["certain"] += sum(row.certain for row in rows)
    count.cases["possible"] += sum(not row.certain for row in rows)
    for instance in instances:
        try:
            real = run(parsed, instance.graph, limits=LIMITS).rows
        except (QueryError, LimitError):
            count.cases["graphs that raise"] += 1
            continue
        count.cases["graphs"] += 1
        problems = [("raised", problem)] if problem else compare(rows, real, instance.state, count)
        if meaning is Meaning.STATES and CUT.search(text):
            problems = [one for one in problems if one[0] != "missed"]
        for kind, detail in problems:
            count.violations.append(Violation(kind, text, meaning, case, instance, detail))
        if problems:
            return


def compare(rows: list[Row], real: list[Row], state: Mapping[str, str], count: Count) -> list[tuple[str, str]]:
    """Which promises one graph breaks; at most one of each kind."""
    problems = []
    count.cases["real rows"] += len(real)
    for row in real:
        if not any(row_covers(one, row, state) for one in rows):
            problems.append(("missed", f"{row.values} is real"))
            break
    for one in rows:
        shown = any(row_covers(one, row, state) for row in real)
        if one.certain and not shown:
            problems.append(("not certain", f"{one.values} is certain"))
            break
        count.cases["confirmed" if shown else "dismissed"] += not one.certain
    return problems


def random_case(seed: int, count: Count) -> None:
    """One model and one query, in both meanings."""
    random = Random(seed)
    case, text = model(random), query(random)
    check(text, case, [case.instance(random) for _ in range(GRAPHS)], Meaning.INSTANCES, count)
    check(text, case, [case.instance(random, most=1) for _ in range(GRAPHS)], Meaning.STATES, count)


def expressions() -> Iterator[str]:
    """The regular expressions of the shipped policies."""
    for one in resources.files("policies.shipped").iterdir():
        if one.name.endswith(".cypher"):
            found = re.findall(r"=~\s*'((?:[^'\\]|\\.)*)'", one.read_text(encoding="utf-8"))
            yield from (regex.replace("\\\\", "\\") for regex in found)


def decisions() -> dict[str, list[float]]:
    """Seconds of every decision: cold, new and warm."""
    asked = sorted(set(expressions()))
    patterns = [Pattern.parse(label) for label in LABELS]
    pairs = [(pattern, regex) for regex in asked for pattern in patterns]
    took = {"cold": [timed(pattern, regex, forget) for pattern, regex in pairs]}
    forget()
    for regex in asked:
        decide(Pattern.parse("{int}"), Question.MATCHES, regex)
    took |= {kind: [timed(pattern, regex) for pattern, regex in pairs] for kind in ("new", "warm")}
    return took


def timed(pattern: Pattern, regex: str, before: Callable[[], object] = lambda: None) -> float:
    """Seconds of one decision, of this process."""
    before()
    started = time.process_time()
    decide(pattern, Question.MATCHES, regex)
    return time.process_time() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=5)
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    count = Count()
    for seed in range(options.seed, options.seed + options.cases):
        random_case(seed, count)
    took = decisions()
    report(count, took, markdown=options.markdown)
    for violation in count.violations[: options.show]:
        Console(markup=False, highlight=False, soft_wrap=True).print(str(violation))
    slow = max(took["cold"]) > COLD or max(took["warm"]) > WARM
    return int(bool(count.violations) or slow)


def report(count: Count, took: dict[str, list[float]], *, markdown: bool) -> None:
    """Two tables."""
    found = count.cases
    shares = {
        "cases": found["cases"],
        "graphs": found["graphs"],
        "rows on graphs": found["real rows"],
        "rows on models, certain": found["certain"],
        "rows on models, possible": found["possible"],
        "possible, on a graph: confirmed": found["confirmed"],
        "possible, on a graph: dismissed": found["dismissed"],
        "queries refused": found["refused"],
        "queries given up (limits)": found["given up"],
        "violations": len(count.violations),
    }
    lines = [(name, f"{number:,}") for name, number in shares.items()]
    times = [
        (f"decision, {kind}", f"{statistics.median(all_) * 1e3:.3f} ms, at most {max(all_) * 1e3:.2f} ms")
        for kind, all_ in took.items()
    ]
    if markdown:
        rows = (("what", "number"), ("---", "---:"), *lines, *times)
        print("\n".join(f"| {name} | {number} |" for name, number in rows))
        return
    table = Table("what", "number")
    for name, number in (*lines, *times):
        table.add_row(name, number)
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
