"""The monitor: takes envelopes and answers them, keeps one application each, raises alerts.

Rules of this file
    - Bytes in, bytes out; the store is the only thing behind it that does I/O. An envelope is applied whole, in one
      transaction, or not at all; a repeated one changes nothing (at-least-once delivery is normal).
    - Policies are evaluated when a delta comes, on what the replica has shown. Novelty is judged by `end_epoch`, when every
      worker has reported.

Complexity: per envelope O(delta) and, per replica with something new, O(that replica's items) for policies.
Source: design sections 1, 3 (promises 3, 5), 4 (publish).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from grammar import (
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
from monitor.alerts import NOVELTY, Alert
from monitor.application import Application
from monitor.behaviour import Weight, behaviour_of
from monitor.novelty import Finding, Novelty, Settings
from monitor.store import Store
from monitor.trace import shortest, through
from monitor.view import View
from policies import Edge, LimitError, Match, Policy, evaluate

MAX_NODES = 64
SEVERITIES = {Weight.READS: "low", Weight.WRITES: "medium", Weight.CONNECTS: "high", Weight.RUNS: "high"}


class Ack(msgspec.Struct, array_like=True):
    """The answer to an envelope: `status` is `new`, `repeat`, or `base` (send the delta in full)."""

    status: str
    sequence: int


class Monitor:
    """All applications, all agents, all policies; `on_alert` hears every alert as it is raised."""

    def __init__(
        self,
        store: Store,
        policies: Sequence[Policy] = (),
        settings: Settings | None = None,
        on_alert: Callable[[Alert], None] = lambda alert: None,
    ) -> None:
        self.store, self.policies, self.on_alert = store, tuple(policies), on_alert
        self.settings = settings or Settings()
        self.apps = {name: Application.load(store, name) for name in store.apps()}
        self.alerts: list[Alert] = [Alert.decode(data) for data in store.alerts()]
        self._judges: dict[str, Novelty] = {}
        self._raised = {(a.policy, a.worker, a.container, a.nodes) for a in self.alerts}
        self._app_of = {replica: app.name for app in self.apps.values() for replica in app.replicas}
        self._active: set[str] = set()
        self._lost: dict[str, dict[str, int]] = {}
        self._times: dict[Replica, int] = {}

    def control(self, body: bytes) -> bytes:
        """What an agent lacks of the words of its applications: `{app: revision}` in, `{app: extension}` out."""
        asked = msgspec.msgpack.decode(body, type=dict[str, Revision])
        found = {}
        for name, revision in asked.items():
            lexicon = self.apps[name].lexicon if name in self.apps else Lexicon()
            extension = encode_extension(lexicon, revision if lexicon.find(revision) else Revision())
            if extension:
                found[name] = extension
        return msgspec.msgpack.encode(found)

    def receive(self, body: bytes) -> bytes:
        """Take one envelope and answer it."""
        envelope = decode_envelope(body)
        known = self.store.agent(envelope.agent)
        if known is not None and known[0] == envelope.session and envelope.sequence <= known[1]:
            return msgspec.msgpack.encode(Ack("repeat", envelope.sequence))
        for app, _ in envelope.deltas:
            self.apps.setdefault(app, Application(app))
        deltas = [(app, decode_delta(data, self.apps[app].lexicon)) for app, data in envelope.deltas]
        alerts: list[Alert] = []
        with self.store.transaction():
            for cause, number in envelope.lost.items():
                self.store.add_lost(envelope.agent, cause, number)
                lost = self._lost.setdefault(envelope.agent, {})
                lost[cause] = lost.get(cause, 0) + number
            for app, delta in deltas:
                span = Span(envelope.start, envelope.start)
                for sighting in delta.sightings:
                    replica = Replica(envelope.agent, sighting.container)
                    self._app_of[replica] = app
                    self._times[replica] = envelope.start + sighting.last
                news = self.apps[app].take(delta, envelope.agent, span, self.store)
                alerts += self._news(self.apps[app], news)
            self.store.set_agent(envelope.agent, envelope.session, envelope.sequence, envelope.digest)
            for alert in alerts:
                self.store.add_alert(alert.encode())
        self._note_activity(envelope)
        self._tell(alerts)
        return msgspec.msgpack.encode(Ack("new", envelope.sequence))

    def end_epoch(self, length: int) -> None:
        """Every worker has reported the epoch of that length: judge what is novel in it."""
        alerts = []
        for name, app in sorted(self.apps.items()):
            for finding in self._judge(name).end(length, name in self._active):
                alert = self._novel(app, finding)
                if self._is_new(alert):
                    alerts.append(alert)
        self._active.clear()
        with self.store.transaction():
            for alert in alerts:
                self.store.add_alert(alert.encode())
        self._tell(alerts)

    @property
    def lost(self) -> dict[str, dict[str, int]]:
        """What this monitor has been told was lost, by agent and cause."""
        return {agent: dict(causes) for agent, causes in self._lost.items()}

    def settled(self, app: str) -> bool:
        """Whether novelty is judged for an application by now."""
        return self._judge(app).settled

    def _judge(self, app: str) -> Novelty:
        return self._judges.setdefault(app, Novelty(self.settings))

    def _note_activity(self, envelope: Envelope) -> None:
        for container, _edges in envelope.active:
            replica = Replica(envelope.agent, container)
            app = self._app_of.get(replica)
            if app is not None:
                self._active.add(app)
                self._judge(app).activity(replica, envelope.length)

    def _tell(self, alerts: list[Alert]) -> None:
        for alert in alerts:
            self.alerts.append(alert)
            self.on_alert(alert)

    def _is_new(self, alert: Alert) -> bool:
        key = (alert.policy, alert.worker, alert.container, alert.nodes)
        if key in self._raised:
            return False
        self._raised.add(key)
        return True

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
                self._judge(app.name).see(moved, replica)
        policies = [policy for policy in self.policies if policy.applies_to(app.name)]
        found: list[Alert] = []
        for replica, nodes in sorted(touched.items()) if policies else ():
            view = View(app.model, replica)
            for policy in policies:
                found += self._violations(app, policy, view, replica, frozenset(nodes))
        return found

    def _violations(
        self, app: Application, policy: Policy, view: View, replica: Replica, touched: frozenset[str]
    ) -> list[Alert]:
        try:
            matches = evaluate(policy.query, view, touched)
        except LimitError as error:
            matches = list(error.matches)
        if not matches:
            return []
        nodes = tuple(dict.fromkeys(node for match in matches for node in match.nodes))[:MAX_NODES]
        first = min(matches, key=lambda match: (len(match.edges), match.nodes))
        alert = Alert(
            policy=policy.id,
            title=policy.title,
            severity=policy.severity,
            app=app.name,
            worker=replica.worker,
            container=replica.container,
            time=self._times.get(replica, 0),
            replicas=(self._sharing(app, first), max(1, len(app.replicas))),
            nodes=nodes,
            trace=through(view, first.edges) or shortest(view, first.nodes[0]),
            lost=dict(self._lost.get(replica.worker, {})),
        )
        return [alert] if self._is_new(alert) else []

    def _sharing(self, app: Application, match: Match) -> int:
        """How many replicas show every edge of a match."""
        model = app.model
        held = [self._holders(app, edge) for edge in match.edges]
        held = held or [set(model.support[model.by_id[node]]) for node in match.nodes]
        return len(set.intersection(*held)) if held else 0

    @staticmethod
    def _holders(app: Application, edge: Edge) -> set[Replica]:
        model = app.model
        one = Transition(model.by_id[edge.effect], edge.relation, edge.operation, model.by_id[edge.cause])
        return set(model.support.get(one, {}))

    def _novel(self, app: Application, finding: Finding) -> Alert:
        model = app.model
        view = View(model, finding.replica)
        ends = {end for one in finding.transitions for end in (one.effect, one.cause)}
        fresh = [s for s in ends if s in model.support and len(model.support[s]) <= finding.k]
        nodes = sorted((model.ids[s] for s in fresh), key=lambda n: (model.by_id[n].label, n))
        shown = [t for t in finding.transitions if t.effect in model.support]
        target = max(shown, key=lambda t: _told(t, finding), default=None)
        return Alert(
            policy=NOVELTY,
            title=f"behaviour that {finding.k} of {finding.n} replicas show",
            severity=SEVERITIES[finding.weight],
            app=app.name,
            worker=finding.replica.worker,
            container=finding.replica.container,
            time=self._times.get(finding.replica, 0),
            replicas=(finding.k, finding.n),
            nodes=tuple(nodes[:MAX_NODES]),
            trace=shortest(view, model.ids[target.effect]) if target else (),
            summary=tuple(f"{b.who} {b.what.name.lower()} {b.whom}" for b in finding.behaviours[:MAX_NODES]),
            lost=dict(self._lost.get(finding.replica.worker, {})),
        )


_TOLD = {Weight.CONNECTS: 4, Weight.WRITES: 3, Weight.RUNS: 2, Weight.READS: 1}


def _told(transition: Transition, finding: Finding) -> tuple[int, int, Transition]:
    """Which culprit the trace leads to: a connection before a write before a program, the one with the longest descent."""
    behaviour = behaviour_of(transition)
    weight = _TOLD[behaviour.what] if behaviour in finding.behaviours and behaviour is not None else 0
    return weight, len(transition.effect.context), transition
