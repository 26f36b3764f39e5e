"""Labelled graphs for tests: acyclic and cyclic ones, requests of a server, and the same graph written differently.

Rules of this file
    - Few labels and few names, so that states meet; parallel edges, self-loops, vertices that stand alone.

Complexity: each value is small.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from random import Random

from hypothesis import strategies as st

from grammar.nodelink import Edge, LabelledGraph

LABELS = ["Process p", "File /a", "File /b1", "File /b2"]
FORK, READ, WRITE = "WAS_TRIGGERED_BY/fork", "USED/read", "WAS_GENERATED_BY/write"


def made(labels: Sequence[str], *edges: tuple[int, int] | tuple[int, int, str]) -> LabelledGraph:
    return LabelledGraph(tuple(range(len(labels))), tuple(labels), tuple(Edge(*edge) for edge in edges))


def chain(labels: Sequence[str]) -> LabelledGraph:
    """Each vertex is the cause of the next."""
    return made(labels, *((n + 1, n) for n in range(len(labels) - 1)))


def request(files: str, *, shell: bool = False) -> LabelledGraph:
    """A server's worker reads files and writes a log; one that is attacked starts a shell, which does so too."""
    labels = ["Process server", "Process worker", *(f"File /srv/{name}" for name in files), "File /log"]
    edges = [(1, 0, FORK), *((1, 2 + n, READ) for n in range(len(files))), (len(labels) - 1, 1, WRITE)]
    if shell:
        at = len(labels)
        labels += ["Process sh", "File /log", "File /srv/a"]
        edges += [(at, 1, FORK), (at + 1, at, WRITE), (at, at + 2, READ)]
    return made(labels, *edges)


@st.composite
def digraphs(draw: st.DrawFn, labels: Sequence[str] = LABELS, most: int = 6) -> LabelledGraph:
    """Any graph: cycles, self-loops, parallel edges."""
    names = draw(st.lists(st.sampled_from(labels), max_size=most))
    if not names:
        return made(names)
    place = st.integers(0, len(names) - 1)
    edge = st.tuples(place, place, st.sampled_from(["", READ, "w"]))
    return made(names, *draw(st.lists(edge, max_size=2 * most)))


@st.composite
def dags(draw: st.DrawFn) -> LabelledGraph:
    labels = draw(st.text("ab", max_size=5))
    forward = [(s, t, label) for s, t in combinations(range(len(labels)), 2) for label in ("", "r")]
    return made(list(labels), *(draw(st.lists(st.sampled_from(forward), max_size=7)) if forward else []))


def renamed(graph: LabelledGraph, random: Random) -> LabelledGraph:
    """The same graph with other ids, another order of nodes and of edges."""
    order = list(range(len(graph)))
    random.shuffle(order)
    names = {graph.nodes[old]: f"n{new}" for new, old in enumerate(order)}
    edges = [Edge(names[edge.source], names[edge.target], edge.label) for edge in graph.edges]
    random.shuffle(edges)
    return LabelledGraph(
        tuple(names[graph.nodes[old]] for old in order), tuple(graph.labels[old] for old in order), tuple(edges)
    )
