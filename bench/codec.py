"""How small models are, beside msgpack and JSON under zstd -19; and what decoding does with bytes that nobody wrote.

    python bench/codec.py [RECORDING…]
    python bench/codec.py --fuzz [N] [--seed S]

Rules of this file
    - Every form holds the same: states with their contexts, transitions, who has shown them from when until when and
      how often, commands, learned patterns; in canonical order. msgpack stands in two forms: nested as it reads, and
      with tables of strings, states and replicas and everything else by number. The limit is for the first, which is
      msgpack as it comes; the second is half a format of its own.
    - CPU times are the least of `RUNS`; the fuzzing is `bench/decoding.py`.

Complexity: a replay of each recording, then O(model); fuzzing about 7,000 blobs per second.
Source: issue "Codec": at most half of msgpack + zstd -19; 10^6 blobs decoded, none above 50 ms.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import zstandard
from decoding import fuzz
from rich.console import Console
from rich.table import Table

from grammar import Item, Model, State, Transition, decode_model, encode_model
from grammar.wire import MAX_ITEMS
from monitor.monitor import Monitor
from monitor.novelty import Settings
from winnower.policy_command import shipped_policies
from winnower.replay import replay
from winnower.replay_command import Runner

ROOT: Final = Path(__file__).resolve().parent.parent
SHIPPED: Final = ROOT / "winnower" / "recording"
BLOBS: Final = 1_000_000
RUNS: Final = 5
SHARE: Final = 0.5
"""Of msgpack under zstd -19, at most."""


def nested(model: Model) -> list[object]:
    """A model as it reads: every text spelled out wherever it stands."""
    return [
        model.app,
        [[[one.label, list(one.context)], _shown(model, one)] for one in model.states],
        [[list(one), _shown(model, one)] for one in model.transitions],
        [[list(state), command] for state, command in sorted(model.commands.items())],
        sorted(model.learned),
    ]


def _shown(model: Model, item: Item) -> list[list[object]]:
    return [[*replica, *span] for replica, span in sorted(model.support[item].items())]


def indexed(model: Model) -> list[object]:
    """The same with tables: strings, replicas, states by number; times after the earliest."""
    texts = sorted(
        {text for one in model.states for text in (one.label, *one.context)}
        | {text for one in model.transitions for text in (one.relation, one.operation)}
    )
    text = {one: position for position, one in enumerate(texts)}
    state = {one: position for position, one in enumerate(model.states)}
    replicas = sorted(model.replicas)
    number = {one: position for position, one in enumerate(replicas)}
    start = min((span.first for held in model.support.values() for span in held.values()), default=0)

    def shown(item: Item) -> list[int]:
        held = sorted((number[replica], span) for replica, span in model.support[item].items())
        return [n for replica, span in held for n in (replica, span[0] - start, span[1] - span[0], *span[2:])]

    def numbers(one: State | Transition) -> list[int]:
        if isinstance(one, State):
            return [text[one.label], *(text[entry] for entry in one.context)]
        return [state[one.effect], text[one.relation], text[one.operation], state[one.cause]]

    items: tuple[Item, ...] = (*model.states, *model.transitions)
    return [
        model.app,
        texts,
        replicas,
        start,
        [[numbers(one), shown(one)] for one in items],
        sorted((state[one], command) for one, command in model.commands.items()),
        sorted(model.learned),
    ]


def packed(value: object, write: Callable[[object], bytes]) -> int:
    return len(zstandard.ZstdCompressor(level=19).compress(write(value)))


def _msgpack(value: object) -> bytes:
    return msgspec.msgpack.encode(_writable(value))


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _writable(value: object) -> object:
    """Undecodable bytes as bytes: msgpack has them."""
    if isinstance(value, str):
        return value if value.isprintable() else value.encode("utf-8", "surrogateescape")
    return [_writable(one) for one in value] if isinstance(value, list | tuple) else value


def cpu_ms(work: Callable[[], object]) -> float:
    """Of the fastest of some runs."""
    times = []
    for _ in range(RUNS):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return 1000 * min(times)


def replayed(recording: Path) -> Monitor:
    """The monitor after a replay."""
    with tempfile.TemporaryDirectory(prefix="codec-") as folder:
        return replay(recording, Path(folder) / "state", Runner(10_000, shipped_policies(), Settings()))[0]


def row(model: Model) -> dict[str, float]:
    """Sizes of every form, CPU milliseconds of ours."""
    data = encode_model(model)
    return {
        "items": len(model.support),
        "ours": len(data),
        "nested": packed(nested(model), _msgpack),
        "indexed": packed(indexed(model), _msgpack),
        "json": packed(nested(model), _json),
        "encode": cpu_ms(lambda: encode_model(model)),
        "decode": cpu_ms(lambda: decode_model(data, 64 * MAX_ITEMS)),
    }


def sizes(recordings: Sequence[Path], console: Console) -> bool:
    """Print the table; whether every model is small enough."""
    table = Table("recording", "app", title="bytes of a model; all but ours under zstd -19", title_justify="left")
    for column in (
        "items",
        "ours",
        "msgpack",
        "msgpack, tables",
        "json",
        "of msgpack",
        "of tables",
        "enc ms",
        "dec ms",
    ):
        table.add_column(column, justify="right")
    good = True
    for recording in recordings:
        apps = sorted(replayed(recording).apps.items())
        for name, app in apps:
            found = row(app.model)
            good = good and found["ours"] <= SHARE * found["nested"]
            ratios = [f"{found['ours'] / found[key]:.2f}" for key in ("nested", "indexed")]
            cells = [f"{found[key]:,.0f}" for key in ("items", "ours", "nested", "indexed", "json")]
            times = [f"{found[key]:.1f}" for key in ("encode", "decode")]
            shown = recording.resolve().name if recording != SHIPPED else "shipped"
            table.add_row(shown, name, *cells, *ratios, *times, end_section=name == apps[-1][0])
    console.print(table)
    return good


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="sizes of models; fuzzing of the decoders")
    parser.add_argument("recordings", type=Path, nargs="*", default=[SHIPPED], metavar="RECORDING")
    parser.add_argument("--fuzz", type=int, nargs="?", const=BLOBS, default=0, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 100)
    if options.fuzz:
        return 0 if fuzz(replayed(options.recordings[0]), options.fuzz, options.seed, console) else 1
    return 0 if sizes(options.recordings, console) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
