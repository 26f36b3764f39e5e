"""GraphML, for networkx, Gephi, yEd, Cytoscape.

Rules of this file
    - Written by hand: XML has no way to hold control characters or lone surrogates, so every text is made printable
      first (`monitor.render.safe`), then escaped for XML.
    - An attribute is a number if it is one on every node that has it, else a text.

Complexity: O(nodes and edges).
Source: graphml.graphdrawing.org (GraphML primer); XML 1.0, section 2.2 (characters).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from monitor.exports_picture import Picture, Plain
from monitor.render import safe

LONGEST: Final = 1 << 16
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">'


def graphml(picture: Picture) -> str:
    """The picture as one directed graph."""
    nodes = {ident: _without_id(node) for ident, node in picture.flat_nodes().items()}
    edges = [_plain({"relation": edge.relation, **edge.properties()}) for edge in picture.edges]
    node_keys, edge_keys = _keys(nodes.values(), "n"), _keys(edges, "e")
    lines = [_HEAD]
    for keys, held, what in ((node_keys, nodes.values(), "node"), (edge_keys, edges, "edge")):
        for name, key in keys.items():
            kind = _kind(one[name] for one in held if name in one)
            lines.append(f'  <key id="{key}" for="{what}" attr.name={_attribute(name)} attr.type="{kind}"/>')
    lines += [f"  <desc>{_text('; '.join(picture.notes))}</desc>"] if picture.notes else []
    lines.append('  <graph id="answer" edgedefault="directed">')
    for ident, node in nodes.items():
        lines.append(f"    <node id={_attribute(ident)}>{_data(node, node_keys)}</node>")
    for number, (edge, held_by) in enumerate(zip(picture.edges, edges, strict=True)):
        ends = f"source={_attribute(edge.effect)} target={_attribute(edge.cause)}"
        lines.append(f'    <edge id="e{number}" {ends}>{_data(held_by, edge_keys)}</edge>')
    return "\n".join([*lines, "  </graph>", "</graphml>"]) + "\n"


def _without_id(node: Mapping[str, Plain]) -> dict[str, Plain]:
    return {name: value for name, value in node.items() if name != "id"}


def _plain(properties: Mapping[str, object]) -> dict[str, Plain]:
    return {name: value if isinstance(value, int | float) else str(value) for name, value in properties.items()}


def _keys(held: Iterable[Mapping[str, Plain]], letter: str) -> dict[str, str]:
    names = dict.fromkeys(name for one in held for name in one)
    return {name: f"{letter}{number}" for number, name in enumerate(names)}


def _kind(values: Iterable[Plain]) -> str:
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return "boolean"
    if kinds == {int}:
        return "long"
    return "double" if kinds and kinds <= {int, float} else "string"


def _data(held: Mapping[str, Plain], keys: Mapping[str, str]) -> str:
    return "".join(f'<data key="{keys[name]}">{_text(value)}</data>' for name, value in held.items())


def _text(value: Plain) -> str:
    return escape(str(value).lower() if isinstance(value, bool) else safe(str(value), LONGEST))


def _attribute(text: str) -> str:
    return quoteattr(safe(text, LONGEST))
