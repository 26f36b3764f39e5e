"""The monitor: takes envelopes and answers them, keeps one application each, raises alerts.

Rules of this file
    - Values in, values out; the store is the only thing behind it that does I/O. A group of envelopes is one
      transaction; in it each is applied whole or not at all, and if the disk refuses, memory is read back from it. A
      repeated envelope changes nothing, and the order in which they come does not matter (see `monitor.chain`).
    - Policies are evaluated when a delta comes (`monitor.alarms`). Novelty is judged by `end_epoch`, when
      every worker has reported; live, where nobody waits for all, by `judge`, when news has been held for a moment.
    - What is missing of an agent's envelopes, what there is no room for (`monitor.limits`), and alerts beyond
      `MAX_RAISED` of one policy in one container, are losses.
    - Time comes from the log; the monitor's own clock (`now`, seconds) bounds rates and says when to judge.

Complexity: with something new O(evidence of its application), once for all of a group; a heartbeat is O(1).
Source: design sections 1, 3 (promises 3, 5), 4 (publish).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec

from grammar import (
    BaseMismatchError,
    CodecError,
    Delta,
    Envelope,
    Evidence,
    Item,
    Lexicon,
    Replica,
    Revision,
    Span,
    Transition,
    decode_delta,
    decode_envelope,
    encode_extension,
)
from grammar.control import Status
from grammar.finding import Verdict as Found
from monitor.activity import Activity
from monitor.alarms import MAX_RECALLED, Alarms, News
from monitor.alerts import Alert
from monitor.application import FORGET_AFTER, Application
from monitor.behaviour import HOST, by_engine
from monitor.chain import Chain, Link, Verdict
from monitor.group import Group
from monitor.limits import MAX_TAG, Limits, Meter, objection
from monitor.novelty import Novelty, Settings
from monitor.raising import Scene, novelty
from monitor.schedule import Schedule
from monitor.store import MOST, NotAppliedError, Store
from monitor.watch import Watch
from policies.policy import Policy

HOLD: Final = 0.7
"""Seconds for which news waits for the same news of other replicas, before it is judged live."""
SETTLE_EVERY: Final = 5.0
"""Seconds after which activity without news is put to a judge's account."""


class Ack(msgspec.Struct, array_like=True, frozen=True):
    """The answer to an envelope: `status` is `new`, `repeat`, or `base` (nothing was taken: send it in full)."""

    status: str
    sequence: int


Result = Status | CodecError
"""A status (see `grammar.control.Status`), or why the envelope cannot be read."""


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
        *,
        limits: Limits | None = None,
    ) -> None:
        self.store, self.on_alert = store, on_alert
        self.settings, self.limits = settings or Settings(), limits or Limits()
        self.schedule, self.watch, self._meter = Schedule(store), Watch(), Meter(self.limits)
        self.changed: set[tuple[str, str]] = set()
        """Which (application, worker) pairs have told something since somebody took this away."""
        if forget_after is not None:
            with store.transaction():
                store.set_setting(FORGET_AFTER, str(forget_after))
        self.alarms = Alarms(store, policies, self.lose, self._scene)
        self._load()

    def _load(self) -> None:
        """Everything as the store has it."""
        self._stale = True
        self.alarms.load()
        self.apps = {name: Application.load(self.store, name) for name in self.store.apps()}
        self.alerts = [Alert.decode(data).numbered(number) for number, data in self.store.alerts_after(0, MOST)]
        self._judges = {name: self._judge_of(app) for name, app in self.apps.items()}
        self._app_of = {replica: app.name for app in self.apps.values() for replica in app.replicas}
        self._containers = Counter(replica.worker for replica in self._app_of)
        self._forget_after = int(self.store.setting(FORGET_AFTER) or 0)
        self._lost = self.store.lost()
        self._chains: dict[tuple[str, str], Chain] = {}
        self._lanes = self.store.lanes()
        self._times: dict[Replica, int] = {}
        self._latest: dict[str, int] = {}
        self._activity: dict[str, Activity] = {}
        self._since = {name: 0.0 for name, judge in self._judges.items() if judge.pending}
        self._judged: dict[str, float] = {}
        self.watch.told.clear()
        self._stale = False

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
        """Take one plain envelope and answer it. `CodecError` for what is none, `InputError` if it cannot be kept."""
        envelope = decode_envelope(body)
        (result,) = self.receive_many([envelope], strict=False)
        if isinstance(result, CodecError):
            raise result
        return msgspec.msgpack.encode(Ack(result, envelope.sequence))

    def receive_many(
        self,
        envelopes: Sequence[Envelope],
        now: float | None = None,
        *,
        millis: int = 0,
        strict: bool = True,
        also: Callable[[], None] = lambda: None,
    ) -> list[Result]:
        """Take a group; the results hold when this returns. `InputError` if nothing of it could be kept.

        `now` is a clock that only goes forward, `millis` the time of day for what the monitor itself has to tell;
        `also` is done in the same transaction.
        """
        group = Group(now, millis, strict, at_once=len(envelopes) == 1)
        with self._kept():
            results = [self._take(one, group) for one in envelopes]
            for name, heard in group.merged().items():
                group.alerts += self._news(self.apps[name], heard, group)
            group.alerts += self._recalled(group)
            also()
        self._tell(group.alerts)
        return results

    def end_epoch(self, length: int) -> None:
        """Every worker has reported the epoch of that length: judge what is novel in it."""
        with self._kept():
            alerts = [
                alert for name in sorted(self.apps) for alert in self._end(name, length, active=self._is_active(name))
            ]
            alerts += self.alarms.due(self.latest, self._latest)
        for activity in self._activity.values():
            activity.take()
        self._tell(alerts)

    def judge(self, now: float, hold: float = HOLD) -> None:
        """Judge applications whose news has been held for `hold` seconds; the rest goes on settling."""
        due = {name for name, since in self._since.items() if now - since >= hold}
        for name, activity in self._activity.items():
            quiet = activity.active and name not in self._since
            if quiet and now - self._judged.setdefault(name, now) >= SETTLE_EVERY:
                due.add(name)
        if not due:
            return
        alerts: list[Alert] = []
        with self._kept():
            for name in sorted(due & self.apps.keys()):
                active = self._is_active(name)
                alerts += self._end(name, self._activity[name].take() if active else 0, active=active)
            alerts += self.alarms.due(self.latest, self._latest)
        self._judged.update(dict.fromkeys(due, now))
        self._tell(alerts)

    def change(self, policies: Sequence[Policy], settings: Settings) -> None:
        """Other policies and settings from now on; what was judged stays judged."""
        self.alarms.policies, self.settings = tuple(policies), settings
        for judge in self._judges.values():
            judge.settings = settings

    def settle(self, ident: bytes, verdict: Found | None) -> None:
        """A worker has answered the question about a match, or has not (None)."""
        with self._kept():
            alerts = self.alarms.settle(ident, verdict)
        self._tell(alerts)

    @property
    def latest(self) -> int:
        """Log time in milliseconds, as far as anybody has told."""
        return max(self._latest.values(), default=0)

    def note(self, agent: str, cause: str, number: int, millis: int) -> None:
        """Something went wrong with an agent outside: count it, and tell if it is time to."""
        group = Group(None, millis)
        with self._kept():
            self._incident(agent, cause, number, group)
        self._tell(group.alerts)

    def start_anew(self, agent: str) -> None:
        """Inside a transaction of the caller: an agent is enrolled (again), its chains start from nought."""
        self.store.drop_chains(agent)
        self._lanes.pop(agent, None)
        self._chains = {key: chain for key, chain in self._chains.items() if key[0] != agent}

    def reload(self, name: str) -> None:
        """An application as the store has it, or none if the store has none."""
        self._since.pop(name, None)
        self._activity.pop(name, None)
        self.alarms.forget(name)
        if name in self.store.apps():
            self.apps[name] = app = Application.load(self.store, name)
            self._judges[name] = judge = self._judge_of(app)
            if judge.pending:
                self._since[name] = 0.0
            self._app_of.update(dict.fromkeys(app.replicas, name))
        else:
            self.apps.pop(name, None)
            self._judges.pop(name, None)
        self._chains = {}
        self._lanes = self.store.lanes()

    @property
    def lost(self) -> dict[str, dict[str, int]]:
        """What was lost so far, by agent and cause; envelopes that have not come are lost until they come."""
        return {agent: found for agent in sorted(self._lost) if (found := self._lost_on(agent))}

    def settled(self, app: str) -> bool:
        """Whether novelty is judged for an application by now."""
        return self._judge(app).settled

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """One transaction; memory is as the disk is, whatever happens."""
        if self._stale:
            self._load()
        try:
            with self.store.transaction():
                yield
                self.alarms.save()
        except BaseException:
            self._load()
            raise

    def _take(self, envelope: Envelope, group: Group) -> Result:
        """Inside a transaction: one envelope of a group."""
        agent = envelope.agent
        link = Link(envelope.session, envelope.sequence, envelope.before, envelope.digest)
        chain = self._chain(agent, envelope.lane)
        verdict = chain.judge(link, strict=group.strict)
        if verdict is Verdict.REPEAT:
            return "repeat"
        if verdict is Verdict.CONFLICT:
            self._incident(agent, "conflict", 1, group)
            return "conflict"
        if self._objects(envelope, chain):
            self._incident(agent, "refused", 1, group)
            return "refused"
        heard, told, found = len(group.news), len(group.alerts), len(group.findings)
        try:
            deltas = [(app, decode_delta(data, self._lexicon(app))) for app, data in envelope.deltas]
            with self.store.savepoint():
                self._apply(envelope, deltas, group)
                self._advance(envelope, chain, link)
        except BaseMismatchError:
            return "base"
        except (CodecError, NotAppliedError) as error:
            del group.news[heard:], group.alerts[told:], group.findings[found:]
            if isinstance(error, NotAppliedError):
                self._undo({app for app, _ in envelope.deltas})
            self._incident(agent, "malformed", 1, group)
            return error if isinstance(error, CodecError) else CodecError("cannot be applied", offending=str(error))
        return "new"

    def _objects(self, envelope: Envelope, chain: Chain) -> bool:
        many = chain.head < 0 and self._lanes.get(envelope.agent, 0) >= self.limits.lanes
        return many or bool(objection(envelope, self.limits))

    def _apply(self, envelope: Envelope, deltas: Sequence[tuple[str, Delta]], group: Group) -> None:
        """Everything that an envelope changes, and the policies that it violates (of a group, later)."""
        agent = envelope.agent
        group.findings += [(agent, one) for one in envelope.findings]
        for cause, number in envelope.lost.items():
            self.lose(agent, cause, number)
        for name, whole in deltas:
            app = self.apps.get(name) or Application(name, self._forget_after)
            worker = self._meter.room(agent, group.now) if len(self.apps) < self.limits.apps or name in self.apps else 0
            closed = self._containers[agent] >= self.limits.containers
            delta, cut = app.room(self.limits, agent, worker, closed=closed).admitted(whole, agent)
            if cut:
                self.lose(agent, "model_limit", cut)
                self._incident(agent, "flood", cut, group, name)
            if not delta:
                continue
            self.apps[name] = app
            self._place(envelope, name, delta)
            heard = app.take(delta, agent, Span(envelope.start, envelope.start), self.store)
            self._meter.spend(agent, len(heard.seen))
            self.changed.add((name, agent))
            if group.at_once:
                group.alerts += self._news(app, heard, group)
            else:
                group.news.append((name, heard))
        if envelope.runs:
            self.schedule.note(agent, envelope.runs)
        self._note_activity(envelope)

    def _place(self, envelope: Envelope, name: str, delta: Delta) -> None:
        """Which application a container is of, and when it has shown something last."""
        for sighting in delta.sightings:
            replica = Replica(envelope.agent, sighting.container)
            if replica not in self._app_of:
                self._containers[envelope.agent] += 1
            self._app_of[replica] = name
            self._times[replica] = envelope.start + sighting.last
        self._latest[envelope.agent] = max(envelope.start, self._latest.get(envelope.agent, 0))

    def _advance(self, envelope: Envelope, chain: Chain, link: Link) -> None:
        """The envelope is the next of its lane."""
        agent, lane = envelope.agent, envelope.lane
        if chain.head < 0:
            self._lanes[agent] = self._lanes.get(agent, 0) + 1
        change = chain.take(link)
        if change:
            self.lose(agent, "envelopes_missing", change)
        self.store.set_chain(agent, lane, chain.encode())
        self.store.add_journal(agent, lane, link.session, link.number)

    def _chain(self, agent: str, lane: str) -> Chain:
        chain = self._chains.get((agent, lane))
        if chain is None:
            chain = self._chains[agent, lane] = self.store.chain(agent, lane)
        return chain

    def _undo(self, apps: set[str]) -> None:
        """A savepoint was rolled back: what it touched is read back."""
        for name in apps:
            self.reload(name)
        self._lost, self._chains, self._lanes = self.store.lost(), {}, self.store.lanes()

    def _incident(self, agent: str, cause: str, number: int, group: Group, app: str = "") -> None:
        count = self.store.add_incident(agent, cause, number, group.millis)
        alert = self.watch.alert(agent, cause, count, group.millis, app=app)
        if alert is not None:
            group.alerts.append(self.alarms.keep(alert))

    def lose(self, agent: str, cause: str, number: int) -> None:
        """Inside a transaction: something of an agent's was lost."""
        lost = self._lost.setdefault(agent, {})
        if cause not in lost and (len(lost) >= self.limits.causes or len(cause) > MAX_TAG):
            cause = "other"
        number = min(number, MOST)
        self.store.add_lost(agent, cause, number)
        lost[cause] = min(MOST, lost.get(cause, 0) + number)

    def _lost_on(self, agent: str) -> dict[str, int]:
        return {cause: number for cause, number in sorted(self._lost.get(agent, {}).items()) if number > 0}

    def _note_activity(self, envelope: Envelope) -> None:
        """Who was active how long; on the disk only as long as it matters: until a replica has been so for long."""
        for container, _calls in envelope.active:
            replica = Replica(envelope.agent, container)
            app = self._app_of.get(replica)
            if app is not None:
                judge = self._judge(app)
                activity = self._activity.get(app)
                if activity is None:
                    activity = self._activity[app] = Activity(max(judge.active.values(), default=0))
                before = judge.active.get(replica, 0)
                judge.activity(replica, envelope.length)
                activity.note(envelope.start, envelope.length, judge.active[replica])
                if before < self.settings.settle_active:
                    self.store.set_active(app, replica, judge.active[replica])

    def _end(self, name: str, length: int, *, active: bool) -> list[Alert]:
        """Inside a transaction: judge what is novel in one application."""
        app, judge = self.apps[name], self._judge(name)
        before = judge.settled
        if name in self._since:
            self.store.clear_pending(name)
            del self._since[name]
        alerts = []
        for finding in judge.end(length, active):
            alerts += self.alarms.raised(novelty(self._scene(app, finding.replica), finding))
        if not (before and judge.settled):
            self.store.set_judge(name, judge.settled, judge.alive, judge.quiet)
        return alerts

    def _is_active(self, name: str) -> bool:
        """Whether an application has done anything since it was judged last."""
        return name in self._activity and self._activity[name].active

    def _lexicon(self, app: str) -> Lexicon:
        return self.apps[app].lexicon if app in self.apps else Lexicon()

    def _judge(self, app: str) -> Novelty:
        judge = self._judges.get(app)
        if judge is None:
            judge = self._judges[app] = Novelty(self.settings)
        return judge

    def _recalled(self, group: Group) -> list[Alert]:
        """What workers have seen by now of matches that are no news; of one worker so much at once, no more."""
        alerts: list[Alert] = []
        room: Counter[str] = Counter()
        for worker, found in group.found.items():
            for (name, _, _), findings in found.items():
                seen = [one for one in findings if one.verdict == "seen"]
                seen = seen[: MAX_RECALLED - room[worker]]
                room[worker] += len(seen)
                if seen and name in self.apps:
                    alerts += self.alarms.recalled(self.apps[name], worker, seen)
        return alerts

    def _judge_of(self, app: Application) -> Novelty:
        """The judge of an application that comes from the store."""
        judge = Novelty(self.settings, *self.store.judge(app.name), active=self.store.active(app.name))
        waiting = self.store.pending(app.name)
        held_back = {(app.model.item_of(app.item(number)), replica) for number, replica in waiting}
        for item, held in app.model.support.items():
            if isinstance(item, Transition) and not (app.name == HOST and by_engine(item)):
                for replica in held:
                    if (item, replica) not in held_back:
                        judge.know(item, replica)
        for item, replica in sorted(held_back):
            if isinstance(item, Transition):
                judge.see(item, replica)
        return judge

    def _scene(self, app: Application, replica: Replica) -> Scene:
        return Scene(app.model, replica, self._times.get(replica, 0), self._lost_on(replica.worker))

    def _tell(self, alerts: list[Alert]) -> None:
        for alert in alerts:
            self.alerts.append(alert)
            self.on_alert(alert)

    def keep(self, alert: Alert) -> Alert:
        """Inside a transaction: an alert that another monitor has raised: the same is not raised again here."""
        return self.alarms.keep(msgspec.structs.replace(alert, quiet="elsewhere"))

    def _news(self, app: Application, news: Evidence, group: Group) -> list[Alert]:
        """Hand what is new to the judge of novelty, and evaluate the policies where it touches them."""
        judge, waits, shown = self._judge(app.name), [], self.alarms.shown(app, news)
        touched: dict[Replica, set[str]] = {}
        fresh: dict[Replica, list[Item]] = {}
        for item, replicas in news.seen.items():
            for replica in replicas:
                fresh.setdefault(replica, []).append(item)
            if not isinstance(item, Transition):
                lone = shown.id_of(app.model.state_of(item))
                for replica in replicas:
                    touched.setdefault(replica, set()).add(lone)
                continue
            effect, cause = app.model.state_of(item.effect), app.model.state_of(item.cause)
            moved = Transition(effect, item.relation, item.operation, cause)
            ends = (shown.id_of(effect), shown.id_of(cause))
            for replica in replicas:
                touched.setdefault(replica, set()).update(ends)
                if app.name != HOST or not by_engine(moved):
                    judge.see(moved, replica)
                    waits.append((app.number(item), replica))
        if judge.pending:
            self._since.setdefault(app.name, group.now or 0.0)
            if judge.settled:
                self.store.add_pending(app.name, waits)
        return self.alarms.violations(app, News(fresh, touched, news, group.found))
