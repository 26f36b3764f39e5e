"""Merging the evidence of a thousand workers: how long, and whether order, batches and repetition leave a trace.

    python bench/merge.py [RECORDING] [--app APP] [--workers 1000] [--shuffles 20] [--seed 1]

Rules of this file
    - Every worker runs two containers of the recorded application. Each has what one recorded container has shown, but
      for a few per cent of the items, with times and levels of its own; one in fifty has items that nobody else has.
    - Merge is `Evidence.update`, worker after worker, and `Model.of`; folding and encoding are shown beside it.
    - A shuffle takes the workers in another order, in batches of another size that are merged first, some twice; then
      both models are made and written again. Their bytes must be those of the first time.

Limits: 5 CPU seconds for the merge; one set of bytes; exit 1 above.
Source: issue "growth"; design section 3, promise 3.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Final, TypeVar

from growth import sealed, told
from rich.console import Console
from rich.table import Table
from workload import SECOND, Instance, Template, record

from agent.upg import States
from grammar import Evidence, Item, Model, Replica, Span, State, Transition, encode_model
from winnower.memory import peak_rss

RECORDING: Final = Path(__file__).resolve().parent.parent / "winnower" / "recording"
CONTAINERS: Final = 2
MISSING: Final = 0.03
"""Share of the items that a worker's container has not shown."""
OWN: Final = 50
"""One worker in so many has shown what nobody else has."""
EPOCHS: Final = 12
EPOCH: Final = 10 * SECOND
"""A container shows most in its first epochs, some things up to two minutes later."""
SECONDS: Final = 5.0
T = TypeVar("T")


def plain(template: Template) -> Instance:
    """A recorded container as it is."""
    found = Instance(template.worker, template.container, False)
    found.labels, found.tags, found.objects = list(template.labels), list(template.tags), list(template.objects)
    for at, groups in template.gaps:
        found.edges += [(effect, kind, cause, at) for _, steps in groups for effect, kind, cause in steps]
    return found


def items_of(template: Template) -> list[tuple[Item, int]]:
    """What one recorded container has shown, and how often as a level."""
    states, evidence = States(), Evidence()
    told([sealed(plain(template), states)], "w", states, evidence)
    return [(item, span.level) for item, replicas in evidence.seen.items() for span in replicas.values()]


def evidence_of(worker: int, recorded: Sequence[Sequence[tuple[Item, int]]], chance: random.Random) -> Evidence:
    """One worker's evidence."""
    found, name = Evidence(), f"w{worker:05}"
    for number in range(CONTAINERS):
        replica = Replica(name, f"c{worker * CONTAINERS + number:06}")
        begun = SECOND * chance.randrange(10_000)
        spans = [Span(begun + EPOCH * number, begun + EPOCH * (number + number // 2)) for number in range(EPOCHS)]
        for item, level in recorded[chance.randrange(len(recorded))]:
            if chance.random() >= MISSING:
                span = spans[int(EPOCHS * chance.random() ** 3)]
                here = span._replace(level=max(0, level + chance.randrange(-1, 2))) if level else span
                found.add(item, replica, here)
        if worker % OWN == 0:
            found.update(own(name, replica, spans[0], found))
    return found


def own(worker: str, replica: Replica, span: Span, seen: Evidence) -> Evidence:
    """What only this worker has shown: a program, and what it reads."""
    found = Evidence(learned={"File /srv/own/p{int}.html"})
    cause = next(item.cause for item in seen.seen if isinstance(item, Transition))
    program = State(f"Process {worker}-job /opt/{worker}/job", ("entry exec",))
    found.add(Transition(program, "WAS_TRIGGERED_BY", "execve", cause), replica, span)
    for number in range(5):
        page = State(f"File /srv/own/p{number}.html")
        found.add(Transition(program, "USED", "read", page), replica, span)
    found.command(program, f"/opt/{worker}/job --all")
    return found


def merged(parts: Sequence[Evidence]) -> Evidence:
    """All of them, one after another."""
    found = Evidence()
    for part in parts:
        found.update(part)
    return found


def shuffled(parts: Sequence[Evidence], chance: random.Random) -> Evidence:
    """All of them, in another order, in batches, some batches twice."""
    mixed = list(parts)
    chance.shuffle(mixed)
    batches: list[Evidence] = []
    while mixed:
        size = chance.randrange(1, max(2, len(parts) // 4))
        batches.append(merged(mixed[:size]))
        del mixed[:size]
    batches += chance.sample(batches, len(batches) // 2)
    chance.shuffle(batches)
    return merged(batches)


@dataclass(frozen=True, slots=True)
class Written:
    """The models of some evidence: seconds by stage, the bytes' hashes, sizes."""

    seconds: dict[str, float]
    digests: tuple[str, str]
    sizes: dict[str, int]


def written(parts: Callable[[], Evidence]) -> Written:
    """Merge, make both models, write both."""
    seconds: dict[str, float] = {}

    def timed(stage: str, work: Callable[[], T]) -> T:
        begun = time.process_time()
        found = work()
        seconds[stage] = time.process_time() - begun
        return found

    evidence = timed("Evidence.update", parts)
    model = timed("Model.of", lambda: Model.of("bench", evidence))
    base = timed("encode_model, base", lambda: encode_model(model))
    folded = timed("folded", model.folded)
    data = timed("encode_model, folded", lambda: encode_model(folded))
    sizes = {
        "sightings": sum(len(replicas) for replicas in evidence.seen.values()),
        "replicas": len(model.replicas),
        "base states": len(model.states),
        "base transitions": len(model.transitions),
        "folded states": len(folded.states),
        "folded transitions": len(folded.transitions),
        "bytes, base": len(base),
        "bytes, folded": len(data),
    }
    return Written(seconds, (digest(base), digest(data)), sizes)


def digest(data: bytes) -> str:
    """Short."""
    return blake2b(data, digest_size=8).hexdigest()


def orders(parts: Sequence[Evidence], shuffles: int, seed: int) -> Iterator[Written]:
    """The same in other orders."""
    for number in range(shuffles):
        chance = random.Random(seed * 1_000_003 + number)
        yield written(partial(shuffled, parts, chance))


def broken(first: Written, others: Sequence[Written]) -> list[str]:
    """Limits that do not hold, as sentences."""
    said = []
    merge = first.seconds["Evidence.update"] + first.seconds["Model.of"]
    if merge > SECONDS:
        said.append(f"the merge takes {merge:.2f} CPU s, above {SECONDS:.0f}")
    for place, name in enumerate(("base", "folded")):
        wrong = sum(one.digests[place] != first.digests[place] for one in others)
        if wrong:
            said.append(f"{wrong} of {len(others)} shuffles give other bytes of the {name} model")
    return said


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="merging many workers' evidence of one application")
    parser.add_argument("recording", type=Path, nargs="?", default=RECORDING)
    parser.add_argument("--app")
    parser.add_argument("--workers", type=int, default=1_000)
    parser.add_argument("--shuffles", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    chance = random.Random(options.seed)
    recorded = [items_of(template) for template in record(options.recording, options.app)]
    parts = [evidence_of(worker, recorded, chance) for worker in range(options.workers)]
    print("merging …", file=sys.stderr, flush=True)
    first = written(lambda: merged(parts))
    others: list[Written] = []
    for number, one in enumerate(orders(parts, options.shuffles, options.seed)):
        others.append(one)
        print(f"shuffle {number + 1} of {options.shuffles} …", file=sys.stderr, flush=True)
    table = Table("stage", title=f"{options.workers:,} workers' evidence of one application", title_justify="left")
    table.add_column("CPU s", justify="right")
    for stage, each in first.seconds.items():
        table.add_row(stage, f"{each:.2f}")
    table.add_row("merge (update and Model.of)", f"{first.seconds['Evidence.update'] + first.seconds['Model.of']:.2f}")
    table.add_section()
    for name, size in first.sizes.items():
        table.add_row(name, f"{size:,}")
    table.add_row("peak MB", f"{peak_rss() / 1e6:.0f}")
    table.add_section()
    for place, name in enumerate(("base", "folded")):
        same = sum(one.digests[place] == first.digests[place] for one in others)
        table.add_row(f"shuffles with equal bytes, {name}", f"{same} of {len(others)}")
    Console(width=None if sys.stdout.isatty() else 80).print(table)
    said = broken(first, others)
    for sentence in said:
        print(f"broken: {sentence}")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
