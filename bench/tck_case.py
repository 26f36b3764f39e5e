"""What a scenario asks: the graph to begin with, the queries, and what each must answer.

Rules of this file
    - A sentence that is not in `SENTENCES` makes the scenario one that fails and says so: none is read over.
    - Expectations are values here; whether an answer meets one is `tck_compare`'s.

Source: openCypher's TCK, the steps of its feature files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from tck_features import Scenario, Step
from tck_values import NotationError, Shown, read


class CaseError(Exception):
    """A scenario that cannot be understood; says which sentence."""


class Phase(Enum):
    """When an error has to come."""

    COMPILE = "compile time"
    RUN = "runtime"
    ANY = "any time"


@dataclass(frozen=True, slots=True)
class Rows:
    """The columns, exactly; the rows, as a multiset or (`ordered`) in order; `loose`: lists in any order."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Shown, ...], ...]
    ordered: bool = False
    loose: bool = False


@dataclass(frozen=True, slots=True)
class Empty:
    """No rows."""


@dataclass(frozen=True, slots=True)
class Raised:
    """An error of that kind, with that detail; `*` is any."""

    kind: str
    phase: Phase
    detail: str


Expected: TypeAlias = Rows | Empty | Raised


@dataclass(slots=True)
class Asked:
    """One query and what it must answer; `effects` are the changes that it makes, none for a reading query."""

    query: str
    control: bool = False
    expected: Expected | None = None
    effects: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Case:
    """A scenario, taken apart. `graph` is the name of a ready-made graph, or empty."""

    scenario: Scenario
    graph: str = ""
    setups: list[str] = field(default_factory=list)
    parameters: dict[str, Shown] = field(default_factory=dict)
    procedure: bool = False
    asked: list[Asked] = field(default_factory=list)

    @property
    def last(self) -> Asked:
        """The query that a `Then` speaks of."""
        if not self.asked:
            raise CaseError("an expectation before any query")
        return self.asked[-1]


def understood(scenario: Scenario) -> Case:
    """The scenario's case; `CaseError` names the first sentence that makes no sense."""
    case = Case(scenario)
    for step in scenario.steps:
        for pattern, take in SENTENCES.items():
            if found := re.fullmatch(pattern, step.text):
                _take(case, step, found.groupdict(), take)
                break
        else:
            raise CaseError(f"line {step.line}: no such step: {step.text}")
    if not case.asked or any(asked.expected is None for asked in case.asked):
        raise CaseError("a scenario without a query, or a query without an expectation")
    return case


_Take: TypeAlias = "Callable[[Case, Step, Mapping[str, str]], None]"


def _take(case: Case, step: Step, words: Mapping[str, str], take: _Take) -> None:
    try:
        take(case, step, words)
    except NotationError as error:
        raise CaseError(f"line {step.line}: {error}") from None


def _named_graph(case: Case, _: Step, words: Mapping[str, str]) -> None:
    case.graph = words["graph"]


def _no_graph(*_: object) -> None:
    """An empty graph, and any graph: ours is empty."""


def _setup(case: Case, step: Step, _: Mapping[str, str]) -> None:
    case.setups.append(_doc(step))


def _parameters(case: Case, step: Step, _: Mapping[str, str]) -> None:
    case.parameters.update({name: read(value) for name, value in step.table})


def _procedure(case: Case, *_: object) -> None:
    case.procedure = True


def _query(case: Case, step: Step, words: Mapping[str, str]) -> None:
    case.asked.append(Asked(_doc(step), control=bool(words["control"])))


def _rows(case: Case, step: Step, words: Mapping[str, str]) -> None:
    if not step.table:
        raise CaseError(f"line {step.line}: an expectation without a table")
    columns, *rows = step.table
    values = tuple(tuple(read(cell) for cell in row) for row in rows)
    case.last.expected = Rows(columns, values, words["order"] == ", in order", bool(words["loose"]))


def _empty(case: Case, *_: object) -> None:
    case.last.expected = Empty()


def _raised(case: Case, _: Step, words: Mapping[str, str]) -> None:
    case.last.expected = Raised(words["kind"], Phase(words["phase"]), words["detail"])


def _effects(case: Case, step: Step, _: Mapping[str, str]) -> None:
    case.last.effects.update({name: int(value) for name, value in step.table})


def _doc(step: Step) -> str:
    if step.doc is None:
        raise CaseError(f"line {step.line}: nothing to execute")
    return step.doc


SENTENCES: Final[dict[str, _Take]] = {
    r"an empty graph|any graph": _no_graph,
    r"the (?P<graph>[\w-]+) graph": _named_graph,
    r"having executed:": _setup,
    r"parameters are:": _parameters,
    r"there exists a procedure .*": _procedure,
    r"executing (?P<control>control )?query:": _query,
    r"the result should be(?P<order>, in any order|, in order)?"
    r"(?P<loose> \(ignoring element order for lists\))?:": _rows,
    r"the result should be empty": _empty,
    r"an? (?P<kind>\w+) should be raised at (?P<phase>compile time|runtime|any time): (?P<detail>[\w*]+)": _raised,
    r"no side effects": _no_graph,
    r"the side effects should be:": _effects,
}
