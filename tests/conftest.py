"""What every test may ask for: Hypothesis profiles, the shared recordings, a recording's log as plain bytes.

Rules of this file
    - A test runs from the checkout alone: what lies outside it is a fixture that skips, with the reason, if absent.
    - In CI the properties are derandomised: a red build is red again when it is run again.

Profiles: `brief` 10 examples (CI's second Python); `default` 50; `nightly` 10,000 (`make fuzz`, or
`pytest --hypothesis-profile=nightly`).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# The benches are scripts that import one another by plain name; their tests do the same.
sys.path.insert(0, str(ROOT / "bench"))

settings.register_profile("default", max_examples=50, deadline=None, derandomize=bool(os.environ.get("CI")))
settings.register_profile(
    "nightly", max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("brief", max_examples=10, deadline=None, derandomize=True)
settings.load_profile("default")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recordings, fixtures and vectors beside the checkout; the test is skipped where it is absent."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("no folder `shared` beside the checkout: its recordings and fixtures are needed here")
    return folder


@pytest.fixture
def auditd_turn() -> Iterator[None]:
    """One test at a time has the kernel's audit: a lock on a file that is there anyway, as bench/testbed takes it."""
    program = shutil.which("auditctl")
    if program is None:
        pytest.skip("auditctl is not installed")
    with open(program, "rb") as lock:  # noqa: PTH123 - a lock wants a file, not a path
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def recording_log(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """`recording_log("web", "worker3")` is the path of that worker's log, decompressed once per session."""
    made: dict[tuple[str, str], Path] = {}

    def log(recording: str, worker: str) -> Path:
        packed = shared / "recordings" / recording / worker / "audit.log.zst"
        if not packed.is_file():
            pytest.skip(f"no recording {recording}/{worker} in `shared`")
        if (recording, worker) not in made:
            plain = tmp_path_factory.mktemp(f"{recording}-{worker}") / "audit.log"
            with packed.open("rb") as source, plain.open("wb") as target:
                zstandard.ZstdDecompressor().copy_stream(source, target)
            made[recording, worker] = plain
        return made[recording, worker]

    return log
