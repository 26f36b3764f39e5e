"""The language meets every scenario that it claims, and the command would say so if it did not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import tck
from tck_case import Case, Rows, understood
from tck_features import Scenario, read_feature, read_features
from tck_ours import graphs_beside, mismatches, prepared, why_out

ROOT = Path(__file__).resolve().parents[2]
OWN = Path(__file__).resolve().parent / "features"
LAST = re.compile(r"\d+ passed, \d+ failed, \d+ skipped")


def scenario(query: str, then: str, given: str = "an empty graph", setup: str = "") -> Scenario:
    done = f'And having executed:\n"""\n{setup}\n"""' if setup else ""
    text = f'Feature: f\nScenario: s\nGiven {given}\n{done}\nWhen executing query:\n"""\n{query}\n"""\nThen {then}\n'
    return read_feature(text, "f.feature")[0]


def case_of(query: str, setup: str = "") -> Case:
    return understood(scenario(query, "the result should be empty", setup=setup))


def failures(folder: Path) -> list[str]:
    graphs = graphs_beside(folder)
    verdicts = [tck.judged(one, graphs) for one in read_features(folder)]
    return [f"{one.scenario.title}\n{one.failed}" for one in verdicts if one.failed]


def test_every_scenario_of_the_shared_part_of_the_kit(shared: Path) -> None:
    folder = shared / "tck" / "features"
    if not folder.is_dir():
        pytest.skip("no folder `tck/features` in `shared`: the kit's scenarios are needed here")
    assert failures(folder) == []


def test_every_scenario_of_ours() -> None:
    assert failures(OWN) == []


def test_nothing_of_ours_is_skipped() -> None:
    assert [one.title for one in read_features(OWN) if why_out(understood(one))] == []


@pytest.mark.parametrize("one", read_features(OWN)[::7], ids=lambda one: one.title)
def test_another_expectation_fails(one: Scenario) -> None:
    """A row less, a value that is another, a column renamed, an error instead: each is seen."""
    case = understood(one)
    graph = prepared(case, None)
    right = case.asked[-1].expected
    others = [Rows(("nothing",), ((1,),)), Rows(("nothing",), ())]
    if isinstance(right, Rows) and right.rows:
        others += [Rows(right.columns, right.rows[1:], right.ordered, right.loose)]
        others += [Rows(right.columns, (*right.rows, right.rows[0]), right.ordered, right.loose)]
        others += [Rows(tuple(f"{name} " for name in right.columns), right.rows)]
        others += [Rows(right.columns, tuple(tuple((value,) for value in row) for row in right.rows))]
    for other in others:
        case.asked[-1].expected = other
        assert list(mismatches(case, graph)) != []


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("CREATE (n)", "writing clause"),
        ("MATCH (n) SET n.x = 1 RETURN n", "writing clause"),
        ("MATCH (n) DETACH DELETE n", "writing clause"),
        ("MERGE (n) RETURN n", "writing clause"),
        ("MATCH (n) REMOVE n.x", "writing clause"),
        ("CALL db.labels() YIELD label RETURN label", "CALL"),
        ("RETURN date('2020-01-01') AS d", "temporal"),
        ("RETURN duration.between(1, 2)", "temporal"),
        ("RETURN point({x: 1, y: 2}) AS p", "spatial"),
    ],
)
def test_what_is_out_is_skipped_with_its_reason(query: str, reason: str) -> None:
    assert why_out(case_of(query)) == reason


@pytest.mark.parametrize(
    "query",
    [
        "RETURN 'CREATE (n)' AS text",
        "MATCH (n:CREATE)-[:SET]->() RETURN n.delete",
        "RETURN 1 AS date, 2 AS time // CALL nothing",
        "RETURN foo(1)",
        "RETURN ][",
        "MATCH (n) WHERE exists { MATCH (n) SET n.x = 1 } RETURN n",
        "MATCH (date) RETURN date.point",
    ],
)
def test_nothing_else_is_skipped(query: str) -> None:
    assert why_out(case_of(query)) == ""


def test_a_graph_of_dates_is_skipped_but_not_a_graph_that_is_written() -> None:
    assert why_out(case_of("MATCH (n) RETURN n", "CREATE ({on: date()})")) == "temporal"
    assert why_out(case_of("MATCH (n) RETURN n", "CREATE ({date: 1})")) == ""


def test_a_set_up_that_cannot_be_done_is_a_failure() -> None:
    verdict = tck.judged(scenario("RETURN 1", "the result should be empty", setup="DROP ALL"), None)
    assert verdict.word == "failed"
    assert "set-up" in verdict.failed


def test_a_graph_that_is_not_there_is_a_failure() -> None:
    assert "no graph" in tck.judged(scenario("RETURN 1", "the result should be empty", "the big graph"), None).failed


def test_the_named_graphs_are_found_beside_the_features(tmp_path: Path) -> None:
    (tmp_path / "features" / "deep").mkdir(parents=True)
    (tmp_path / "graphs" / "tiny").mkdir(parents=True)
    (tmp_path / "graphs" / "tiny" / "tiny.cypher").write_text("CREATE (:A);\nCREATE (:B);", "utf-8")
    one = scenario(
        "MATCH (n) RETURN count(*) AS n", "the result should be, in any order:\n| n |\n| 2 |", "the tiny graph"
    )
    assert tck.judged(one, graphs_beside(tmp_path / "features" / "deep")).failed == ""


# The command


def written(folder: Path, *scenarios: str) -> Path:
    file = folder / "One.feature"
    file.write_text("Feature: One\n" + "\n".join(scenarios), "utf-8")
    return file


ANSWER = '  Scenario: {name}\n    When executing query:\n      """\n      {query}\n      """\n    Then {then}\n'
GOOD = ANSWER.format(name="good", query="RETURN 1 AS x", then="the result should be, in any order:\n|x|\n|1|")
BAD = ANSWER.format(name="bad", query="RETURN 1 AS x", then="the result should be, in any order:\n|x|\n|2|")
OUT = ANSWER.format(name="out", query="CREATE (n)", then="the result should be empty")


def test_the_last_line_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tck.main([str(written(tmp_path, GOOD, BAD, OUT))]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["skipped for writing clause: 1", "1 passed, 1 failed, 1 skipped"]
    assert lines[:3] == [
        "failed: One.feature:11 bad",
        "    expected 1 rows of x: 2",
        "    got      1 rows of x: 1",
    ]


def test_without_a_failure_the_exit_code_is_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tck.main([str(written(tmp_path, GOOD, BAD, OUT)), "--only", "good|out", "-v"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "passed: One.feature:2 good"


def test_without_a_scenario_file_the_exit_code_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tck.main([str(tmp_path)]) == 2
    assert "no .feature file" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["bench/tck.py"], ["-m", "bench.tck"]])
def test_it_is_called_as_a_file_or_as_a_module(command: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, *command, str(written(tmp_path, GOOD))], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert LAST.fullmatch(done.stdout.splitlines()[-1])
