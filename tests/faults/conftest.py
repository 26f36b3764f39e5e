"""The fault suite: what is killed, cut off, filled up or lied to, and what has to hold all the same.

    python -m pytest tests/faults                   the short version, under a minute
    python -m pytest tests/faults --faults=long     200 rounds of kill -9, 10^5 mutated envelopes, 500 epochs away

Rules of this file
    - `extent` says how much of a fault there is: `extent(short=8, long=200)`. What needs root, name spaces, tc or Kafka
      skips and says so.
    - What a test starts ends with it: processes by their pid, name spaces and mounts by their name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "transport"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "monitor"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "agent"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from nodes import RealAgent, RealMonitor

HERE = Path(__file__).resolve().parent
Extent = Callable[[int, int], int]


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--faults=long`."""
    parser.addoption("--faults", choices=("short", "long"), default="short", help="how much of each fault there is")


def is_long(config: pytest.Config) -> bool:
    """Whether all of it is asked for (pytest knows the option only where this folder is named)."""
    return str(config.getoption("--faults", "short")) == "long"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The long version takes its time."""
    if is_long(config):
        for item in items:
            if item.path.is_relative_to(HERE):
                item.add_marker(pytest.mark.timeout(7_200))


@pytest.fixture
def extent(request: pytest.FixtureRequest) -> Extent:
    """`extent(8, 200)`: 8 in the short version, 200 in the long one."""
    return lambda short, long: long if is_long(request.config) else short


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is put here is undone at the end of the test, the last first."""
    with ExitStack() as one:
        yield one


@pytest.fixture
def monitor(tmp_path: Path, stack: ExitStack) -> RealMonitor:
    """A monitor, running."""
    one = stack.enter_context(RealMonitor(tmp_path / "monitor"))
    one.start()
    return one


@pytest.fixture
def agent_of(tmp_path: Path, stack: ExitStack) -> Callable[..., RealAgent]:
    """`agent_of(monitor, "w1", log)` is an enrolled agent's process, not started yet."""

    def made(monitor: RealMonitor, name: str, log: Path, **settings: str) -> RealAgent:
        return stack.enter_context(RealAgent(tmp_path / name, monitor, name, log, settings=settings))

    return made
