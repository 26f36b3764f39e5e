"""Policies, asked now about what has been seen: every match in every replica since a time, with how sure it is.

Rules of this file
    - Pure: models and policies come in. A policy is evaluated on all that one replica has shown up to `until`; of its
      matches those count of which something was new since `since`. So an old shell that does something new is found
      whole, and what excuses it may be as old as it likes.
    - A limit never hides what was found: it is said beside it.
    - A possible match is put to its worker in the words that `monitor.alarms` uses.

Complexity: what the policies cost on each replica (`policies.evaluate` bounds each); O(items) for the times.
Source: issue "policies and questions", item 4 (`run --since`), item 3 (certain, possible, confirmed).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from grammar import Model, Replica, Transition
from grammar.control import Question
from monitor.raising import ends_of
from monitor.render import safe
from monitor.view import Shown, View
from policies.deeds import FAILED, LIMIT, deeds
from policies.evaluate import POLICY_LIMITS
from policies.graph import Edge, Meaning
from policies.limits import Limits, Match
from policies.policy import Policy
from policies.reach import shape_of
from policies.values import rendered

MAX_STATES: Final = 200
MAX_FOUND: Final = 10_000
"""Matches of one run."""
MAX_NODES: Final = 64
TROUBLES: Final = {LIMIT: "cut by a limit", FAILED: "failed: a function does not take a value that it was given"}

Confirmed = Literal["", "worker", "unanswered"]
Key = tuple[str, str, Replica, tuple[str, str]]
"""Policy, application, replica, and the labels at the ends: what one question settles."""


@dataclass(frozen=True, slots=True)
class Window:
    """Log time in milliseconds; None has no end."""

    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A match of a policy in one replica; `last` is when something of it was new for the last time."""

    policy: Policy
    model: Model
    replica: Replica
    match: Match
    ends: tuple[str, str]
    last: int
    confirmed: Confirmed = ""

    @property
    def certainty(self) -> str:
        """`certain`, `possible`, and whether its worker has seen it."""
        if self.match.certain:
            return "certain"
        return {"worker": "possible, seen", "unanswered": "possible, not confirmed", "": "possible"}[self.confirmed]

    def row(self) -> dict[str, str | None]:
        """The row as text."""
        return {name: rendered(value) for name, value in self.match.row.items()}

    def value(self) -> dict[str, object]:
        """For JSON."""
        return {
            "policy": self.policy.id,
            "severity": self.policy.severity,
            "app": self.model.app,
            "worker": self.replica.worker,
            "container": self.replica.container,
            "certainty": "certain" if self.match.certain else "possible",
            "confirmed": self.confirmed,
            "last_seen": self.last / 1000,
            "row": self.row(),
            "nodes": list(self.match.nodes[:MAX_NODES]),
            "edges": [
                {"effect": one.effect, "relation": one.relation, "operation": one.operation, "cause": one.cause}
                for one in self.match.edges[:MAX_NODES]
            ],
        }


@dataclass(slots=True)
class Report:
    """What was found; how many were dismissed by workers; what was cut short, and why."""

    found: list[Found] = field(default_factory=list)
    dismissed: int = 0
    cut: list[str] = field(default_factory=list)

    def value(self) -> dict[str, object]:
        """For JSON."""
        return {"matches": [one.value() for one in self.found], "dismissed": self.dismissed, "cut": self.cut}


class Times:
    """When each item of a model was shown by a replica."""

    def __init__(self, shown: Shown) -> None:
        self.edges: dict[Edge, Mapping[Replica, tuple[int, int]]] = {}
        self.nodes: dict[str, dict[Replica, tuple[int, int]]] = {}
        for item, held in shown.model.support.items():
            spans = {replica: (span.first, span.last) for replica, span in held.items()}
            if isinstance(item, Transition):
                effect, cause = shown.id_of(item.effect), shown.id_of(item.cause)
                self.edges[Edge(effect, item.relation, item.operation, cause)] = spans
            ends = (item.effect, item.cause) if isinstance(item, Transition) else (item,)
            for end in ends:
                known = self.nodes.setdefault(shown.id_of(end), {})
                for replica, (first, last) in spans.items():
                    before = known.get(replica, (first, last))
                    known[replica] = min(before[0], first), max(before[1], last)

    def last(self, match: Match, replica: Replica) -> int:
        """When something of the match was new for the last time."""
        spans = [self.edges.get(edge, {}).get(replica) for edge in match.edges]
        spans += [] if spans else [self.nodes.get(node, {}).get(replica) for node in match.nodes]
        return max((span[1] for span in spans if span is not None), default=0)


class Past(View):
    """What a replica had shown until some time."""

    def __init__(self, shown: Shown, replica: Replica, times: Times, until: int) -> None:
        super().__init__(shown, replica)
        self._at, self._times, self._until = replica, times, until

    def _held(self, nodes: Iterable[str]) -> Collection[str]:
        known = self._times.nodes
        return [node for node in super()._held(nodes) if known[node][self._at][0] <= self._until]

    def _edges(self, node: str, known: Mapping[str, list[Edge]], kept: dict[str, Sequence[Edge]]) -> Sequence[Edge]:
        found = super()._edges(node, known, kept)
        spans = self._times.edges
        return [edge for edge in found if spans[edge][self._at][0] <= self._until]


def run_policies(
    models: Iterable[Model],
    policies: Sequence[Policy],
    window: Window,
    limits: Limits = POLICY_LIMITS,
    clock: Callable[[], float] | None = None,
) -> Report:
    """All matches of all policies, by application, replica and policy."""
    report = Report()
    for model in models:
        chosen = [one for one in policies if one.applies_to(model.app)]
        shown = Shown(model)
        times = Times(shown)
        for replica in sorted(model.replicas) if chosen else ():
            view = View(shown, replica) if window.until is None else Past(shown, replica, times, window.until)
            for policy in chosen:
                found, cut = _matches(policy, view, limits, clock)
                if cut:
                    report.cut.append(f"{policy.id} on {safe(replica.container or replica.worker, 100)}: {cut}")
                for match in found:
                    last = times.last(match, replica)
                    if window.since is None or last >= window.since:
                        report.found.append(Found(policy, model, replica, match, ends_of(view, match, policy), last))
                if len(report.found) > MAX_FOUND:
                    del report.found[MAX_FOUND:]
                    report.cut.append(f"more than {MAX_FOUND} matches")
                    return report
    return report


def _matches(policy: Policy, view: View, limits: Limits, clock: Callable[[], float] | None) -> tuple[list[Match], str]:
    found = deeds(shape_of(policy.query), view, None, Meaning.INSTANCES, limits=limits, clock=clock)
    return found.matches, TROUBLES.get(found.trouble, found.trouble)


def open_questions(report: Report) -> Iterator[tuple[Key, list[Found]]]:
    """The possible matches that one question settles, each with its key: policy, where, and the labels at the ends."""
    groups: dict[Key, list[Found]] = {}
    for one in report.found:
        if not one.match.certain and one.match.nodes:
            groups.setdefault(_key(one), []).append(one)
    yield from groups.items()


def _key(one: Found) -> Key:
    return one.policy.id, one.model.app, one.replica, one.ends


def question_for(ident: bytes, group: Sequence[Found]) -> Question:
    """What the worker is asked about matches with one key, as `monitor.alarms` asks it."""
    first, model = group[0], group[0].model
    wanted = {model.by_id[node] for one in group for node in one.match.nodes}
    known = model.source.states if model.source is not None else model.states
    base = sorted(one for one in known if model.state_of(one) in wanted)[:MAX_STATES]
    return Question(
        ident,
        model.app,
        tuple((_plain(one.label), tuple(map(_plain, one.context))) for one in base),
        container=first.replica.container,
        policy=first.policy.source,
        ends=tuple(map(_plain, first.ends)),
    )


def settled(report: Report, said: Mapping[Key, str | None]) -> Report:
    """The report after the workers have spoken (`seen`, `unseen`, `open`, or nothing), by key."""
    kept: list[Found] = []
    gone = 0
    for one in report.found:
        key = _key(one)
        if one.match.certain or key not in said:
            kept.append(one)
        elif said[key] == "unseen":
            gone += 1
        else:
            kept.append(_with(one, "worker" if said[key] == "seen" else "unanswered"))
    return Report(kept, report.dismissed + gone, report.cut)


def _with(one: Found, confirmed: Confirmed) -> Found:
    return Found(one.policy, one.model, one.replica, one.match, one.ends, one.last, confirmed)


def _plain(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode() if not text.isascii() else text


class Sent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a command sends: ids of policies in force, and files as (name, text)."""

    ids: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
