"""One event is one line, whatever is in it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest

from monitor.logs import log, start_log

HOSTILE = 'a\nb\x1b[31m"\udcff\u2028'


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    yield stream
    start_log()


def test_a_line_is_a_json_object(stream: io.StringIO) -> None:
    start_log("info", stream)
    log("an event", agent=HOSTILE, number=3)
    log("not shown", "debug")
    log("long", "error", text="x" * 10_000)
    first, second = stream.getvalue().splitlines()
    told = json.loads(first)
    assert list(told) == ["time", "level", "event", "agent", "number"]
    assert (told["level"], told["event"], told["agent"], told["number"]) == ("info", "an event", HOSTILE, 3)
    assert first.isascii()
    assert told["time"].endswith("Z")
    assert len(json.loads(second)["text"]) == 2_000


def test_on_a_terminal_it_is_escaped(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "isatty", lambda: True)
    start_log("info", stream)
    log("an event", "warning", agent=HOSTILE)
    (line,) = stream.getvalue().splitlines()
    assert "\x1b" not in line
    assert "an event agent=a\\nb\\x1b[31m" in line
