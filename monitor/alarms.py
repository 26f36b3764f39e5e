"""From news to alerts: policies are evaluated where news touches them, and what is only possible is settled.

Rules of this file
    - A policy is evaluated on what one replica has shown. A match that the labels prove is an alert; of one that they
      only allow, the worker's findings decide, else the worker is asked (`monitor.pending`).
    - A worker's word counts for its own containers only, `seen` before all else. It may come without news: what was
      not seen before is no new behaviour when it is. Then the policy is asked about the states that it speaks of.
    - What has been told is not told again, nor too often: `monitor.lifecycle` judges every alert.
    - Called inside the monitor's transaction; alerts are told after it (`monitor.monitor`).

Complexity: what the policies cost where they touch news (`policies.evaluate`).
Source: issue "policies and questions", items 3 and 5; design section 3, promise 5.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from grammar import Evidence, Item, Model, Replica, kind_of
from grammar.control import Question
from grammar.finding import Finding, Verdict
from monitor.actions_state import load_lifecycle, save_lifecycle
from monitor.alerts import Alert, Certainty
from monitor.application import Application
from monitor.lifecycle import Verdict as Decision
from monitor.lifecycle_values import Terms
from monitor.matching import Matches, matches_of
from monitor.pending import Pending, Waiting, ident_of
from monitor.raising import Scene, deed, ends_of, seen_by, violation
from monitor.store import Store
from monitor.view import Shown, View
from policies.limits import Match
from policies.policy import Policy

MAX_OPEN: Final = 16
"""Matches of one policy in one container that are asked about at once."""
MAX_STATES: Final = 500
"""What a worker looks at (`agent.confirm`): from one more it knows that it was not asked about all."""

Found = Mapping[tuple[str, str, str], Sequence[Finding]]
"""What a worker has found, by application, container and policy."""
Heard = Mapping[tuple[str, ...], Finding]
"""What it has found of one policy in one container, by the labels at the ends."""
RANK: Final = {"unseen": 0, "open": 1, "seen": 2}
"""Labels that have become one say of their union what says most."""
MAX_RECALLED: Final = 16
"""Findings without news that are looked into, of one worker at once."""


class Case(NamedTuple):
    """One policy on one replica: where and when, what that replica has shown, how alerts of it live."""

    policy: Policy
    scene: Scene
    view: View
    terms: Terms


@dataclass(slots=True)
class News:
    """What is new in one application: items by replica, ids that they touch, and what the workers have found."""

    fresh: dict[Replica, list[Item]]
    touched: dict[Replica, set[str]]
    heard: Evidence
    findings: Mapping[str, Found]


class Alarms:
    """Policies, the life cycle of alerts, and what waits for a worker's word.

    `lose` counts a loss; `scene` says where and when. `dismissed` counts matches that no instance bears out, by policy.
    """

    def __init__(
        self,
        store: Store,
        policies: Sequence[Policy],
        lose: Callable[[str, str, int], None],
        scene: Callable[[Application, Replica], Scene],
    ) -> None:
        self._store, self.policies, self._lose, self._scene = store, tuple(policies), lose, scene
        self.dismissed: Counter[str] = Counter()
        self._shown: dict[str, Shown] = {}
        self.load()

    def load(self) -> None:
        """Everything as the store has it."""
        self.lifecycle = load_lifecycle(self._store)
        self.pending = Pending(self._store)
        self._shown.clear()

    def save(self) -> None:
        """Inside a transaction: the life cycle as it is now."""
        save_lifecycle(self._store, self.lifecycle)

    def shown(self, app: Application, news: Evidence | None = None) -> Shown:
        """The graph that policies read, with the news in it."""
        known = self._shown.get(app.name)
        found = Shown(app.model) if known is None else known.following(app.model, news or Evidence())
        self._shown[app.name] = found
        return found

    def forget(self, name: str) -> None:
        """An application is read anew."""
        self._shown.pop(name, None)

    def raised(self, alert: Alert, terms: Terms | None = None) -> list[Alert]:
        """Keep an alert, unless its life cycle says otherwise; what was kept, summaries of others with it."""
        decision = self.lifecycle.judge(alert, terms or Terms())
        if decision.verdict is Decision.LIMITED:
            self._lose(alert.worker, "alerts_suppressed", 1)
        return [self.keep(one) for one in decision.alerts]

    def keep(self, alert: Alert) -> Alert:
        """An alert that was raised, here or at another monitor."""
        numbered = alert.numbered(self._store.add_alert(alert.encode()))
        self.lifecycle.kept(numbered)
        return numbered

    def due(self, time: int, of: Mapping[str, int]) -> list[Alert]:
        """What is to be told because time has gone by, anywhere and on each worker."""
        return [self.keep(one) for one in self.lifecycle.due(time, of)]

    def violations(self, app: Application, news: News) -> list[Alert]:
        """The alerts that news is the reason for."""
        policies = [policy for policy in self.policies if policy.applies_to(app.name)]
        shown = self.shown(app, news.heard)
        known: dict[frozenset[Item], Matches] = {}
        found: list[Alert] = []
        for replica, nodes in sorted(news.touched.items()) if policies else ():
            fresh = news.fresh[replica]
            whole = frozenset(fresh) if len(fresh) == app.shown[replica] else None
            matches = known.get(whole) if whole is not None else None
            if matches is None:
                matches = matches_of(View(shown, replica), nodes, policies)
                if whole is not None:
                    known[whole] = matches
            found += self._judged(app, replica, matches, news.findings.get(replica.worker, {}))
        return found

    def recalled(self, app: Application, worker: str, findings: Sequence[Finding]) -> list[Alert]:
        """What a worker has seen by now of matches that are no news; of each that has not been told, the alerts."""
        by_id = {policy.id: policy for policy in self.policies if policy.applies_to(app.name)}
        alerts: list[Alert] = []
        for one in dict.fromkeys(findings):
            policy, replica = by_id.get(one.policy), Replica(worker, one.container)
            if policy is None or one.verdict != "seen" or replica not in app.shown:
                continue
            shown, ends = self.shown(app), set(map(app.model.relabel, one.ends))
            kinds = shown.held.get(replica, {})
            nodes = [node for kind in {kind_of(end) for end in ends} for node in kinds.get(kind, ())]
            touched = {node for node in nodes if _plain(shown.states[node].label) in ends}
            if touched:
                matches = matches_of(View(shown, replica), touched, (policy,))
                alerts += self._judged(app, replica, matches, {(app.name, one.container, policy.id): (one,)}, only=True)
        return alerts

    def settle(self, ident: bytes, verdict: Verdict | None) -> list[Alert]:
        """A worker has answered (None: it has not): what that makes of the match that waited for it."""
        one = self.pending.waiting.get(ident)
        if one is None or (verdict is None and not self.pending.tired(ident)):
            return []
        self.pending.take(ident)
        if verdict == "unseen":
            self.dismissed[one.alert.policy] += 1
            return []
        return self.raised(confirmed(one.alert, seen=verdict == "seen"), one.terms)

    def _judged(
        self, app: Application, replica: Replica, matches: Matches, found: Found, *, only: bool = False
    ) -> list[Alert]:
        """What becomes of the matches in one replica; `only` of those of which the worker has said something."""
        alerts: list[Alert] = []
        for policy, told, trouble in matches:
            if trouble:
                self._lose(replica.worker, f"policy_{trouble}", 1)
            if not told:
                continue
            terms = Terms(policy.rate_limit.count, policy.rate_limit.millis, policy.rearm_millis)
            case = Case(policy, self._scene(app, replica), View(self._shown[app.name], replica), terms)
            heard = _heard(case.scene.model, found.get((app.name, replica.container, policy.id), ()))
            fresh = [one for one in told if not self._is_told(case, one, heard)]
            if only:
                fresh = [one for one in fresh if _plain_ends(case, one) in heard]
            if fresh:
                alerts += self._sorted_out(case, fresh, heard)
        return alerts

    def _sorted_out(self, case: Case, matches: Sequence[Match], heard: Heard) -> list[Alert]:
        """Certain and confirmed matches are one alert; each of the others goes its own way."""
        sure: list[Match] = []
        unknown: dict[tuple[str, str], list[Match]] = {}
        answers: list[Finding] = []
        for match in matches:
            ends = _plain_ends(case, match)
            said = heard.get(ends)
            seen = said is not None and said.verdict == "seen"
            if match.certain or seen:
                sure.append(match)
                answers += [said] if said is not None and seen else []
            elif said is not None and said.verdict == "unseen":
                self.dismissed[case.policy.id] += 1
            else:
                unknown.setdefault(ends, []).append(match)
        alerts: list[Alert] = []
        if sure:
            alert = violation(case.scene, case.policy, case.view, sure)
            alerts += self.raised(seen_by(alert, answers), case.terms)
        for number, (ends, group) in enumerate(unknown.items()):
            alert = violation(case.scene, case.policy, case.view, group)
            if not (ends not in heard and number < MAX_OPEN and self._asked(case, alert, group)):
                alerts += self.raised(confirmed(alert, seen=False), case.terms)
        return alerts

    def _asked(self, case: Case, alert: Alert, group: Sequence[Match]) -> bool:
        """Whether the worker will be asked."""
        model, ends = case.scene.model, _plain_ends(case, group[0])
        wanted = {case.view.shown.states[node] for match in group for node in match.nodes}
        known = model.source.states if model.source is not None else model.states
        base = sorted(one for one in known if model.state_of(one) in wanted)[: MAX_STATES + 1]
        question = Question(
            ident_of(alert, ends),
            model.app,
            tuple((_plain(one.label), tuple(map(_plain, one.context))) for one in base),
            container=case.scene.replica.container,
            policy=case.policy.source,
            ends=ends,
        )
        return self.pending.add(Waiting(alert, question, case.terms))

    def _is_told(self, case: Case, match: Match, heard: Heard) -> bool:
        at = case.scene.replica
        where = (case.policy.id, at.worker, at.container)
        said = heard.get(_plain_ends(case, match))
        sure = match.certain or (said is not None and said.verdict == "seen")
        certainty: Certainty = "certain" if sure else "possible"
        told = deed(ends_of(case.view, match, case.policy))
        return self.lifecycle.silent(where, told, case.scene.time, certainty, case.terms)


def confirmed(alert: Alert, *, seen: bool) -> Alert:
    """A possible match after its worker was asked: it has seen it, or nobody can say."""
    return msgspec.structs.replace(alert, confirmed="worker" if seen else "unanswered")


def _heard(model: Model, findings: Sequence[Finding]) -> dict[tuple[str, ...], Finding]:
    """Findings by the labels that the model has for their ends."""
    found: dict[tuple[str, ...], Finding] = {}
    for one in findings:
        ends = tuple(map(model.relabel, one.ends))
        known = found.get(ends)
        if known is None or RANK[one.verdict] >= RANK[known.verdict]:
            found[ends] = one
    return found


def _plain_ends(case: Case, match: Match) -> tuple[str, str]:
    """As a worker says them."""
    first, last = ends_of(case.view, match, case.policy)
    return _plain(first), _plain(last)


def _plain(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode() if not text.isascii() else text
