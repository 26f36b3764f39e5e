"""PROV-JSON: an answer in W3C's terms.

Rules of this file
    - Processes are activities, everything else is an entity. Relations are PROV's own: USED is `used`, WAS_GENERATED_BY
      `wasGeneratedBy`, WAS_TRIGGERED_BY `wasInformedBy`, WAS_DERIVED_FROM `wasDerivedFrom`; an edge whose ends are not
      of the kinds that PROV wants there (only a worker that lies sends one) is `wasInfluencedBy`.
    - The `prov` package is an extra, imported here only.

Complexity: O(nodes and edges).
Source: W3C PROV-DM, PROV-JSON (member submission); design section 2 (UPG).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from grammar import InputError
from monitor.exports_picture import Picture, Plain
from monitor.render import safe, to_json
from policies import Edge

if TYPE_CHECKING:
    from prov.model import ProvDocument

SPACE: Final = "urn:winnower:"
LONGEST: Final = 1 << 16
FITTING: Final = {
    "USED": (True, False),
    "WAS_GENERATED_BY": (False, True),
    "WAS_TRIGGERED_BY": (True, True),
    "WAS_DERIVED_FROM": (False, False),
}
"""Whether effect and cause are processes."""


def prov(picture: Picture) -> str:
    """The picture as a PROV-JSON document."""
    try:
        from prov.model import ProvDocument  # noqa: PLC0415 - see the rules
    except ImportError:
        hint = "pip install 'winnower[prov]', or --format node-link"
        raise InputError("PROV-JSON needs the package `prov`, which is not installed", hint=hint) from None
    document = ProvDocument()
    document.add_namespace("w", SPACE)
    active = {ident for ident, node in picture.nodes.items() if node.get("kind") == "Process"}
    for ident, node in picture.flat_nodes().items():
        add = document.activity if ident in active else document.entity
        add(_name(ident), other_attributes=_attributes(node, str(node.get("kind", "")), str(node.get("label", ""))))
    for edge in picture.edges:
        _relate(document, edge, (edge.effect in active, edge.cause in active))
    return to_json(json.loads(document.serialize(format="json") or "{}"))


def _relate(document: ProvDocument, edge: Edge, active: tuple[bool, bool]) -> None:
    effect, cause = _name(edge.effect), _name(edge.cause)
    told: list[tuple[str, Plain]] = []
    for name, value in edge.properties().items():
        told.append((_name(name), value if isinstance(value, int | float) else safe(str(value), LONGEST)))
    relation = edge.relation if FITTING.get(edge.relation) == active else ""
    match relation:
        case "USED":
            document.used(effect, cause, other_attributes=told)
        case "WAS_GENERATED_BY":
            document.wasGeneratedBy(effect, cause, other_attributes=told)
        case "WAS_TRIGGERED_BY":
            document.wasInformedBy(effect, cause, other_attributes=told)
        case "WAS_DERIVED_FROM":
            document.wasDerivedFrom(effect, cause, other_attributes=told)
        case _:
            document.wasInfluencedBy(effect, cause, other_attributes=[*told, ("w:relation", safe(edge.relation))])


def _attributes(node: Mapping[str, Plain], kind: str, label: str) -> list[tuple[str, Plain]]:
    found: list[tuple[str, Plain]] = [("prov:label", safe(label, LONGEST)), ("prov:type", safe(kind))]
    for name, value in node.items():
        if name not in ("id", "kind", "label"):
            found.append((_name(name), safe(value, LONGEST) if isinstance(value, str) else value))
    return found


def _name(ident: str) -> str:
    """A qualified name in our space.

    >>> _name("0a1b"), _name("worker 1/7")
    ('w:0a1b', 'w:worker%201%2F7')
    """
    plain = re.fullmatch(r"[0-9A-Za-z_.-]+", ident)
    return f"w:{ident}" if plain else "w:" + quote(safe(ident), safe="")
