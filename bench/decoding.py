"""Decoders against bytes that nobody wrote: random, mutated, and crafted to be as slow as the limits let them be.

Rules of this file
    - A decoder gives a value or an `InputError`; anything else is a failure. So is a decode above `LIMIT_MS`, and more
      than `LIMIT_MB` of memory above what was there before.
    - Blobs are made of real ones (models, deltas and extensions of a recording, whole and in small): random bytes
      behind a true or false head, flipped bits, cuts, splices; and the same done to what is inside, stored or
      compressed again, so that the inner decoder is reached.
    - Time is CPU time; what was slow is decoded again, and the fastest of `AGAIN` counts: machines are noisy.
    - A crafted family grows in one way (texts, contexts, patterns …) until it is refused: its largest members that are
      let through, and the first that are not, are measured.

Complexity: O(bytes) per blob.
Source: issue "Codec"; design section 3 promise 7.
"""

from __future__ import annotations

import pickle
import random
import resource
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import re2
import zstandard
from crafted import FAMILIES, Family
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from grammar import (
    Delta,
    Evidence,
    InputError,
    Lexicon,
    Model,
    Revision,
    Sighting,
    apply_extension,
    decode_delta,
    decode_model,
    encode_delta,
    encode_extension,
    encode_model,
)
from grammar.pattern import _compiled
from grammar.wire import PACKED, STORED, decompress
from monitor.application import Application
from monitor.monitor import Monitor

LIMIT_MS: Final = 50.0
LIMIT_MB: Final = 64.0
AGAIN: Final = 3
SMALL: Final = 30
"""Items of a small model."""
Decoder = Callable[[bytes], object]


@dataclass(slots=True)
class Tally:
    """What came of it."""

    values: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)
    slowest_ms: float = 0.0
    slowest: str = ""
    slowest_wall_ms: float = 0.0

    def decode(self, what: str, decode: Decoder, blob: bytes, *, timed: bool = True) -> None:
        """One blob."""
        cpu, wall, value = self._timed(what, decode, blob)
        if not timed:
            return
        self.values += value
        self.refused += not value
        if cpu > self.slowest_ms / 2:
            cpu = min([cpu, *(self._timed(what, decode, blob)[0] for _ in range(AGAIN))])
        self.slowest_wall_ms = max(self.slowest_wall_ms, wall)
        if cpu > self.slowest_ms:
            self.slowest_ms, self.slowest = cpu, f"{what}, {len(blob):,} bytes"

    def _timed(self, what: str, decode: Decoder, blob: bytes) -> tuple[float, float, bool]:
        wall, cpu = time.perf_counter(), time.process_time()
        value = False
        try:
            decode(blob)
            value = True
        except InputError:
            pass
        except Exception as error:
            self.failures.append(f"{what}: {type(error).__name__}: {error}; {blob[:40].hex()}")
        return 1000 * (time.process_time() - cpu), 1000 * (time.perf_counter() - wall), value


@dataclass(slots=True)
class Target:
    """One decoder and what it was made for."""

    name: str
    decode: Decoder
    corpus: list[bytes]
    inner: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inner = [decompress(blob) for blob in self.corpus]


class Follower:
    """A lexicon that is where it was before every extension."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._saved = pickle.dumps(lexicon)
        self._lexicon = lexicon
        self._revision = lexicon.revision

    def __call__(self, blob: bytes) -> object:
        """Take one extension in."""
        if self._lexicon.revision != self._revision:
            self._lexicon = pickle.loads(self._saved)
        apply_extension(self._lexicon, blob)
        return None


def targets(apps: Sequence[Application]) -> list[Target]:
    """Models, deltas and extensions of applications: the real ones, and small ones cut out of them."""
    chosen = max(apps, key=lambda app: len(app.lexicon.revisions))
    lexicon = chosen.lexicon
    models = [encode_model(model) for app in apps for model in (app.model, *small_models(app))]
    known = Lexicon()
    deltas, middle = [], Lexicon()
    for number, step in enumerate(lexicon.steps(Revision())):
        if number * 2 == len(lexicon.revisions) // 2 * 2:
            middle = pickle.loads(pickle.dumps(known))
        sightings = tuple(Sighting(f"c{n}", step.transitions, step.states, n, n * 1000) for n in range(2))
        deltas.append(encode_delta(Delta(sightings, dict.fromkeys(step.states[:3], "sh -c id")), known))
        known.grow(step)
    extensions = [encode_extension(lexicon, one) for one in lexicon.revisions[:-1]]
    return [
        Target("model", decode_model, models),
        Target("delta", lambda blob: decode_delta(blob, lexicon), deltas),
        Target("extension", Follower(middle), extensions),
    ]


def small_models(app: Application) -> Iterator[Model]:
    """Models of a few items each: most blobs should be small, so that there are many."""
    items = sorted(app.evidence.seen, key=repr)
    for at in range(0, len(items), max(SMALL, len(items) // 8)):
        seen = {item: dict(app.evidence.seen[item]) for item in items[at : at + SMALL]}
        yield Model.of(app.name, Evidence(seen, {}, set(app.evidence.learned)))


def mutated(rng: random.Random, target: Target) -> tuple[str, bytes]:
    """How, and the blob."""
    kind = rng.randrange(8)
    if kind == 0:
        head = rng.choice((b"", bytes([STORED]), bytes([PACKED]), bytes([PACKED + 1]), rng.choice(target.corpus)[:12]))
        return "random", head + rng.randbytes(rng.randrange(200))
    if kind < 3:
        return "outer", damaged(rng, target.corpus)
    inner = damaged(rng, target.inner)
    if kind < 7:
        return "inner", bytes([STORED]) + inner
    return "inner, packed", bytes([PACKED]) + zstandard.ZstdCompressor(level=1).compress(inner)[4:]


def damaged(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
    """One to four changes of one blob; small ones more often than large."""
    data = bytearray(min(rng.choices(corpus, k=2), key=len))
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(data) + 1)
        change = rng.randrange(7)
        if change == 0:
            del data[at:]
        elif change == 1:
            data[at : at + rng.randrange(9)] = b""
        elif change == 2:
            other = rng.choice(corpus)
            start = rng.randrange(len(other))
            data[at:] = other[start:] if rng.random() < 0.5 else other[at:]
        elif change == 3:
            data[at:at] = rng.choice((b"\xff" * 8 + b"\x7f", b"\xff\xff\xff\x3f", b"\xff\xff\x07", b"\0", b"\x80"))
        elif change == 4:
            data[at:at] = data[at : at + rng.randrange(40)] * rng.randrange(4)
        elif at < len(data):
            data[at] = data[at] ^ 1 << rng.randrange(8) if change == 5 else rng.randrange(256)
    return bytes(data)


def crafted(tally: Tally, lexicon: Lexicon, shown: Callable[[], None]) -> list[tuple[str, int, float, float]]:
    """Every family: name, the size of the largest let through, milliseconds of the slowest, MB of the hungriest."""
    rows = []
    for family in FAMILIES:
        own, megabytes = Tally(), 0.0
        decode = decoder_of(family, lexicon)
        most = largest(family, decode)
        for size in (most, most + most // 32 + 1, 2 * most):
            blob = family.blob(size)
            own.decode(family.name, decode, blob)
            tracemalloc.start()
            own.decode(family.name, decode, blob, timed=False)
            megabytes = max(megabytes, tracemalloc.get_traced_memory()[1] / 2**20)
            tracemalloc.stop()
        rows.append((family.name, most, own.slowest_ms, megabytes))
        tally.values += own.values
        tally.refused += own.refused
        tally.failures += own.failures
        if own.slowest_ms > tally.slowest_ms:
            tally.slowest_ms, tally.slowest = own.slowest_ms, own.slowest
        tally.slowest_wall_ms = max(tally.slowest_wall_ms, own.slowest_wall_ms)
        shown()
    return rows


def decoder_of(family: Family, lexicon: Lexicon) -> Decoder:
    if family.decoder == "model":
        return _decode_afresh
    if family.decoder == "delta":
        return lambda blob: decode_delta(blob, Lexicon())
    return Follower(lexicon)


def _decode_afresh(blob: bytes) -> object:
    """With no pattern compiled before."""
    _compiled.cache_clear()
    re2.purge()
    return decode_model(blob)


def largest(family: Family, decode: Decoder) -> int:
    """The most of it that is let through, to a few in a hundred."""

    def passes(size: int) -> bool:
        try:
            decode(family.blob(size))
        except InputError:
            return False
        return True

    size = 8
    while size < 1 << 18 and passes(2 * size):
        size *= 2
    step = size // 2
    while step > size // 32:
        size += step if passes(size + step) else 0
        step //= 2
    return size


def fuzz(monitor: Monitor, blobs: int, seed: int, console: Console) -> bool:
    """Print what became of `blobs` blobs and of the crafted ones; whether all limits hold."""
    rng = random.Random(seed)
    apps = sorted(monitor.apps.values(), key=lambda app: app.name)
    aims = targets(apps)
    worst, tallies = Tally(), {aim.name: Tally() for aim in aims}
    before = peak_mb()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("decoding", total=blobs + len(FAMILIES))
        for number in range(blobs):
            aim = aims[number % len(aims)]
            how, blob = mutated(rng, aim)
            tallies[aim.name].decode(how, aim.decode, blob)
            if number % 1000 == 0:
                progress.update(task, completed=number)
        grown = peak_mb() - before
        families = crafted(worst, apps[0].lexicon, lambda: progress.update(task, advance=1))
    show(console, families, {**tallies, "crafted": worst}, (before, grown))
    everything = [*tallies.values(), worst]
    for failure in [one for tally in everything for one in tally.failures][:20]:
        console.print(failure, style="red", markup=False)
    good = not any(tally.failures or tally.slowest_ms > LIMIT_MS for tally in everything)
    return good and max(grown, *(megabytes for *_, megabytes in families)) <= LIMIT_MB


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def show(
    console: Console,
    families: Sequence[tuple[str, int, float, float]],
    tallies: dict[str, Tally],
    memory: tuple[float, float],
) -> None:
    table = Table("crafted", title="the most that the limits let through", title_justify="left")
    for column in ("size", f"CPU ms (limit {LIMIT_MS:.0f})", f"MB (limit {LIMIT_MB:.0f})"):
        table.add_column(column, justify="right")
    for name, most, slowest, megabytes in families:
        table.add_row(name, f"{most:,}", f"{slowest:.1f}", f"{megabytes:.1f}")
    console.print(table)
    before, grown = memory
    title = f"decoded; peak RSS of random and mutated ones {before + grown:.0f} MB, {grown:.0f} MB above the replay's"
    table = Table("blobs", title=title, title_justify="left")
    for column in ("values", "typed errors", "anything else", "slowest, CPU ms", "wall ms"):
        table.add_column(column, justify="right")
    table.add_column("which")
    for name, one in tallies.items():
        times = (f"{one.slowest_ms:.1f}", f"{one.slowest_wall_ms:.1f}")
        counts = (f"{one.values:,}", f"{one.refused - len(one.failures):,}", f"{len(one.failures):,}")
        table.add_row(name, *counts, *times, one.slowest)
    console.print(table)
