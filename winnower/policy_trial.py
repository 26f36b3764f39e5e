"""`winnower policy test`: policies on the graphs beside them, taken as they are and as models.

Rules of this file
    - A graph is asked twice: as real vertices and edges, and as a model of which each vertex stands for one or more.
      What must match does so for certain when taken as it is, and is at least possible on a model. What must not match
      does not in either way; but a policy that counts, or asks that something be absent, may find it possible on a
      model, which cannot tell.
    - Exit 0 all pass, 1 one does not, 2 a file is bad.

Complexity: what the policies cost on their graphs; each is timed, and cut by the limits of policies.
Source: issue "policies and questions", item 4.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from grammar.errors import InputError, escape
from policies import Meaning, MemoryGraph, Policy, PolicyErrors, evaluate, rendered
from policies.limits import LimitError, Match
from policies.reach import is_positive
from winnower.policy_files import Graphs, graphs_of, read_policy, same_ids, shipped_files, tried
from winnower.policy_lint import sources_of

SHOWN: Final = 6
"""Columns of a row that a problem names."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one policy: what is wrong with its answers, how many graphs it was asked about, and how long."""

    policy: Policy
    problems: tuple[str, ...]
    graphs: int
    seconds: float

    def value(self) -> dict[str, object]:
        """For JSON."""
        return {
            "id": self.policy.id,
            "file": escape(self.policy.file, 400),
            "passed": not self.problems,
            "problems": self.problems,
            "graphs": self.graphs,
            "milliseconds": round(self.seconds * 1000, 3),
        }


@click.command("test")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--format", "how", type=click.Choice(("text", "json")), default="text", show_default=True)
def command(files: tuple[Path, ...], how: str) -> None:
    """Try policies on the graphs beside them: FILES, or all that come with Winnower.

    NAME.match.json (and NAME.match.1.json, ...) must match, NAME.benign.json (...) must not.
    """
    sources, errors = sources_of(files) if files else (shipped_files(), [])
    policies, wrong = tried(sources, read_policy)
    graphs, missing = tried(sources, graphs_of)
    errors += [*wrong, *same_ids(policies), *missing]
    if errors:
        raise PolicyErrors(errors)
    trials = [trial(one, beside) for one, beside in zip(policies, graphs, strict=True)]
    click.echo(json.dumps([one.value() for one in trials], indent=1) if how == "json" else "\n".join(told(trials)))
    if any(one.problems for one in trials):
        sys.exit(1)


def told(trials: Sequence[Trial]) -> Iterator[str]:
    """A line for each policy, and for each problem; how many passed."""
    for one in trials:
        yield f"{'FAIL' if one.problems else 'ok':<4}  {one.policy.id:<40}  {one.seconds * 1000:8.1f} ms"
        for problem in one.problems:
            yield f"      {problem}"
    failed = sum(bool(one.problems) for one in trials)
    seconds = sum(one.seconds for one in trials)
    yield f"{len(trials) - failed} passed, {failed} failed in {seconds:.2f} s"


def trial(policy: Policy, graphs: Graphs) -> Trial:
    """What is wrong with a policy's answers on its graphs; nothing if all is well."""
    before = time.perf_counter()
    problems = [f"{name}: {text}" for name, graph in graphs.must for text in _silent(policy, graph)]
    problems += [f"{name}: {text}" for name, graph in graphs.must_not for text in _loud(policy, graph)]
    return Trial(policy, tuple(problems), len(graphs.must) + len(graphs.must_not), time.perf_counter() - before)


def _silent(policy: Policy, graph: MemoryGraph) -> Iterator[str]:
    """Of a graph that must match, what is missing."""
    found, problem = _asked(policy, graph, Meaning.CONCRETE)
    if problem:
        yield problem
    elif not any(match.certain for match in found):
        yield "does not match, and must"
    found, problem = _asked(policy, graph, Meaning.INSTANCES)
    if problem:
        yield f"{problem} (taken as a model)"
    elif not found:
        yield "is not even possible when taken as a model, and must be"


def _loud(policy: Policy, graph: MemoryGraph) -> Iterator[str]:
    """Of a graph that must not match, what does."""
    found, problem = _asked(policy, graph, Meaning.CONCRETE)
    if problem or found:
        yield problem or f"matches, and must not: {_row(found[0])}"
        return
    found, problem = _asked(policy, graph, Meaning.INSTANCES)
    wrong = [match for match in found if match.certain or is_positive(policy.query)]
    if problem:
        yield f"{problem} (taken as a model)"
    elif wrong:
        word = "certain" if wrong[0].certain else "possible"
        yield f"is {word} when taken as a model, and must not be: {_row(wrong[0])}"


def _asked(policy: Policy, graph: MemoryGraph, meaning: Meaning) -> tuple[Sequence[Match], str]:
    """The matches, or why there is no answer."""
    try:
        return evaluate(policy.query, graph, meaning=meaning, clock=time.monotonic), ""
    except LimitError as error:
        return error.matches, f"no answer within the limits: {error}"
    except InputError as error:
        return (), f"fails: {error}"


def _row(match: Match) -> str:
    pairs = list(match.row.items())
    told = ", ".join(f"{escape(key)}={_text(rendered(value))}" for key, value in pairs[:SHOWN])
    return told + (", …" if len(pairs) > SHOWN else "")


def _text(value: str | None) -> str:
    return "null" if value is None else escape(value)
