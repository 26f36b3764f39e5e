"""Shortest walks: one, or all of the least length, from a node to a target or to every end.

Rules of this file
    - Breadth first; with a target, from both sides, the smaller border first.
    - Conditions on every edge or node of the walk (`all(…)`, `none(…)`, the property map) are kept while searching;
      any other condition on the path is asked of what was found.
    - Between a node and itself there is only the walk of no edges.

Invariant: all walks that are yielded for one end have the same length, and no shorter one fulfils those conditions.
Complexity: linear in the edges within reach, plus the walks themselves.
Source: openCypher's shortestPath and allShortestPaths as Neo4j documents them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count, islice
from typing import TypeAlias

from policies import syntax as s
from policies.graph import Edge
from policies.search_walks import Found, Leg, Near, trails

Parents: TypeAlias = dict[str, list[tuple[str, Edge, bool]]]


def shortest(leg: Leg, wanted: int | None) -> Iterator[Found]:
    """The shortest walks, at most `wanted` of them, to the target or to each end that can be reached."""
    link, at = leg.link, leg.at
    if link.least > 1:
        yield from _long(leg, wanted)
    elif leg.target is None:
        yield from _ends(leg, wanted)
    elif leg.target != at:
        yield from islice(_between(leg, leg.target), wanted)
    elif not link.least:
        yield at, (), True


def _ends(leg: Leg, wanted: int | None) -> Iterator[Found]:
    """The shortest walks to each end."""
    near, link, at = leg.near(), leg.link, leg.at
    parents: Parents = {at: []}
    depths, border = {at: 0}, [at]
    if not link.least:
        yield at, (), True
    while border and (link.most is None or depths[border[0]] < link.most):
        border = _level(near, border, depths, parents)
        for end in border:
            for walk, sure in islice(_routes(parents, end), wanted):
                yield end, tuple(reversed(walk)), sure


def _level(near: Near, border: list[str], depths: dict[str, int], parents: Parents) -> list[str]:
    """The next border; of each node on it, all the hops that lead there from this one."""
    far: list[str] = []
    for node in border:
        depth = depths[node] + 1
        for edge, other, sure in near(node):
            if depths.setdefault(other, depth) != depth:
                continue
            if other not in parents:
                parents[other] = []
                far.append(other)
            parents[other].append((node, edge, sure))
    return far


def _between(leg: Leg, target: str) -> Iterator[Found]:
    near, back, at, most = leg.near(), leg.near(back=True), leg.at, leg.link.most
    ahead: dict[str, int] = {at: 0}
    behind: dict[str, int] = {target: 0}
    before: Parents = {at: []}
    after: Parents = {target: []}
    front, rear, steps = [at], [target], 0
    while front and rear and (most is None or steps < most):
        steps += 1
        if len(front) <= len(rear):
            front = _level(near, front, ahead, before)
            meeting = [node for node in front if node in behind]
        else:
            rear = _level(back, rear, behind, after)
            meeting = [node for node in rear if node in ahead]
        if meeting:
            for node in meeting:
                yield from _joined(before, after, node, target)
            return


def _joined(before: Parents, after: Parents, node: str, target: str) -> Iterator[Found]:
    for head, sure in _routes(before, node):
        for tail, safe in _routes(after, node):
            yield target, (*reversed(head), *tail), sure and safe


def _routes(parents: Mapping[str, list[tuple[str, Edge, bool]]], end: str) -> Iterator[tuple[list[Edge], bool]]:
    """Every way from `end` back to the root, as edges in that direction."""
    walk: list[tuple[Edge, bool]] = []
    stack = [(end, iter(parents[end]))]
    while stack:
        node, hops = stack[-1]
        if not parents[node]:
            yield [edge for edge, _ in walk], all(sure for _, sure in walk)
        hop = next(hops, None)
        if hop is None:
            stack.pop()
            if walk:
                walk.pop()
            continue
        walk.append((hop[1], hop[2]))
        stack.append((hop[0], iter(parents[hop[0]])))


def _long(leg: Leg, wanted: int | None) -> Iterator[Found]:
    """With a least length of two or more the shortest may visit a node twice: trails, by length."""
    link, met = leg.link, dict[str, int]()
    for length in count(link.least) if link.most is None else range(link.least, link.most + 1):
        exact = replace(link, step=replace(link.step, hops=s.Hops(length, length)))
        longer = replace(link, step=replace(link.step, hops=s.Hops(length, link.most)))
        for found in trails(replace(leg, link=exact)):
            if met.setdefault(found[0], length) == length:
                yield found
                if wanted:
                    met[found[0]] = 0
        if (leg.target is not None and met) or next(trails(replace(leg, link=longer)), None) is None:
            return
