"""Reach: the same answers as a search that can be read at a glance."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar import Evidence, Model, Replica, Span, State, Transition
from grammar.reach import Reach

EDGES = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=24)


def plain(edges: list[tuple[int, int]], start: int, depth: int | None) -> dict[int, int]:
    found: dict[int, int] = {}
    queue = deque([(start, 0)])
    while queue:
        at, steps = queue.popleft()
        if depth is not None and steps >= depth:
            continue
        for effect, cause in edges:
            if effect == at and cause not in found:
                found[cause] = steps + 1
                if cause != start:
                    queue.append((cause, steps + 1))
    return found


@given(EDGES, st.integers(0, 7), st.none() | st.integers(0, 4))
def test_ancestors_and_descendants_are_those_of_a_plain_search(
    edges: list[tuple[int, int]], start: int, depth: int | None
) -> None:
    reach = Reach(range(8), edges)
    for found, expected in (
        (reach.ancestors(start, depth), plain(edges, start, depth)),
        (reach.descendants(start, depth), plain([(b, a) for a, b in edges], start, depth)),
    ):
        assert dict(found) == expected
        assert len(found) == len(expected)
        assert list(found.values()) == sorted(expected.values())


def test_a_model_answers_the_same_when_it_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    states = [State(f"Process p{n} /bin/p{n}", ()) for n in range(40)]
    evidence = Evidence()
    for n in range(39):
        for far in (n + 1, (n * 7) % 40):
            evidence.add(Transition(states[n], "WAS_TRIGGERED_BY", "fork", states[far]), Replica("w", "c"), Span(1, 2))
    model = Model.of("web", evidence)
    small = {state: (model.ancestors(state), model.descendants(state, 3)) for state in model.states}
    monkeypatch.setattr("grammar.model.LARGE", 0)
    assert {state: (dict(model.ancestors(state)), dict(model.descendants(state, 3))) for state in model.states} == small
