r"""A model as a picture: nodes, arrows and loops as values, and the dot that draws them.

Rules of this file
    - One node per state (of T and T': per type), one arrow per pair of states with its operations listed, one cluster
      per loop (strongly connected component of several states); a state's arrow to itself is drawn as it is.
    - Whatever a label holds, it stays inside its quotes: text is escaped to printable ASCII, then for dot (quotes,
      backslashes, and `&`, which Graphviz would read as an entity). Ids are ours, never text from a file.
    - Paths break after a slash, so that their names can be read and searched.
    - Kinds are told apart by shape and colour; a kind that is not ours gets its colour by a hash of its name.

Invariant: the same picture gives the same text; every id in an arrow is that of a node.
Complexity: O(nodes + arrows).
Source: the dot language, graphviz.org/doc/info/lang.html; design section 5 (`winnower grammar show`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from typing import Final

from grammar.components import strong_components
from grammar.errors import escape

WIDTH: Final = 28
"""Characters in a line of a label."""
LINES: Final = 8
NOTE: Final = 400
"""Characters of a tooltip."""
PIECE: Final = re.compile(r"[^ /]*[ /]|[^ /]+")
"""What is not broken: up to a space or a slash."""
OPERATIONS: Final = 8
"""How many operations an arrow lists."""
KINDS: Final = {
    "Process": ("box", "#cfe2ff"),
    "File": ("note", "#fff3bf"),
    "Socket": ("diamond", "#ffd8a8"),
    "Pipe": ("cds", "#d3f9d8"),
    "Memory": ("cylinder", "#e5dbff"),
    "LogMessage": ("tab", "#f1f3f5"),
}
COLOURS: Final = ("#ffe3e3", "#fcc2d7", "#eebefa", "#bac8ff", "#99e9f2", "#96f2d7", "#d8f5a2", "#ffec99")


@dataclass(frozen=True, slots=True)
class Node:
    """A state: `graphs` have shown it, with at least `vertices` vertices; `note` tells states of one label apart."""

    id: str
    label: str
    graphs: int
    vertices: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Arrow:
    """All transitions between two states; `graphs` have shown at least one of them (0 is unknown)."""

    source: str
    target: str
    operations: tuple[str, ...]
    graphs: int = 0


@dataclass(frozen=True, slots=True)
class Picture:
    """What there is to draw; `is_upward`: arrows lead to causes, which are drawn above."""

    nodes: tuple[Node, ...]
    arrows: tuple[Arrow, ...]
    is_upward: bool

    def loops(self) -> tuple[tuple[Node, ...], ...]:
        """The strongly connected components of several nodes, in the nodes' order."""
        number = {node.id: position for position, node in enumerate(self.nodes)}
        targets: list[list[int]] = [[] for _ in self.nodes]
        for arrow in self.arrows:
            targets[number[arrow.source]].append(number[arrow.target])
        found = sorted(component for component in strong_components(targets) if len(component) > 1)
        return tuple(tuple(self.nodes[position] for position in component) for component in found)


def to_dot(picture: Picture) -> str:
    r"""The picture in the dot language.

    >>> print(to_dot(Picture((Node("a", 'x"];', 1, 2),), (Arrow("a", "a", ("r",), 1),), True)))
    digraph model {
      rankdir=BT; node [fontname=Helvetica, fontsize=10]; edge [fontname=Helvetica, fontsize=8, color="#495057"];
      label="arrows lead from effects to causes"; fontname="Helvetica"; fontsize="10";
      "a" [label="x\"];\n1 graph, 2+ vertices", shape=ellipse, style=filled, fillcolor="#d8f5a2"];
      "a" -> "a" [label="r", penwidth=1.0];
    }
    <BLANKLINE>
    """
    direction = "BT" if picture.is_upward else "TB"
    caption = "arrows lead from effects to causes" if picture.is_upward else "arrows lead as in the graphs"
    lines = [
        "digraph model {",
        f"  rankdir={direction}; node [fontname=Helvetica, fontsize=10]; "
        'edge [fontname=Helvetica, fontsize=8, color="#495057"];',
        f'  label="{caption}"; fontname="Helvetica"; fontsize="10";',
    ]
    placed: set[str] = set()
    for number, loop in enumerate(picture.loops()):
        lines += [f"  subgraph cluster_{number} {{", '    label="loop"; style="rounded,dashed"; color="#e03131";']
        lines += [f"    {_node(node)}" for node in loop]
        lines.append("  }")
        placed.update(node.id for node in loop)
    lines += [f"  {_node(node)}" for node in picture.nodes if node.id not in placed]
    lines += [f"  {_arrow(arrow)}" for arrow in picture.arrows]
    return "\n".join([*lines, "}"]) + "\n"


def to_value(picture: Picture) -> dict[str, object]:
    """The picture as node-link JSON data; `loop` numbers the loops from 0."""
    loop_of = {node.id: number for number, loop in enumerate(picture.loops()) for node in loop}
    nodes = [
        {
            "id": node.id,
            "label": node.label,
            "note": node.note,
            "support": {"graphs": node.graphs, "vertices": node.vertices},
            "loop": loop_of.get(node.id),
        }
        for node in picture.nodes
    ]
    edges = [
        {
            "source": arrow.source,
            "target": arrow.target,
            "operations": list(arrow.operations),
            "support": {"graphs": arrow.graphs},
        }
        for arrow in picture.arrows
    ]
    return {"directed": True, "multigraph": False, "graph": {}, "nodes": nodes, "edges": edges}


def shown_support(node: Node) -> str:
    """How many graphs and vertices have shown a state; `+`: at least so many."""
    if not node.graphs:
        return "support unknown"
    graphs = f"{node.graphs} graph{'s' * (node.graphs != 1)}"
    return f"{graphs}, {node.vertices}+ vertices" if node.vertices > 1 else f"{graphs}, {node.vertices} vertex"


def _node(node: Node) -> str:
    kind = node.label.partition(" ")[0]
    digest = blake2b(kind.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    shape, colour = KINDS.get(kind, ("ellipse", COLOURS[int.from_bytes(digest, "big") % len(COLOURS)]))
    tooltip = f", tooltip={_quoted([escape(node.note, NOTE)])}" if node.note else ""
    label = _quoted([*_wrapped(node.label), shown_support(node)])
    return f'"{node.id}" [label={label}, shape={shape}, style=filled, fillcolor="{colour}"{tooltip}];'


def _arrow(arrow: Arrow) -> str:
    operations = [escape(one) for one in islice(arrow.operations, OPERATIONS)]
    if len(arrow.operations) > OPERATIONS:
        operations.append(f"and {len(arrow.operations) - OPERATIONS} more")
    width = 1 + math.log2(max(1, arrow.graphs)) / 2
    return f'"{arrow.source}" -> "{arrow.target}" [label={_quoted(operations)}, penwidth={min(width, 6):.1f}];'


def _wrapped(label: str) -> Sequence[str]:
    lines = [""]
    for piece in PIECE.findall(escape(label, WIDTH * LINES)):
        rest = piece
        while len(lines[-1]) + len(rest.rstrip()) > WIDTH:
            if not lines[-1] or len(rest) > WIDTH:
                room = WIDTH - len(lines[-1])
                lines[-1], rest = lines[-1] + rest[:room], rest[room:]
            lines.append("")
        lines[-1] += rest
    if len(lines) > LINES:
        lines[LINES - 1 :] = [lines[LINES - 1][: WIDTH - 1] + "…"]
    return [line.rstrip() for line in lines if line.strip()] or ["(no label)"]


def _quoted(lines: Iterable[str]) -> str:
    """Lines of printable text as one dot string."""
    safe = (line.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;") for line in lines)
    return '"' + "\\n".join(safe) + '"'
