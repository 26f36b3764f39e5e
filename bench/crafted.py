"""Blobs that a decoder must work hardest for: one family for each thing that could cost more than its bytes.

Rules of this file
    - A family is a decoder's name and how to make a message of a given size; `decoding.py` finds how large a message is
      let through. Contents are made by the writers themselves, so that nothing is refused before it has cost something;
      compressed at a low level, for a fast attacker.
    - A new count, text or check in the format gets a family here.

Complexity: O(size) per blob.
Source: issue "Codec": none above 50 ms; grammar/wire.py (the purse).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

import zstandard

from grammar import Delta, Item, Lexicon, Model, Replica, Sighting, Span, State, Transition
from grammar.codec import delta_writer, model_writer
from grammar.lexicon import write_step
from grammar.wire import MAX_ITEMS, PACKED, PLAIN_PER_ITEM, STORED, Writer


@dataclass(frozen=True, slots=True)
class Family:
    """Messages for one decoder, by size."""

    name: str
    decoder: str
    plain: Callable[[int], bytes]

    def blob(self, size: int) -> bytes:
        """The message, compressed where that helps."""
        plain = self.plain(size)
        packed = zstandard.ZstdCompressor(level=1).compress(plain)[4:]
        return bytes([PACKED]) + packed if len(packed) < len(plain) else bytes([STORED]) + plain


MAX_PLAIN: Final = MAX_ITEMS * PLAIN_PER_ITEM
ONE: Final = Replica("w", "c")
ROOT: Final = State("Process sh /bin/sh")


def _plain(seen: Mapping[Item, Mapping[Replica, Span]]) -> bytes:
    return bytes(model_writer(Model("a", seen)).data)


def _delta(delta: Delta) -> bytes:
    return bytes(delta_writer(delta, Lexicon()).data)


def _model(
    states: Sequence[State] = (),
    transitions: Sequence[Transition] = (),
    learned: Sequence[str] = (),
    commands: Sequence[str] = (),
) -> bytes:
    span = Span(0, 0)
    items: tuple[Item, ...] = (*states, *transitions)
    seen = {item: {ONE: span} for item in items}
    told = dict(zip(states, commands, strict=False))
    return bytes(model_writer(Model("a", seen, told, frozenset(learned))).data)


def _crowd(items: int, replicas: int, span: Callable[[int, int], Span]) -> bytes:
    """Items that replicas show, each when `span` says."""
    everybody = [Replica("w", f"{k:05}") for k in range(replicas)]
    seen: dict[Item, dict[Replica, Span]] = {}
    for n in range(items):
        seen[State(f"{n}")] = {one: span(n, k) for k, one in enumerate(everybody)}
    return _plain(seen)


def _labels(size: int) -> bytes:
    return _model([State(f"{n:x}") for n in range(size)])


def _contexts(size: int) -> bytes:
    """Few texts, many states: each a context of three."""
    return _model([State("a", (f"{n % 50}", f"{n // 50 % 50}", f"{n // 2500}")) for n in range(size)])


def _long_contexts(size: int) -> bytes:
    return _model([State("a", tuple(f"{(n * k + n // 60) % 90}" for k in range(1, 15))) for n in range(1, size + 1)])


def _shared_contexts(size: int) -> bytes:
    return _model([State("a", (*"bcdefghijklmn", f"{n}")) for n in range(size)])


def _marks(size: int) -> bytes:
    return _model([State("a", tuple(f"#{(n * 7 + k) % (1 << 32):08x}" for k in range(15))) for n in range(size)])


def _transitions(size: int) -> bytes:
    side = max(1, int(size**0.5))
    states = [State(f"{n}", ("from a", "from b")) for n in range(side + 1)]
    edges = [Transition(states[n // side % (side + 1)], "U", "r", states[n % side]) for n in range(size)]
    return _model(states, edges)


def _self_loops(size: int) -> bytes:
    states = [State("a", (f"{n % 90}", f"{n // 90}")) for n in range(size)]
    return _model(states, [Transition(one, "U", "r", one) for one in states])


def _deep(size: int) -> bytes:
    """Every text shares sixteen thousand letters with the one before."""
    return _model([State("a" * 16_000 + f"{n:05}") for n in range(size)])


def _shallow(size: int) -> bytes:
    return _model([State("a" * 250 + f"{n:05}") for n in range(size)])


def _undecodable(size: int) -> bytes:
    return _model([State("\udcff" * 1000 + f"{n:05}") for n in range(size)])


def _escapes(size: int) -> bytes:
    return _model([State(f"{n:05}" + "\1\0" * 500) for n in range(size)])


def _rows(size: int) -> bytes:
    """Every item shown by another replica alone."""
    everybody = [Replica("w", f"{k:05}") for k in range(size)]
    return _plain({State(f"{k:x}"): {one: Span(0, 0)} for k, one in enumerate(everybody)})


def _cells(size: int) -> bytes:
    return _crowd(max(1, size // 256), 256, lambda n, k: Span(n + k, n + 2 * k))


def _one_row(size: int) -> bytes:
    return _crowd(1, size, lambda n, k: Span(k, 2 * k))


def _times(size: int) -> bytes:
    return _crowd(1, size, lambda n, k: Span(k << 30, k << 40))


def _levels(size: int) -> bytes:
    return _crowd(max(1, size // 64), 64, lambda n, k: Span(0, 0, (n >> k % 12) & 1 or n % 60))


def _compared(size: int) -> bytes:
    """Transitions and states of different support, each pair to be compared."""
    everybody = [Replica("w", f"{k:05}") for k in range(64)]
    side = max(1, int(size**0.5))
    states = [State(f"{n}") for n in range(side)]
    edges = [Transition(states[n // side], "U", "r", states[n % side]) for n in range(side * side)]
    seen: dict[Item, dict[Replica, Span]] = {}
    for n, state in enumerate(states):
        seen[state] = dict.fromkeys(everybody, Span(0, 1000 + n))
    for n, edge in enumerate(edges):
        seen[edge] = dict.fromkeys(everybody, Span(1 + n % 30, 500))
    return _plain(seen)


def _patterns(size: int) -> bytes:
    return _model([ROOT], learned=[f"File /{n:05}{{any}}" for n in range(size)])


def _widths(size: int) -> bytes:
    return _model([ROOT], learned=["File /a/" + "{token:999}" * min(1000, size // 16) + "{token:60}" * (size % 16)])


def _uuids(size: int) -> bytes:
    return _model([ROOT], learned=["File /a/" + "{uuid}x" * min(size, 2000)])


def _backslashes(size: int) -> bytes:
    return _model([ROOT], learned=[f"File /a{n}/" + "\\}" * 2000 + "{int}" for n in range(size)])


def _matched(size: int) -> bytes:
    """Every pattern meets every name, in vain."""
    side = max(1, size // 16)
    names = [State(f"File /a/x{n}") for n in range(4 * side)]
    return _model(names, learned=[f"File /a/{n:03}{{any}}" for n in range(side)])


def _backtracked(size: int) -> bytes:
    """A matcher that has to keep hundreds of places in mind at every letter."""
    names = [State("File /a/x" + "ab" * 2000 + f"{n}") for n in range(max(1, size // 8))]
    return _model(names, learned=["File /a/x{any}a{token:300}{any}a{token:300}b"])


def _numbered(size: int) -> bytes:
    names = [State(f"File /a/{n:05}" + "a1" * 1000) for n in range(size)]
    return _model(names, learned=["File /b/x{int}"])


def _made_up(size: int) -> bytes:
    """Labels that are patterns themselves."""
    return _model([State(f"File /a/{n:05}_{{token:6}}") for n in range(size)])


def _commands(size: int) -> bytes:
    return _model(
        [State("a", (f"{n % 90}", f"{n // 90}")) for n in range(size)], commands=[f"{n}" for n in range(size)]
    )


def _containers(size: int) -> bytes:
    return _delta(Delta(tuple(Sighting(f"{n}", ()) for n in range(size))))


def _shown(size: int) -> bytes:
    """Few words, shown by container after container."""
    words = tuple(Transition(ROOT, "U", f"{n:03}", ROOT) for n in range(300))
    sightings = tuple(Sighting("c", words) for _ in range(max(1, size // 300)))
    return _delta(Delta(sightings))


def _delta_words(size: int) -> bytes:
    states = [State("Process a", (f"from {n % 90}", f"from {n // 90}")) for n in range(size)]
    edges = tuple(Transition(one, "U", "r", ROOT) for one in states)
    return _delta(Delta((Sighting("c", edges),)))


def _patterns_of_a_delta(size: int) -> bytes:
    return _delta(Delta((), {}, tuple(f"{n:06}" for n in range(size))))


def _steps(size: int) -> bytes:
    """As many steps as possible, each of one state, from the very beginning: all that is known gives way."""
    lexicon = Lexicon()
    for n in range(size):
        lexicon.extend([State("a", (f"{n % 90}", f"{n // 90}"))], [])
    return _extension(lexicon)


def _step(size: int) -> bytes:
    lexicon = Lexicon()
    states = [State("a", (f"{n % 90}", f"{n // 90}")) for n in range(size)]
    lexicon.extend(states, [Transition(one, "U", "r", states[0]) for one in states])
    return _extension(lexicon)


def _step_of_labels(size: int) -> bytes:
    lexicon = Lexicon()
    lexicon.extend([State(f"{n:x}") for n in range(size)], [])
    return _extension(lexicon)


def _extension(lexicon: Lexicon) -> bytes:
    writer = Writer()
    writer.column((0, 0, 0))
    writer.data += bytes(4)
    steps = lexicon.steps(lexicon.revisions[0])
    writer.number(len(steps))
    for step in steps:
        write_step(step, lexicon.text_number, lexicon.state_number, writer)
    return bytes(writer.data)


def _incompressible(size: int) -> bytes:
    """Short matches without end: the slowest frame per byte, as long as may be."""
    rng = Random(1)
    words = [rng.randbytes(6) for _ in range(200)]
    return (b"\xff" + b"".join(rng.choices(words, k=MAX_PLAIN // 5)))[:MAX_PLAIN]


def _zeros(size: int) -> bytes:
    return bytes(MAX_PLAIN)


FAMILIES: Final = (
    Family("states of a text each", "model", _labels),
    Family("states of few texts", "model", _contexts),
    Family("long contexts", "model", _long_contexts),
    Family("contexts that share all but one", "model", _shared_contexts),
    Family("contexts of marks", "model", _marks),
    Family("transitions", "model", _transitions),
    Family("loops of many states", "model", _self_loops),
    Family("texts that share 16,000 letters", "model", _deep),
    Family("texts that share 250 letters", "model", _shallow),
    Family("undecodable texts", "model", _undecodable),
    Family("escaped texts", "model", _escapes),
    Family("rows of support", "model", _rows),
    Family("cells of support", "model", _cells),
    Family("replicas of one item", "model", _one_row),
    Family("long numbers", "model", _times),
    Family("levels", "model", _levels),
    Family("supports compared", "model", _compared),
    Family("patterns", "model", _patterns),
    Family("wide patterns", "model", _widths),
    Family("patterns of uuids", "model", _uuids),
    Family("patterns of escapes", "model", _backslashes),
    Family("patterns that match nothing", "model", _matched),
    Family("patterns that match slowly", "model", _backtracked),
    Family("names of numbers", "model", _numbered),
    Family("labels that are patterns", "model", _made_up),
    Family("commands", "model", _commands),
    Family("zeros", "model", _zeros),
    Family("short matches", "model", _incompressible),
    Family("containers of a delta", "delta", _containers),
    Family("known words shown", "delta", _shown),
    Family("words of a delta", "delta", _delta_words),
    Family("learned of a delta", "delta", _patterns_of_a_delta),
    Family("steps of an extension", "extension", _steps),
    Family("one step of states", "extension", _step),
    Family("one step of texts", "extension", _step_of_labels),
)
