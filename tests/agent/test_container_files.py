"""The engines' files and /proc: whole, cut, damaged, hostile, gone."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.container_files import MAX_FILE, MAX_TAIL, EngineFiles, Inspected, Known, ProcessFiles, millis_of

A, B = "0123456789abcdef" * 4, "f" * 64
EVENTS = "run/libpod/events/events.log"
STORE = "var/lib/containers/storage/overlay-containers"
PLACES = (
    f"var/lib/docker/containers/{A}/config.v2.json",
    f"run/containerd/io.containerd.runtime.v2.task/k8s.io/{A}/config.json",
    f"{STORE}/{A}/userdata/config.json",
    EVENTS,
    f"{STORE}/containers.json",
    f"run/runc/{A}/state.json",
)


def write(root: Path, place: str, value: bytes | object) -> EngineFiles:
    file = root / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
    return EngineFiles(root)


@pytest.mark.parametrize(
    ("stamp", "millis"),
    [
        ("2026-11-22T08:26:47.832340056Z", 1_795_336_007_832),
        ("2026-11-22T09:26:47.8+01:00", 1_795_336_007_800),
        ("2026-11-22T08:26:47Z", 1_795_336_007_000),
        ("0001-01-01T00:00:00Z", 0),
        ("2026-11-22T08:26:47", 0),
        ("", 0),
        ("soon", 0),
        ("9999-99-99T00:00:00Z", 0),
    ],
)
def test_times_as_engines_write_them(stamp: str, millis: int) -> None:
    assert millis_of(stamp) == millis


@given(st.one_of(st.text(max_size=40), st.datetimes().map(lambda at: at.isoformat() + "Z")))
def test_any_text_is_a_time_or_none(stamp: str) -> None:
    assert millis_of(stamp) >= 0


def test_the_first_process_is_read_from_the_runtimes_state(tmp_path: Path) -> None:
    files = write(tmp_path, f"run/runc/{A}/state.json", {"id": A, "init_process_pid": 41})
    assert (files.first_process(A), files.first_process(B), files.first_process("../x")) == (41, 0, 0)


def test_the_last_event_of_a_container_counts_and_a_line_that_is_still_written_is_none(tmp_path: Path) -> None:
    line = b'{"ID":"' + A.encode() + b'","Image":"x:1","Name":"%b","Type":"container","Attributes":null}\n'
    files = write(tmp_path, EVENTS, line % b"old" + line % b"new")
    assert files.known(A) == Known(A, "new", "x:1")
    assert write(tmp_path, EVENTS, line % b"new" + (line % b"cut")[:90]).known(A) is None


def test_only_the_end_of_a_long_log_of_events_is_read(tmp_path: Path) -> None:
    line = b'{"ID":"' + A.encode() + b'","Name":"far","Attributes":{}}\n'
    assert write(tmp_path, EVENTS, line + b"\n" * MAX_TAIL).known(A) is None
    assert write(tmp_path, EVENTS, b"\n" * MAX_TAIL + line).known(A) == Known(A, "far")


def test_a_file_that_is_too_large_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    about = {"ID": A, "Name": "/web1", "filler": " " * MAX_FILE}
    assert write(tmp_path, PLACES[0], about).known(A) is None


@pytest.mark.parametrize("place", PLACES)
@given(text=st.one_of(st.binary(max_size=60), st.sampled_from([b"[" * 9_000, b"{}", b"[{}]", b"null", b'{"ID":3}'])))
def test_a_damaged_file_is_no_error(place: str, text: bytes) -> None:
    """Whatever stands in a file of an engine: nothing is known from it, or something of the right type."""
    with tempfile.TemporaryDirectory() as folder:
        files = write(Path(folder), place, text)
        known = files.known(A)
        assert known is None or isinstance(known.name, str)
        assert files.first_process(A) == 0


@given(st.one_of(st.text(max_size=70), st.sampled_from(["../" * 21 + "x", A.upper(), A + "\n"])))
def test_no_text_but_an_id_becomes_a_path(ident: str) -> None:
    class Shut(EngineFiles):
        def _docker(self, ident: str) -> Known | None:
            raise AssertionError(ident)

    assert Shut(Path("/")).known(ident) is None


@pytest.mark.parametrize("stat", [b"", b"1 (x", b"1 (x) S", b"1 (a) b) S " + b"x " * 30])
def test_a_process_without_a_legible_beginning_is_none(tmp_path: Path, stat: bytes) -> None:
    write(tmp_path, "41/stat", stat)
    write(tmp_path, "41/cgroup", b"0::/\n")
    processes = ProcessFiles(str(tmp_path))
    assert processes.cgroup(b"41", 1 << 50) is None
    assert not processes.alive(b"41", 1 << 50)
    assert processes.first(b"41") is None


def test_a_process_that_ends_while_it_is_looked_at_is_none(tmp_path: Path) -> None:
    class Reused(ProcessFiles):
        looks = 0

        def _ticks(self, pid: bytes) -> int | None:
            self.looks += 1
            return self.looks

    write(tmp_path, "41/cgroup", b"0::/\n")
    assert Reused(str(tmp_path)).cgroup(b"41", 1 << 50) is None


def test_a_run_does_not_end_before_it_begins() -> None:
    times = {"StartedAt": "2026-11-22T08:26:47.002Z", "FinishedAt": "2026-11-22T08:26:47.000Z"}
    text = json.dumps({"Id": A, "State": times}).encode()
    known = msgspec.json.decode(text, type=Inspected).known()
    assert known.start == known.end == 1_795_336_007_002
