"""Pictures for Graphviz.

Rules of this file
    - Causes stand above their effects: arrows go the way that data went, against the edges of the model.
    - Every text is quoted; what could end a quote is escaped.

Complexity: O(nodes and edges).
Source: the DOT language (graphviz.org).
"""

from __future__ import annotations

from typing import Final

from monitor.exports_picture import Picture
from monitor.render import safe

_SHAPES: Final = {"Process": "box", "File": "ellipse", "Socket": "diamond", "Pipe": "cds", "Memory": "hexagon"}


def dot(picture: Picture) -> str:
    """The picture as a directed graph."""
    lines = ["digraph answer {", "  rankdir=TB; node [fontname=Helvetica, fontsize=10]; edge [fontsize=8];"]
    if picture.notes:
        lines.append(f"  label={_quoted('; '.join(picture.notes))};")
    names = {ident: f"n{ident}" if ident.isalnum() else _quoted(f"n{ident}") for ident in picture.nodes}
    for ident, node in picture.nodes.items():
        shape = _SHAPES.get(str(node.get("kind")), "note")
        style = ", style=bold" if ident in picture.starts else ""
        lines.append(f"  {names[ident]} [shape={shape}, label={_quoted(str(node.get('label', '')))}{style}];")
    for edge in picture.edges:
        lines.append(f"  {names[edge.cause]} -> {names[edge.effect]} [label={_quoted(edge.operation)}];")
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    return '"' + safe(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
