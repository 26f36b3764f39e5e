"""The command line in this process, replays of whole recordings (each once per session), small recordings by hand."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from scribe import Scribe
from stage import Answer, Played, Stage, command

SHIPPED = Path(__file__).resolve().parents[2] / "winnower" / "recording"


@pytest.fixture
def winnower(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """`winnower("nodes", "--state", folder)` gives exit code, standard output and standard error."""
    return lambda *arguments: command(capsys, *arguments)


@pytest.fixture
def scribe(tmp_path: Path) -> Scribe:
    """Writes a small recording by hand: `tmp_path/recording`."""
    return Scribe(tmp_path / "recording")


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("stage"))


@pytest.fixture(scope="session")
def shipped() -> Path:
    """The recording in the repository: eight Apache containers, one attacked."""
    return SHIPPED


@pytest.fixture(scope="session")
def web(stage: Stage) -> Played:
    return stage.play(SHIPPED, 10_000)


@pytest.fixture(scope="session")
def web_by_seconds(stage: Stage) -> Played:
    return stage.play(SHIPPED, 1_000)


@pytest.fixture(scope="session")
def portal(stage: Stage, shared: Path) -> Played:
    folder = shared / "recordings" / "portal"
    if not folder.is_dir():
        pytest.skip("no recording `portal` in `shared`")
    return stage.play(folder, 10_000)
