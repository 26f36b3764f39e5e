"""The tests of the monitor share one helper, by plain name: a playbook of simulated replicas."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from playbook import Cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Callable[..., Cluster]:
    """`cluster(8)` is a monitor with eight replicas that nobody has heard of yet."""
    return lambda *arguments, **settings: Cluster(tmp_path / "state", *arguments, **settings)
