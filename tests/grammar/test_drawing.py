"""Dot that a person can read and no label can break: every hostile text stays inside its quotes."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar.drawing import Arrow, Node, Picture, to_dot, to_value

STRING = r'"(?:[^"\\]|\\.)*"'
LINE = re.compile(
    rf"digraph model \{{|\}}|subgraph cluster_[0-9]+ \{{|"
    rf"(?:[a-z]+=(?:[A-Z]+|{STRING});? ?)+|"
    rf'rankdir=(?:BT|TB); node \[fontname=Helvetica, fontsize=10\]; edge \[.*color="#495057"\];|'
    rf'"[0-9a-z_]+"(?: -> "[0-9a-z_]+")? \[[a-z]+=(?:{STRING}|[a-z0-9.]+)(?:, [a-z]+=(?:{STRING}|[a-z0-9.]+))*\];'
)
HOSTILE = [
    'x"]; evil [label="y',
    "back\\slash\\",
    "two\nlines\r\x1b[31m",
    "<b>html</b>",
    "&lt;entity&#10;",
    '\\"',
    "",
    " ",
    "\ud800",
    "ünïcode",
    "File " + "long/" * 100,
]


def drawn(label: str, operation: str = "r") -> str:
    nodes = Node("a", label, 2, 5, label), Node("b", "File /b", 1, 1)
    return to_dot(Picture(nodes, (Arrow("a", "b", (operation,), 2), Arrow("b", "a", ("w",), 1)), True))


@pytest.mark.parametrize("text", HOSTILE)
def test_every_line_is_one_statement_whatever_a_label_holds(text: str) -> None:
    for line in drawn(text, text).splitlines():
        assert LINE.fullmatch(line.strip()), line


@given(st.text(), st.text())
def test_no_text_leaves_its_quotes(label: str, operation: str) -> None:
    lines = drawn(label, operation).splitlines()
    assert len(lines) == len(drawn("x").splitlines())
    assert all(LINE.fullmatch(line.strip()) for line in lines)
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("text", HOSTILE)
def test_graphviz_draws_it(text: str) -> None:
    dot = shutil.which("dot")
    if dot is None:
        pytest.skip("graphviz is not installed")
    done = subprocess.run([dot, "-Tsvg"], input=drawn(text, text).encode(), capture_output=True, check=True)
    assert done.stderr == b""
    assert done.stdout.count(b'class="node"') == 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("text", HOSTILE)
def test_a_parser_of_dot_reads_two_nodes_and_two_edges(text: str) -> None:
    pydot = pytest.importorskip("pydot", reason="pydot is not installed")
    (graph,) = pydot.graph_from_dot_data(drawn(text, text))
    (cluster,) = graph.get_subgraphs()
    assert sorted(node.get_name() for node in cluster.get_nodes()) == ['"a"', '"b"']
    assert sorted((edge.get_source(), edge.get_destination()) for edge in graph.get_edges()) == [
        ('"a"', '"b"'),
        ('"b"', '"a"'),
    ]


def test_loops_are_clusters_and_an_arrow_to_itself_is_drawn() -> None:
    nodes = tuple(Node(name, name, 1, 1) for name in "abcd")
    arrows = tuple(Arrow(*pair, ("",), 1) for pair in ("ab", "bc", "cb", "dd"))
    picture = Picture(nodes, arrows, True)
    assert [[node.id for node in loop] for loop in picture.loops()] == [["b", "c"]]
    text = to_dot(picture)
    assert text.count('label="loop"') == 1
    assert '"d" -> "d"' in text
    value = to_value(picture)
    assert isinstance(value["nodes"], list)
    assert [node["loop"] for node in value["nodes"]] == [None, 0, 0, None]


def test_kinds_look_different_and_support_is_told() -> None:
    shapes = {}
    for kind in ("Process", "File", "Socket", "Pipe", "Memory", "LogMessage"):
        text = to_dot(Picture((Node("a", f"{kind} x", 3, 9),), (), True))
        assert "3 graphs, 9+ vertices" in text
        shapes[kind] = re.findall("shape=([a-z]+)", text)[0]
    assert len(set(shapes.values())) == len(shapes)


def test_paths_break_after_a_slash_and_never_get_lost() -> None:
    text = to_dot(Picture((Node("a", "File /var/lib/containers/storage/overlay-containers/{id}/use", 1, 1),), (), True))
    assert r'[label="File /var/lib/containers/\nstorage/overlay-containers/\n{id}/use\n1 graph, 1 vertex"' in text
    cut = to_dot(Picture((Node("a", "File /" + "x" * 500, 1, 1),), (), True))
    assert "x…\\n1 graph" in cut


def test_long_labels_are_wrapped_and_many_operations_cut() -> None:
    text = to_dot(Picture((Node("a", "word " * 40, 1, 1),), (Arrow("a", "a", tuple(map(str, range(20))), 50),), True))
    label, _ = re.findall(rf'"a"(?: -> "a")? \[label=({STRING})', text)
    lines = label.split("\\n")
    assert len(lines) <= 9
    assert max(map(len, lines)) <= 30
    assert "and 12 more" in text
    assert "penwidth=3.8" in text
