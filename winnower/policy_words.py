"""A policy in words: what of it labels can prove and what only a worker, and in which order it is searched.

Rules of this file
    - Pure. Says what the evaluator does (`policies.search`, `policies.clauses_patterns`, `policies.projection`), not
      more; tests hold the one against the other.

Complexity: linear in the query.
Source: design section 3, promise 5; issue "policies and questions", item 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from grammar.errors import escape
from policies import syntax as s
from policies.check_walk import is_aggregate, walk
from policies.evaluate import compiled
from policies.graph import PolicyGraph
from policies.plan import Move, moves
from policies.plan_names import parts
from policies.policy import MILLIS, Policy, Rate
from policies.search import smallest
from winnower.policy_drawing import drawn
from winnower.policy_warnings import not_incremental, workers_only

UNITS: Final = {"s": "second", "m": "minute", "h": "hour", "d": "day"}
DECIDED: Final = (
    "a condition on a property is certain where the label leaves no doubt, and possible where only some of the texts"
    " that its fields stand for fulfil it"
)


def certainty(query: s.Query) -> tuple[str, ...]:
    """What can be certain of it, and what is only possible, and why."""
    found: list[str] = []
    for part in query.parts:
        found += [text for text in _structure(part) if text not in found]
    found += [text for text in _of_expressions(query) if text not in found]
    if any(isinstance(part, s.Match) and (part.where or _maps(part)) for part in parts(query)):
        found.append(DECIDED)
    return tuple(found)


def _maps(clause: s.Match) -> bool:
    return any(node.properties is not None for path in clause.paths for node in path.nodes)


def can_be_certain(query: s.Query) -> bool:
    """Whether a model alone can ever prove a match of some part of the query."""
    return any(not _longest(part) > 1 and not _doubtful(part) for part in query.parts)


def _structure(part: s.SingleQuery) -> Iterator[str]:
    longest = _longest(part)
    if longest > 1:
        far = "edges in a row" if longest == 2 else "edges or more in a row"
        yield (
            f"{'two' if longest == 2 else 'three'} {far}: in a model they meet in a state, but need not meet in one"
            " process or file, so that only a worker can confirm it"
        )
    elif longest == 1:
        yield "one edge: its labels alone can prove it, no worker need be asked"
    elif any(one.role == "there" for one in drawn(part)):
        yield "nodes alone: their labels can prove it"


def _longest(part: s.SingleQuery) -> int:
    """Edges in the largest connected piece of what is matched: 0, 1, 2, or 3 for more."""
    head: dict[str, str] = {}
    edges: dict[str, int] = {}

    def top(name: str) -> str:
        while head.setdefault(name, name) != name:
            name = head[name]
        return name

    for at, one in enumerate(drawn(part)):
        if one.role in ("there", "optional"):
            keys = [node.variable or f" {at}.{index}" for index, node in enumerate(one.path.nodes)]
            for left, step, right in zip(keys, one.path.steps, keys[1:], strict=False):
                most = 1 if step.hops is None else step.hops.most
                count = 3 if most is None else most
                count += edges.pop(top(left), 0) + (edges.pop(top(right), 0) if top(left) != top(right) else 0)
                head[top(left)] = top(right)
                edges[top(right)] = count
    return min(3, max(edges.values(), default=0))


def _of_expressions(query: s.Query) -> Iterator[str]:
    roles = {one.role for part in query.parts for one in drawn(part)}
    if "absent" in roles:
        yield "what must be absent is so for certain where the model has no possible one; else only a worker knows"
    if "asked for" in roles:
        yield "what must exist beside it is at most possible: it need not belong to the same process or file"
    if "optional" in roles:
        yield "what is optional is possible, and so is the row without it"
    if _aggregates(query):
        yield "it counts or collects: a model does not know how many vertices a state stands for, so rows are possible"
    if _cuts(query):
        yield "SKIP and LIMIT drop nothing on a model: what passes them is possible"
    keys = {warned.key for warned in workers_only(query)}
    if "command" in keys:
        yield "command lines are not in a model: a condition on one is only decided at the worker"
    if "pid" in keys:
        yield "process numbers are not in a model: they are null there"


def _doubtful(part: s.SingleQuery) -> bool:
    roles = {one.role for one in drawn(part)}
    return bool(roles & {"asked for"}) or _aggregates(part) or _cuts(part)


def _aggregates(tree: object) -> bool:
    """Whether a projection of it groups rows."""
    projections = [part for part in parts(tree) if isinstance(part, s.Projection)]
    return any(is_aggregate(one) for p in projections for item in p.items for one in walk(item.expression))


def _cuts(tree: object) -> bool:
    projections = [part for part in parts(tree) if isinstance(part, s.Projection)]
    return any(p.skip is not None or p.limit is not None for p in projections)


def plan(query: s.Query, graph: PolicyGraph) -> tuple[str, ...]:
    """In which order the first MATCH of each part is searched on such a graph, and what a change costs."""
    lines: list[str] = []
    for number, (part, whole) in enumerate(
        zip(compiled(query, traced=True).parts, not_incremental(query), strict=True)
    ):
        if len(query.parts) > 1:
            lines.append(f"part {number + 1}:")
        if part.first is None:
            lines.append("evaluated as written: it does not begin with MATCH")
        else:
            pattern = part.first.pattern
            slots = pattern.slots
            starts = [min(c, key=lambda key: smallest(graph, slots[key].labels)[0]) for c in pattern.components]
            for move in moves(pattern, starts):
                words = [label for group in slots[move.source].labels for label in group]
                lines.append(_move(move, words))
        lines.append(f"on a change: {whole}" if whole else "on a change: only what is near the nodes that it touches")
    return tuple(lines)


def _move(move: Move, words: list[str]) -> str:
    tests = len({id(one) for one in (*move.own, *move.conditions)})
    asked = f", test {tests} {'condition' if tests == 1 else 'conditions'}" if tests else ""
    if move.link is None:
        which = f" (each {'|'.join(words)})" if words else ""
        return f"begin at {_name(move.source)}{which}{asked}"
    link = move.link
    far = link.right if move.source == link.left else link.left
    most = "any number of" if link.most is None else str(link.most)
    way = "an edge" if link.single else f"{link.least} to {most} edges"
    verb = "close the ring from" if move.known else "from"
    return f"{verb} {_name(move.source)} follow {way} to {_name(far)}{asked}"


def _name(key: str) -> str:
    return "a node without a name" if key.startswith(" ") else escape(key)


def terms(policy: Policy) -> tuple[str, ...]:
    """Where it applies and how often it is told."""
    where = "every application" if policy.applications == ("*",) else ", ".join(map(escape, policy.applications))
    again = "once" if policy.rearm_millis is None else f"again after {_time(policy.rearm_millis)}"
    actions = ", ".join(policy.actions) or "the default ones"
    return (
        f"applies to: {where}",
        f"told: at most {_rate(policy.rate_limit)} for one container; the same deed {again}",
        f"actions: {actions}",
    )


def _rate(rate: Rate) -> str:
    unit = next(word for word, millis in MILLIS.items() if millis == rate.millis)
    return f"{rate.count} a{'n' if unit == 'h' else ''} {UNITS[unit]}"


def _time(millis: int) -> str:
    unit = max((word for word, size in MILLIS.items() if millis % size == 0), key=lambda word: MILLIS[word])
    count = millis // MILLIS[unit]
    return f"{count} {UNITS[unit]}{'' if count == 1 else 's'}"
