"""A graph shows its transitions and, besides, only the states that stand alone."""

from hypothesis import given
from strategies import graphs

from grammar import Edge, Graph, Replica, Span, State, Transition

SHELL, PASSWD, LONE = State("Process sh /bin/sh"), State("File /etc/passwd"), State("Pipe")
READS = Transition(SHELL, "USED", "read", PASSWD)
WEB1 = Replica("w1", "web1")


def test_an_edge_stands_for_a_transition_between_the_states_of_its_ends() -> None:
    graph = Graph((PASSWD, SHELL), (Edge(1, "USED", "read", 0),))
    assert graph.transition(graph.edges[0]) == READS


def test_only_what_stands_alone_is_a_state_of_its_own() -> None:
    graph = Graph((PASSWD, SHELL, LONE, LONE, PASSWD), (Edge(1, "USED", "read", 0),))
    assert graph.observed(WEB1, Span(3, 4)).seen == {READS: {WEB1: Span(3, 4)}, LONE: {WEB1: Span(3, 4)}}


def test_repetition_and_parallel_edges_leave_no_trace() -> None:
    once = Graph((PASSWD, SHELL), (Edge(1, "USED", "read", 0),))
    often = Graph(
        (PASSWD, SHELL, SHELL), (Edge(1, "USED", "read", 0), Edge(1, "USED", "read", 0), Edge(2, "USED", "read", 0))
    )
    assert once.observed(WEB1, Span(1, 1)) == often.observed(WEB1, Span(1, 1))


@given(graphs())
def test_everything_in_a_graph_is_shown(graph: Graph) -> None:
    """The states and transitions of what is observed are those of the graph, no more and no fewer."""
    evidence = graph.observed(WEB1, Span(1, 2))
    assert evidence.states == set(graph.vertices)
    assert set(evidence.transitions) == {graph.transition(edge) for edge in graph.edges}
    assert evidence.replicas == {WEB1}
