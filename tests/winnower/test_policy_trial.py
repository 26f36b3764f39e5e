"""A policy passes if it fires on what it must and on nothing else, taken as it is and as a model."""

import json
from pathlib import Path

from written import graph, run, write

TWO_EDGES = "MATCH (s:Socket)-->(p:Process)-->(f:File {path: '/x'}) RETURN f.path AS file\n"
COUNTED = "MATCH (f:File {path: '/x'}) WITH count(f) AS n WHERE n > 1 RETURN n\n"


def test_the_shipped_policies_pass() -> None:
    result = run("test")
    assert (result.exit_code, " 0 failed in " in result.stdout.splitlines()[-1]) == (0, True)


def test_a_policy_that_fails_its_graphs_is_a_no(tmp_path: Path) -> None:
    write(tmp_path, "a-good")
    write(tmp_path, "b-silent", must="/y")
    write(tmp_path, "c-loud", must_not="/x")
    result = run("test", tmp_path)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert [line.split()[:2] for line in lines if not line.startswith(" ")][:3] == [
        ["ok", "a-good"],
        ["FAIL", "b-silent"],
        ["FAIL", "c-loud"],
    ]
    assert "      b-silent.match.json: does not match, and must" in lines
    assert "      b-silent.match.json: is not even possible when taken as a model, and must be" in lines
    assert "      c-loud.benign.json: matches, and must not: file=/x" in lines
    assert lines[-1].startswith("1 passed, 2 failed in ")


def test_its_own_extra_graphs_count(tmp_path: Path) -> None:
    file = write(tmp_path, "a")
    graph(tmp_path / "a.match.1.json", "/y")
    result = run("test", file)
    assert (result.exit_code, "a.match.1.json: does not match" in result.stdout) == (1, True)
    graph(tmp_path / "a.match.1.json", "/x")
    assert run("test", file).exit_code == 0
    graph(tmp_path / "a.benign.7.json", "/x")
    assert "a.benign.7.json: matches" in run("test", file).stdout


def test_on_a_model_benign_must_not_even_be_possible(tmp_path: Path) -> None:
    """Two edges that meet in two processes meet in none; taken as states of a model, one with both could be there."""
    file = write(tmp_path, "a", query="MATCH (f:File), (g:File) WHERE f.path = '/x' AND f <> g RETURN f.path AS file\n")
    nodes = [{"id": name, "kind": "File", "properties": {"path": "/x"}} for name in "fg"]
    (tmp_path / "a.match.json").write_text(json.dumps({"nodes": nodes, "edges": []}), encoding="utf-8")
    graph(tmp_path / "a.benign.json", "/x")
    result = run("test", file)
    assert result.exit_code == 1
    assert "a.benign.json: is possible when taken as a model, and must not be: file=/x" in result.stdout


def test_what_counts_may_be_possible_there(tmp_path: Path) -> None:
    file = write(tmp_path, "a", must_not="/x", query=COUNTED)
    nodes = [{"id": name, "kind": "File", "properties": {"path": "/x"}} for name in "fg"]
    (tmp_path / "a.match.json").write_text(json.dumps({"nodes": nodes, "edges": []}), encoding="utf-8")
    assert run("test", file).exit_code == 0


def test_results_for_programs(tmp_path: Path) -> None:
    write(tmp_path, "b-silent", must="/y")
    result = run("test", tmp_path, "--format", "json")
    (one,) = json.loads(result.stdout)
    assert (result.exit_code, one["id"], one["passed"], one["graphs"], len(one["problems"])) == (
        1,
        "b-silent",
        False,
        2,
        2,
    )
