"""Ad hoc queries: one query, asked of the models of applications, within limits.

Rules of this file
    - Rows speak of states (`Meaning.STATES`): a text that is known only as a pattern makes a row possible. Each
      application is asked by itself: nothing joins them, and aggregates, ORDER BY and LIMIT are for each.
    - A limit never hides what was found: the answer says that it was `cut`, and why.
    - Order is stable: a model is read in canonical order, however it came about (`monitor.query_view`).

Invariant: the limits hold for all applications together; `tick` is asked every few thousand steps, and may raise
    `SpentError` to end it.
Complexity: as `policies.evaluate`; the first question to a model groups its transitions.
Source: issue "policies and questions", item 8 (row and time limits, paging), item 3 (certain and possible).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from grammar import Model
from monitor.query_values import Writer
from monitor.query_view import States
from policies import LimitError, Limits, Meaning, Query, Row, Value, run
from policies.evaluate import compiled
from policies.limits import SpentError

LIMITS: Final = Limits(rows=1_000_000, steps=1 << 62, seconds=5.0)
"""Where there is a clock, steps need no limit."""
KEPT: Final = 16


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a query with the model that each comes from; `cut` says which limit was reached, if any."""

    own: tuple[str, ...]
    rows: Sequence[tuple[Model, Row]]
    cut: str = ""
    total: int = 0
    skipped: int = 0
    possible: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """`app`, `match` if some row is only possible, the query's; what the query calls by such a name is its own."""
        return tuple(dict.fromkeys(("app", *(("match",) if self.possible else ()), *self.own)))

    def page(self, skip: int, limit: int | None) -> Rows:
        """At most `limit` rows after the first `skip`."""
        return replace(self, rows=self.rows[skip : None if limit is None else skip + limit], skipped=skip)

    @property
    def notes(self) -> list[str]:
        """What must be said beside the answer."""
        told = [f"not all there is: {self.cut}"] if self.cut else []
        first, last = self.skipped + 1, self.skipped + len(self.rows)
        if len(self.rows) < self.total:
            which = f"{first:,}-{last:,}" if self.rows else "none"
            told.append(f"rows {which} of {self.total:,}; --limit and --skip (limit=, skip=) show others")
        return told

    def cells(self, *, labels: bool) -> Cells:
        """As a table of texts; with `labels`, a node says what it is beside its id."""
        found, writer = Cells(self.columns, [], self.notes), Writer()
        try:
            for model, row in self.rows:
                cells = {"app": model.app, "match": _match(row)}
                for name, value in zip(self.own, row.values, strict=True):
                    cells[name] = writer.cell(model, value, labels=labels)
                found.rows.append([cells[name] for name in found.columns])
        except SpentError as error:
            found.notes.append(f"{len(found.rows):,} rows are shown: {error}")
        return found

    def value(self) -> dict[str, object]:
        """For JSON: columns, rows, how many there are in all, and why not all of them were found or are written."""
        found: list[dict[str, object]] = []
        writer, cut = Writer(), self.cut
        try:
            for model, row in self.rows:
                told: dict[str, object] = {"app": model.app, "match": _match(row)}
                if not self.possible:
                    del told["match"]
                told |= {name: writer.json(model, value) for name, value in zip(self.own, row.values, strict=True)}
                found.append(told)
        except SpentError as error:
            cut = cut or f"{error}: {len(found):,} rows are shown"
        return {"columns": list(self.columns), "rows": found, "total": self.total, "cut": cut}


@dataclass(frozen=True, slots=True)
class Cells:
    """A table of texts, and what must be said beside it."""

    columns: tuple[str, ...]
    rows: list[list[str]]
    notes: list[str]


def _match(row: Row) -> str:
    return "certain" if row.certain else "possible"


@dataclass(slots=True)
class Views:
    """The views of the models that were asked last; a model's view is made at its first question."""

    _kept: dict[str, States] = field(default_factory=dict)

    def of(self, model: Model) -> States:
        """The view of a model, for questions about its states."""
        known = self._kept.pop(model.app, None)
        if known is None or known.model is not model:
            known = States(model)
        while len(self._kept) >= KEPT:
            self._kept.pop(next(iter(self._kept)), None)
        self._kept[model.app] = known
        return known


def ask(
    models: Iterable[Model],
    query: Query,
    views: Views,
    tick: Callable[[], float],
    *,
    parameters: Mapping[str, Value] | None = None,
    limits: Limits = LIMITS,
) -> Rows:
    """The rows of a query in every model; `tick` is a clock in seconds, and the time runs from now."""
    found: list[tuple[Model, Row]] = []
    own, cut = compiled(query).columns, ""
    try:
        end = tick() + limits.seconds

        def clock() -> float:
            if tick() > end:
                raise SpentError(f"more than {limits.seconds:g} s")
            return 0.0

        for model in models:
            left = replace(limits, rows=limits.rows - len(found))
            view, given = views.of(model), parameters or {}
            result = run(query, view, meaning=Meaning.STATES, parameters=given, limits=left, clock=clock)
            found += [(model, row) for row in result.rows]
    except LimitError as error:
        found += [(model, row) for row in error.result.rows]
        what = f"more than {limits.rows:,} rows" if error.message.endswith("rows") else error.message
        cut = f"{what} ({error.hint})"
    except SpentError as error:
        cut = str(error)
    possible = any(not row.certain for _, row in found)
    return Rows(own, found, cut, len(found), possible=possible)
