"""`make live` interrupted: everything that it has started by then is gone again. Skipped where it cannot run.

The demo's good end takes half a minute: `make live` is its test, and says by its exit code what this file could.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import live_demo
import pytest
from testbed.leftovers import left, look
from testbed.ready import why_not

# Network namespaces of the fault suite, which may run at the same time.
OTHERS = re.compile(r"/wf\d+")


@pytest.fixture(autouse=True)
def machine() -> None:
    if reason := why_not("audit", "containers", "image", "load"):
        pytest.skip(reason)


def test_interrupted_it_leaves_nothing_and_says_so() -> None:
    before = look()
    argv = [sys.executable, str(Path(live_demo.__file__)), "--auid", "5911"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if line.startswith("live: harmless requests"):
                break
        run.send_signal(signal.SIGINT)
        rest = run.stdout.read()
        assert run.wait(60) == 130
    assert "live: interrupted; cleaned up" in rest
    assert left(before, lambda line: not OTHERS.search(line)) == []
