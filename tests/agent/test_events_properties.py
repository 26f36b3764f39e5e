"""Feeding a log whole, by line, by byte, at any cuts, and across save and restore gives the same events and counts.

Rules of this file
    - What is checked is `check` of `tests/fuzz/fuzz_events.py`: one statement of the invariant, two drivers.
    - Logs are generated there, too (every oddity mixed), or are slices of real recordings, as they are and mutated.

Source: design section 3 (promise 5), section 4 (parse).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.events import AuditParser


def _fuzz() -> ModuleType:
    path = Path(__file__).resolve().parent.parent / "fuzz/fuzz_events.py"
    spec = importlib.util.spec_from_file_location("fuzz_events", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FUZZ = _fuzz()
SEEDS = st.integers(0, 2**32 - 1)
SLICE = 12_000


@pytest.fixture(scope="session")
def real(recording_log: Callable[[str, str], Path]) -> list[bytes]:
    """Logs of both recordings: web servers in the middle of their work, a portal, a database."""
    return [
        recording_log(*one).read_bytes() for one in (("web", "worker3"), ("portal", "worker1"), ("portal", "worker4"))
    ]


def slice_of(real: list[bytes], rng: Random) -> bytes:
    log = rng.choice(real)
    start = rng.randrange(len(log) - SLICE)
    return log[start : start + rng.randrange(SLICE)]


@given(SEEDS)
def test_generated_logs_whole_and_cut(seed: int) -> None:
    rng = Random(seed)
    FUZZ.check(FUZZ.make_log(rng), rng)


@given(SEEDS)
def test_generated_logs_under_limits_that_they_reach(seed: int) -> None:
    rng = Random(seed)
    FUZZ.limited(FUZZ.make_log(rng, 40), rng)


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    FUZZ.check(data, Random(len(data)))
    FUZZ.limited(data, Random(len(data)))


@given(seed=SEEDS)
def test_slices_of_recordings_whole_and_cut(real: list[bytes], seed: int) -> None:
    rng = Random(seed)
    FUZZ.check(slice_of(real, rng), rng)


@given(seed=SEEDS)
def test_slices_of_recordings_damaged(real: list[bytes], seed: int) -> None:
    """Whatever is done to a real log, nothing is raised, nothing is lost without being counted."""
    rng = Random(seed)
    data = FUZZ.mutate(rng, slice_of(real, rng), rng.choice(real)[:SLICE])
    FUZZ.check(data, rng)
    FUZZ.limited(data, rng)


@given(seed=SEEDS)
@settings(max_examples=10)
def test_slices_of_recordings_by_line_and_by_byte(real: list[bytes], seed: int) -> None:
    data = slice_of(real, Random(seed))
    whole, _ = FUZZ.run([data])
    assert FUZZ.run(data.splitlines(keepends=True))[0] == whole
    assert FUZZ.run([data[at : at + 1] for at in range(len(data))])[0] == whole
    assert FUZZ.run([data[at : at + 1] for at in range(len(data))], Random(seed))[0] == whole


def test_a_whole_recording_in_pieces_of_any_size(recording_log: Callable[[str, str], Path]) -> None:
    """Twenty megabytes: what is counted, and that about one event in a hundred has lost its title."""
    data = recording_log("web", "worker3").read_bytes()
    results = []
    for size in (65_536, 1_000_003):
        parser = AuditParser()
        found = [event for at in range(0, len(data), size) for event in parser.feed(data[at : at + size])]
        found += parser.finish()
        results.append((found, dict(parser.loss), parser.lines))
    assert results[0] == results[1]
    found, lost, lines = results[0]
    assert lines == data.count(b"\n") == sum(event.raw.count(b"\n") for event in found)
    assert set(lost) == {"unfinished"}
    assert 0 < lost["unfinished"] < len(found) / 50
    assert all(event.call for event in found)
