"""Asking the workers for instances: a question goes out with their orders, replies come in until all have answered.

Rules of this file
    - Pure: no sockets, no clock. A desk holds the open questions; `due` gives what a worker is to be asked, `reply`
      takes what it says. Whoever waits is told by `on_done`; the deadline is the caller's.
    - A reply counts if its question is open and was put to that very worker; the first one counts.
    - A worker that has not answered is asked again when it listens again, at most `TRIES` times.
    - A model's state stands for every base state that evidence has and the model maps to it (`question_for`).

Complexity: O(open questions) per look; `question_for` O(states).
Source: issue "live monitor" (distributed query: who did not answer is said).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from grammar import InputError, Model, State
from grammar.control import Question, Reply

TRIES: Final = 3
MAX_OPEN: Final = 64
MAX_STATES: Final = 500
"""Base states that one question names."""


class Outcome(msgspec.Struct, frozen=True):
    """Who was asked, who has answered and what, who has not."""

    question: Question
    asked: tuple[str, ...]
    answered: tuple[str, ...]
    silent: tuple[str, ...]
    replies: tuple[Reply, ...]


@dataclass(slots=True)
class Inquiry:
    """One open question: how often each worker was asked, what has come, and who is told when all have answered."""

    question: Question
    tries: dict[str, int]
    replies: dict[str, Reply] = field(default_factory=dict)
    on_done: Callable[[], None] = lambda: None

    @property
    def done(self) -> bool:
        """Whether everybody has answered."""
        return len(self.replies) == len(self.tries)

    @property
    def outcome(self) -> Outcome:
        """What there is by now."""
        asked = tuple(sorted(self.tries))
        answered = tuple(sorted(self.replies))
        silent = tuple(one for one in asked if one not in self.replies)
        return Outcome(self.question, asked, answered, silent, tuple(self.replies[one] for one in answered))


@dataclass(slots=True)
class Desk:
    """The open questions, by id."""

    open: dict[bytes, Inquiry] = field(default_factory=dict)

    def ask(self, question: Question, workers: Iterable[str], on_done: Callable[[], None]) -> Inquiry:
        """Open a question; too many open ones are an `InputError`."""
        if len(self.open) >= MAX_OPEN:
            raise InputError(f"{MAX_OPEN} questions are open already", hint="ask again later")
        inquiry = self.open[question.id] = Inquiry(question, dict.fromkeys(workers, 0), on_done=on_done)
        return inquiry

    def close(self, ident: bytes) -> None:
        """Nobody waits for it any longer."""
        self.open.pop(ident, None)

    def due(self, worker: str) -> tuple[Question, ...]:
        """What a worker is to be asked now."""
        found = []
        for inquiry in self.open.values():
            tries = inquiry.tries.get(worker, TRIES)
            if tries < TRIES and worker not in inquiry.replies:
                inquiry.tries[worker] = tries + 1
                found.append(inquiry.question)
        return tuple(found)

    def reply(self, worker: str, reply: Reply) -> bool:
        """Take a reply of a worker; False if nobody has asked it (any longer)."""
        inquiry = self.open.get(reply.id)
        if inquiry is None or worker not in inquiry.tries or worker in inquiry.replies:
            return False
        inquiry.replies[worker] = reply
        if inquiry.done:
            inquiry.on_done()
        return True


def question_for(
    ident: bytes,
    model: Model,
    state: State,
    direction: Literal["ancestors", "descendants"],
    *,
    depth: int = 0,
    since: int = 0,
    until: int = 0,
) -> Question:
    """The question about a state of a model, in the words that agents know."""
    known = model.source.states if model.source is not None else model.states
    named = sorted(one for one in known if model.state_of(one) == state)[:MAX_STATES] or [state]
    states = tuple((_plain(one.label), tuple(map(_plain, one.context))) for one in named)
    return Question(ident, model.app, states, direction, depth, since=since, until=until)


def _plain(text: str) -> str:
    r"""As UTF-8 carries it: undecodable bytes as `\xNN` (they match no state, and break no message)."""
    return text.encode("utf-8", "backslashreplace").decode() if not text.isascii() else text
