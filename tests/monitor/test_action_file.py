"""Every alert is one line that can be read back; rotation loses none, and a write that fails leaves no half line."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from told import alert, alerts, hostile

from monitor import action_file
from monitor.action_file import Lines, Output
from monitor.action_sink import NotDeliveredError, line_of
from monitor.alerts import Alert


def sink(folder: Path, most: int = 1 << 20, keep: int = 3) -> Lines:
    return Lines(folder / "alerts.jsonl", most, keep)


def told(path: Path) -> list[str]:
    return [json.loads(line)["key"] for line in path.read_bytes().splitlines()]


@given(alerts)
def test_whatever_it_holds_an_alert_is_one_line_of_ascii(one: Alert) -> None:
    for form in ("winnower", "ocsf"):
        line = line_of(one, form)  # type: ignore[arg-type]
        assert all(0x20 <= byte < 0x7F for byte in line)
        json.dumps(json.loads(line), ensure_ascii=False).encode("utf-8")


def test_lines_are_appended_to_a_private_file(tmp_path: Path) -> None:
    one, two = alert(1), hostile("a\nb", 2)
    for each in (one, two):
        sink(tmp_path).send(each)
    assert told(tmp_path / "alerts.jsonl") == [one.key, two.key]
    assert (tmp_path / "alerts.jsonl").stat().st_mode & 0o777 == 0o600
    value = json.loads((tmp_path / "alerts.jsonl").read_text().splitlines()[0])
    assert (value["number"], value["policy"], value["row"]) == (1, one.policy, {"path": "/etc/shadow", "by": None})


def test_rotation_keeps_so_many_files_and_loses_no_line_of_them(tmp_path: Path) -> None:
    lines, sent = sink(tmp_path, most=len(line_of(alert(10), "winnower")) * 2 + 10), [alert(n) for n in range(10, 19)]
    for one in sent:
        lines.send(one)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["alerts.jsonl", "alerts.jsonl.1", "alerts.jsonl.2", "alerts.jsonl.3"]
    kept = [key for name in reversed(names) for key in told(tmp_path / name)]
    assert kept == [one.key for one in sent[2:]]


def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    lines = sink(tmp_path)
    lines.send(alert(1))
    (tmp_path / "alerts.jsonl").rename(tmp_path / "theirs")
    lines.send(alert(2))
    assert [len(told(tmp_path / name)) for name in ("theirs", "alerts.jsonl")] == [1, 1]


def test_a_write_that_fails_in_the_middle_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = sink(tmp_path)
    lines.send(alert(1))

    def half(handle: int, data: bytes) -> None:
        os.write(handle, data[:10])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(action_file, "_write", half)
        with pytest.raises(NotDeliveredError, match="No space left"):
            lines.send(alert(2))
    lines.send(alert(3))
    assert told(tmp_path / "alerts.jsonl") == [alert(1).key, alert(3).key]


def test_only_a_regular_file_is_written(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "alerts.jsonl")
    with pytest.raises(NotDeliveredError):
        sink(tmp_path).send(alert(1))
    (tmp_path / "alerts.jsonl").unlink()
    (tmp_path / "alerts.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotDeliveredError):
        sink(tmp_path).send(alert(1))
    assert not (tmp_path / "elsewhere").exists()


def test_standard_output_takes_lines(capfd: pytest.CaptureFixture[str]) -> None:
    Output().send(alert(7))
    assert json.loads(capfd.readouterr().out)["number"] == 7
