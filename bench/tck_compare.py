"""Whether an answer is the one expected, and in which words it is not.

Rules of this file
    - An answer is what a program gave: rows, or an error with the phase in which it came. Ours and the peers' answers
      are compared by the same code.
    - Strict: columns by name and order, rows as a multiset (or in order), values by `tck_values.key`; an error by kind,
      detail and phase. A peer has no such names: of it (`named=False`) any error is taken for the one expected.

Invariant: `mismatch` is empty exactly if the answer is the one expected.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TypeAlias

from tck_case import Empty, Expected, Phase, Raised, Rows
from tck_values import Shown, key, written


@dataclass(frozen=True, slots=True)
class Answer:
    """Columns and rows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Shown, ...], ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """An error, when it came, and its message."""

    kind: str
    detail: str
    phase: Phase
    message: str = ""


Outcome: TypeAlias = Answer | Failure


def mismatch(expected: Expected, got: Outcome, named: bool = True) -> str:
    """What is wrong, as "expected …" and "got …" on two lines; empty if nothing is."""
    if _meets(expected, got, named):
        return ""
    return f"expected {told(expected)}\ngot      {told(got)}"


def _meets(expected: Expected, got: Outcome, named: bool) -> bool:
    if isinstance(expected, Raised):
        return isinstance(got, Failure) and (not named or _is_error(expected, got))
    if isinstance(got, Failure):
        return False
    if isinstance(expected, Empty):
        return not got.rows
    if expected.columns != got.columns:
        return False
    wanted = [tuple(key(value, expected.loose) for value in row) for row in expected.rows]
    found = [tuple(key(value, expected.loose) for value in row) for row in got.rows]
    return wanted == found if expected.ordered else Counter(wanted) == Counter(found)


def _is_error(expected: Raised, got: Failure) -> bool:
    kind = expected.kind in ("*", got.kind)
    detail = expected.detail in ("*", got.detail)
    return kind and detail and expected.phase in (Phase.ANY, got.phase)


def told(what: Expected | Outcome) -> str:
    """One line."""
    if isinstance(what, Rows | Answer):
        rows = "; ".join(" | ".join(written(value) for value in row) for row in what.rows)
        manner = ""
        if isinstance(what, Rows):
            manner = (", in order" if what.ordered else "") + (", lists in any order" if what.loose else "")
        return f"{len(what.rows)} rows{manner} of {' | '.join(what.columns)}: {rows}"
    if isinstance(what, Empty):
        return "no rows"
    text = f"{what.kind} at {what.phase.value}: {what.detail}"
    return f"{text} ({what.message})" if isinstance(what, Failure) and what.message else text
