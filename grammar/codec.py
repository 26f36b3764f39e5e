"""Deltas and models as bytes.

Rules of this file
    - Canonical: the same value against the same base gives the same bytes.
    - A delta names its base revision; against any other base it is a `BaseMismatchError`.
    - Bytes from the wire are checked as they are read (`grammar.wire`); nothing else than a value or a `CodecError` comes out.

Format of a delta (version 1), compressed as a whole:
    version, base (texts, states, transitions, 4 bytes of hash), new words (see `grammar.lexicon`),
    replicas (worker is the envelope's): name, first and last time, transitions ascending, lone states ascending; commands; learned patterns.

Complexity: O(bytes).
Source: design section 2 (delta), section 3 promise 7.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from grammar.errors import BaseMismatchError, CodecError
from grammar.evidence import Evidence, Replica, Span, State, Transition
from grammar.lexicon import Lexicon, Revision, read_words, write_states, write_transitions
from grammar.model import Model
from grammar.wire import Reader, Writer, compress, decompress

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one container has shown for the first time: transitions, and states that stand alone.

    `first` and `last` say when, in milliseconds after the start of the epoch.
    """

    container: str
    transitions: tuple[Transition, ...]
    states: tuple[State, ...] = ()
    first: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class Delta:
    """What one epoch of one worker adds to an application's evidence."""

    sightings: tuple[Sighting, ...]
    commands: dict[State, str] = field(default_factory=dict)
    learned: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sightings or self.commands or self.learned)

    def evidence(self, worker: str, span: Span) -> Evidence:
        """As evidence of `worker` in the epoch `span`."""
        found = Evidence(commands=dict(self.commands), learned=set(self.learned))
        for sighting in self.sightings:
            replica = Replica(worker, sighting.container)
            for item in (*sighting.transitions, *sighting.states):
                found.add(item, replica, span)
        return found

    @property
    def transitions(self) -> set[Transition]:
        """Every transition that a container shows."""
        return {transition for sighting in self.sightings for transition in sighting.transitions}

    @property
    def states(self) -> set[State]:
        """Every state, also those inside transitions."""
        lone = {state for sighting in self.sightings for state in sighting.states}
        return lone | {end for one in self.transitions for end in (one.effect, one.cause)} | set(self.commands)


def encode_delta(delta: Delta, lexicon: Lexicon) -> bytes:
    """Write `delta` against the present revision of `lexicon`; words that it lacks are spelled out."""
    base = lexicon.revision
    transitions = sorted(one for one in delta.transitions if one not in lexicon.transition_number)
    states = sorted(one for one in delta.states if one not in lexicon.state_number)
    numbers = dict(lexicon.text_number)
    texts = sorted({word for word in _new_words(states, transitions) if word not in numbers})
    numbers.update((word, base.texts + position) for position, word in enumerate(texts))
    state_number = dict(lexicon.state_number)
    state_number.update((state, base.states + position) for position, state in enumerate(states))
    number = dict(lexicon.transition_number)
    number.update((one, base.transitions + position) for position, one in enumerate(transitions))
    writer = Writer()
    writer.number(VERSION)
    _write_revision(base, writer)
    writer.texts(texts)
    write_states(states, numbers, writer)
    write_transitions(transitions, numbers, state_number, writer)
    writer.number(len(delta.sightings))
    for sighting in delta.sightings:
        writer.text(sighting.container)
        writer.number(sighting.first)
        writer.number(sighting.last - sighting.first)
        writer.ascending(sorted(number[one] for one in sighting.transitions))
        writer.ascending(sorted(state_number[one] for one in sighting.states))
    told = sorted((state_number[state], command) for state, command in delta.commands.items())
    writer.ascending([state for state, _ in told])
    writer.texts([command for _, command in told])
    writer.texts(delta.learned)
    return compress(bytes(writer.data))


def decode_delta(data: bytes, lexicon: Lexicon) -> Delta:
    """Read a delta against the revision of `lexicon` that it names."""
    reader = Reader(decompress(data))
    version = reader.number()
    if version != VERSION:
        raise CodecError("delta of another version", offending=str(version), hint=f"this reads version {VERSION}")
    base = _read_revision(reader)
    if not lexicon.find(base):
        raise BaseMismatchError("delta against another base", offending=base.digest.hex(), hint="send the delta in full")
    _, states, transitions = read_words(reader, lexicon, base)
    known_states = lexicon.states[: base.states] + states
    known = lexicon.transitions[: base.transitions] + transitions
    sightings = []
    for _ in range(reader.count()):
        container = reader.text()
        first = reader.number()
        last = first + reader.number()
        shown = tuple(known[one] for one in reader.ascending(len(known)))
        alone = tuple(known_states[one] for one in reader.ascending(len(known_states)))
        sightings.append(Sighting(container, shown, alone, first, last))
    told = [known_states[one] for one in reader.ascending(len(known_states))]
    commands = reader.texts()
    if len(commands) != len(told):
        raise CodecError("commands without states", offending=f"{len(commands)} for {len(told)}")
    learned = tuple(reader.texts())
    reader.end()
    return Delta(tuple(sightings), dict(zip(told, commands, strict=True)), learned)


def encode_extension(lexicon: Lexicon, base: Revision) -> bytes:
    """What `lexicon` has learned since `base`; nothing if nothing."""
    if base == lexicon.revision:
        return b""
    if not lexicon.find(base):
        raise BaseMismatchError("the other side stands at an unknown revision", offending=base.digest.hex())
    writer = Writer()
    at = lexicon.revisions.index(base)
    writer.number(len(lexicon.revisions) - at - 1)
    for position in range(at, len(lexicon.revisions) - 1):
        before, after = lexicon.revisions[position], lexicon.revisions[position + 1]
        writer.texts(lexicon.texts[before.texts : after.texts])
        write_states(lexicon.states[before.states : after.states], lexicon.text_number, writer)
        part = lexicon.transitions[before.transitions : after.transitions]
        write_transitions(part, lexicon.text_number, lexicon.state_number, writer)
    return compress(bytes(writer.data))


def apply_extension(lexicon: Lexicon, data: bytes) -> None:
    """Bring `lexicon` forward by what `encode_extension` wrote against its present revision."""
    if not data:
        return
    reader = Reader(decompress(data))
    for _ in range(reader.count()):
        lexicon.read_extension(reader)
    reader.end()


def encode_model(model: Model) -> bytes:
    """The whole model with its support, canonical: no base, sorted, replicas by number."""
    writer = Writer()
    writer.number(VERSION)
    writer.text(model.app)
    replicas = sorted(model.replicas)
    numbers = {replica: position for position, replica in enumerate(replicas)}
    writer.texts([f"{one.worker}\0{one.container}" for one in replicas])
    lexicon = Lexicon()
    lexicon.extend(model.states, model.transitions)
    lexicon.write_since(Revision(), writer)
    for item in (*lexicon.states, *lexicon.transitions):
        held = sorted((numbers[replica], span) for replica, span in model.support[item].items())
        writer.ascending([replica for replica, _ in held])
        for _, span in held:
            writer.number(span.first)
            writer.number(span.last - span.first)
    told = sorted((lexicon.state_number[state], command) for state, command in model.commands.items())
    writer.ascending([state for state, _ in told])
    writer.texts([command for _, command in told])
    writer.texts(sorted(model.learned))
    return compress(bytes(writer.data))


def decode_model(data: bytes) -> Model:
    """Read a model."""
    reader = Reader(decompress(data))
    version = reader.number()
    if version != VERSION:
        raise CodecError("model of another version", offending=str(version), hint=f"this reads version {VERSION}")
    app = reader.text()
    replicas = []
    for text in reader.texts():
        worker, _, container = text.partition("\0")
        replicas.append(Replica(worker, container))
    lexicon = Lexicon()
    lexicon.read_extension(reader)
    evidence = Evidence()
    for item in (*lexicon.states, *lexicon.transitions):
        for replica in reader.ascending(len(replicas)):
            evidence.add(item, replicas[replica], Span(0, 0))
        for replica in list(evidence.seen.get(item, {})):
            first = reader.number()
            evidence.seen[item][replica] = Span(first, first + reader.number())
    told = [lexicon.states[one] for one in reader.ascending(len(lexicon.states))]
    evidence.commands = dict(zip(told, reader.texts(), strict=False))
    evidence.learned = set(reader.texts())
    reader.end()
    return Model.of(app, evidence)


def _new_words(states: list[State], transitions: list[Transition]) -> set[str]:
    words = {word for state in states for word in (state.label, *state.context)}
    return words | {f"{one.relation} {one.operation}" for one in transitions}


def _write_revision(revision: Revision, writer: Writer) -> None:
    writer.column((revision.texts, revision.states, revision.transitions))
    writer.data += revision.digest


def _read_revision(reader: Reader) -> Revision:
    return Revision(reader.number(), reader.number(), reader.number(), reader.raw(4))
