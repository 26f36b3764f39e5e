"""The words that an agent and the monitor share: texts, states and transitions by number, growing together.

Rules of this file
    - A lexicon only grows; its revision says how far. What both sides know costs a number, what is new is spelled out once:
      replicas pay once for what they share.
    - A revision carries a chained hash, so that a delta against another lexicon is refused, not misread.

Complexity: O(1) per look-up; memory O(texts + states + transitions of the application).
Source: design section 2 (delta), section 3 (a delta against a named base).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from grammar.errors import CodecError
from grammar.evidence import State, Transition
from grammar.wire import Reader, Writer


class Revision(NamedTuple):
    """How many texts, states and transitions, and the hash of the way there."""

    texts: int = 0
    states: int = 0
    transitions: int = 0
    digest: bytes = b"\0" * 4


@dataclass(slots=True)
class Lexicon:
    """Numbers of texts, states, transitions; `revisions` are the points to which a delta may refer."""

    texts: list[str] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    text_number: dict[str, int] = field(default_factory=dict)
    state_number: dict[State, int] = field(default_factory=dict)
    transition_number: dict[Transition, int] = field(default_factory=dict)
    revisions: list[Revision] = field(default_factory=lambda: [Revision()])

    @property
    def revision(self) -> Revision:
        """Where it stands."""
        return self.revisions[-1]

    def find(self, revision: Revision) -> bool:
        """Whether this lexicon has stood there."""
        return revision in self.revisions

    def extend(self, states: Iterable[State], transitions: Iterable[Transition]) -> None:
        """Add what is new, in canonical order; if anything was, this is a new revision."""
        new_transitions = sorted({t for t in transitions if t not in self.transition_number})
        wanted = {*states, *(end for t in new_transitions for end in (t.effect, t.cause))}
        new_states = sorted(state for state in wanted if state not in self.state_number)
        new_texts = sorted({word for word in _words(new_states, new_transitions) if word not in self.text_number})
        if new_states or new_transitions:
            self._append(new_texts, new_states, new_transitions)

    def _append(self, texts: Sequence[str], states: Sequence[State], transitions: Sequence[Transition]) -> None:
        before = self.revision
        for text in texts:
            self.text_number[text] = len(self.texts)
            self.texts.append(text)
        for state in states:
            self.state_number[state] = len(self.states)
            self.states.append(state)
        for transition in transitions:
            self.transition_number[transition] = len(self.transitions)
            self.transitions.append(transition)
        writer = Writer()
        self.write_since(before, writer)
        digest = blake2b(before.digest + bytes(writer.data), digest_size=4).digest()
        self.revisions.append(Revision(len(self.texts), len(self.states), len(self.transitions), digest))

    def write_since(self, base: Revision, writer: Writer) -> None:
        """Everything after `base`."""
        writer.texts(self.texts[base.texts :])
        write_states(self.states[base.states :], self.text_number, writer)
        write_transitions(self.transitions[base.transitions :], self.text_number, self.state_number, writer)

    def read_extension(self, reader: Reader) -> None:
        """Take in what `write_since` of the other side wrote, as one step."""
        before = self.revision
        texts, states, transitions = read_words(reader, self, before)
        self._append(texts, states, transitions)


def _words(states: Iterable[State], transitions: Iterable[Transition]) -> Iterable[str]:
    for state in states:
        yield state.label
        yield from state.context
    for transition in transitions:
        yield f"{transition.relation} {transition.operation}"


def write_states(states: Sequence[State], number: dict[str, int], writer: Writer) -> None:
    """States as columns: labels, lengths of contexts, their entries."""
    writer.number(len(states))
    writer.column([number[state.label] for state in states])
    writer.column([len(state.context) for state in states])
    writer.column([number[entry] for state in states for entry in state.context])


def write_transitions(
    transitions: Sequence[Transition], number: dict[str, int], states: dict[State, int], writer: Writer
) -> None:
    """Transitions as columns: effects, relations with operations, causes."""
    writer.number(len(transitions))
    writer.column([states[one.effect] for one in transitions])
    writer.column([number[f"{one.relation} {one.operation}"] for one in transitions])
    writer.column([states[one.cause] for one in transitions])


MAX_CONTEXT = 16


def read_words(
    reader: Reader, lexicon: Lexicon, base: Revision
) -> tuple[list[str], list[State], list[Transition]]:
    """Texts, states and transitions that come after `base` of `lexicon`, checked."""
    texts = reader.texts()
    word = lexicon.texts[: base.texts] + texts
    count = reader.count()
    labels = reader.column(count, len(word))
    lengths = reader.column(count, MAX_CONTEXT)
    states = []
    for label, length in zip(labels, lengths, strict=True):
        states.append(State(word[label], tuple(word[entry] for entry in reader.column(length, len(word)))))
    known = lexicon.states[: base.states] + states
    count = reader.count()
    effects = reader.column(count, len(known))
    operations = [word[one] for one in reader.column(count, len(word))]
    causes = reader.column(count, len(known))
    transitions = []
    for effect, pair, cause in zip(effects, operations, causes, strict=True):
        relation, space, operation = pair.partition(" ")
        if not space:
            raise CodecError("not a relation and operation", offending=pair)
        transitions.append(Transition(known[effect], relation, operation, known[cause]))
    return texts, states, transitions
