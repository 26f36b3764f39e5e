"""The words that an agent and the monitor share: texts, states and transitions by number, growing together.

Rules of this file
    - A lexicon grows by steps, each in canonical order; its revision says how far. What both sides know costs a number,
      what is new is spelled out once: replicas pay once for what they share.
    - A revision carries a chained hash, so that a delta against another lexicon is refused, not misread.
    - Only `cut` takes words back: an agent's lexicon mirrors the monitor's, and follows it.

Invariant: no text, state or transition has two numbers; `revisions[n]` is where the n-th step ended.
Complexity: O(1) per look-up; a step costs its own size; reading words costs O(words + lexicon) for its tables.
Source: design section 2 (delta), section 3 (a delta against a named base).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import accumulate, chain, islice, pairwise
from typing import Final, NamedTuple, TypeVar

from grammar.errors import CodecError
from grammar.evidence import State, Transition
from grammar.wire import Reader, Writer

Word = TypeVar("Word", str, State, Transition)
MAX_CONTEXT: Final = 16
"""Entries of a state's context: at most one fewer."""
WORD: Final = 4
STATE: Final = 12
TRANSITION: Final = 12
MARK: Final = 4
"""What it costs to read and to keep a text (beside its reading), a state, a transition and a mark, in units of
`Reader.items`; an entry of a context costs one."""
_MARK: Final = re.compile("#[0-9a-f]{8}")


class Revision(NamedTuple):
    """How many texts, states and transitions, and the hash of the way there."""

    texts: int = 0
    states: int = 0
    transitions: int = 0
    digest: bytes = b"\0" * 4


class Step(NamedTuple):
    """What one revision has that the one before lacks, in canonical order."""

    texts: tuple[str, ...]
    states: tuple[State, ...]
    transitions: tuple[Transition, ...]


@dataclass(slots=True)
class Lexicon:
    """Numbers of texts, states, transitions; `revisions` are the points to which a delta may refer.

    >>> lexicon = Lexicon()
    >>> lexicon.extend([State("File /b"), State("File /a")], [])
    >>> lexicon.states[0].label, lexicon.state_number[State("File /b")], len(lexicon.revisions)
    ('File /a', 1, 2)
    """

    texts: list[str] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    text_number: dict[str, int] = field(default_factory=dict)
    state_number: dict[State, int] = field(default_factory=dict)
    transition_number: dict[Transition, int] = field(default_factory=dict)
    revisions: list[Revision] = field(default_factory=lambda: [Revision()])
    _positions: dict[Revision, int] = field(default_factory=lambda: {Revision(): 0})

    @property
    def revision(self) -> Revision:
        """Where it stands."""
        return self.revisions[-1]

    def find(self, revision: Revision) -> bool:
        """Whether this lexicon has stood there."""
        return revision in self._positions

    def steps(self, base: Revision) -> list[Step]:
        """The steps after `base`, where it must have stood."""
        after = self.revisions[self._positions[base] :]
        return [
            Step(
                tuple(self.texts[a.texts : b.texts]),
                tuple(self.states[a.states : b.states]),
                tuple(self.transitions[a.transitions : b.transitions]),
            )
            for a, b in pairwise(after)
        ]

    def extend(self, states: Iterable[State], transitions: Iterable[Transition]) -> None:
        """Add what is new, in canonical order; if anything was, this is a new revision."""
        new_transitions = {t for t in transitions if t not in self.transition_number}
        wanted = {*states, *(end for t in new_transitions for end in (t.effect, t.cause))}
        new_states = {state for state in wanted if state not in self.state_number}
        if not new_states and not new_transitions:
            return
        check_contexts(new_states)
        base = self.revision
        new_texts = {word for word in words_of(new_states, new_transitions) if word not in self.text_number}
        _append(sorted(new_texts), self.texts, self.text_number)
        _append(in_order(new_states, self.text_number), self.states, self.state_number)
        ordered = transitions_in_order(new_transitions, self.text_number, self.state_number)
        _append(ordered, self.transitions, self.transition_number)
        self._end(Step(tuple(self.texts[base.texts :]), tuple(self.states[base.states :]), tuple(ordered)))

    def grow(self, step: Step) -> None:
        """Take one step; its words are new and in canonical order."""
        _append(step.texts, self.texts, self.text_number)
        _append(step.states, self.states, self.state_number)
        _append(step.transitions, self.transitions, self.transition_number)
        self._end(step)

    def _end(self, step: Step) -> None:
        writer = Writer()
        write_step(step, self.text_number, self.state_number, writer)
        digest = blake2b(self.revision.digest + bytes(writer.data), digest_size=4).digest()
        after = Revision(len(self.texts), len(self.states), len(self.transitions), digest)
        self._positions[after] = len(self.revisions)
        self.revisions.append(after)

    def cut(self, base: Revision) -> list[Step]:
        """Go back to `base`, where it must have stood; gives the steps that are gone."""
        gone = self.steps(base)
        for step in gone:
            for text in step.texts:
                del self.text_number[text]
            for state in step.states:
                del self.state_number[state]
            for transition in step.transitions:
                del self.transition_number[transition]
        del self.texts[base.texts :], self.states[base.states :], self.transitions[base.transitions :]
        position = self._positions[base]
        for revision in self.revisions[position + 1 :]:
            del self._positions[revision]
        del self.revisions[position + 1 :]
        return gone


def words_of(states: Iterable[State], transitions: Iterable[Transition]) -> Iterable[str]:
    """The texts that states and transitions are made of; a mark is none."""
    for state in states:
        yield state.label
        yield from (entry for entry in state.context if not is_mark(entry))
    for transition in transitions:
        yield paired(transition)


def is_mark(entry: str) -> bool:
    """Whether an entry of a context is `#` and eight hex digits: a fingerprint, another one in nearly every state."""
    return _MARK.fullmatch(entry) is not None


def paired(transition: Transition) -> str:
    """Relation and operation as one text; a space inside the relation is escaped."""
    relation = transition.relation
    if " " in relation or "%" in relation:
        relation = relation.replace("%", "%25").replace(" ", "%20")
    return f"{relation} {transition.operation}"


def _unpaired(text: str) -> tuple[str, str]:
    relation, space, operation = text.partition(" ")
    if not space:
        raise CodecError("not a relation and operation", offending=text)
    if "%" in relation:
        escaped, relation = relation, relation.replace("%20", " ").replace("%25", "%")
        if relation.replace("%", "%25").replace(" ", "%20") != escaped:
            raise CodecError("not a relation and operation", offending=text)
    return relation, operation


def check_contexts(states: Iterable[State]) -> None:
    """A writer refuses what a reader would refuse."""
    if any(len(state.context) >= MAX_CONTEXT for state in states):
        raise CodecError("a context longer than a decoder will hold", hint=f"limit {MAX_CONTEXT - 1} entries")


def in_order(states: Iterable[State], number: Mapping[str, int]) -> list[State]:
    """States in canonical order: by the numbers of label and entries, marks last."""
    return sorted(states, key=lambda state: _row(state, number))


def transitions_in_order(
    transitions: Iterable[Transition], number: Mapping[str, int], states: Mapping[State, int]
) -> list[Transition]:
    """Transitions in canonical order: by the numbers of relation with operation, effect, cause."""
    return sorted(transitions, key=lambda one: (number[paired(one)], states[one.effect], states[one.cause]))


def _row(state: State, number: Mapping[str, int]) -> tuple[int, tuple[int, ...], str]:
    """The number of the label, those of the entries (from 1; 0 is a mark), the marks."""
    entries = tuple(0 if is_mark(entry) else number[entry] + 1 for entry in state.context)
    marks = "".join(entry for entry in state.context if is_mark(entry)) if 0 in entries else ""
    return number[state.label], entries, marks.replace("#", "")


def write_step(step: Step, number: Mapping[str, int], states: Mapping[State, int], writer: Writer) -> None:
    """Texts, states and transitions; each in canonical order, new, and with a number."""
    writer.texts(step.texts)
    writer.cut()
    _write_states(step.states, number, writer)
    _write_transitions(step.transitions, number, states, writer)


def _write_states(states: Sequence[State], number: Mapping[str, int], writer: Writer) -> None:
    """States as columns: steps between labels; of each context how much it shares with the one before, and the rest."""
    check_contexts(states)
    rows = [_row(state, number) for state in states]
    contexts = [entries for _, entries, _ in rows]
    shared = [_common(a, b) for a, b in zip([(), *contexts], contexts, strict=False)]
    writer.number(len(rows))
    labels = [label for label, _, _ in rows]
    writer.column([b - a for a, b in pairwise([0, *labels])])
    writer.column(shared)
    writer.column([len(entries) - size for entries, size in zip(contexts, shared, strict=True)])
    writer.column([one for entries, size in zip(contexts, shared, strict=True) for one in entries[size:]])
    writer.data += bytes.fromhex("".join(marks for _, _, marks in rows))


def _write_transitions(
    transitions: Sequence[Transition], number: Mapping[str, int], states: Mapping[State, int], writer: Writer
) -> None:
    """Transitions as columns: the operations, how many there are of each, steps between effects, causes.

    A cause is told by what differs: after the same effect, how many are left out in between; after another effect, how
    far it is from that one's first cause; at the start of an operation, its number.
    """
    rows = [(number[paired(one)], states[one.effect], states[one.cause]) for one in transitions]
    counts = Counter(operation for operation, _, _ in rows)
    effects, causes = [], []
    before, first = (-1, -1, -1), -1
    for row in rows:
        operation, effect, cause = row
        known = before[0] == operation
        effects.append(effect - before[1] if known else effect)
        if row[:2] == before[:2]:
            causes.append(cause - before[2] - 1)
        else:
            causes.append(_zigzag(cause - first) if known else cause)
            first = cause
        before = row
    writer.number(len(rows))
    writer.ascending(sorted(counts))
    writer.column([counts[operation] for operation in sorted(counts)])
    writer.column(effects)
    writer.column(causes)


def _zigzag(value: int) -> int:
    """Numbers near zero as small numbers: 0, -1, 1, -2 as 0, 1, 2, 3."""
    return value * 2 if value >= 0 else -2 * value - 1


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


class Words:
    """What a reader knows: the words of `lexicon` up to `base`, then those of the steps it has read.

    Reading changes nothing in the lexicon; each word read must be new, and the steps in canonical order.
    """

    def __init__(self, lexicon: Lexicon, base: Revision) -> None:
        self.lexicon, self.base = lexicon, base
        self.texts = lexicon.texts[: base.texts]
        self.states = lexicon.states[: base.states]
        self.transitions = lexicon.transitions[: base.transitions]
        self._new: set[str | State | Transition] = set()
        self._last: list[str | State | Transition] = []

    def read_step(self, reader: Reader) -> Step:
        """Read what `write_step` wrote."""
        self._new.update(self._last)
        self._last = []
        before = len(self.texts)
        texts = reader.texts()
        reader.hold(len(texts) * WORD)
        if any(a >= b for a, b in pairwise(texts)):
            raise CodecError("texts out of order", column=reader.at + 1)
        self._add(texts, self.texts, self.lexicon.text_number, self.base.texts, reader)
        used: set[int] = set()
        states = self._read_states(reader, used)
        self._add(states, self.states, self.lexicon.state_number, self.base.states, reader)
        transitions = self._read_transitions(reader, used)
        self._add(transitions, self.transitions, self.lexicon.transition_number, self.base.transitions, reader)
        if sum(one >= before for one in used) != len(texts):
            raise CodecError("a text that nothing is made of", column=reader.at + 1)
        return Step(tuple(texts), tuple(states), tuple(transitions))

    def _add(self, words: list[Word], known: list[Word], number: dict[Word, int], base: int, reader: Reader) -> None:
        """A row that is strictly after the one before makes a new word, unless it was known before this step."""
        if base and any(number.get(word, base) < base for word in words):
            raise CodecError("words known already", column=reader.at + 1)
        if self._new and not self._new.isdisjoint(words):
            raise CodecError("words known already", column=reader.at + 1)
        self._last += words
        known += words

    def _read_states(self, reader: Reader, used: set[int]) -> list[State]:
        count = reader.count(STATE)
        size = len(self.texts)
        labels = list(accumulate(reader.column(count, size)))
        if labels and labels[-1] >= size:
            raise CodecError("index out of range", column=reader.at + 1, offending=f"{labels[-1]} of {size}")
        shared = reader.column(count, MAX_CONTEXT)
        rests = reader.column(count, MAX_CONTEXT)
        reader.hold(sum(shared) + sum(rests))
        entries = iter(reader.column(sum(rests), size + 1))
        contexts: list[tuple[int, ...]] = []
        before: tuple[int, ...] = ()
        for same, more in zip(shared, rests, strict=True):
            rest = tuple(islice(entries, more))
            if same > len(before) or same + more >= MAX_CONTEXT or rest[:1] == before[same : same + 1] != ():
                raise CodecError("not the context that a writer would write", column=reader.at + 1)
            before = before[:same] + rest
            contexts.append(before)
        used.update(labels, (one - 1 for one in set(chain.from_iterable(contexts)) if one))
        if any(is_mark(self.texts[one - 1]) for one in set(chain.from_iterable(contexts)) if one):
            raise CodecError("a mark spelled as text", column=reader.at + 1)
        return self._stated(labels, contexts, reader)

    def _stated(self, labels: list[int], contexts: list[tuple[int, ...]], reader: Reader) -> list[State]:
        """Numbers as states, strictly ascending."""
        texts, states = self.texts, []
        before: tuple[int, tuple[int, ...], bytes] = (-1, (), b"")
        for label, entries in zip(labels, contexts, strict=True):
            marks = b""
            if 0 in entries:
                reader.hold(entries.count(0) * MARK)
                marks = reader.raw(4 * entries.count(0))
                spelled = iter([f"#{marks[at : at + 4].hex()}" for at in range(0, len(marks), 4)])
                context = tuple([texts[one - 1] if one else next(spelled) for one in entries])
            else:
                context = tuple([texts[one - 1] for one in entries])
            row = (label, entries, marks)
            if before >= row:
                raise CodecError("states out of order", column=reader.at + 1)
            before = row
            states.append(State(texts[label], context))
        return states

    def _read_transitions(self, reader: Reader, used: set[int]) -> list[Transition]:
        count = reader.count(TRANSITION)
        table = reader.ascending(len(self.texts))
        known, size = self.states, len(self.states)
        pairs = [_unpaired(self.texts[one]) for one in table]
        counts = reader.column(len(table), count + 1)
        if sum(counts) != count or 0 in counts:
            raise CodecError("operations of nothing", column=reader.at + 1)
        effects = iter(reader.column(count, size))
        causes = iter(reader.column(count, 2 * size))
        used.update(table)
        found = []
        for (relation, operation), number in zip(pairs, counts, strict=True):
            effect = cause = first = 0
            for position, (step, told) in enumerate(islice(zip(effects, causes, strict=True), number)):
                effect += step
                if position and not step:
                    cause += told + 1
                else:
                    cause = first = told if not position else first + (told >> 1 ^ -(told & 1))
                if not 0 <= cause < size or effect >= size:
                    raise CodecError("a transition between states that are not there", column=reader.at + 1)
                found.append(Transition(known[effect], relation, operation, known[cause]))
        return found


def _append(words: Iterable[Word], known: list[Word], number: dict[Word, int]) -> None:
    for word in words:
        number[word] = len(known)
        known.append(word)
