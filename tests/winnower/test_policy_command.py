"""The command answers 0, 1 or 2, and never with a traceback."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from policies import PolicyErrors
from winnower.policy_command import load_policies, policy, shipped_policies

GOOD = """---
id: {id}
title: t
severity: low
technique: T1000
false_positives: none known
---
MATCH (f:File {{path: '/x'}}) RETURN f.path AS file
"""


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(policy, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def write(folder: Path, name: str, must: str = "/x", must_not: str = "/y") -> Path:
    file = folder / f"{name}.cypher"
    file.write_text(GOOD.format(id=name), encoding="utf-8")
    for kind, path in (("match", must), ("benign", must_not)):
        nodes = [{"id": "f", "kind": "File", "properties": {"path": path}}]
        (folder / f"{name}.{kind}.json").write_text(json.dumps({"nodes": nodes, "edges": []}), encoding="utf-8")
    return file


def test_list_names_the_shipped_policies() -> None:
    result = run("list")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == [one.id for one in shipped_policies()]


def test_the_shipped_policies_pass() -> None:
    result = run("test")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "6 passed, 0 failed")


def test_a_policy_that_fails_its_graphs_is_a_no(tmp_path: Path) -> None:
    write(tmp_path, "a-good")
    write(tmp_path, "b-silent", must="/y")
    write(tmp_path, "c-loud", must_not="/x")
    result = run("test", tmp_path)
    assert result.exit_code == 1
    assert result.stdout == (
        "ok    a-good\n"
        "FAIL  b-silent\n      does not match the graph that it must match\n"
        "FAIL  c-loud\n      matches the benign graph: file=/x\n"
        "1 passed, 2 failed\n"
    )


def test_lint_reports_all_errors_of_all_files(tmp_path: Path) -> None:
    good, bad, worse = write(tmp_path, "a"), tmp_path / "b.cypher", tmp_path / "c.cypher"
    assert (run("lint", good).exit_code, run("lint", good).stdout) == (0, "1 policy, no errors\n")
    bad.write_text(GOOD.format(id="b").replace("low", "hot").replace("f.path", "g.path"), encoding="utf-8")
    worse.write_bytes(b"---\nid: \xff")
    result = run("lint", good, bad, worse, tmp_path / "none.cypher")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        f"{bad}:4:11: not a valid severity: 'hot' (one of low, medium, high, critical)",
        f"{bad}:8:36: a variable that MATCH does not bind: 'g'",
        f"{worse}:2:5: not UTF-8: '\\xff'",
        f"{tmp_path / 'none.cypher'}: cannot be read: No such file or directory",
    ]


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"nodes": [' + "9" * 5000 + "]}", "[]"])
def test_a_bad_graph_is_bad_input(tmp_path: Path, text: str) -> None:
    file = write(tmp_path, "a")
    (tmp_path / "a.match.json").write_text(text, encoding="utf-8")
    result = run("test", file)
    assert result.exit_code == 2
    assert str(tmp_path / "a.match.json") in result.stderr


def test_a_missing_graph_is_bad_input(tmp_path: Path) -> None:
    file = write(tmp_path, "a")
    (tmp_path / "a.benign.json").unlink()
    assert (run("test", file).exit_code, "cannot be read" in run("test", file).stderr) == (2, True)


def test_folders_are_loaded_in_order_and_ids_are_unique(tmp_path: Path) -> None:
    one, two = write(tmp_path, "a"), write(tmp_path, "b")
    assert [p.id for p in load_policies([tmp_path])] == ["a", "b"]
    assert load_policies([]) == ()
    two.write_text(one.read_text(encoding="utf-8"), encoding="utf-8")
    assert "two policies have one id" in run("lint", tmp_path).stderr
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "a folder without policies" in run("lint", empty).stderr


def test_errors_of_several_files_are_one_exception(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path, name).write_text("", encoding="utf-8")
    with pytest.raises(PolicyErrors) as caught:
        load_policies([tmp_path])
    assert [error.file for error in caught.value.errors] == [str(tmp_path / "a.cypher"), str(tmp_path / "b.cypher")]
