"""`winnower grammar show`: a model as dot, as a table, as JSON.

Rules of this file
    - What is drawn is in `grammar.drawing`; here is the terminal's table. Text from files is escaped.
    - One line per state off the terminal, so that `grep` finds states; what a table leaves out is said under it.

Complexity: O(states + transitions); the table shows `rows` states.
Source: design section 5.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Final

from rich.table import Table

from grammar.drawing import Node, Picture, to_dot, to_value
from grammar.errors import escape
from grammar.modelfile import Learned
from winnower.console import output

FORMATS: Final = ("dot", "table", "json")
ROWS: Final = 40
"""States in a table."""
WIDTH: Final = 100
"""Characters of a label in a table."""
LINE: Final = 200
"""Characters of a line off the terminal."""


def shown(model: Learned, how: str, rows: int = ROWS, rare: bool = False) -> str:
    """The model in one of `FORMATS`; a table of `rows` states, the most seen or the rarest first."""
    picture = model.picture()
    if how == "json":
        return json.dumps(to_value(picture)) + "\n"
    return to_dot(picture) if how == "dot" else _text(picture, model.preset, rows, rare)


def _text(picture: Picture, preset: str, rows: int, rare: bool) -> str:
    loops = picture.loops()
    parts = [_count(len(picture.nodes), "state"), _count(len(picture.arrows), "arrow"), _count(len(loops), "loop")]
    console = output()
    if not console.is_terminal:
        console.width = LINE
    with console.capture() as captured:
        console.print(f"preset {preset}: {', '.join(parts)} of several states")
        if picture.nodes and rows:
            console.print(_table(picture, rows, rare))
        if len(picture.nodes) > rows:
            left = len(picture.nodes) - rows
            hint = f"--rows {len(picture.nodes)} shows all" + ("" if rare else ", --rare the rarest first")
            console.print(f"... and {left} more ({hint})")
    return captured.get()


def _table(picture: Picture, rows: int, rare: bool) -> Table:
    loop_of = {node.id: str(number) for number, loop in enumerate(picture.loops(), 1) for node in loop}
    own = {arrow.source for arrow in picture.arrows if arrow.source == arrow.target}
    leads = Counter(arrow.source for arrow in picture.arrows)
    table = Table(box=None, pad_edge=False)
    for name in ("graphs", "vertices", "causes" if picture.is_upward else "next", "loop"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("label", overflow="fold")
    for node in _ordered(picture, rare)[:rows]:
        loop = " ".join([*([loop_of[node.id]] if node.id in loop_of else []), *(["itself"] if node.id in own else [])])
        table.add_row(*_support(node), str(leads[node.id]), loop, node.id, escape(node.label, WIDTH))
    return table


def _ordered(picture: Picture, rare: bool) -> list[Node]:
    """By how many vertices have shown a state, or by how few graphs and vertices."""
    if rare:
        return sorted(picture.nodes, key=lambda node: (node.graphs, node.vertices, node.label, node.id))
    return sorted(picture.nodes, key=lambda node: (-node.vertices, node.label, node.id))


def _support(node: Node) -> tuple[str, str]:
    """How many graphs and vertices have shown a state; `+`: at least so many."""
    if not node.graphs:
        return "?", "?"
    return str(node.graphs), f"{node.vertices}{'+' * (node.vertices > 1)}"


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'s' * (number != 1)}"
