"""One application at the monitor: its words, its evidence, the model that follows from them.

Rules of this file
    - Taking a delta adds to evidence and nothing else; the model is made when somebody asks, and grows with what comes
      (also what is repeated: it may widen the time in which something was seen).
    - Alarms are judged and questions answered on the model of all that was seen, which is exact; what is handed on (and
      what a model is said to cost) is the one that is folded by description length.
    - What is new is told to the store item by item, inside the caller's transaction.

Complexity: a delta costs its own size; the model, when it is asked for next, what came since and copies of two dicts as
large as itself; the first model O(evidence).
Source: design section 1 (global model), section 3 promise 3.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from grammar import (
    Delta,
    Evidence,
    InputError,
    Item,
    Lexicon,
    Model,
    Replica,
    Span,
    State,
    Transition,
    apply_extension,
    encode_extension,
)
from monitor.limits import Limits, Room
from monitor.store import Store

FORGET_AFTER: Final = "forget_after"
"""The setting of a state: milliseconds of log time after which what nobody has shown again is left out of models."""


SHARE: Final = 4
"""One worker may bring in this part of an application's words."""


class Application:
    """The global model of one application and how it came about."""

    def __init__(self, name: str, forget_after: int = 0) -> None:
        self.name, self.forget_after = name, forget_after
        self.lexicon = Lexicon()
        self.evidence = Evidence()
        self.shown: Counter[Replica] = Counter()
        self.brought: Counter[str] = Counter()
        self._more: Evidence | None = None
        self._model: Model | None = None
        self._folded: Model | None = None

    @staticmethod
    def load(store: Store, name: str) -> Application:
        """Read it back."""
        app = Application(name, int(store.setting(FORGET_AFTER) or 0))
        for extension in store.words(name):
            apply_extension(app.lexicon, extension)
        try:
            for number, replica, span in store.sightings(name):
                app.evidence.add(app.item(number), replica, span)
                app.shown[replica] += 1
            for number, command in store.commands(name):
                app.evidence.command(app.lexicon.states[number], command)
        except IndexError:
            raise InputError("damaged state: a sighting of nothing", file=str(store.path), offending=name) from None
        app.evidence.learned.update(store.learned(name))
        return app

    @property
    def model(self) -> Model:
        """The model of all evidence so far, but for what has been unseen for longer than `forget_after` (if not 0)."""
        if self._model is None:
            evidence = self.evidence
            if self.forget_after:
                evidence = evidence.since(evidence.latest - self.forget_after)
            self._model = Model.of(self.name, evidence)
        elif self._more is not None:
            self._model = self._model | self._more
        self._more = None
        return self._model

    @property
    def folded(self) -> Model:
        """The same, merged by minimum description length: what is handed on."""
        if self._folded is None:
            self._folded = self.model.folded()
        return self._folded

    @property
    def replicas(self) -> set[Replica]:
        """Every replica seen so far."""
        return self.evidence.replicas

    @property
    def _words(self) -> int:
        return len(self.lexicon.states) + len(self.lexicon.transitions)

    def room(self, limits: Limits, name: str, worker: int, *, closed: bool = False) -> Room:
        """How much more there may be; `worker` is what the worker `name` may show now, `closed` to new replicas.

        One worker brings in a part of all words at most (since the monitor's start): it cannot crowd out the others.
        """
        words = min(limits.app_items - self._words, limits.app_items // SHARE - self.brought[name])
        shown = self.shown

        def of(replica: Replica) -> int:
            return 0 if closed and replica not in shown else limits.replica_items - shown[replica]

        return Room(self.evidence, self.lexicon, of, worker, words, limits.patterns - len(self.evidence.learned))

    def take(self, delta: Delta, worker: str, span: Span, store: Store) -> Evidence:
        """Add a delta; gives what in it is news: items that their replica had not shown before."""
        before, words = self.lexicon.revision, self._words
        self.lexicon.extend(delta.states, delta.transitions)
        self.brought[worker] += self._words - words
        if self.lexicon.revision != before:
            store.add_words(self.name, len(self.lexicon.revisions) - 1, encode_extension(self.lexicon, before))
        news = Evidence()
        rows: list[tuple[int, Replica, Span]] = []
        told = delta.evidence(worker, span)
        for item, replicas in told.seen.items():
            for replica, when in replicas.items():
                if self.evidence.add(item, replica, when):
                    news.add(item, replica, when)
                    self.shown[replica] += 1
                rows.append((self.number(item), replica, when))
        store.add_sightings(self.name, rows)
        for state, command in delta.commands.items():
            self.evidence.command(state, command)
            store.set_command(self.name, self.lexicon.state_number[state], self.evidence.commands[state])
        for pattern in delta.learned:
            self.evidence.learned.add(pattern)
            store.add_learned(self.name, pattern)
        if delta:
            self._grow(told)
        return news

    def _grow(self, told: Evidence) -> None:
        """The model that there is will grow by this when it is asked for."""
        self._folded = None
        if self._model is None or self.forget_after:
            self._model = self._more = None
        elif self._more is None:
            self._more = told
        else:
            self._more.update(told)

    def number(self, item: Item) -> int:
        """The number of an item of the evidence; even ones are states."""
        if isinstance(item, Transition):
            return self.lexicon.transition_number[item] * 2 + 1
        return self.lexicon.state_number[item] * 2

    def item(self, number: int) -> State | Transition:
        """The item of that number; an `IndexError` if there is none."""
        return self.lexicon.transitions[number // 2] if number % 2 else self.lexicon.states[number // 2]
