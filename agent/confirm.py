"""Whether a policy's match is real: the same query on the instances that the match may stand for.

Rules of this file
    - The subgraph is what the states of the match stand for, with all that lies within the query's reach of them,
      whatever way the edges point: what a negated pattern looks for is in it too. If a limit cut it, or something in it
      is known only as a pattern, nobody can tell (`open`); but what only asks for what is there is `seen` all the same.
    - A real match counts for a match of the model if the labels at its ends are the same.
    - From any thread: the local store can be asked while it is written.

Complexity: as `agent.instance_ball`; and what evaluating the query on the subgraph costs, bounded by `LIMITS`.
Source: issue "policies and questions", item 3 (confirmed or dismissed by the workers that hold the instances).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

import msgspec

from grammar import InputError, Relabel
from grammar.control import Question, Reply
from grammar.finding import Instance, Verdict
from policies import parse_query
from policies.evaluate import evaluate
from policies.graph import Meaning
from policies.instances import InstanceGraph
from policies.limits import LimitError, Limits, Match
from policies.reach import is_positive, reach_of, turns_of
from policies.syntax import Query

LIMITS: Final = Limits(rows=10_000, steps=500_000)
MOST: Final = 20_000
"""Instances that are looked at."""
SHOWN: Final = 8
"""Instances that a finding names."""


class Store(Protocol):
    """The local store (`agent.instances.Instances`)."""

    @property
    def worker(self) -> str:
        """Whose it is."""

    def around(self, question: Question, turns: int, within: float = ..., /) -> Reply:
        """What lies around the instances in question."""


@dataclass(frozen=True, slots=True)
class Real:
    """Matches of a query among real vertices: `whole` says whether all that matters was looked at.

    A `positive` query asks for nothing to be absent, and counts nothing: more of the graph takes no match away.
    """

    graph: InstanceGraph
    matches: tuple[Match, ...]
    whole: bool
    positive: bool

    def verdict(self, ends: Iterable[str]) -> tuple[Verdict, tuple[Instance, ...]]:
        """What they say of a match with these labels at its ends, and which vertices show it."""
        wanted = tuple(ends)
        relabel = Relabel([label for label in wanted if "{" in label])
        maybe = False
        for match in self.matches:
            nodes = [self.graph.by_id[node] for node in match.nodes]
            found = tuple(relabel(nodes[at].label) for at in (0, -1))
            if found != wanted and tuple(nodes[at].label for at in (0, -1)) != wanted:
                continue
            if match.certain and (self.whole or self.positive):
                return "seen", tuple(nodes[:SHOWN])
            maybe = True
        return ("open" if maybe or not self.whole else "unseen"), ()


def real_matches(store: Store, query: Query, question: Question, within: float) -> Real:
    """The query's matches in the neighbourhood of the question's states, after at most about `within` seconds."""
    reply = store.around(_around(question, reach_of(query)), turns_of(query), within)
    whole = not reply.cut and not reply.lost
    graph = InstanceGraph(reply.instances, reply.links)
    try:
        matches = tuple(evaluate(query, graph, limits=LIMITS, meaning=Meaning.CONCRETE))
    except LimitError as error:
        matches, whole = tuple(error.matches), False
    return Real(graph, tuple(match for match in matches if match.nodes), whole, is_positive(query))


def _around(question: Question, reach: int | None) -> Question:
    return msgspec.structs.replace(question, policy="", ends=(), depth=reach or 0, limit=MOST)


def verdict_of(store: Store, question: Question, within: float) -> Reply:
    """The answer to a question with a policy."""
    try:
        query = _query(question.policy)
    except InputError:
        return Reply(question.id, store.worker, verdict="open")
    real = real_matches(store, query, question, within)
    verdict, shown = real.verdict(question.ends)
    return Reply(question.id, store.worker, shown, cut=not real.whole, verdict=verdict)


@lru_cache(maxsize=64)
def _query(text: str) -> Query:
    return parse_query(text)
