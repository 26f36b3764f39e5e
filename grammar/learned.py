"""What the models of `winnower grammar` have in common: presets, blame, deltas, and digests that name a base.

Rules of this file
    - The evidence is grow-only, the model a function of it and of the settings. So merging is a union: commutative,
      associative, idempotent; the order of files leaves no trace.
    - A delta names its base by the digest of evidence and settings. It is applied to that base, or to what it became by
      earlier deltas; one that has been applied already changes nothing, and is welcome.

Complexity: `digest_of` O(value).
Source: design section 3, promises 3 and 4; the vectors' README on presets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, NamedTuple

from grammar.errors import BaseMismatchError, escape
from grammar.evidence import Evidence
from grammar.nodelink import LabelledGraph, NodeId

PRESETS: Final = ("multiset", "set", "causes")
"""How much of a vertex's neighbourhood a model demands: its neighbours counted, its neighbours, its causes."""


class Blame(NamedTuple):
    """A vertex that does not fit, and why (printable)."""

    vertex: NodeId
    label: str
    reason: str


@dataclass(frozen=True, slots=True)
class Delta:
    """What a graph adds to the model that `base` names: graphs by digest (`multiset`, `set`), evidence (`causes`)."""

    preset: str
    base: str
    graphs: Mapping[str, LabelledGraph] = field(default_factory=dict)
    evidence: Evidence = field(default_factory=Evidence)
    file: str = field(default="", compare=False)

    def __bool__(self) -> bool:
        return bool(self.graphs or self.evidence)


def mismatch(delta: Delta, digest: str) -> BaseMismatchError:
    """The error of a delta that is for another base."""
    hint = "apply it to the model that it was made for"
    return BaseMismatchError(f"a delta against {escape(delta.base)}, not against {digest}", file=delta.file, hint=hint)


def digest_of(value: object) -> str:
    """Names a value made of numbers, text, tuples and lists: 32 hexadecimal digits."""
    return blake2b(repr(value).encode("ascii", "backslashreplace"), digest_size=16).hexdigest()
