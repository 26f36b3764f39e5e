"""The log: whatever is logged is one line, and nothing in it is more than data."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.logs import LOGGERS, MAX_LINE, Lines, start_log


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    kept = {name: (logging.getLogger(name).handlers[:], logging.getLogger(name).propagate) for name in LOGGERS}
    raising = logging.raiseExceptions
    yield
    logging.raiseExceptions = raising
    for name, (handlers, propagate) in kept.items():
        logging.getLogger(name).handlers, logging.getLogger(name).propagate = handlers, propagate
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_events_are_objects_with_their_fields() -> None:
    stream = io.StringIO()
    start_log("info", "json", stream)
    logging.getLogger("agent.test").warning("away", extra={"seconds": 3, "reason": "no route"})
    logging.getLogger("agent.test").debug("not shown")
    (line,) = stream.getvalue().splitlines()
    found = json.loads(line)
    assert {name: found[name] for name in ("level", "event", "part", "seconds", "reason")} == {
        "level": "warning", "event": "away", "part": "agent.test", "seconds": 3, "reason": "no route"
    }  # fmt: skip
    assert found["time"].endswith("Z")


def test_an_exception_is_one_line_with_its_place() -> None:
    stream = io.StringIO()
    start_log("info", "text", stream)
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("agent.test").exception("failed")
    (line,) = stream.getvalue().splitlines()
    assert "test_logs.py:" in line
    assert "ValueError" in line


def test_to_start_again_replaces_what_was() -> None:
    first, second = io.StringIO(), io.StringIO()
    start_log("info", "json", first)
    start_log("debug", "json", second)
    logging.getLogger("agent.test").debug("here")
    assert first.getvalue() == ""
    assert len(second.getvalue().splitlines()) == 1


def test_a_log_that_is_gone_stops_nothing() -> None:
    stream = io.StringIO()
    start_log("info", "json", stream)
    stream.close()
    logging.getLogger("agent.test").error("nobody hears")


VALUES = st.one_of(st.text(), st.binary(), st.integers(), st.none(), st.floats(), st.lists(st.text(), max_size=3))


@given(st.text(), st.dictionaries(st.text(max_size=20), VALUES, max_size=30), st.booleans())
def test_any_field_is_one_printable_line(event: str, fields: dict[str, object], readable: bool) -> None:
    """Whatever is in event and fields: one line of printable ASCII (but for the mark of a cut), not too long."""
    record = logging.makeLogRecord({"name": "agent.x", "levelname": "INFO", "msg": "%s", "args": (event,)})
    vars(record).update({f"x{name}": value for name, value in fields.items()})
    line = Lines(readable=readable).format(record)
    assert all(" " <= one <= "~" or one == "…" for one in line)
    assert len(line) <= MAX_LINE
    if not readable:
        assert json.loads(line)["level"] == "info"
