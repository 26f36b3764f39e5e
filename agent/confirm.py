"""Whether a policy's match is real: the same query on the instances that the match may stand for.

Rules of this file
    - The subgraph is what the states of the match stand for, with all that lies within the query's reach of them,
      whatever way the edges point: what a negated pattern looks for is in it too. If a limit cut it, or something in it
      is known only as a pattern, nobody can tell (`open`); but what only asks for what is there is `seen` all the same.
    - At the rim of the subgraph things look absent that are not: where absence or numbers count, a real match is
      believed only if something of it was asked about (if it does not hang together: both of its ends).
    - A real match counts for a match of the model if the labels at its ends are the same; of a group, if any of it was
      asked about: which labels stand at its ends depends on what else is in it.
    - From any thread: the local store can be asked while it is written.

Complexity: as `agent.instance_ball`; and what evaluating the query on the subgraph costs, bounded by `LIMITS`.
Source: issue "policies and questions", item 3 (confirmed or dismissed by the workers that hold the instances).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Protocol

import msgspec

from agent.segments import sendable
from grammar import InputError, Relabel
from grammar.control import Question, Reply
from grammar.finding import Instance, Verdict
from policies import parse_query
from policies.deeds import deeds
from policies.graph import Meaning
from policies.instances import InstanceGraph
from policies.limits import Limits, Match
from policies.reach import Shape, shape_of
from policies.syntax import Query

LIMITS: Final = Limits(rows=10_000, steps=500_000)
MOST: Final = 20_000
"""Instances that are looked at."""
SHOWN: Final = 8
"""Instances that a finding names."""
MAX_STATES: Final = 500
"""States that are asked about: of more, nobody can tell that nothing was seen."""


class Store(Protocol):
    """The local store (`agent.instances.Instances`)."""

    @property
    def worker(self) -> str:
        """Whose it is."""

    def around(self, question: Question, turns: int, within: float = ..., /) -> Reply:
        """What lies around the instances in question."""


@dataclass(frozen=True, slots=True)
class Real:
    """Matches of a query among real vertices: `whole` says whether all that matters was looked at."""

    shape: Shape
    graph: InstanceGraph
    matches: tuple[Match, ...]
    whole: bool

    def verdict(self, ends: Iterable[str], *, proven: bool = False) -> tuple[Verdict, tuple[Instance, ...]]:
        """What they say of a match with these labels at its ends, and which vertices show it.

        Of what the labels have `proven`, nothing that was not looked at can take anything away.
        """
        wanted = tuple(map(sendable, ends))
        relabel = Relabel([label for label in wanted if "{" in label])
        maybe, shape = False, self.shape
        for match in self.matches:
            nodes = [self.graph.by_id[node] for node in match.nodes]
            first, last = nodes[0], nodes[-1]
            if shape.grouped:
                known = any(one.asked for one in nodes)
            elif wanted in ((first.label, last.label), (relabel(first.label), relabel(last.label))):
                known = shape.positive or (any(one.asked for one in nodes) if shape.connected else both_asked(nodes))
            else:
                continue
            if match.certain and (proven or (known and (self.whole or shape.positive))):
                return "seen", tuple(nodes[:SHOWN])
            maybe = True
        return ("open" if maybe or not self.whole else "unseen"), ()


def both_asked(nodes: Sequence[Instance]) -> bool:
    """Whether the question was about both ends of a match."""
    return nodes[0].asked and nodes[-1].asked


def real_matches(store: Store, query: Query, question: Question, within: float, most: int = MOST) -> Real:
    """The query's matches in the neighbourhood of the question's states, after at most about `within` seconds.

    Of more than `most` instances only the nearest are looked at, of more than `MAX_STATES` states only the first.
    """
    shape, deadline = shape_of(query), time.monotonic() + within
    asked = msgspec.structs.replace(
        question,
        policy="",
        ends=(),
        states=question.states[:MAX_STATES],
        depth=0 if shape.reach is None else max(1, shape.reach),
        limit=most,
    )
    reply = store.around(asked, shape.turns, within)
    whole = not reply.cut and not reply.lost and len(question.states) <= MAX_STATES
    graph = InstanceGraph(reply.instances, reply.links)
    limits = replace(LIMITS, seconds=max(0.1, deadline - time.monotonic()))
    found = deeds(shape, graph, None, Meaning.CONCRETE, limits=limits, clock=time.monotonic)
    return Real(shape, graph, tuple(found.matches), whole and not found.trouble)


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
