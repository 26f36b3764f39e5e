"""What the models of `winnower grammar` have in common: presets, blame, deltas, and digests that name a base.

Rules of this file
    - The evidence is grow-only, the model a function of it and of the settings. So merging is a union: commutative,
      associative, idempotent; the order of files leaves no trace.
    - A delta names its base by the digest of evidence and settings. It is applied to that base, or to what it became by
      earlier deltas; one that has been applied already changes nothing, and is welcome.
    - Learning again may take back what a model had generalised. So a delta holds all that its graph shows and the base
      does not hold: what is new to the model, and as a witness what the model accepts already. Whoever takes in the
      delta of every graph accepts every graph, whatever comes later.

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
    """What a graph adds to the evidence of the model that `base` names, and whether that is news; true if it is.

    News is what the model does not accept: `graphs` by digest (`multiset`, `set`), `evidence` (`causes`). The witnesses
    beside it are accepted today by generalisation only; a member has nothing else.
    """

    preset: str
    base: str
    graphs: Mapping[str, LabelledGraph] = field(default_factory=dict)
    evidence: Evidence = field(default_factory=Evidence)
    witness_graphs: Mapping[str, LabelledGraph] = field(default_factory=dict)
    witness: Evidence = field(default_factory=Evidence)
    file: str = field(default="", compare=False)

    def __bool__(self) -> bool:
        return bool(self.graphs or self.evidence)

    @property
    def is_empty(self) -> bool:
        """Whether there is no witness either: the base's evidence holds all that the graph shows."""
        return not (self or self.witness_graphs or self.witness)


def mismatch(delta: Delta, digest: str) -> BaseMismatchError:
    """The error of a delta that is for another base."""
    hint = "name the model that it was made for, too: merge MODEL BASE DELTA"
    return BaseMismatchError(f"a delta against {escape(delta.base)}, not against {digest}", file=delta.file, hint=hint)


def digest_of(value: object) -> str:
    """Names a value made of numbers, text, tuples and lists: 32 hexadecimal digits."""
    return blake2b(repr(value).encode("ascii", "backslashreplace"), digest_size=16).hexdigest()
