"""Lint says all that is wrong with all files, with the line and a caret, and what is hardly meant."""

import json
from pathlib import Path

from written import GOOD, run, write

WARNED = "MATCH (f:File)-[r:USED]->(p:Process) RETURN f.path AS file\n"


def test_good_files_are_counted(tmp_path: Path) -> None:
    good = write(tmp_path, "a")
    assert (run("lint", good).exit_code, run("lint", good).stdout) == (0, "1 policy, no errors\n")


def test_all_errors_of_all_files_come_with_their_lines(tmp_path: Path) -> None:
    good, bad, worse = write(tmp_path, "a"), tmp_path / "b.cypher", tmp_path / "c.cypher"
    bad.write_text(GOOD.format(id="b").replace("low", "hot").replace("f.path", "g.path"), encoding="utf-8")
    worse.write_bytes(b"---\nid: \xff")
    result = run("lint", good, bad, worse, tmp_path / "none.cypher")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == (
        f"{bad}:4:11: not a valid severity: 'hot' (one of low, medium, high, critical)\n"
        "  |\n4 | severity: hot\n  |           ^\n"
        f"{bad}:8:36: a variable that no clause binds: 'g'\n"
        "  |\n8 | MATCH (f:File {path: '/x'}) RETURN g.path AS file\n  |                                    ^\n"
        f"{worse}:2:5: not UTF-8: '\\xff'\n"
        f"{tmp_path / 'none.cypher'}: cannot be read: No such file or directory\n"
        "1 policy, 4 errors\n"
    )


def test_two_policies_with_one_id_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "b.cypher").write_text(write(tmp_path, "a").read_text(encoding="utf-8"), encoding="utf-8")
    assert "two policies have one id: 'a' (see " in run("lint", tmp_path).stderr


def test_one_bad_folder_does_not_hide_the_other(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    bad = write(tmp_path, "a")
    bad.write_text("", encoding="utf-8")
    told = run("lint", tmp_path / "empty", bad).stderr
    assert "a folder without policies" in told
    assert f"{bad}:1:1:" in told


def test_warnings_fail_only_if_they_should(tmp_path: Path) -> None:
    file = write(tmp_path, "a", query=WARNED)
    result = run("lint", file)
    assert result.exit_code == 0
    assert f"{file}:8:15: warning: no graph has such an edge" in result.stdout
    assert "8 | MATCH (f:File)-[r:USED]->(p:Process)" in result.stdout
    assert result.stdout.endswith("1 policy, no errors, 1 warning\n")
    assert run("lint", file, "--strict").exit_code == 2


def test_programs_read_json_and_github(tmp_path: Path) -> None:
    file = write(tmp_path, "a", query=WARNED)
    told = json.loads(run("lint", file, "--format", "json").stdout)
    assert told["policies"] == 1
    (mark,) = told["marks"]
    assert (mark["level"], mark["line"], mark["column"], mark["rule"]) == ("warning", 8, 15, "never-matches")
    assert run("lint", file, "--format", "github").stdout.startswith(f"::warning file={file},line=8,col=15,title=never")
    file.write_text("", encoding="utf-8")
    result = run("lint", file, "--format", "json")
    assert (result.exit_code, json.loads(result.stdout)["marks"][0]["level"]) == (2, "error")


def test_what_is_shipped_has_no_errors_and_no_warnings() -> None:
    result = run("lint", "--strict", Path(__file__).parents[2] / "policies" / "shipped")
    assert (result.exit_code, result.stderr) == (0, "")
