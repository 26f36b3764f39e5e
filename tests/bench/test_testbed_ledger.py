"""Whatever way a run ends, the ledger undoes it: at the end of the block, or by the next run after a kill -9."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from testbed import ledger as ledger_module
from testbed.ledger import Entry, Facts, Ledger, read, sweep, undoes
from testbed.processes import Identity, end, marked, of_process, wait_until
from testbed.tell import TestbedError

BENCH = Path(ledger_module.__file__).resolve().parents[1]
# A run that makes a folder and a process in it, says so, and then waits to be killed.
RUN = """\
import subprocess, sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from testbed.ledger import Ledger
with Ledger.begin(Path(sys.argv[2])) as ledger:
    print(ledger.folder(), flush=True)
    time.sleep(60)
"""


@pytest.fixture
def undone(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the `thing`s undone, in order; one called `bad` cannot be."""
    names: list[str] = []
    monkeypatch.setattr(ledger_module, "_UNDO", dict(ledger_module._UNDO))

    @undoes("thing")
    def undo(facts: Facts) -> None:
        if facts["name"] == "bad":
            raise TestbedError("no")
        names.append(facts["name"])

    return names


def test_what_is_left_is_undone_in_reverse_and_the_file_goes(tmp_path: Path, undone: list[str]) -> None:
    with Ledger.begin(tmp_path) as ledger:
        entries = [ledger.note("thing", name=name) for name in "abc"]
        ledger.undo(entries[1])
        ledger.undo(entries[1])
    assert undone == ["b", "c", "a"]
    assert list((tmp_path / "run").iterdir()) == []


def test_what_cannot_be_undone_does_not_keep_the_others_and_is_kept(
    tmp_path: Path, undone: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with Ledger.begin(tmp_path) as ledger:
        for name in ("a", "bad", "c"):
            ledger.note("thing", name=name)
    assert undone == ["c", "a"]
    assert "could not undo thing" in capsys.readouterr().err
    [kept] = (tmp_path / "run").iterdir()
    assert [entry.facts["name"] for entry in read(kept).entries.values()] == ["bad"]


def test_an_exception_in_the_block_is_passed_on_after_undoing(tmp_path: Path, undone: list[str]) -> None:
    with pytest.raises(KeyError), Ledger.begin(tmp_path) as ledger:
        ledger.note("thing", name="a")
        raise KeyError
    assert undone == ["a"]


def test_what_was_refused_is_forgotten(tmp_path: Path, undone: list[str]) -> None:
    with Ledger.begin(tmp_path) as ledger:
        ledger.forget(ledger.note("thing", name="bad"))
    assert list((tmp_path / "run").iterdir()) == []
    assert undone == []


def test_a_kind_that_nobody_undoes_is_refused(tmp_path: Path) -> None:
    with Ledger.begin(tmp_path) as ledger, pytest.raises(ValueError, match="nobody undoes"):
        ledger.note("no such kind")


def test_a_running_ledger_is_not_swept(tmp_path: Path, undone: list[str]) -> None:
    with Ledger.begin(tmp_path) as ledger:
        ledger.note("thing", name="a")
        assert sweep(tmp_path) == 0
        assert undone == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_run_that_is_killed_leaves_nothing_after_the_next(tmp_path: Path, number: signal.Signals) -> None:
    argv = [sys.executable, "-c", RUN, str(BENCH), str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
        assert run.stdout is not None
        folder = Path(run.stdout.readline().strip())
        assert folder.is_dir()
        run.send_signal(number)
        run.wait(10)
    assert folder.exists() == (number == signal.SIGKILL)
    assert sweep(tmp_path) == (1 if number == signal.SIGKILL else 0)
    assert not folder.exists()
    assert list((tmp_path / "run").iterdir()) == []


def test_only_folders_of_ours_are_removed(tmp_path: Path) -> None:
    with Ledger.begin(tmp_path / "state") as ledger:
        precious = tmp_path / "precious"
        precious.mkdir()
        entry = ledger.note("folder", path=str(precious))
        with pytest.raises(TestbedError):
            ledger.undo(entry)
        ledger.forget(entry)
    assert precious.is_dir()


steps = st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=12)


@given(steps, st.integers(0, 400))
def test_a_file_cut_anywhere_gives_the_entries_open_at_some_earlier_moment(
    tmp_path_factory: pytest.TempPathFactory, moves: list[int | None], cut: int
) -> None:
    """A ledger cut short reads as it stood after some of its lines: never an error, never an entry made up."""
    path = tmp_path_factory.mktemp("ledger") / "1-1-x.jsonl"
    ledger, moments = Ledger(path), [dict[int, Entry]()]
    for move in moves:
        if move is None:
            ledger.note("folder", path="/nowhere")
        elif move in ledger.entries:
            ledger.forget(ledger.entries[move])
        moments.append(dict(ledger.entries))
    text = path.read_bytes() if path.exists() else b""
    path.write_bytes(text[:cut])
    assert read(path).entries in moments


def named(pid: str) -> str:
    """What a process runs; between fork and exec it is its parent's twin."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def test_a_process_is_found_by_its_mark_and_name_and_ended(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60", "--", str(tmp_path)], stderr=subprocess.DEVNULL) as wrong:
        wrong.wait(5)  # sleep refuses a folder: nothing of this mark runs
    with subprocess.Popen(["sh", "-c", "sleep 60; :", str(tmp_path)]) as child:
        children = Path(f"/proc/{child.pid}/task/{child.pid}/children")
        assert wait_until(lambda: any(named(pid) == "sleep" for pid in children.read_text().split()), 5)
        assert marked(str(tmp_path), "sleep") == []
        [found] = marked(str(tmp_path), "sh")
        end(found, grace=1)
        assert child.wait(5) == -signal.SIGTERM
    assert not found.alive()


def test_a_reused_pid_is_another_process() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        me = of_process(child.pid)
        other = Identity(me.pid, me.start - 1)
        assert me.alive()
        assert not other.alive()
        end(other)
        time.sleep(0.1)
        assert child.poll() is None
        child.kill()


def test_the_file_is_lines_of_json_that_name_kind_and_facts(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "1-1-x.jsonl")
    ledger.note("folder", path="/nowhere")
    assert json.loads(ledger.path.read_text("utf-8")) == {"number": 0, "kind": "folder", "facts": {"path": "/nowhere"}}
