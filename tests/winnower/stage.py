"""Replays for tests: a whole recording through agents and monitor, and what it left behind."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from grammar import Model, encode_model
from monitor.monitor import Monitor
from monitor.novelty import Settings
from monitor.query import find_nodes, trace
from winnower.cli import main
from winnower.policy_command import shipped_policies
from winnower.replay import replay
from winnower.replay_command import Runner


class Answer(NamedTuple):
    code: int
    out: str
    err: str


def command(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Answer:
    """Run the command line in this process; a traceback would be an exception here."""
    before, sys.argv = sys.argv, ["winnower", *map(str, arguments)]
    capsys.readouterr()
    try:
        main()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0
    finally:
        sys.argv = before
    return Answer(code, *capsys.readouterr())


@dataclass(frozen=True)
class Played:
    """A replay that is over."""

    monitor: Monitor
    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def dump(self) -> Path:
        return self.folder / "dump"

    @property
    def report(self) -> dict[str, object]:
        value = json.loads((self.folder / "report.json").read_bytes())
        assert isinstance(value, dict)
        return value

    @property
    def models(self) -> dict[str, bytes]:
        return {name: encode_model(app.folded) for name, app in self.monitor.apps.items()}

    @property
    def evidence(self) -> list[str]:
        """Everything in the store, as SQL, but for the digests of envelopes.

        An envelope says what was lost up to it; the parser counts that chunk by chunk, ahead of the epoch's end.
        """
        with closing(sqlite3.connect(self.state / "monitor.sqlite")) as db:
            return [row for row in db.iterdump() if not row.startswith('INSERT INTO "chain"')]

    def model(self, app: str) -> Model:
        return self.monitor.apps[app].model

    def traced(self, app: str, direction: str, **conditions: str) -> dict[str, str]:
        """Id → label of what all nodes that match may have come from, or lead to."""
        model = self.model(app)
        found = {}
        for start in find_nodes(model, conditions).states:
            for state in trace([model], model.ids[start], direction).states:
                found[model.ids[state]] = state.label
        return found


class Stage:
    """Plays recordings into folders of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.played = folder, 0

    def play(self, recording: Path, epoch: int, *, dump: bool = False) -> Played:
        self.played += 1
        folder = self.folder / str(self.played)
        runner = Runner(epoch, shipped_policies(), Settings())
        monitor, _ = replay(
            recording, folder / "state", runner, folder / "report.json", folder / "dump" if dump else None
        )
        return Played(monitor, folder)


def left_in(folder: Path) -> Iterable[str]:
    """Every path below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
