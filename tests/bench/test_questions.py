"""The bench of an investigation finds the attack of the shipped recording in the graph and in the model."""

from pathlib import Path

import pytest
import questions
from fidelity_replay import SHIPPED


def test_the_same_questions_find_the_attack_everywhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "LIMIT_MS", 60_000.0)
    assert questions.main([str(SHIPPED), "--runs", "1"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "getAncestors" in line or "query" in line]
    assert len(lines) == 4
    assert not any("(0)" in line for line in lines)


def test_above_the_limit_it_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(questions, "about", lambda folder, runs, console: False)
    assert questions.main([str(tmp_path)]) == 1
