"""The list has every policy on a line of 80 columns, and says what is in force."""

import json
from pathlib import Path

import pytest
from scribe import Scribe, ordinary
from stage import Stage
from written import run, write

from grammar.errors import InputError
from winnower.policy_files import shipped_policies
from winnower.policy_list import named, table


def test_the_shipped_policies_are_listed_within_80_columns() -> None:
    result = run("list")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == [one.id for one in shipped_policies()]
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_files_are_listed_with_all_that_is_asked(tmp_path: Path) -> None:
    write(tmp_path, "a")
    assert run("list", tmp_path).stdout == "a  low  stable  T1000  t\n"
    (one,) = json.loads(run("list", tmp_path, "--format", "json").stdout)
    assert one == {
        "id": "a",
        "severity": "low",
        "maturity": "stable",
        "technique": ["T1000"],
        "title": "t",
        "applications": ["*"],
        "file": str(tmp_path / "a.cypher"),
    }


def test_a_state_says_what_is_in_force(scribe: Scribe, stage: Stage) -> None:
    ordinary(scribe)
    state = stage.play(scribe.save(), 1_000).state
    assert run("list", "--state", state).stdout == "no policies\n"


def test_one_source_only(tmp_path: Path) -> None:
    assert run("list", write(tmp_path, "a"), "--state", tmp_path).exit_code == 2


def test_titles_are_cut_and_escaped() -> None:
    row = {"id": "a", "severity": "low", "maturity": "stable", "technique": ["T1", "T2"], "title": "\x1b" + "x" * 90}
    line = table([row])
    assert (len(line), "T1+" in line, "\\x1b" in line, line[-1]) == (80, True, True, "…")
    assert table([]) == "no policies"


def test_policies_are_named_by_id_file_and_folder(tmp_path: Path) -> None:
    file = write(tmp_path, "a")
    assert [one.id for one in named(["cron-persistence", str(file)])] == ["cron-persistence", "a"]
    assert [one.id for one in named([str(tmp_path)])] == ["a"]
    assert named(()) == shipped_policies()
    with pytest.raises(InputError, match="no such policy: 'nothing'"):
        named(["nothing"])
    with pytest.raises(InputError, match="cannot be read"):
        named([str(tmp_path / "none.cypher")])
