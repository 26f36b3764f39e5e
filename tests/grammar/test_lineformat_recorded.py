"""Real logs: every line of the recordings' applications and of loghub has the right format and a time that fits."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from grammar.line import Line
from grammar.lineformat import Reader, read_line

FORMATS = {"access.log": "access", "general.log": "mysql_general"}
PLAIN = {
    "mysql_error": ("create_uring failed: falling back to libaio",),
    "mysql_general": ("mariadbd, Version: ", "Tcp port: ", "Time\t"),
}
"""Lines of a format's logs that have no preamble, or no time."""
HOUR = 3_600_000
PERIODS = {"portal": (1_795_311_900_000, HOUR), "web": (1_795_310_700_000, HOUR)}
"""When the recordings were made: from 01:45 and 01:25 UTC on 22 November 2026, and no longer than an hour."""


def logs(shared: Path, recording: str) -> list[Path]:
    found = sorted((shared / "recordings" / recording).glob("*/logs/*/*.log"))
    if not found:
        pytest.skip(f"the recording {recording} has no application logs in `shared`")
    return found


def expected_format(path: Path) -> str:
    return FORMATS.get(path.name) or ("mysql_error" if path.parent.name == "lampdb" else "apache_error")


@pytest.mark.parametrize("recording", PERIODS)
def test_every_line_of_a_recording_is_read(shared: Path, recording: str) -> None:
    begin, length = PERIODS[recording]
    for path in logs(shared, recording):
        reader, form = Reader(), expected_format(path)
        for raw in path.read_bytes().splitlines(keepends=True):
            line = reader.feed(raw)
            if line is None:
                assert raw.startswith(b"Version: '"), raw
                continue
            if line.message.startswith(PLAIN.get(form, ())):
                assert line.millis is None
                continue
            assert line.format == form, raw
            assert line.millis is not None, raw
            assert 0 <= line.millis - begin < length, raw


def test_the_times_of_a_log_do_not_go_back(shared: Path) -> None:
    """An access log's entries are in the order of their ends, their times of their begins: at most a second apart."""
    for path in logs(shared, "portal"):
        reader, last = Reader(), 0
        for raw in path.read_bytes().splitlines(keepends=True):
            line = reader.feed(raw)
            if line is not None and line.millis is not None:
                assert line.millis + 2_000 > last, raw
                last = line.millis


def test_canonical_requests_of_the_attack(shared: Path) -> None:
    """The access log's lines that the recording's attack wrote are requests as a person would name them."""
    said = Counter(
        line.message
        for path in logs(shared, "portal")
        if path.name == "access.log"
        for raw in path.read_bytes().splitlines()
        if (line := read_line(raw)).ends
    )
    assert said["GET /app.php?a=home 200"] > 10
    assert all(message.split(" ")[-1].isdecimal() for message in said)


def loghub(shared: Path, name: str) -> list[tuple[Line, dict[str, str]]]:
    folder = shared / "fixtures" / "loghub" / name
    if not folder.is_dir():
        pytest.skip(f"loghub's {name} is not in `shared`")
    reader = Reader(year=2015)
    lines = [reader.feed(raw) for raw in (folder / f"{name}_2k.log").read_bytes().splitlines()]
    with (folder / f"{name}_2k.log_structured.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert None not in lines
    assert len(lines) == len(rows)
    return [(line, row) for line, row in zip(lines, rows, strict=True) if line is not None]


def test_loghubs_apache_lines_are_their_content(shared: Path) -> None:
    """The message is what people marked as the content; only what Apache itself puts before it is taken off more."""
    for line, row in loghub(shared, "Apache"):
        assert line.format == "apache_error"
        assert line.millis is not None
        content = row["Content"]
        assert line.level == row["Level"]
        assert line.message == (content.partition("] ")[2] if content.startswith("[client ") else content)


def test_loghubs_ssh_lines_are_their_content(shared: Path) -> None:
    for line, row in loghub(shared, "OpenSSH"):
        assert (line.format, line.program) == ("syslog", "sshd")
        assert line.millis is not None
        assert line.message.rstrip(" ") == row["Content"]  # the table has no blanks at ends
        assert str(line.pid) == row["Pid"]
