"""Deltas and models as bytes.

Rules of this file
    - Canonical: the same value against the same base gives the same bytes.
    - A delta names its base revision; against any other base it is a `BaseMismatchError`.
    - Bytes from the wire are checked as they are read (`grammar.wire`): a value or a `CodecError` comes out.

Formats (version 1), each compressed as a whole:
    delta      version, base (texts, states, transitions, 4 bytes of hash), new words (see `grammar.lexicon`);
               replicas (worker is the envelope's): name, first and last time, transitions and lone states ascending;
               commands; learned patterns.
    extension  base; number of steps; the words of each.
    model      version, application; replicas; words; earliest time; replicas and times of each item; commands; learned.

Complexity: O(bytes + words of the lexicon).
Source: design section 2 (delta), section 3 promise 7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, TypeVar

from grammar.errors import BaseMismatchError, CodecError
from grammar.evidence import Evidence, Item, Replica, Sightings, Span, State, Transition
from grammar.lexicon import Lexicon, Revision, read_words, words_of, write_states, write_transitions
from grammar.model import Model, relabel_of, relabelled
from grammar.wire import MAX_ITEMS, MAX_NUMBER, Reader, Writer, compress, decompress

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
            items: tuple[Item, ...] = (*sighting.transitions, *sighting.states)
            for item in items:
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
    texts = sorted({word for word in words_of(states, transitions) if word not in lexicon.text_number})
    text_number = _numbered(lexicon.text_number, texts)
    state_number = _numbered(lexicon.state_number, states)
    number = _numbered(lexicon.transition_number, transitions)
    writer = Writer()
    writer.number(VERSION)
    _write_revision(base, writer)
    writer.texts(texts)
    write_states(states, text_number, writer)
    write_transitions(transitions, text_number, state_number, writer)
    writer.number(len(delta.sightings))
    for sighting in delta.sightings:
        writer.text(sighting.container)
        _write_span(Span(sighting.first, sighting.last), writer)
        writer.ascending(sorted({number[one] for one in sighting.transitions}))
        writer.ascending(sorted({state_number[one] for one in sighting.states}))
    _write_commands(delta.commands, state_number, writer)
    writer.texts(delta.learned)
    return compress(bytes(writer.data))


def decode_delta(data: bytes, lexicon: Lexicon) -> Delta:
    """Read a delta against the revision of `lexicon` that it names; items of a sighting come in the lexicon's order."""
    reader = _opened(data, "delta")
    base = _read_revision(reader)
    if not lexicon.find(base):
        raise BaseMismatchError(
            "delta against another base", offending=base.digest.hex(), hint="send the delta in full"
        )
    _, states, transitions = read_words(reader, lexicon, base)
    known_states = lexicon.states[: base.states] + states
    known = lexicon.transitions[: base.transitions] + transitions
    sightings = []
    for _ in range(reader.count()):
        container = reader.text()
        span = _read_span(reader)
        shown = tuple(known[one] for one in reader.ascending(len(known)))
        alone = tuple(known_states[one] for one in reader.ascending(len(known_states)))
        sightings.append(Sighting(container, shown, alone, *span))
    commands = _read_commands(reader, known_states)
    learned = tuple(reader.texts())
    reader.end()
    return Delta(tuple(sightings), commands, learned)


def encode_extension(lexicon: Lexicon, base: Revision) -> bytes:
    """What `lexicon` has learned since `base`; nothing if nothing."""
    if base == lexicon.revision:
        return b""
    if not lexicon.find(base):
        raise BaseMismatchError("the other side stands at an unknown revision", offending=base.digest.hex())
    writer = Writer()
    _write_revision(base, writer)
    steps = lexicon.steps(base)
    writer.number(len(steps))
    for step in steps:
        writer.texts(step.texts)
        write_states(step.states, lexicon.text_number, writer)
        write_transitions(step.transitions, lexicon.text_number, lexicon.state_number, writer)
    return compress(bytes(writer.data))


def apply_extension(lexicon: Lexicon, data: bytes) -> None:
    """Bring `lexicon` to where the writer of `encode_extension` stood; wholly or, with an error, not at all.

    Repeated and overtaken extensions change nothing. Where the two differ after the base, the writer's words count.
    """
    if not data:
        return
    reader = Reader(decompress(data))
    base = _read_revision(reader)
    if not lexicon.find(base):
        raise BaseMismatchError("words after another base", offending=base.digest.hex(), hint="ask for all words")
    ours = lexicon.cut(base)
    try:
        theirs = [lexicon.read_extension(reader) for _ in range(reader.count())]
        reader.end()
    except CodecError:
        lexicon.cut(base)
        for step in ours:
            lexicon.grow(step)
        raise
    if theirs == ours[: len(theirs)]:
        for step in ours[len(theirs) :]:
            lexicon.grow(step)


def encode_model(model: Model) -> bytes:
    """The whole model with its support, canonical: no base, sorted, replicas by number."""
    writer = Writer()
    writer.number(VERSION)
    writer.text(model.app)
    replicas = sorted(model.replicas)
    numbers = {replica: position for position, replica in enumerate(replicas)}
    writer.texts([one.worker for one in replicas])
    writer.texts([one.container for one in replicas])
    lexicon = Lexicon()
    lexicon.extend(model.states, model.transitions)
    lexicon.write_since(Revision(), writer)
    start = min((span.first for held in model.support.values() for span in held.values()), default=0)
    writer.number(start)
    items: tuple[Item, ...] = (*lexicon.states, *lexicon.transitions)
    for item in items:
        held = sorted((numbers[replica], span) for replica, span in model.support[item].items())
        writer.ascending([replica for replica, _ in held])
        for _, span in held:
            _write_span(Span(span.first - start, span.last - start), writer)
    _write_commands(model.commands, lexicon.state_number, writer)
    writer.texts(sorted(model.learned))
    return compress(bytes(writer.data))


def decode_model(data: bytes, most: int = MAX_ITEMS) -> Model:
    """Read a model; `most` bounds what it may hold (states, transitions, sightings) and with it the memory taken."""
    reader = _opened(data, "model")
    reader.items = most
    app = reader.text()
    workers = reader.texts()
    containers = reader.texts()
    if len(workers) != len(containers):
        raise CodecError("workers without containers", offending=f"{len(workers)} for {len(containers)}")
    replicas = [Replica(*one) for one in zip(workers, containers, strict=True)]
    if any(a >= b for a, b in pairwise(replicas)):
        raise CodecError("replicas out of order", column=reader.at + 1)
    lexicon = Lexicon()
    _, states, transitions = read_words(reader, lexicon, lexicon.revision)
    start = reader.number()
    items: tuple[Item, ...] = (*states, *transitions)
    seen: Sightings = {item: _read_held(reader, replicas, start) for item in items}
    commands = _read_commands(reader, states)
    learned = reader.texts()
    reader.end()
    evidence = Evidence(seen, commands, set(learned))
    _check_canonical(evidence, learned, replicas)
    return Model(app, seen, commands, frozenset(learned), relabel_of(evidence))


def _read_held(reader: Reader, replicas: list[Replica], start: int) -> dict[Replica, Span]:
    numbers = reader.ascending(len(replicas))
    if not numbers:
        raise CodecError("an item that nobody has shown", column=reader.at + 1)
    held = {}
    for number in numbers:
        first, last = _read_span(reader)
        held[replicas[number]] = _span(start + first, start + last)
    return held


def _check_canonical(evidence: Evidence, learned: list[str], replicas: list[Replica]) -> None:
    """Only what `Model.of` would make again is a model: labels generalised, a transition's states shown with it."""
    relabel = relabel_of(evidence)
    if any(a >= b for a, b in pairwise(learned)) or len(evidence.replicas) != len(replicas):
        raise CodecError("not a model: patterns or replicas that are repeated or unused")
    for item, held in evidence.seen.items():
        if isinstance(item, State):
            if relabelled(item, relabel) != item:
                raise CodecError("not a model: a label that its own patterns would change", offending=item.label)
            continue
        for state in (item.effect, item.cause):
            shown = evidence.seen[state]
            if any(shown.get(replica) != span.joined(shown.get(replica, span)) for replica, span in held.items()):
                raise CodecError("not a model: a transition shown without its states", offending=state.label)


Numbered = TypeVar("Numbered", str, State, Transition)


def _numbered(known: dict[Numbered, int], new: Sequence[Numbered]) -> dict[Numbered, int]:
    """The numbers of what is known and of what comes after it."""
    return known | {one: len(known) + position for position, one in enumerate(new)}


def _opened(data: bytes, what: str) -> Reader:
    reader = Reader(decompress(data))
    version = reader.number()
    if version != VERSION:
        raise CodecError(f"{what} of another version", offending=str(version), hint=f"this reads version {VERSION}")
    return reader


def _write_commands(commands: Mapping[State, str], number: dict[State, int], writer: Writer) -> None:
    told = sorted((number[state], command) for state, command in commands.items())
    writer.ascending([state for state, _ in told])
    writer.texts([command for _, command in told])


def _read_commands(reader: Reader, states: Sequence[State]) -> dict[State, str]:
    told = [states[one] for one in reader.ascending(len(states))]
    commands = reader.texts()
    if len(commands) != len(told):
        raise CodecError("commands without states", offending=f"{len(commands)} for {len(told)}")
    return dict(zip(told, commands, strict=True))


def _write_span(span: Span, writer: Writer) -> None:
    writer.number(span.first)
    writer.number(span.last - span.first)


def _read_span(reader: Reader) -> Span:
    first = reader.number()
    return _span(first, first + reader.number())


def _span(first: int, last: int) -> Span:
    if last > MAX_NUMBER:
        raise CodecError("time too large", offending=str(last))
    return Span(first, last)


def _write_revision(revision: Revision, writer: Writer) -> None:
    writer.column((revision.texts, revision.states, revision.transitions))
    writer.data += revision.digest


def _read_revision(reader: Reader) -> Revision:
    return Revision(reader.number(), reader.number(), reader.number(), reader.raw(4))
