"""A level is what the call says, or the text's own beginning; anything else is not known."""

from __future__ import annotations

from pathlib import Path

import pytest
from pitfalls import at, found_in

from agent.static.levels import level_of, level_of_text
from agent.static.values import Values


@pytest.mark.parametrize(
    ("text", "level"),
    [
        (b"[ERROR] no disk", "error"),
        (b"Warning: slow", "warn"),
        (b"fatal: gone", "crit"),
        (b"<debug> x", "debug"),
        (b"error", ""),
        (b"error:", ""),
        (b"errors: 3", ""),
        (b"the error: x", ""),
        (b"", ""),
    ],
)
def test_levels_that_texts_begin_with(text: bytes, level: str) -> None:
    assert level_of_text(text) == level


def test_a_priority_counts_if_it_is_one_and_sure() -> None:
    assert level_of(b"x", Values((3,))) == "error"
    assert level_of(b"x", Values((3 | 16,))) == "error"
    assert level_of(b"x", Values((3, 4))) == ""
    assert level_of(b"x", Values((3,), complete=False)) == ""
    assert level_of(b"x", Values((3,), parameters=(1,))) == ""
    assert level_of(b"note: x", Values((3, 4))) == "notice"
    assert level_of(b"x", None) == ""


def test_levels_through_syslog_and_wrappers_of_it(tmp_path: Path) -> None:
    source = """FAR void say(const char *file, int level, const char *format, ...) {
            va_list ap; va_start(ap, format); vsyslog(level | 0, format, ap); va_end(ap); }
        int main(int c, char **v) { syslog(LOG_CRIT, "one %d", c); syslog(LOG_DAEMON | LOG_INFO, "two %d", c);
            say("f", LOG_WARNING, "three %d", c); say("f", c, "four %d", c);
            say("f", c > 2 ? LOG_ERR : LOG_DEBUG, "five"); printf("[Note] six %d\\n", c); return 0; }"""
    found = found_in(tmp_path, source, "-O2")
    expected = {"one %d": "crit", "two %d": "info", "three %d": "warn", "four %d": "", "five": ""}
    expected["[Note] six %d\n"] = "notice"
    assert {text: at(found, text).level for text in expected} == expected
