"""Which ranges of code are functions, and which are parts that a compiler has split off one (`.cold`).

Rules of this file
    - A part is a range that nobody calls, takes the address of, or names, and that one function and it jump into.

Complexity: O(jumps between ranges).
Source: GCC -freorder-blocks-and-partition; notes/static-analysis ("`.cold` fragments belong to their function").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agent.static.code_bytes import B1, I64


@dataclass(frozen=True, slots=True)
class Parts:
    """`heads` are the ranges that are functions, `parts` what else is of a head's, `head_of` the function's index."""

    heads: I64
    parts: dict[int, tuple[int, ...]]
    head_of: I64


def join_parts(public: B1, source: I64, to: I64, inner: B1) -> Parts:
    """Join ranges, from jumps between them: from range, to range, and whether into its midst.

    `public` ranges are functions for sure.
    """
    parent = _parents(public, source.tolist(), to.tolist(), inner.tolist())
    head_of = np.full(len(parent), -1, np.int64)
    heads = np.flatnonzero(parent < 0)
    head_of[heads] = np.arange(len(heads))
    parts: dict[int, list[int]] = {}
    for part in np.flatnonzero(parent >= 0).tolist():
        head_of[part] = head_of[parent[part]]
        parts.setdefault(int(parent[part]), []).append(part)
    return Parts(heads, {head: tuple(few) for head, few in parts.items()}, head_of)


def _parents(public: B1, source: Sequence[int], to: Sequence[int], inner: Sequence[bool]) -> I64:
    """For each range the function that it is a part of, -1 if it is one itself."""
    parent = np.full(len(public), -1, np.int64)
    votes: dict[int, dict[int, int]] = {}
    for one, two, midst in zip(source, to, inner, strict=True):
        if not public[two]:
            here = votes.setdefault(two, {})
            here[one] = here.get(one, 0) + 1
        if midst and not public[one]:
            here = votes.setdefault(one, {})
            here[two] = here.get(two, 0) + 1
    for part, few in sorted(votes.items()):
        best = min(few, key=lambda head: (not public[head], -few[head], head))
        if part != best and public[best] and few[best] * 2 > sum(few.values()):
            parent[part] = best
    return parent
