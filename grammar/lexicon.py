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

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import pairwise
from typing import Final, NamedTuple, TypeVar

from grammar.errors import CodecError
from grammar.evidence import State, Transition
from grammar.wire import Reader, Writer

Word = TypeVar("Word", str, State, Transition)
MAX_CONTEXT: Final = 16
"""Entries of a state's context: at most one fewer."""


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
        new_transitions = sorted({t for t in transitions if t not in self.transition_number})
        wanted = {*states, *(end for t in new_transitions for end in (t.effect, t.cause))}
        new_states = sorted(state for state in wanted if state not in self.state_number)
        new_texts = sorted({word for word in words_of(new_states, new_transitions) if word not in self.text_number})
        if new_states or new_transitions:
            self.grow(Step(tuple(new_texts), tuple(new_states), tuple(new_transitions)))

    def grow(self, step: Step) -> None:
        """Take one step; its words are new and in canonical order."""
        before = self.revision
        for text in step.texts:
            self.text_number[text] = len(self.texts)
            self.texts.append(text)
        for state in step.states:
            self.state_number[state] = len(self.states)
            self.states.append(state)
        for transition in step.transitions:
            self.transition_number[transition] = len(self.transitions)
            self.transitions.append(transition)
        writer = Writer()
        self.write_since(before, writer)
        digest = blake2b(before.digest + bytes(writer.data), digest_size=4).digest()
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

    def write_since(self, base: Revision, writer: Writer) -> None:
        """Everything after `base`."""
        writer.texts(self.texts[base.texts :])
        write_states(self.states[base.states :], self.text_number, writer)
        write_transitions(self.transitions[base.transitions :], self.text_number, self.state_number, writer)

    def read_extension(self, reader: Reader) -> Step:
        """Take in what `write_since` of the other side wrote, as one step; gives the step."""
        texts, states, transitions = read_words(reader, self, self.revision)
        if not states and not transitions:
            raise CodecError("a step without words", column=reader.at + 1)
        step = Step(tuple(texts), tuple(states), tuple(transitions))
        self.grow(step)
        return step


def words_of(states: Iterable[State], transitions: Iterable[Transition]) -> Iterable[str]:
    """The texts that states and transitions are made of."""
    for state in states:
        yield state.label
        yield from state.context
    for transition in transitions:
        yield paired(transition)


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


def write_states(states: Sequence[State], number: dict[str, int], writer: Writer) -> None:
    """States as columns: labels, lengths of contexts, their entries."""
    writer.number(len(states))
    writer.column([number[state.label] for state in states])
    lengths = [len(state.context) for state in states]
    if max(lengths, default=0) >= MAX_CONTEXT:
        raise CodecError("a context longer than a decoder will hold", hint=f"limit {MAX_CONTEXT - 1} entries")
    writer.column(lengths)
    writer.column([number[entry] for state in states for entry in state.context])


def write_transitions(
    transitions: Sequence[Transition], number: dict[str, int], states: dict[State, int], writer: Writer
) -> None:
    """Transitions as columns: effects, relations with operations, causes."""
    writer.number(len(transitions))
    writer.column([states[one.effect] for one in transitions])
    writer.column([number[paired(one)] for one in transitions])
    writer.column([states[one.cause] for one in transitions])


def read_words(reader: Reader, lexicon: Lexicon, base: Revision) -> tuple[list[str], list[State], list[Transition]]:
    """Texts, states and transitions that come after `base` of `lexicon`: each new there, in canonical order."""
    texts = reader.texts()
    _check_new(texts, lexicon.text_number, base.texts, reader)
    word = lexicon.texts[: base.texts] + texts
    states = _read_states(reader, word)
    _check_new(states, lexicon.state_number, base.states, reader)
    transitions = _read_transitions(reader, word, lexicon.states[: base.states] + states)
    _check_new(transitions, lexicon.transition_number, base.transitions, reader)
    return texts, states, transitions


def _read_states(reader: Reader, word: Sequence[str]) -> list[State]:
    count = reader.count()
    labels = reader.column(count, len(word))
    lengths = reader.column(count, MAX_CONTEXT)
    reader.hold(sum(lengths))
    return [
        State(word[label], tuple(word[entry] for entry in reader.column(length, len(word))))
        for label, length in zip(labels, lengths, strict=True)
    ]


def _read_transitions(reader: Reader, word: Sequence[str], known: Sequence[State]) -> list[Transition]:
    count = reader.count()
    effects = reader.column(count, len(known))
    operations = reader.column(count, len(word))
    causes = reader.column(count, len(known))
    pairs = {number: _unpaired(word[number]) for number in set(operations)}
    return [
        Transition(known[effect], *pairs[operation], known[cause])
        for effect, operation, cause in zip(effects, operations, causes, strict=True)
    ]


def _check_new(words: Sequence[Word], number: dict[Word, int], base: int, reader: Reader) -> None:
    if any(a >= b for a, b in pairwise(words)) or any(number.get(word, base) < base for word in words):
        raise CodecError("words known already or out of order", column=reader.at + 1)
