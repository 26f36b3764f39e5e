"""`winnower grammar`: the grammar engine on graph files.

Rules of this file
    - Parses options and says what was found; what a model is, is in `grammar.learned*`; files, in `grammar_files`.
    - Exit 0 is yes, 1 is no (a non-member, with the first vertices that do not fit), 2 is bad usage or bad input.
    - Text from files is escaped before it is shown.

Complexity: that of learning (`grammar.published_search`, `grammar.merging`) and of parsing (`grammar.parsing`).
Source: design section 5 (command line, errors).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import click

from grammar.causal import CausalGraph
from grammar.errors import InputError, escape
from grammar.evidence import Evidence
from grammar.learned import PRESETS, Blame, Delta
from grammar.learned_causes import TRACING, Causes
from grammar.learned_trees import LIMIT, Trees, by_digest
from grammar.modelfile import MOST_TRACING, Learned, delta_bytes, model_bytes
from grammar.nodelink import LabelledGraph
from grammar.published_search import Observer, Step
from winnower.grammar_files import located, open_any, open_model, progress, read_graph, write
from winnower.grammar_show import FORMATS, ROWS, shown

FIRST: Final = 10
"""How many vertices that do not fit are named."""

FILE: Final = click.Path(path_type=Path)
TREES: Final = PRESETS[:2]
MOST: Final = 2**53
"""Merges that a file can say; nobody waits for so many."""


@click.group(name="grammar")
def grammar() -> None:
    """Learn and check graph grammars on networkx node-link JSON files.

    A GRAPH has a `label` on every node and may have one on edges; the dumps of `winnower replay --dump` are such files.
    Exit code 0 is yes, 1 is no, 2 is bad usage or bad input.
    """


@grammar.command(short_help="Learn a MODEL from graphs.")
@click.argument("graphs", metavar="GRAPH...", type=FILE, nargs=-1, required=True)
@click.option("-o", "--output", metavar="MODEL", type=FILE, required=True, help="Where the model is written.")
@click.option(
    "--preset",
    type=click.Choice(PRESETS),
    default=PRESETS[0],
    show_default=True,
    help="What must be known of a vertex: how many neighbours of each kind it has (multiset), which kinds (set), or "
    "what it comes from (causes: edges lead from effect to cause, cycles are fine).",
)
@click.option(
    "--tracing",
    type=click.FloatRange(min=0),
    help="For `causes`: how many bits of model to spend on one bit of certainty about where a vertex comes from. Less "
    "merges more and accepts more; more keeps apart what has different origins, and refuses more. A few graph files, "
    "each vertex counted once, want up to 6; the agents of a cluster, which see thousands, use more.  "
    f"[default: {TRACING}]",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    help=f"For `multiset` and `set`: try at most this many merges.  [default: {LIMIT}]",
)
def learn(graphs: Sequence[Path], output: Path, preset: str, tracing: float | None, limit: int | None) -> None:
    """Learn one model from all the GRAPHs together; the same graph twice is one.

    Bits count the model and the graphs given the model. Each preset has a code of its own: compare what merging saves.
    """
    _check_options(preset, tracing, limit)
    with located(), progress("learning") as tell:
        values = [read_graph(path) for path in graphs]
        if preset in TREES:
            model = _learned(values, preset, LIMIT if limit is None else min(limit, MOST), _observer(tell))
        else:
            model = _caused(values, TRACING if tracing is None else tracing)
        write(output, model_bytes(model))
        summary = _summary(model)
    _tell(output, model, summary)


@grammar.command(short_help="Say whether a graph is a member of MODEL.")
@click.argument("model", metavar="MODEL", type=FILE)
@click.argument("graph", metavar="GRAPH", type=FILE)
@click.pass_context
def accepts(context: click.Context, model: Path, graph: Path) -> None:
    """Say whether GRAPH is a member of MODEL: exit 0 if so, else 1 and the first vertices that do not fit.

    With the preset `causes`, the vertices are those that brought in something new; what only comes from them is not
    listed.
    """
    with located(), progress("parsing"):
        blamed = open_model(model).blamed(read_graph(graph))
    if not blamed:
        click.echo("member")
        return
    for line in _blame_lines(blamed):
        click.echo(line)
    context.exit(1)


@grammar.command(short_help="Write what a graph adds to MODEL.")
@click.argument("model", metavar="MODEL", type=FILE)
@click.argument("graph", metavar="GRAPH", type=FILE)
@click.option("-o", "--output", metavar="DELTA", type=FILE, required=True, help="Where the delta is written.")
def delta(model: Path, graph: Path, output: Path) -> None:
    """Write what GRAPH adds to MODEL; `winnower grammar merge` applies it. A member adds nothing new.

    What MODEL accepts without having seen it is written too, as a witness: models learned later will accept it as well.
    """
    with located(), progress("comparing"):
        base, value = open_model(model), read_graph(graph)
        found = base.delta(value)
        write(output, delta_bytes(found))
    click.echo(f"{escape(str(output), 400)}: {_added(found)}")


@grammar.command(short_help="Make one model of several, and of deltas.")
@click.argument("files", metavar="MODEL...", type=FILE, nargs=-1, required=True)
@click.option("-o", "--output", metavar="MODEL", type=FILE, required=True, help="Where the model is written.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=0,
    help="For `multiset` and `set`: try this many merges, if that is more than the models were learned with.",
)
def merge(files: Sequence[Path], output: Path, limit: int) -> None:
    """Make one model of all MODELs: what would have been learned from all their graphs.

    Deltas may be among them, after the first. They are applied in their order, to what they were made for or to what
    deltas before them made of that; one that has been applied already changes nothing.
    """
    limit = min(limit, MOST)
    with located(), progress("merging") as tell:
        values = [open_any(path) for path in files]
        model = _merged(values, files, limit, _observer(tell))
        write(output, model_bytes(model))
        summary = _summary(model)
    _tell(output, model, summary)


@grammar.command(short_help="Draw MODEL, or list its states.")
@click.argument("model", metavar="MODEL", type=FILE)
@click.option(
    "--format",
    "how",
    type=click.Choice(FORMATS),
    default=FORMATS[0],
    show_default=True,
    help="A picture for Graphviz, a table for the terminal, or node-link JSON.",
)
@click.option("--rows", metavar="N", type=click.IntRange(min=0), help=f"States in a table.  [default: {ROWS}]")
@click.option("--rare", is_flag=True, help="In a table, begin with the states that the fewest graphs have shown.")
@click.option("-o", "--output", metavar="FILE", type=FILE, help="Where it is written, instead of standard output.")
def show(model: Path, how: str, rows: int | None, rare: bool, output: Path | None) -> None:
    """Draw MODEL: its states, which graphs have shown them, what they come from, where they loop.

    To see a picture: winnower grammar show MODEL | dot -Tsvg > model.svg
    """
    if how != "table" and (rows is not None or rare):
        raise click.UsageError("--rows and --rare are for --format table.")
    with located():
        with progress("drawing"):
            text = shown(open_model(model), how, ROWS if rows is None else rows, rare)
        if output is not None:
            write(output, text.encode("utf-8"))
            return
    click.echo(text, nl=False)


def _check_options(preset: str, tracing: float | None, limit: int | None) -> None:
    if tracing is not None and preset in TREES:
        raise click.UsageError("--tracing is for --preset causes.")
    if tracing is not None and not tracing <= MOST_TRACING:
        raise click.UsageError(f"--tracing is a number of bits, at most {MOST_TRACING:.0f}.")
    if limit is not None and preset not in TREES:
        raise click.UsageError("--limit is for --preset multiset or set.")


def _learned(graphs: Sequence[LabelledGraph], preset: str, limit: int, observer: Observer) -> Learned:
    return Trees.of(preset, by_digest(graphs, preset), limit, observer)


def _caused(graphs: Sequence[LabelledGraph], tracing: float) -> Learned:
    evidence = Evidence()
    for graph in graphs:
        evidence.update(CausalGraph.of(graph).evidence())
    return Causes.of(evidence, tracing)


def _merged(values: Sequence[Learned | Delta], files: Sequence[Path], limit: int, observer: Observer) -> Learned:
    first = values[0]
    if isinstance(first, Delta):
        raise InputError(
            "a delta cannot come first", file=str(files[0]), hint="name the model that it is for before it"
        )
    for value, path in zip(values, files, strict=True):
        if value.preset != first.preset:
            found = f"{first.preset} and {value.preset}"
            raise InputError("models of different presets cannot be merged", file=str(path), offending=found)
    deltas = [value for value in values if isinstance(value, Delta)]
    if isinstance(first, Causes):
        return first.merged([value for value in values[1:] if isinstance(value, Causes)], deltas)
    return first.merged([value for value in values[1:] if isinstance(value, Trees)], deltas, limit, observer)


def _observer(tell: Callable[[str], None]) -> Observer:
    def told(step: Step) -> None:
        tell(f"{step.bits:.0f} bits after {step.evaluations} merges tried")

    return told


def _summary(model: Learned) -> str:
    if isinstance(model, Causes):
        base, found = model.base, model.model
        return (
            f"{_count(len(found.states), 'state')}, {_count(len(found.transitions), 'transition')} "
            f"(unmerged {len(base.states)} and {len(base.transitions)}), {_bits(*model.bits)}, "
            f"{_count(len(base.replicas), 'graph')}"
        )
    states = f"{len(model.model.forward.labels)} + {len(model.model.backward.labels)} states"
    search = model.search
    if search is None:
        return states
    bits, graphs = _bits(search.bits, search.unmerged), _count(len(model.graphs or {}), "graph")
    return f"{states}, {_count(len(model.model.types), 'type')}, {bits}, {search.evaluations} merges tried, {graphs}"


def _bits(bits: float, unmerged: float) -> str:
    return f"{bits:.3f} bits (unmerged {unmerged:.3f})"


def _tell(output: Path, model: Learned, summary: str) -> None:
    click.echo(f"{escape(str(output), 400)}: {summary}")
    if isinstance(model, Trees) and model.search is not None and not model.search.is_complete:
        click.echo(f"stopped at --limit {model.limit}: a larger limit may find fewer bits", err=True)


def _added(found: Delta) -> str:
    if not found:
        return "member: nothing to add"
    if found.graphs:
        vertices = sum(len(graph) for graph in found.graphs.values())
        edges = sum(len(graph.edges) for graph in found.graphs.values())
        return f"the graph is new: {_count(vertices, 'vertex', 'vertices')}, {_count(edges, 'edge')}"
    transitions = found.evidence.transitions
    states = len(found.evidence.seen) - len(transitions)
    return f"{_count(states, 'state')} and {_count(len(transitions), 'transition')} are new"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _blame_lines(blamed: Sequence[Blame]) -> Iterator[str]:
    yield f"non-member: {len(blamed)} {'vertex does' if len(blamed) == 1 else 'vertices do'} not fit"
    for one in islice(blamed, FIRST):
        vertex = escape(json.dumps(one.vertex, ensure_ascii=False))
        yield f"  {vertex} with label '{escape(one.label)}': {one.reason}"
    if len(blamed) > FIRST:
        yield f"  ... and {len(blamed) - FIRST} more"
