"""The benches of matching: lines are what their patterns print, and a bench that cannot fail says nothing."""

import random
from pathlib import Path

import matching
import precision
import pytest

from grammar.pattern import FIELDS, WIDTHS, Pattern, Slot
from grammar.profile import ENTRY, Binary, Function, LogString, Point, Profile, write_profile


def profile(*texts: str) -> Profile:
    strings = tuple(LogString(str(at), text, text, 0, at, "emits") for at, text in enumerate(texts))
    edges = ((ENTRY, 0), *((at, (at + 1) % len(texts)) for at in range(len(texts))))
    return Profile(
        (Binary("a", "", ""),), strings, (Function("main", 0, 0, tuple(map(Point, range(len(texts)))), edges),)
    )


@pytest.mark.parametrize("kind", sorted(set(FIELDS) - {"uuid", "date", "ip", "id"}))
def test_a_value_is_of_its_field(kind: str) -> None:
    chance = random.Random(1)
    for width in (0, 5) if kind in WIDTHS else (0,):
        slot = Slot(kind, width)
        assert all(Pattern((slot,)).matches(matching.value(slot, chance)) for _ in range(50)), str(slot)


def test_lines_are_distinct_and_half_of_them_foreign() -> None:
    own, others = [Pattern.parse("user {text} came")], [Pattern.parse("port {int} is open")]
    lines = matching.lines(own, others, 200, False, random.Random(1))
    assert len(set(lines)) == len(lines) == 200
    assert sum(own[0].matches(line) for line in lines) == 100


def test_too_slow_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--lines", "100", "--runs", "1", "--markdown"]
    for name in matching.NAMES:
        (tmp_path / name).write_bytes(write_profile(profile(f"{name} took {{int}} ms", f"{{text}} left {name}")))
        arguments += ["--profile", f"{name}={tmp_path / name}"]
    monkeypatch.setattr(matching, "drain3", lambda _: None)
    monkeypatch.setattr(matching, "LIMIT", 1)
    assert matching.main(arguments) == 0
    monkeypatch.setattr(matching, "LIMIT", 10**9)
    assert matching.main(arguments) == 1
    assert "broken: mariadbd" in capsys.readouterr().out


def test_lines_are_shared_out_by_what_matches_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "error.log"
    stamp = "[Sun Nov 22 01:29:35.822371 2026] [core:notice] [pid 1:tid 1] "
    log.write_text("".join(f"{stamp}{text}\n" for text in ("AH01: up 3", "AH02: what 7", "AH03: gone 4", "took 5 ms")))
    arguments = [str(log), "--walk", "50"]
    for name in precision.NAMES:
        texts = (
            ("AH01: up {int}", "AH03: gone {int}", "AH03: gone {digits}") if name == "apache2" else ("took {int} ms",)
        )
        (tmp_path / name).write_bytes(write_profile(profile(*texts)))
        arguments += ["--profile", f"{name}={tmp_path / name}"]
    assert precision.main(arguments) == 0
    said = capsys.readouterr().out
    assert "| apache2 | 4 | 0 | 1 (25.0%) | 0 (0.0%) | 1 (25.0%) | 0 (0.0%) | 0 (0.0%) | 2 (50.0%) |" in said
    assert "| redis | 4 | 1 (25.0%) |" in said
    assert "# what #" in said


def test_a_daemons_folder_says_whose_the_lines_are(tmp_path: Path) -> None:
    log = tmp_path / "sshd" / "file.log"
    log.parent.mkdir()
    log.write_bytes(b"debug1: came 7\n" * 3)
    assert list(precision.logs([tmp_path])) == [log]
    app, lines = precision.read(log)
    assert (app, [line.message for line in lines]) == ("sshd", ["debug1: came 7"] * 3)
    known = {"sshd": profile("came {int}"), "wget": profile("came {int}", "left {text} now")}
    resolvers = {name: precision.Resolver(one, precision.Follow(one)) for name, one in known.items()}
    found = precision.survey([log], known, resolvers)
    assert found["sshd"].counts == {"one string": 3}
    assert found["wget"].false.total() == 3


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    assert precision.main([str(tmp_path)]) == 2
    with pytest.raises(SystemExit, match="2"):
        precision.profiles(["apache2"], [f"apache2={tmp_path / 'none'}"])
