"""`winnower grammar`: 0 is yes, 1 is no with the vertices, 2 is one located line; an output is whole or untouched."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from grammar.nodelink import Edge, LabelledGraph, to_json
from winnower import grammar_command

VECTORS = Path(__file__).resolve().parents[2].parent / "shared" / "vectors" / "induction.json"
NAMES = ["a-star", "concrete-abcd", "ab-star", "repeated-diamonds"]


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(grammar_command.grammar, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def refused(*arguments: object) -> str:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    return result.stderr


def chain(folder: Path, labels: str, name: str = "") -> Path:
    nodes = tuple(range(len(labels)))
    edges = tuple(Edge(n, n + 1) for n in nodes[:-1])
    path = folder / (name or f"{labels}.json")
    path.write_bytes(to_json(LabelledGraph(nodes, tuple(labels), edges)))
    return path


@pytest.mark.parametrize("name", NAMES)
def test_the_published_vectors_pass(name: str, tmp_path: Path) -> None:
    if not VECTORS.exists():
        pytest.skip(f"the published vectors are not beside the checkout: {VECTORS}")
    case = next(case for case in json.loads(VECTORS.read_bytes()) if case["name"] == name)
    graph, model = tmp_path / "graph.json", tmp_path / "model.json"
    graph.write_text(json.dumps(case["learn"]))
    assert f" {case['bits']['best']:.3f} bits" in run("learn", graph, "-o", model).stdout
    for code, examples in ((0, [case["learn"], *case["accept"]]), (1, case["reject"])):
        for example in examples:
            graph.write_text(json.dumps(example))
            assert run("accepts", model, graph).exit_code == code


def test_a_member_exits_0(tmp_path: Path) -> None:
    model = tmp_path / "model.json"
    learned = run("learn", chain(tmp_path, "ab"), chain(tmp_path, "abb"), "-o", model)
    assert learned.exit_code == 0
    result = run("accepts", model, chain(tmp_path, "ab"))
    assert (result.exit_code, result.stdout) == (0, "member\n")


def test_a_non_member_exits_1_and_names_the_vertices(tmp_path: Path) -> None:
    model = tmp_path / "model.json"
    run("learn", chain(tmp_path, "abc"), "-o", model)
    result = run("accepts", model, chain(tmp_path, "abx"))
    assert result.exit_code == 1
    assert result.stdout == (
        "non-member: 1 vertex does not fit\n  2 with label 'x': unknown predecessors, successors\n"
    )


def test_what_a_graph_says_is_escaped_and_cut(tmp_path: Path) -> None:
    model, strange = tmp_path / "model.json", tmp_path / "strange.json"
    run("learn", chain(tmp_path, "abc"), "-o", model)
    nodes = tuple(f"\x1b[2J{n}" for n in range(30))
    strange.write_bytes(to_json(LabelledGraph(nodes, ("\n\ud800",) * 30, ())))
    lines = run("accepts", model, strange).stdout.splitlines()
    assert lines[0] == "non-member: 30 vertices do not fit"
    assert lines[1] == "  \"\\u001b[2J0\" with label '\\n\\ud800': unknown predecessors, successors"
    assert lines[-1] == "  ... and 20 more"
    assert len(lines) == 12


def test_the_same_graphs_write_the_same_bytes(tmp_path: Path) -> None:
    one, other = chain(tmp_path, "ababab"), chain(tmp_path, "abab")
    run("learn", one, other, "-o", tmp_path / "m1")
    run("learn", other, one, "-o", tmp_path / "m2")
    assert (tmp_path / "m1").read_bytes() == (tmp_path / "m2").read_bytes()


def test_a_search_that_the_limit_ended_says_so(tmp_path: Path) -> None:
    result = run("learn", chain(tmp_path, "aaaaa"), "-o", tmp_path / "m", "--limit", 1)
    assert (result.exit_code, result.stderr) == (0, "stopped at --limit 1: a larger limit may find fewer bits\n")


def test_bad_usage_exits_2(tmp_path: Path) -> None:
    assert run("learn", "-o", tmp_path / "m").exit_code == 2
    assert run("learn", chain(tmp_path, "a")).exit_code == 2
    assert run("accepts", tmp_path / "m").exit_code == 2


def test_bad_graphs_are_refused_with_file_line_and_column(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text('{"nodes": [\n  {"id": 1 "label": "a"}]}')
    assert refused("learn", chain(tmp_path, "a"), bad, "-o", tmp_path / "m").startswith(f"{bad}:2:12: not JSON: ")
    bad.write_text('{"nodes": [{"id": 1}], "links": []}')
    assert refused("learn", bad, "-o", tmp_path / "m") == f"{bad}: nodes[0] has no label: '{{\"id\": 1}}'\n"
    assert not (tmp_path / "m").exists()


def test_a_cyclic_graph_is_refused_by_both_commands(tmp_path: Path) -> None:
    loop, model = tmp_path / "loop.json", tmp_path / "m"
    loop.write_bytes(to_json(LabelledGraph((0, 1), ("a", "b"), (Edge(0, 1), Edge(1, 0)))))
    run("learn", chain(tmp_path, "ab"), "-o", model)
    for arguments in (("learn", loop, "-o", tmp_path / "n"), ("accepts", model, loop)):
        line = refused(*arguments)
        assert line.startswith(f"{loop}: ")
        assert "the published method needs a DAG" in line


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    graph = chain(tmp_path, "a")
    absent = tmp_path / "absent"
    assert refused("learn", absent, "-o", tmp_path / "m") == f"{absent}: No such file or directory\n"
    assert refused("learn", tmp_path, "-o", tmp_path / "m") == f"{tmp_path}: Is a directory\n"
    assert refused("learn", graph, "-o", absent / "m") == f"{absent / 'm'}: No such file or directory\n"
    assert "not a regular file" in refused("learn", graph, "-o", tmp_path)
    assert "not a regular file" in refused("learn", graph, "-o", "/dev/null")
    assert refused("accepts", graph, graph).startswith(f"{graph}: not a model of winnower grammar: ")


def test_links_that_point_at_each_other_are_refused(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.symlink_to(other)
    other.symlink_to(one)
    assert refused("learn", chain(tmp_path, "a"), "-o", one).startswith(f"{one}: ")


def test_a_write_that_fails_leaves_the_old_model_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, model = chain(tmp_path, "ab"), tmp_path / "m"
    model.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert refused("learn", graph, "-o", model) == f"{model}: No space left on device\n"
    assert model.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ab.json", "m"]


def test_a_model_is_written_through_a_link(tmp_path: Path) -> None:
    link, model = tmp_path / "link", tmp_path / "m"
    link.symlink_to(model)
    assert run("learn", chain(tmp_path, "ab"), "-o", link).exit_code == 0
    assert link.is_symlink()
    assert model.is_file()
