"""Sigma rules become files that lint clean; what is lost is said, and nothing wider is written unasked."""

from pathlib import Path

import pytest
from written import run

from policies import parse_policy

pytest.importorskip("sigma", reason="pySigma is an extra")

RULE = """title: {title}
id: 818f7b24-0fba-4c49-a073-8b755573b9c7
status: test
tags: [attack.t1505.003]
logsource: {{product: linux, category: process_creation}}
detection:
    selection:
        ParentImage|endswith: ['/nginx', '/apache2']
        Image|endswith: '/whoami'
    filter:
        User: root
    condition: {condition}
level: high
"""


def rule(folder: Path, name: str = "r", condition: str = "selection", title: str = "Web shell") -> Path:
    place = folder / f"{name}.yml"
    place.write_text(RULE.format(title=title, condition=condition), encoding="utf-8")
    return place


def test_a_rule_is_a_file_that_lints_clean(tmp_path: Path) -> None:
    result = run("import-sigma", rule(tmp_path), "-o", tmp_path / "out")
    assert (result.exit_code, result.stderr) == (0, "1 rule: 1 fully\n")
    made = tmp_path / "out" / "web-shell.cypher"
    assert run("lint", "--strict", made).exit_code == 0
    assert "ENDS WITH '/whoami'" in parse_policy(made.read_text(encoding="utf-8")).source
    printed = run("import-sigma", tmp_path / "r.yml").stdout
    assert printed == made.read_text(encoding="utf-8")


def test_what_would_be_wider_is_refused(tmp_path: Path) -> None:
    place = rule(tmp_path, condition="selection and not filter")
    result = run("import-sigma", place)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{place}:11:9: not carried over: 'User' (users are not in the graph)" in result.stderr
    assert "--lossy" in result.stderr
    result = run("import-sigma", place, "--lossy")
    assert (result.exit_code, "matches MORE than the rule" in result.stdout) == (0, True)
    assert result.stderr.endswith("1 rule: 1 lossily\n")


def test_what_is_narrower_is_said(tmp_path: Path) -> None:
    result = run("import-sigma", rule(tmp_path, condition="selection or filter"))
    assert (result.exit_code, "matches less than the rule" in result.stderr) == (0, True)


def test_a_bad_rule_does_not_stop_the_others(tmp_path: Path) -> None:
    rule(tmp_path, "a")
    (tmp_path / "b.yaml").write_text("title: [", encoding="utf-8")
    rule(tmp_path, "c", title="Another")
    result = run("import-sigma", tmp_path, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert f"{tmp_path / 'b.yaml'}:1:9: not YAML" in result.stderr
    assert {one.stem for one in (tmp_path / "out").iterdir()} == {"web-shell", "another"}


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    place = rule(tmp_path)
    run("import-sigma", place, "-o", tmp_path)
    (tmp_path / "web-shell.cypher").write_text("mine", encoding="utf-8")
    result = run("import-sigma", place, "-o", tmp_path)
    assert (result.exit_code, "there already" in result.stderr) == (2, True)
    assert (tmp_path / "web-shell.cypher").read_text(encoding="utf-8") == "mine"
    assert run("import-sigma", place, "-o", tmp_path, "--force").exit_code == 0
    assert (tmp_path / "web-shell.cypher").read_text(encoding="utf-8") != "mine"


def test_without_pysigma_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sigma.rule", None)
    result = run("import-sigma", rule(tmp_path))
    assert (result.exit_code, "pip install 'winnower[sigma]'" in result.stderr) == (2, True)
