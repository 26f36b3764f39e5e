"""Deltas and models as bytes.

Rules of this file
    - Canonical: the same value against the same base gives the same bytes.
    - A delta names its base revision; against any other base it is a `BaseMismatchError`.
    - Bytes from the wire are checked as they are read (`grammar.wire`): a value or a `CodecError` comes out.
    - Everything that is read is paid for, also what reading it causes (matching patterns, comparing support): `most` is
      the purse, and what it buys takes under 50 ms by default.

Formats (version 2), each one message of `grammar.wire`:
    delta      base (texts, states, transitions, 4 bytes of hash), new words (see `grammar.lexicon`); replicas (worker
               is the envelope's): name, first and last time, transitions and lone states ascending; commands; learned.
    extension  base; number of steps; the words of each.
    model      application; replicas; words; distinct rows of support, and the row of each item; distinct rows of
               levels, and the row of each item; commands; learned.

Complexity: O(bytes + words of the lexicon).
Source: design section 2 (delta), section 3 promise 7.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, islice, pairwise, takewhile
from operator import add
from typing import Final, TypeVar

from grammar.errors import BaseMismatchError, CodecError
from grammar.evidence import Evidence, Item, Replica, Span, State, Transition
from grammar.labels import Relabel
from grammar.lexicon import (
    MARK,
    STATE,
    TRANSITION,
    WORD,
    Lexicon,
    Revision,
    Step,
    Words,
    in_order,
    is_mark,
    transitions_in_order,
    words_of,
    write_step,
)
from grammar.model import Model
from grammar.wire import LETTERS_PER_ITEM, MAX_ITEMS, MAX_NUMBER, TEXT, Reader, Writer, decompress

SIGHTING: Final = 40
ROW: Final = 16
SEEN: Final = 6
STEP: Final = 96
"""What they cost to read, in units of `Reader.items`."""
PATTERN: Final = 200
COMPILED: Final = 3
"""For each letter and place of a pattern."""
MATCH: Final = 16
MATCHED: Final = 48
"""Letters of a name times places of a pattern that are matched for one unit."""
_WIDTH: Final = re.compile(":([0-9]{1,3})}|uuid}|id}")
MAX_LEVEL: Final = 63
PART: Final = 2_000
"""Items of one portion of a delta."""
Seen = tuple[int, int, int]
"""A replica by number, first and last time."""
Held = Mapping[Replica, Span]


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one container has shown for the first time: transitions, and states that stand alone.

    `first` and `last` say when, in milliseconds after the start of the epoch. `levels` say how often it has shown a
    state so far, where that has risen (`Span.level`).
    """

    container: str
    transitions: tuple[Transition, ...]
    states: tuple[State, ...] = ()
    first: int = 0
    last: int = 0
    levels: tuple[tuple[State, int], ...] = ()


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
            for state, level in sighting.levels:
                found.add(state, replica, span._replace(level=level))
        return found

    def parts(self, size: int = PART) -> Iterator[Delta]:
        """The same in portions of at most `size` items, each small enough for a decoder that trusts nobody."""
        room = size
        held: list[Sighting] = []
        for one in self.sightings:
            rest = one
            while (items := len(rest.transitions) + len(rest.states) + len(rest.levels)) > room:
                if room:
                    first, rest = _split(rest, room)
                    held.append(first)
                yield Delta(tuple(held))
                room, held = size, []
            held.append(rest)
            room -= items
        yield Delta(tuple(held), self.commands, self.learned)

    @property
    def transitions(self) -> set[Transition]:
        """Every transition that a container shows."""
        return {transition for sighting in self.sightings for transition in sighting.transitions}

    @property
    def states(self) -> set[State]:
        """Every state, also those inside transitions."""
        lone = {state for one in self.sightings for state in (*one.states, *(state for state, _ in one.levels))}
        return lone | {end for one in self.transitions for end in (one.effect, one.cause)} | set(self.commands)


def _split(one: Sighting, size: int) -> tuple[Sighting, Sighting]:
    """The first `size` items of a sighting, and the rest."""
    states = max(0, size - len(one.transitions))
    levels = max(0, states - len(one.states))
    first = replace(one, transitions=one.transitions[:size], states=one.states[:states], levels=one.levels[:levels])
    rest = replace(one, transitions=one.transitions[size:], states=one.states[states:], levels=one.levels[levels:])
    return first, rest


def encode_delta(delta: Delta, lexicon: Lexicon) -> bytes:
    """Write `delta` against the present revision of `lexicon`; words that it lacks are spelled out."""
    return delta_writer(delta, lexicon).message()


def delta_writer(delta: Delta, lexicon: Lexicon) -> Writer:
    """What `encode_delta` compresses."""
    new_transitions = {one for one in delta.transitions if one not in lexicon.transition_number}
    new_states = {one for one in delta.states if one not in lexicon.state_number}
    texts = sorted({word for word in words_of(new_states, new_transitions) if word not in lexicon.text_number})
    text_number = _numbered(lexicon.text_number, texts)
    states = in_order(new_states, text_number)
    state_number = _numbered(lexicon.state_number, states)
    transitions = transitions_in_order(new_transitions, text_number, state_number)
    number = _numbered(lexicon.transition_number, transitions)
    writer = Writer()
    _write_revision(lexicon.revision, writer)
    write_step(Step(tuple(texts), tuple(states), tuple(transitions)), text_number, state_number, writer)
    writer.number(len(delta.sightings))
    for sighting in delta.sightings:
        writer.text(sighting.container)
        writer.column((sighting.first, sighting.last - sighting.first))
        writer.ascending(sorted({number[one] for one in sighting.transitions}))
        writer.ascending(sorted({state_number[one] for one in sighting.states}))
        levels = sorted((state_number[state], level) for state, level in dict(sighting.levels).items())
        writer.ascending([state for state, _ in levels])
        writer.column([level for _, level in levels])
    _write_commands(delta.commands, state_number, writer)
    writer.texts(delta.learned)
    return writer


def decode_delta(data: bytes, lexicon: Lexicon, most: int = MAX_ITEMS) -> Delta:
    """Read a delta against the revision of `lexicon` that it names; items of a sighting come in the lexicon's order."""
    reader = Reader(decompress(data, "delta", most), items=most)
    words = Words(lexicon, _base(reader, lexicon, "delta against another base", "send the delta in full"))
    words.read_step(reader)
    sightings = []
    for _ in range(reader.count(SIGHTING)):
        container = reader.text()
        first, last = _read_times(reader)
        shown = reader.ascending(len(words.transitions))
        alone = reader.ascending(len(words.states))
        risen = [words.states[one] for one in reader.ascending(len(words.states))]
        levels = tuple(zip(risen, reader.column(len(risen), MAX_LEVEL + 1), strict=True))
        transitions = tuple([words.transitions[one] for one in shown])
        states = tuple([words.states[one] for one in alone])
        sightings.append(Sighting(container, transitions, states, first, last, levels))
    commands = _read_commands(reader, words.states)
    learned = tuple(reader.texts())
    reader.end()
    return Delta(tuple(sightings), commands, learned)


def encode_extension(lexicon: Lexicon, base: Revision) -> bytes:
    """What `lexicon` has learned since `base`; nothing if nothing.

    Of more than a decoder will hold it is the beginning: whoever has taken that in asks again from there.
    """
    if base == lexicon.revision:
        return b""
    if not lexicon.find(base):
        raise BaseMismatchError("the other side stands at an unknown revision", offending=_named(base))
    steps = lexicon.steps(base)
    fits = takewhile(lambda price: price <= MAX_ITEMS, accumulate(map(_price, steps)))
    told = steps[: max(1, sum(1 for _ in fits))]
    writer = Writer()
    _write_revision(base, writer)
    writer.number(len(told))
    for step in told:
        write_step(step, lexicon.text_number, lexicon.state_number, writer)
    return writer.message()


def apply_extension(lexicon: Lexicon, data: bytes, most: int = MAX_ITEMS) -> None:
    """Bring `lexicon` to where the writer of `encode_extension` stood; wholly or, with an error, not at all.

    Repeated and overtaken extensions change nothing. Where the two differ after the base, the writer's words count.
    """
    if not data:
        return
    reader = Reader(decompress(data, "extension", most), items=most)
    base = _base(reader, lexicon, "words after another base", "ask for all words")
    words = Words(lexicon, base)
    theirs = []
    for _ in range(reader.count(STEP)):
        theirs.append(words.read_step(reader))
        if not theirs[-1].states and not theirs[-1].transitions:
            raise CodecError("a step without words", column=reader.at + 1)
    reader.end()
    ours = lexicon.steps(base)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(ours, theirs, strict=False)))
    if same < min(len(ours), len(theirs)):
        lexicon.cut(base)
        same = 0
    elif same < len(ours):
        return
    for step in theirs[same:]:
        lexicon.grow(step)


def encode_model(model: Model) -> bytes:
    """The whole model with its support, canonical: no base, sorted; support that several items share, once."""
    return model_writer(model).message()


def model_writer(model: Model) -> Writer:
    """What `encode_model` compresses."""
    writer = Writer()
    writer.text(model.app)
    replicas = sorted(model.replicas)
    writer.texts([one.worker for one in replicas])
    writer.uncounted([one.container for one in replicas])
    lexicon = Lexicon()
    lexicon.extend(model.states, model.transitions)
    words = Step(tuple(lexicon.texts), tuple(lexicon.states), tuple(lexicon.transitions))
    write_step(words, lexicon.text_number, lexicon.state_number, writer)
    number = {replica: position for position, replica in enumerate(replicas)}
    rows: dict[tuple[Seen, ...], int] = {}
    levels: dict[tuple[int, ...], int] = {}
    items: tuple[Item, ...] = (*lexicon.states, *lexicon.transitions)
    held = [sorted((number[replica], *span) for replica, span in model.support[item].items()) for item in items]
    rows_of = [rows.setdefault(tuple([one[:3] for one in row]), len(rows)) for row in held]
    levels_of = [levels.setdefault(tuple([one[3] for one in row]), len(levels)) for row in held]
    _write_rows(list(rows), writer)
    writer.column(_told_rows(items, rows_of))
    writer.number(len(levels))
    writer.column([len(row) for row in levels])
    writer.column([level for row in levels for level in row])
    writer.column(levels_of)
    _write_commands(model.commands, lexicon.state_number, writer)
    writer.texts(sorted(model.learned))
    return writer


def _told_rows(items: Sequence[Item], rows: Sequence[int]) -> list[int]:
    """A state's row as it is; of a transition 0 for that of its effect, 1 for that of its cause, else from 2."""
    row_of = dict(zip(items, rows, strict=True))
    told = []
    for item, row in zip(items, rows, strict=True):
        if isinstance(item, State):
            told.append(row)
        else:
            told.append(0 if row == row_of[item.effect] else 1 if row == row_of[item.cause] else row + 2)
    return told


def _read_told(reader: Reader, words: Words, rows: int) -> list[int]:
    """Undo `_told_rows`; rows are numbered as they are first used."""
    found = reader.column(len(words.states), rows)
    row_of = dict(zip(words.states, found, strict=True))
    for transition, told in zip(words.transitions, reader.column(len(words.transitions), rows + 2), strict=True):
        effect, cause = row_of[transition.effect], row_of[transition.cause]
        row = effect if told == 0 else cause if told == 1 else told - 2
        if told and (row == effect or (told > 1 and row == cause)):
            raise CodecError("support told in other words", column=reader.at + 1)
        found.append(row)
    if list(dict.fromkeys(found)) != list(range(rows)):
        raise CodecError("rows out of order or unused", column=reader.at + 1)
    return found


def _write_rows(rows: Sequence[tuple[Seen, ...]], writer: Writer) -> None:
    """Each row says which replicas, from when, until when; times by number of a table."""
    seen = [one for row in rows for one in row]
    times = sorted({time for _, first, last in seen for time in (first, last)})
    at = {time: position for position, time in enumerate(times)}
    writer.number(len(rows))
    writer.ascending(times)
    writer.column([len(row) for row in rows])
    writer.column([b[0] - a[0] - 1 for row in rows for a, b in pairwise([(-1,), *row])])
    writer.column([at[first] for _, first, _ in seen])
    writer.column([at[last] - at[first] for _, first, last in seen])


def decode_model(data: bytes, most: int = MAX_ITEMS) -> Model:
    """Read a model; `most` bounds what it may hold and with it memory and time: a trusted file may have more."""
    reader = Reader(decompress(data, "model", most), items=most)
    app = reader.text()
    workers = reader.texts()
    containers = reader.uncounted(len(workers))
    replicas = [Replica(*one) for one in zip(workers, containers, strict=True)]
    if any(a >= b for a, b in pairwise(replicas)):
        raise CodecError("replicas out of order", column=reader.at + 1)
    lexicon = Lexicon()
    words = Words(lexicon, lexicon.revision)
    words.read_step(reader)
    items: tuple[Item, ...] = (*words.states, *words.transitions)
    seen = dict(zip(items, _read_support(reader, replicas, words), strict=True))
    commands = _read_commands(reader, words.states)
    learned = reader.texts()
    reader.end()
    if any(a >= b for a, b in pairwise(learned)):
        raise CodecError("patterns out of order", column=reader.at + 1)
    _check_support(words, seen, reader)
    relabel = _checked_relabel(words, learned, reader)
    return Model(app, seen, commands, frozenset(learned), relabel)


def _read_rows(reader: Reader, replicas: Sequence[Replica]) -> list[Held]:
    """Rows, each another one, none empty; every replica and every time in one of them."""
    count = reader.count(ROW)
    times = reader.ascending(MAX_NUMBER + 1)
    sizes = reader.column(count, len(replicas) + 1)
    reader.hold(sum(sizes) * SEEN)
    steps = reader.column(sum(sizes), len(replicas))
    firsts = reader.column(sum(sizes), len(times))
    lasts = list(map(add, firsts, reader.column(sum(sizes), len(times))))
    if 0 in sizes or max(lasts, default=0) >= max(1, len(times)) or len({*firsts, *lasts}) != len(times):
        raise CodecError("support of nobody, or times of nothing", column=reader.at + 1)
    rows: list[Held] = []
    numbers: list[int] = []
    end = 0
    known: set[tuple[tuple[int, ...], ...]] = set()
    for size in sizes:
        at, end = end, end + size
        row = [one + position for position, one in enumerate(accumulate(steps[at:end]))]
        if row[-1] >= len(replicas):
            raise CodecError("index out of range", column=reader.at + 1, offending=f"{row[-1]} of {len(replicas)}")
        known.add((tuple(row), tuple(firsts[at:end]), tuple(lasts[at:end])))
        numbers += row
        spans = [Span(times[first], times[last]) for first, last in zip(firsts[at:end], lasts[at:end], strict=True)]
        rows.append(dict(zip([replicas[one] for one in row], spans, strict=True)))
    if len(known) != count or len(set(numbers)) != len(replicas):
        raise CodecError("support that is repeated, or replicas that are unused", column=reader.at + 1)
    return rows


def _read_support(reader: Reader, replicas: Sequence[Replica], words: Words) -> list[Held]:
    """The support of each item; items with the same share one object."""
    rows = _read_rows(reader, replicas)
    rows_of = _read_told(reader, words, len(rows))
    count = reader.count(ROW)
    sizes = reader.column(count, len(replicas) + 1)
    reader.hold(sum(sizes))
    flat = iter(reader.column(sum(sizes), MAX_LEVEL + 1))
    levels = [tuple(islice(flat, size)) for size in sizes]
    levels_of = reader.column(len(rows_of), count)
    if len(set(levels)) != count or list(dict.fromkeys(levels_of)) != list(range(count)):
        raise CodecError("levels that are repeated, out of order or unused", column=reader.at + 1)
    both: dict[tuple[int, int], Held] = {}
    for row, level in set(zip(rows_of, levels_of, strict=True)):
        if len(rows[row]) != len(levels[level]):
            raise CodecError("levels of others than the support", column=reader.at + 1)
        both[row, level] = rows[row]
        if any(levels[level]):
            reader.hold(len(rows[row]) * SEEN)
            pairs = zip(rows[row].items(), levels[level], strict=True)
            both[row, level] = {replica: Span(span.first, span.last, one) for (replica, span), one in pairs}
    return [both[pair] for pair in zip(rows_of, levels_of, strict=True)]


def _check_support(words: Words, seen: Mapping[Item, Held], reader: Reader) -> None:
    """Whoever shows a transition shows its states, as long: else `Model.of` would make something else of it."""
    done: set[tuple[int, int]] = set()
    for transition in words.transitions:
        told = seen[transition]
        for state in (transition.effect, transition.cause):
            shown = seen[state]
            pair = (id(shown), id(told))
            if shown is told or pair in done:
                continue
            done.add(pair)
            reader.hold(len(told) * SEEN)
            if any(shown.get(replica) != span.joined(shown.get(replica, span)) for replica, span in told.items()):
                raise CodecError("not a model: a transition shown without its states", offending=state.label)


def _checked_relabel(words: Words, learned: Sequence[str], reader: Reader) -> Relabel:
    """How the model generalises labels, if that leaves its own as they are; paid for before anything is matched."""
    labels = {state.label for state in words.states}
    entries = {entry for state in words.states for entry in state.context}
    names = labels.union(entry.partition(" ")[2] for entry in entries)
    _hold_patterns({*learned, *filter(_may_generalise, labels)}, names, reader)
    relabel = Relabel(learned, labels)
    changed = [one for one in labels if relabel(one) != one] or [one for one in entries if relabel.entry(one) != one]
    if changed:
        raise CodecError("not a model: a label that its own patterns would change", offending=min(changed))
    return relabel


def _may_generalise(label: str) -> bool:
    return "{token:" in label or "{hex:" in label


def _hold_patterns(patterns: Iterable[str], names: Iterable[str], reader: Reader) -> None:
    """Pay for reading and compiling patterns, and for matching them with the names of their directories.

    A matcher may have to keep every place of a pattern in mind at every letter of a name.
    """
    known: dict[str, tuple[int, int]] = {}
    for pattern in patterns:
        weight = len(pattern) + sum(int(width or 64) for width in _WIDTH.findall(pattern))
        reader.hold(PATTERN + COMPILED * weight)
        directory = pattern.rpartition("/")[0]
        number, total = known.get(directory, (0, 0))
        known[directory] = (number + 1, total + weight)
    for name in names if known else ():
        number, total = known.get(name.rpartition("/")[0], (0, 0))
        reader.hold(len(name) // 2 + number * MATCH + total * len(name) // MATCHED)


Numbered = TypeVar("Numbered", str, State, Transition)


def _numbered(known: dict[Numbered, int], new: Sequence[Numbered]) -> dict[Numbered, int]:
    """The numbers of what is known and of what comes after it."""
    return known | {one: len(known) + position for position, one in enumerate(new)}


def _base(reader: Reader, lexicon: Lexicon, what: str, hint: str) -> Revision:
    """The revision that a message names: `lexicon` must have stood there."""
    base = Revision(reader.number(), reader.number(), reader.number(), reader.raw(4))
    if not lexicon.find(base):
        raise BaseMismatchError(f"{what} than {_named(lexicon.revision)}", offending=_named(base), hint=hint)
    return base


def _named(revision: Revision) -> str:
    return f"{revision.digest.hex()} with {revision.states} states"


def _price(step: Step) -> int:
    """At least what a reader will pay for it."""
    letters = sum(len(text.encode("utf-8", "surrogateescape")) for text in step.texts)
    entries = [entry for state in step.states for entry in state.context]
    words = len(step.texts) * (TEXT + 1 + WORD) + len(step.states) * STATE + len(step.transitions) * (TRANSITION + 1)
    return STEP + words + len(entries) + sum(map(is_mark, entries)) * MARK + letters // LETTERS_PER_ITEM


def _write_commands(commands: Mapping[State, str], number: Mapping[State, int], writer: Writer) -> None:
    told = sorted((number[state], command) for state, command in commands.items())
    writer.ascending([state for state, _ in told])
    writer.cut()
    writer.uncounted([command for _, command in told])


def _read_commands(reader: Reader, states: Sequence[State]) -> dict[State, str]:
    told = [states[one] for one in reader.ascending(len(states))]
    return dict(zip(told, reader.uncounted(len(told)), strict=True))


def _read_times(reader: Reader) -> tuple[int, int]:
    first, length = reader.number(), reader.number()
    if first + length > MAX_NUMBER:
        raise CodecError("time too large", offending=str(first + length))
    return first, first + length


def _write_revision(revision: Revision, writer: Writer) -> None:
    writer.column((revision.texts, revision.states, revision.transitions))
    writer.data += revision.digest
