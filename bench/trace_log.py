"""Milliseconds per question `trace-log` at the monitor: from a line to its ranked root causes and effects.

    python bench/trace_log.py [--states 100 1000 10000] [--questions 300] [--state DIR] [--limit 50]

Rules of this file
    - A question is all that the monitor does with it: reading the line, matching, ranking, explaining, and the JSON.
      The first question to a model, which compiles its patterns, and the first after it has grown stand apart.
    - The made-up model has ten histories of every pattern; half of the requests have started a shell that has connected
      somewhere, all have a database, a session file, configuration and a program tree as causes.
    - `--state` asks a monitor's state about lines that its own patterns stand for.
    - Exit 1 if a median is above the limit.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from latency import percentile
from rich.console import Console
from rich.table import Table

from grammar import Evidence, Model, Pattern, Replica, Span, State, Transition
from grammar.pattern import Slot
from monitor.application import Application
from monitor.lines import trace_line
from monitor.lines_index import KIND, Indexes
from monitor.render_lines import show_told
from monitor.store import Store

HISTORIES: Final = 10
EPOCH: Final = 10_000
BEGIN: Final = 1_795_312_110_000
REPLICAS: Final = [Replica(f"worker{n}", f"web{n}") for n in range(1, 9)]
SAMPLES: Final = {"int": "4711", "hex": "a", "token": "k", "lower": "x", "digits": "7", "ip": "10.0.0.7", "port": "80"}
LONG: Final = {"uuid": "01234567-89ab-cdef-0123-456789abcdef", "id": "ab" * 32, "date": "2026-11-22", "pointer": "0x1"}


@dataclass(frozen=True, slots=True)
class Figures:
    """Milliseconds: of the first question, of each one afterwards, and of the first after the model has grown."""

    name: str
    states: int
    first: float
    grown: float
    rest: list[float]


def sample(pattern: Pattern) -> str:
    """A text that a pattern stands for.

    >>> sample(Pattern.parse("user {token:3} is {int}"))
    'user kkk is 4711'
    """
    return "".join(part if isinstance(part, str) else _text(part) for part in pattern.parts)


def _text(slot: Slot) -> str:
    if slot.width:
        return SAMPLES.get(slot.type, "x") * slot.width
    return LONG.get(slot.type) or SAMPLES.get(slot.type, "" if slot.type == "space" else "1")


def made_up(states: int, seed: int) -> Model:
    """A model with so many `LogMessage` states."""
    evidence, chance = Evidence(), random.Random(seed)
    for number in range(states):
        for transition in _request(number // HISTORIES, number % HISTORIES):
            first = BEGIN + EPOCH * chance.randrange(1_000)
            replica = chance.choice(REPLICAS)
            evidence.add(transition, replica, Span(first, first + EPOCH * chance.randrange(20)))
    return Model.of("web", evidence)


def _request(page: int, history: int) -> Iterator[Transition]:
    """What one request does, in one history."""
    tag = (f"#{page:04x}{history:04x}",)
    top, main = State("Process sh /usr/bin/dash"), State("Process apache2 /usr/sbin/apache2", ("from sh",))
    client = State("Socket 10.0.0.1:{port}>*:80")
    unit = State(main.label, ("from sh", f"unit {client.label}", *tag))
    line = State(f"{KIND}GET /page{page}.php?u={{token:8}} 200", tag)
    base = State("Socket 10.0.0.9:3306", tag)
    yield Transition(main, "WAS_TRIGGERED_BY", "execve", top)
    yield Transition(unit, "WAS_TRIGGERED_BY", "unit", main)
    yield Transition(unit, "USED", "accept", client)
    for number in range(20):
        yield Transition(main, "USED", "read", State(f"File /etc/apache2/conf{number}"))
    yield Transition(unit, "USED", "read", State(f"File /var/www/html/page{page}.php"))
    yield Transition(base, "WAS_GENERATED_BY", "connect", unit)
    yield Transition(line, "WAS_GENERATED_BY", "log", unit)
    yield Transition(line, "WAS_DERIVED_FROM", "covers", base)
    if history % 2:
        shell, curl = State(top.label, ("from apache2", *tag)), State("Process curl /usr/bin/curl", tag)
        yield Transition(shell, "WAS_TRIGGERED_BY", "execve", unit)
        yield Transition(curl, "WAS_TRIGGERED_BY", "execve", shell)
        yield Transition(State(f"Socket 10.9.0.{history}:9998", tag), "WAS_GENERATED_BY", "connect", curl)
        yield Transition(line, "WAS_GENERATED_BY", "covers", shell)


def measured(name: str, models: Sequence[Model], questions: int, seed: int) -> Figures:
    """Ask about lines that the models' own patterns stand for."""
    chance, indexes = random.Random(seed), Indexes()
    labels = sorted({one.label for model in models for one in model.states if one.label.startswith(KIND)})
    states = sum(one.label.startswith(KIND) for model in models for one in model.states)
    for model in models:
        _ = model.causes, model.effects, model.ids
    asked = [sample(Pattern.parse(label[len(KIND) :])).encode() for label in chance.choices(labels, k=questions + 2)]
    first = _ask(models, asked[0], indexes)
    rest = [_ask(models, line, indexes) for line in asked[2:]]
    grown = [_grown(model) for model in models]
    for model in grown:
        _ = model.causes, model.effects, model.ids
    return Figures(name, states, first, _ask(grown, asked[1], indexes), rest)


def _grown(model: Model) -> Model:
    news = Evidence()
    news.add(State(f"{KIND}a pattern that is new"), REPLICAS[0], Span(BEGIN, BEGIN))
    return model | news


def _ask(models: Sequence[Model], line: bytes, indexes: Indexes) -> float:
    begun = time.perf_counter()
    told = trace_line(models, line, indexes=indexes)
    show_told(told, "json")
    taken = (time.perf_counter() - begun) * 1_000
    if not told.explained:
        sys.exit(f"trace_log: no candidate for {line[:200]!r}")
    return taken


def show(found: Sequence[Figures]) -> Table:
    """The table."""
    table = Table("model", title="milliseconds per question, JSON included", title_justify="left")
    for column in ("LogMessage states", "median", "99 %", "first", "after growing"):
        table.add_column(column, justify="right")
    for one in found:
        figures = (statistics.median(one.rest), percentile(one.rest, 99), one.first, one.grown)
        table.add_row(one.name, f"{one.states:,}", *(f"{value:.1f}" for value in figures))
    return table


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="milliseconds from a line to its causes and effects")
    parser.add_argument("--states", type=int, nargs="*", default=[100, 1_000, 10_000], help="of the made-up models")
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--state", type=Path, help="a monitor's state to ask, too")
    parser.add_argument("--limit", type=float, default=50.0, help="milliseconds that a median may take")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    found = [
        measured("made up", [made_up(states, options.seed)], options.questions, options.seed)
        for states in options.states
    ]
    if options.state:
        with closing(Store(options.state)) as store:
            models = [Application.load(store, name).model for name in store.apps()]
        found.append(measured(options.state.name, models, options.questions, options.seed))
    Console(width=None if sys.stdout.isatty() else 100).print(show(found))
    return 0 if all(statistics.median(one.rest) <= options.limit for one in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
