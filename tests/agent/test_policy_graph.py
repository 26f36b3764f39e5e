"""A worker's graph answers what the monitor's view of that replica answers: same matches, same certainty."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lines import RDWR, WRONLY
from policed import Worker

from agent.policy_graph import Properties, ScopeGraph
from grammar import Delta, Evidence, Model, Replica, Span
from monitor.view import Shown, View
from policies.deeds import deeds
from policies.graph import Meaning
from policies.limits import Limits
from policies.reach import shape_of
from winnower.policy_command import shipped_policies

NAMES = ("/etc/shadow", "/tmp/.x", "/var/log/auth.log", "/etc/cron.d/a", "/srv/7/a", "/srv/8/b", "/bin/id", "/x\udcff")
SHIPPED = shipped_policies()
ME = Replica("w", "host")
CALLS = st.tuples(st.sampled_from(NAMES), st.integers(100, 103), st.sampled_from((0, WRONLY, RDWR)))


def answers(graph: ScopeGraph | View) -> dict[str, set[tuple[tuple[str, str], bool]]]:
    found = {}
    for policy in SHIPPED:
        shape = shape_of(policy.query)
        matches = deeds(shape, graph, None, Meaning.INSTANCES, limits=Limits()).matches
        found[policy.id] = {(shape.ends(one, graph.label), one.certain) for one in matches}
    return found


@given(st.lists(CALLS, min_size=1, max_size=25), st.integers(1, 9))
@settings(max_examples=20, deadline=None)
def test_both_ends_give_the_same_answers(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[str, int, int]], every: int
) -> None:
    worker, evidence = Worker(tmp_path_factory.mktemp("w")), Evidence()
    node = worker.pipeline.node
    shown: Shown | None = None
    kept: ScopeGraph | None = None
    for number, (name, pid, flags) in enumerate(calls, 1):
        worker.opened(name, pid=pid, flags=flags)
        if number % every and number < len(calls):
            continue
        node.tick()
        told = worker.pipeline.cut(worker.start, 10_000).deltas.get("host", Delta(()))
        worker.store.cut(worker.epochs)
        worker.epochs += 1
        evidence.update(told.evidence("w", Span(0, 0)))
        shown = Shown(Model.of("host", evidence))
        scope = node.scopes["host"]
        if kept is None:
            kept = ScopeGraph(scope, Properties(scope.states))
        else:
            kept.grow(scope.seen - kept.known, scope.counts)
    assert kept is not None
    assert shown is not None
    assert answers(kept) == answers(ScopeGraph(kept.scope, kept.properties_of_state))
    relabel = shown.model.relabel
    mine = {
        name: {((relabel(ends[0]), relabel(ends[1])), sure) for ends, sure in found}
        for name, found in answers(kept).items()
    }
    assert mine == answers(View(shown, ME))
