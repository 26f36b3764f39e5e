"""getAncestors and getDescendants on large models, beside networkx on the same graph.

    python bench/tracing.py [--transitions 10000 100000 1000000] [--starts 21] [--no-peers]

Rules of this file
    - A graph as applications' models are: processes that start one another, read files, write files that later
      processes read; one in fifty edges goes back, so much of it is one strong component. The same seed, the same
      graph. `Model` is asked as a query asks it; `Reach` is the search beneath it, on numbers alone.
    - Cold is the first question after the model was read, with all that is made for it; warm is the median (and the
      most) over random starts, half of them ancestors, half descendants. The answer is counted, not read; "read" is
      with every state and its distance.
    - networkx has the same edges in a DiGraph; building it is not counted. `ancestors` gives a set without distances,
      `single_source_shortest_path_length` distances. Answers must be of the same size as ours.

Limits: 30 ms warm (median) at 10^6 transitions; exit 1 above, or if an answer differs.
Source: issue "policies and questions" (speed); Winnower's getAncestors, getDescendants.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import networkx as nx
from rich.console import Console
from rich.table import Table

from grammar import Model, Replica, Span, State, Transition
from grammar.reach import Reach

LIMIT_MS: Final = 30.0
LIMIT_AT: Final = 1_000_000
DEPTH: Final = 3
PEER_STARTS: Final = 3
USES: Final = ("open", "read", "mmap", "execve")
MAKES: Final = ("open", "write", "rename")
Asked = tuple[int, bool]


def edges_of(count: int, seed: int = 0) -> tuple[list[str], list[tuple[int, str, str, int]]]:
    """Labels of states, and `count` different edges among them by number: effect, relation, operation, cause."""
    random = Random(seed)
    total = max(count // 6, 10)
    active = [number % 4 == 0 for number in range(total)]
    labels = [f"Process p{n} /usr/bin/p{n}" if active[n] else f"File /srv/data/{n % 97}/f{n}" for n in range(total)]
    found: dict[tuple[int, str, str, int], None] = {}
    while len(found) < count:
        effect = random.randrange(1, total)
        cause = random.randrange(max(0, effect - 2_000), effect) if random.random() < 0.9 else random.randrange(effect)
        if random.random() < 0.02:
            effect, cause = cause, effect
        if active[effect]:
            kind = ("WAS_TRIGGERED_BY", "fork") if active[cause] else ("USED", random.choice(USES))
        else:
            kind = ("WAS_GENERATED_BY", random.choice(MAKES)) if active[cause] else ("WAS_DERIVED_FROM", "rename")
        found[effect, *kind, cause] = None
    return labels, list(found)


def model_of(labels: Sequence[str], edges: Sequence[tuple[int, str, str, int]]) -> Model:
    """The model with these transitions, as if it had just been read."""
    held = {Replica("w1", "web1"): Span(0, 0)}
    states = [State(label, ("from init",)) for label in labels]
    support: dict[State | Transition, dict[Replica, Span]] = dict.fromkeys(states, held)
    for effect, relation, operation, cause in edges:
        support[Transition(states[effect], relation, operation, states[cause])] = held
    return Model("bench", support)


def timed(work: Callable[[], object]) -> float:
    """Wall milliseconds."""
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def shown(times: Sequence[float]) -> str:
    """Median and most."""
    return f"{statistics.median(times):,.2f} ({max(times):,.2f})"


def ours(count: int, asked: Sequence[Asked], table: Table) -> tuple[float, list[int], nx.DiGraph]:
    """Rows of the table for one size; the median of warm questions, how long the answers are, the graph for peers."""
    labels, edges = edges_of(count)
    model = model_of(labels, edges)
    at = [State(label, ("from init",)) for label in labels]

    def ask(one: Asked, depth: int | None = None) -> int:
        return len((model.ancestors if one[1] else model.descendants)(at[one[0]], depth))

    cold = timed(lambda: ask(asked[0]))
    reached = [ask(one) for one in asked]
    warm = [timed(lambda one=one: ask(one)) for one in asked]  # type: ignore[misc]
    near = [timed(lambda one=one: ask(one, DEPTH)) for one in asked]  # type: ignore[misc]
    read = [timed(lambda one=one: dict(model.ancestors(at[one[0]]))) for one in asked[:5]]  # type: ignore[misc]
    size = f"{count:,}"
    table.add_row(size, "Model", f"{cold:,.0f}", shown(warm), shown(near), shown(read), f"{max(reached):,}")
    pairs = [(effect, cause) for effect, _, _, cause in edges]
    found: list[Reach[int]] = []
    cold = timed(lambda: (found.append(Reach(range(len(labels)), pairs)), found[0].ancestors(asked[0][0])))
    search = {True: found[0].ancestors, False: found[0].descendants}
    warm_reach = [timed(lambda one=one: search[one[1]](one[0])) for one in asked]  # type: ignore[misc]
    near = [timed(lambda one=one: search[one[1]](one[0], DEPTH)) for one in asked]  # type: ignore[misc]
    table.add_row(size, "Reach", f"{cold:,.0f}", shown(warm_reach), shown(near), "", "")
    graph = nx.DiGraph()
    graph.add_edges_from((cause, effect) for effect, cause in pairs)
    return statistics.median(warm), reached, graph


def peers(count: int, asked: Sequence[Asked], reached: Sequence[int], graph: nx.DiGraph, table: Table) -> bool:
    """networkx on the same graph; whether its answers are as long as ours."""
    right = True
    first = [(one, size) for one, size in zip(asked, reached, strict=True) if one[0] in graph][:PEER_STARTS]
    sizes: list[int] = []

    def plain(one: Asked) -> None:
        sizes.append(len((nx.ancestors if one[1] else nx.descendants)(graph, one[0])))

    times = [timed(lambda one=one: plain(one)) for one, _ in first]  # type: ignore[misc]
    table.add_row(f"{count:,}", "networkx ancestors", "", shown(times), "", "", f"{max(sizes):,}")
    for mine, theirs in zip((size for _, size in first), sizes, strict=True):
        right &= mine in (theirs, theirs + 1)  # a start on a cycle is its own ancestor with us
    views = {True: graph.reverse(copy=False), False: graph}
    measure = nx.single_source_shortest_path_length
    times = [timed(lambda one=one: dict(measure(views[one[1]], one[0]))) for one, _ in first]  # type: ignore[misc]
    near = [timed(lambda one=one: dict(measure(views[one[1]], one[0], DEPTH))) for one, _ in first]  # type: ignore[misc]
    table.add_row(f"{count:,}", "networkx single_source_shortest_path_length", "", shown(times), shown(near), "", "")
    return right


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--transitions", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--starts", type=int, default=21)
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args(arguments)
    table = Table(title="getAncestors, getDescendants (wall ms: median, most in brackets)", title_justify="left")
    depth = f"warm, depth {DEPTH}"
    for column in ("transitions", "what", "cold", "warm", depth, "read", "most reached"):
        table.add_column(column, justify="left" if column == "what" else "right")
    kept = right = True
    for count in options.transitions:
        random = Random(1)
        asked = [(random.randrange(count // 6), bool(number % 2)) for number in range(options.starts)]
        warm, reached, graph = ours(count, asked, table)
        kept &= count < LIMIT_AT or warm <= LIMIT_MS
        if not options.no_peers:
            right &= peers(count, asked, reached, graph, table)
        table.add_section()
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    if not kept:
        console.print(f"a warm question took more than {LIMIT_MS:g} ms at {LIMIT_AT:,} transitions")
    if not right:
        console.print("networkx has another answer")
    return 0 if kept and right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
