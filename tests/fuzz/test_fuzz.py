"""The fuzz targets, run for two seconds: they start, they find nothing, and they would find something."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

from agent.events import AuditParser

TARGET = Path(__file__).with_name("fuzz_events.py")


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_events", TARGET)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_two_seconds_are_clean() -> None:
    done = subprocess.run(
        [sys.executable, str(TARGET), "--seconds", "2", "--seed", "7"],
        cwd=TARGET.parent.parent.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "clean" in done.stdout


def test_a_parser_that_forgets_on_restore_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    fuzz_events = load()
    restore = AuditParser.restore

    def forgetful(saved: bytes) -> AuditParser:
        parser = restore(saved)
        parser._marked = False
        return parser

    monkeypatch.setattr(AuditParser, "restore", staticmethod(forgetful))
    with pytest.raises(AssertionError, match="other counts when split"):
        fuzz_events.fuzz(seconds=5, seed=1, corpus=[])


def test_a_failure_names_its_seed_and_input(monkeypatch: pytest.MonkeyPatch) -> None:
    fuzz_events = load()
    monkeypatch.setattr(AuditParser, "finish", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError) as caught:
        fuzz_events.fuzz(seconds=5, seed=3, corpus=[])
    assert caught.value.__notes__[0].startswith("seed 3, input 0: b")


def test_the_mutator_changes_something() -> None:
    fuzz_events = load()
    data = fuzz_events.make_log(Random(1))
    assert len({fuzz_events.mutate(Random(n), data) for n in range(20)}) > 15
