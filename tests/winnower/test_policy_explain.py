"""A policy is explained whole: head, query, pattern, what is certain, how it is searched, what its graph shows."""

from pathlib import Path

import pytest
from written import run, write

from grammar.errors import InputError
from winnower.policy_command import policy
from winnower.policy_explain import highlighted
from winnower.policy_files import shipped_policies


@pytest.mark.parametrize("name", [one.id for one in shipped_policies()])
def test_every_shipped_policy_is_explained(name: str) -> None:
    result = run("explain", name)
    assert result.exit_code == 0
    for section in (
        "It may be wrong about",
        "The query",
        "The pattern",
        "Certain or possible",
        "The search",
        f"On {name}",
    ):
        assert section in result.stdout
    assert "1 match" in result.stdout or "matches; as a model" in result.stdout
    dot = run("explain", name, "--format", "dot").stdout
    assert dot.startswith(f'digraph "{name}" {{')
    assert dot.count("[") == dot.count("]") >= 2


def test_a_file_of_one_s_own_is_explained(tmp_path: Path) -> None:
    told = run("explain", write(tmp_path, "a")).stdout
    assert "nodes alone: their labels can prove it" in told
    assert "begin at f (each File), test 1 condition" in told
    assert "1 match; as a model 1 certain, 0 possible" in told
    assert "file=/x" in told


def test_a_policy_without_a_graph_is_explained_all_the_same(tmp_path: Path) -> None:
    file = write(tmp_path, "a")
    (tmp_path / "a.match.json").unlink()
    result = run("explain", file)
    assert (result.exit_code, "cannot be read" in result.stdout) == (0, True)


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    file = write(tmp_path, "a", query="MATCH (f:File {path: '\x1b[31m'}) RETURN f.path AS `[bold]\u202e`\n")
    told = run("explain", file).stdout
    assert "\\x1b[31m" in told
    assert all(c >= " " or c == "\n" for c in told)
    assert "\u202e" not in told


def test_the_query_keeps_its_words() -> None:
    source = "MATCH (a) // why\nWHERE a.name = 'MATCH'\nRETURN a"
    assert [line.plain for line in highlighted(source)] == [f"  {line}" for line in source.split("\n")]
    first = next(iter(highlighted(source)))
    assert [(first.plain[s.start : s.end], str(s.style)) for s in first.spans] == [
        ("MATCH", "bold blue"),
        ("// why", "dim"),
    ]


@pytest.mark.parametrize("arguments", [(), ("cron-persistence", "--language")])
def test_one_thing_is_explained(arguments: tuple[str, ...]) -> None:
    assert run("explain", *arguments).exit_code == 2


def test_an_unknown_policy_is_bad_input() -> None:
    with pytest.raises(InputError, match="no such policy"):
        policy.main(["explain", "nothing"], standalone_mode=False)
