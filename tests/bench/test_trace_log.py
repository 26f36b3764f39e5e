"""The bench of `trace-log` asks about lines that its model knows, and fails above its limit."""

import pytest
from trace_log import made_up, main, sample

from grammar import Pattern
from grammar.pattern import FIELDS, WIDTHS, Slot


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_a_sample_is_in_the_language_of_its_pattern(field: str) -> None:
    for slot in (Slot(field), *([Slot(field, 7)] if field in WIDTHS else [])):
        pattern = Pattern(("a ", slot, " b"))
        assert pattern.matches(sample(pattern))


def test_the_made_up_model_has_as_many_lines_as_it_is_told() -> None:
    model = made_up(37, 1)
    assert sum(state.label.startswith("LogMessage ") for state in model.states) == 37


def test_a_median_above_the_limit_fails(capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--states", "30", "--questions", "5"]
    assert main([*few, "--limit", "60000"]) == 0
    assert main([*few, "--limit", "0"]) == 1
    assert "made up" in capsys.readouterr().out
