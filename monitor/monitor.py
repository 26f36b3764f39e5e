"""The monitor: takes envelopes and answers them, keeps one application each, raises alerts.

Rules of this file
    - Bytes in, bytes out; the store is the only thing behind it that does I/O. An envelope is applied whole, in one
      transaction, or not at all (if the disk refuses, memory is read back from it); a repeated one changes nothing, and
      the order in which envelopes come does not matter (at-least-once delivery is normal).
    - Policies are evaluated when a delta comes, on what the replica has shown. Novelty is judged by `end_epoch`, when
      every worker has reported. A restart forgets what is not judged yet, and nothing else.
    - What is missing of an agent's envelopes, alerts beyond `MAX_RAISED` of one policy in one container, are losses.

Complexity: per envelope with something new O(evidence of its applications), for their models; a heartbeat is O(1).
Source: design sections 1, 3 (promises 3, 5), 4 (publish).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from grammar import (
    BaseMismatchError,
    CodecError,
    Delta,
    Envelope,
    Evidence,
    Lexicon,
    Replica,
    Revision,
    Span,
    Transition,
    decode_delta,
    decode_envelope,
    encode_extension,
)
from monitor.alerts import Alert
from monitor.application import FORGET_AFTER, Application
from monitor.behaviour import HOST, by_engine
from monitor.novelty import Novelty, Settings
from monitor.raising import Scene, deed, novelty, violation
from monitor.store import Store
from monitor.view import View
from policies import LimitError, Match, Policy, evaluate

MAX_RAISED: Final = 256
"""Alerts of one policy in one container; more are counted as `alerts_suppressed`."""


class Ack(msgspec.Struct, array_like=True, frozen=True):
    """The answer to an envelope: `status` is `new`, `repeat`, or `base` (nothing was taken: send it in full)."""

    status: str
    sequence: int


class Monitor:
    """All applications, all agents, all policies; `on_alert` hears every alert as it is raised.

    `forget_after` (milliseconds of log time, 0 for never) is kept with the state; None leaves it as it was.
    """

    def __init__(
        self,
        store: Store,
        policies: Sequence[Policy] = (),
        settings: Settings | None = None,
        on_alert: Callable[[Alert], None] = lambda alert: None,
        forget_after: int | None = None,
    ) -> None:
        self.store, self.policies, self.on_alert = store, tuple(policies), on_alert
        self.settings = settings or Settings()
        if forget_after is not None:
            with store.transaction():
                store.set_setting(FORGET_AFTER, str(forget_after))
        self._load()

    def _load(self) -> None:
        """Everything as the store has it."""
        self.apps = {name: Application.load(self.store, name) for name in self.store.apps()}
        self.alerts = [Alert.decode(data) for data in self.store.alerts()]
        self._judges = {name: self._judge_of(app) for name, app in self.apps.items()}
        self._raised = {(a.policy, a.worker, a.container, deed) for a in self.alerts for deed in a.deeds}
        self._raised_by = Counter((a.policy, a.worker, a.container) for a in self.alerts)
        self._app_of = {replica: app.name for app in self.apps.values() for replica in app.replicas}
        self._active: set[str] = set()
        self._forget_after = int(self.store.setting(FORGET_AFTER) or 0)
        self._lost = self.store.lost()
        self._times: dict[Replica, int] = {}

    def control(self, body: bytes) -> bytes:
        """What an agent lacks of the words of its applications: `{app: revision}` in, `{app: extension}` out."""
        try:
            asked = msgspec.msgpack.decode(body, type=dict[str, Revision])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise CodecError(f"not a question for words: {error}", offending=body[:16].hex()) from None
        found = {}
        for name, revision in asked.items():
            lexicon = self.apps[name].lexicon if name in self.apps else Lexicon()
            extension = encode_extension(lexicon, revision if lexicon.find(revision) else Revision())
            if extension:
                found[name] = extension
        return msgspec.msgpack.encode(found)

    def receive(self, body: bytes) -> bytes:
        """Take one envelope and answer it. Raises `CodecError` for what is none, `InputError` if it cannot be kept."""
        envelope = decode_envelope(body)
        if envelope.sequence in self.store.session(envelope.agent, envelope.session):
            return _answer("repeat", envelope)
        try:
            deltas = [(app, decode_delta(data, self._lexicon(app))) for app, data in envelope.deltas]
        except BaseMismatchError:
            return _answer("base", envelope)
        try:
            with self.store.transaction():
                alerts = self._apply(envelope, deltas)
        except BaseException:
            self._load()
            raise
        self._tell(alerts)
        return _answer("new", envelope)

    def end_epoch(self, length: int) -> None:
        """Every worker has reported the epoch of that length: judge what is novel in it."""
        alerts = []
        try:
            with self.store.transaction():
                for name, app in sorted(self.apps.items()):
                    judge = self._judge(name)
                    for finding in judge.end(length, name in self._active):
                        alerts += self._raise(novelty(self._scene(app, finding.replica), finding))
                    self.store.set_judge(name, judge.settled, judge.alive, judge.quiet)
        except BaseException:
            self._load()
            raise
        self._active.clear()
        self._tell(alerts)

    @property
    def lost(self) -> dict[str, dict[str, int]]:
        """What was lost so far, by agent and cause; envelopes that have not come are lost until they come."""
        return {agent: found for agent in sorted(self._lost) if (found := self._lost_on(agent))}

    def settled(self, app: str) -> bool:
        """Whether novelty is judged for an application by now."""
        return self._judge(app).settled

    def _apply(self, envelope: Envelope, deltas: Sequence[tuple[str, Delta]]) -> list[Alert]:
        """Inside a transaction: everything that an envelope changes, and the policies that it violates."""
        agent = envelope.agent
        self._count(envelope)
        for cause, number in envelope.lost.items():
            self._lose(agent, cause, number)
        alerts: list[Alert] = []
        for name, delta in deltas:
            app = self.apps.setdefault(name, Application(name, self._forget_after))
            for sighting in delta.sightings:
                replica = Replica(agent, sighting.container)
                self._app_of[replica] = name
                self._times[replica] = envelope.start + sighting.last
            news = app.take(delta, agent, Span(envelope.start, envelope.start), self.store)
            alerts += self._news(app, news)
        self._note_activity(envelope)
        return alerts

    def _count(self, envelope: Envelope) -> None:
        numbers = self.store.session(envelope.agent, envelope.session)
        before = numbers.missing
        numbers.see(envelope.sequence)
        if numbers.missing != before:
            self._lose(envelope.agent, "envelopes_missing", numbers.missing - before)
        self.store.set_session(envelope.agent, envelope.session, numbers)

    def _lose(self, agent: str, cause: str, number: int) -> None:
        self.store.add_lost(agent, cause, number)
        lost = self._lost.setdefault(agent, {})
        lost[cause] = lost.get(cause, 0) + number

    def _lost_on(self, agent: str) -> dict[str, int]:
        return {cause: number for cause, number in sorted(self._lost.get(agent, {}).items()) if number > 0}

    def _note_activity(self, envelope: Envelope) -> None:
        for container, _edges in envelope.active:
            replica = Replica(envelope.agent, container)
            app = self._app_of.get(replica)
            if app is not None:
                self._active.add(app)
                judge = self._judge(app)
                judge.activity(replica, envelope.length)
                self.store.set_active(app, replica, judge.active[replica])

    def _lexicon(self, app: str) -> Lexicon:
        return self.apps[app].lexicon if app in self.apps else Lexicon()

    def _judge(self, app: str) -> Novelty:
        return self._judges.setdefault(app, Novelty(self.settings))

    def _judge_of(self, app: Application) -> Novelty:
        """The judge of an application that comes from the store."""
        judge = Novelty(self.settings, *self.store.judge(app.name), active=self.store.active(app.name))
        for item, held in app.model.support.items():
            if isinstance(item, Transition) and not (app.name == HOST and by_engine(item)):
                for replica in held:
                    judge.know(item, replica)
        return judge

    def _scene(self, app: Application, replica: Replica) -> Scene:
        return Scene(app.model, replica, self._times.get(replica, 0), self._lost_on(replica.worker))

    def _tell(self, alerts: list[Alert]) -> None:
        for alert in alerts:
            self.alerts.append(alert)
            self.on_alert(alert)

    def _raise(self, alert: Alert) -> list[Alert]:
        """Keep an alert, unless all that it tells was told before, or it is one of too many."""
        where = (alert.policy, alert.worker, alert.container)
        if all((*where, deed) in self._raised for deed in alert.deeds):
            return []
        if self._raised_by[where] >= MAX_RAISED:
            self._lose(alert.worker, "alerts_suppressed", 1)
            return []
        self._raised.update((*where, deed) for deed in alert.deeds)
        self._raised_by[where] += 1
        self.store.add_alert(alert.encode())
        return [alert]

    def _told(self, policy: Policy, replica: Replica, app: Application, match: Match) -> bool:
        return (policy.id, replica.worker, replica.container, deed(app.model, match)) in self._raised

    def _news(self, app: Application, news: Evidence) -> list[Alert]:
        """Hand what is new to the judge of novelty, and evaluate the policies where it touches them."""
        touched: dict[Replica, set[str]] = {}
        for item, replicas in news.seen.items():
            if not isinstance(item, Transition):
                continue
            effect, cause = app.model.state_of(item.effect), app.model.state_of(item.cause)
            moved = Transition(effect, item.relation, item.operation, cause)
            for replica in replicas:
                touched.setdefault(replica, set()).update((app.model.ids[effect], app.model.ids[cause]))
                if app.name != HOST or not by_engine(moved):
                    self._judge(app.name).see(moved, replica)
        policies = [policy for policy in self.policies if policy.applies_to(app.name)]
        found: list[Alert] = []
        for replica, nodes in sorted(touched.items()) if policies else ():
            view = View(app.model, replica)
            for policy in policies:
                try:
                    matches = evaluate(policy.query, view, frozenset(nodes))
                except LimitError as error:
                    matches = list(error.matches)
                    self._lose(replica.worker, "policy_limit", 1)
                fresh = [one for one in matches if not self._told(policy, replica, app, one)]
                if fresh:
                    found += self._raise(violation(self._scene(app, replica), policy, view, fresh))
        return found


def _answer(status: str, envelope: Envelope) -> bytes:
    return msgspec.msgpack.encode(Ack(status, envelope.sequence))
