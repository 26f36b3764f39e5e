"""`winnower grammar show`: a model as dot, as a table, as JSON.

Rules of this file
    - What is drawn is in `grammar.drawing`; here is the terminal's table. Text from files is escaped.

Complexity: O(states + transitions); the table shows the states with most support only.
Source: design section 5.
"""

from __future__ import annotations

import json
from typing import Final

from rich.table import Table

from grammar.drawing import Picture, shown_support, to_dot, to_value
from grammar.errors import escape
from grammar.modelfile import Learned
from winnower.console import output

FORMATS: Final = ("dot", "table", "json")
ROWS: Final = 40
"""States in a table."""
WIDTH: Final = 60
"""Characters of a label in a table."""


def shown(model: Learned, how: str) -> str:
    """The model in one of `FORMATS`."""
    picture = model.picture()
    if how == "json":
        return json.dumps(to_value(picture)) + "\n"
    return to_dot(picture) if how == "dot" else _table(picture, model.preset)


def _table(picture: Picture, preset: str) -> str:
    loops = picture.loops()
    loop_of = {node.id: str(number) for number, loop in enumerate(loops, 1) for node in loop}
    own = {arrow.source for arrow in picture.arrows if arrow.source == arrow.target}
    leads = dict.fromkeys((node.id for node in picture.nodes), 0)
    for arrow in picture.arrows:
        leads[arrow.source] += 1
    table = Table(box=None, pad_edge=False)
    for name in ("state", "label", "support", "arrows", "loop"):
        table.add_column(name, overflow="fold", justify="right" if name == "arrows" else "left")
    ordered = sorted(picture.nodes, key=lambda node: (-node.vertices, node.label, node.id))
    for node in ordered[:ROWS]:
        loop = ", ".join([*([loop_of[node.id]] if node.id in loop_of else []), *(["itself"] if node.id in own else [])])
        table.add_row(node.id, escape(node.label, WIDTH), shown_support(node), str(leads[node.id]), loop)
    console = output()
    with console.capture() as captured:
        console.print(
            f"preset {preset}: {len(picture.nodes)} states, {len(picture.arrows)} arrows, {len(loops)} loops of states"
        )
        if picture.nodes:
            console.print(table)
        if len(ordered) > ROWS:
            console.print(f"... and {len(ordered) - ROWS} more")
    return captured.get()
