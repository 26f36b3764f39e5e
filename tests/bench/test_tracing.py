"""The bench of tracing makes the graph that it says, agrees with networkx, and fails above its limit."""

import pytest
import tracing


def test_the_graph_has_as_many_transitions_as_it_is_told_and_always_the_same() -> None:
    labels, edges = tracing.edges_of(3_000)
    assert (len(edges), tracing.edges_of(3_000)) == (3_000, (labels, edges))
    model = tracing.model_of(labels, edges)
    assert (len(model.transitions), len(model.states)) == (3_000, 500)
    assert any(state in model.ancestors(state) for state in model.states)  # there are cycles


def test_a_median_above_the_limit_fails(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    few = ["--transitions", "30000", "--starts", "5"]
    assert tracing.main(few) == 0
    assert "networkx" in capsys.readouterr().out
    monkeypatch.setattr(tracing, "LIMIT_AT", 30_000)
    monkeypatch.setattr(tracing, "LIMIT_MS", 0.0)
    assert tracing.main([*few, "--no-peers"]) == 1


def test_an_answer_that_differs_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing.nx, "descendants", lambda graph, node: set())
    monkeypatch.setattr(tracing.nx, "ancestors", lambda graph, node: set())
    assert tracing.main(["--transitions", "6000", "--starts", "4"]) == 1
