"""Values of the grammar, small and adversarial: what the property tests of this folder are made of.

Rules of this file
    - Names collide on purpose: few words, so that states meet, transitions repeat, patterns cover names.
    - Text is what bytes can be: undecodable ones too, as the log brings them.

Complexity: each value is small (at most some 20 items).
"""

from __future__ import annotations

from hypothesis import strategies as st

from grammar import Delta, Edge, Evidence, Graph, Lexicon, Replica, Sighting, Span, State, Transition

TEXTS = st.binary(max_size=12).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
LABELS = st.sampled_from(
    [
        "Process sh /bin/sh",
        "File /etc/passwd",
        "File /tmp/sess_abc",
        "File /tmp/sess_xyz",
        "File /tmp/sess_{token:3}",
        "File /tmp/sess_{lower:3}",
        "File /tmp/\\{odd\\}",
        "Socket 10.0.0.1:80>",
        "File /tmp/\udcff\udcfe",
    ]
)
LEARNED = st.sampled_from(
    [
        "File /tmp/sess_{token:3}",
        "File /tmp/sess_{any}",
        "File /tmp/{lower:8}",
        "File /etc/{broken",
        "File /etc/passwd",
        "",
    ]
)
ENTRIES = st.one_of(
    LABELS.map(lambda label: f"read {label}"), st.sampled_from(["from Process init /sbin/init", "plain"])
)
STATES = st.builds(State, LABELS, st.lists(ENTRIES, max_size=3).map(tuple))
ODD_STATES = st.builds(State, TEXTS, st.lists(TEXTS, max_size=3).map(tuple))
RELATIONS = st.sampled_from(["USED", "WAS_GENERATED_BY", "a b", "50%", ""])
OPERATIONS = st.sampled_from(["read", "write", "version", "a b", ""])
TRANSITIONS = st.builds(Transition, STATES, RELATIONS, OPERATIONS, STATES)
ITEMS = st.one_of(STATES, ODD_STATES, TRANSITIONS)
REPLICAS = st.builds(Replica, st.sampled_from(["w1", "w2", "a\0b"]), st.sampled_from(["web1", "web2", "\udc80"]))
SPANS = st.builds(lambda first, more: Span(first, first + more), st.integers(0, 1 << 41), st.integers(0, 100_000))


@st.composite
def evidences(draw: st.DrawFn, items: st.SearchStrategy[State | Transition] = ITEMS) -> Evidence:
    """Some sightings, commands (also of states that nobody has shown), learned patterns."""
    found = Evidence(learned=set(draw(st.lists(LEARNED, max_size=2))))
    for item, replica, span in draw(st.lists(st.tuples(items, REPLICAS, SPANS), max_size=8)):
        found.add(item, replica, span)
    for state, command in draw(st.lists(st.tuples(STATES, TEXTS), max_size=3)):
        found.command(state, command)
    return found


@st.composite
def graphs(draw: st.DrawFn, states: st.SearchStrategy[State] = STATES) -> Graph:
    """Any labelled graph: cycles, self-loops, parallel edges, vertices that stand alone."""
    vertices = tuple(draw(st.lists(states, min_size=1, max_size=7)))
    position = st.integers(0, len(vertices) - 1)
    edges = st.builds(Edge, position, RELATIONS, OPERATIONS, position)
    return Graph(vertices, tuple(draw(st.lists(edges, max_size=12))))


@st.composite
def deltas(draw: st.DrawFn) -> Delta:
    """What one epoch may add, in any order."""
    sightings = []
    for _ in range(draw(st.integers(0, 3))):
        first = draw(st.integers(0, 10_000))
        sightings.append(
            Sighting(
                draw(TEXTS),
                tuple(draw(st.lists(TRANSITIONS, max_size=5))),
                tuple(draw(st.lists(st.one_of(STATES, ODD_STATES), max_size=3))),
                first,
                first + draw(st.integers(0, 10_000)),
                tuple(sorted(draw(st.dictionaries(STATES, st.integers(0, 63), max_size=2)).items())),
            )
        )
    commands = draw(st.dictionaries(STATES, TEXTS, max_size=2))
    return Delta(tuple(sightings), commands, tuple(sorted(draw(st.sets(LEARNED, max_size=2)))))


@st.composite
def lexicons(draw: st.DrawFn) -> Lexicon:
    """A lexicon that has grown by a few steps."""
    lexicon = Lexicon()
    for states, transitions in draw(
        st.lists(st.tuples(st.lists(STATES, max_size=4), st.lists(TRANSITIONS, max_size=3)), max_size=4)
    ):
        lexicon.extend(states, transitions)
    return lexicon
