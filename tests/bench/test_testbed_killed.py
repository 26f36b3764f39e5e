"""A run that is killed with everything up leaves nothing, at the latest after the next sweep."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from testbed import ledger as ledger_module
from testbed.ledger import sweep
from testbed.leftovers import left, leftovers, look
from testbed.ready import why_not

BENCH = Path(ledger_module.__file__).resolve().parents[1]
# A run with everything up; says so, then waits to be killed.
RUN = """\
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from testbed.auditd import Auditd
from testbed.containers import Containers
from testbed.ledger import Ledger
from testbed.rules import rules
with Ledger.begin(Path(sys.argv[2])) as ledger, Auditd(ledger) as auditd:
    auditd.add_rules(rules(5909))
    with Containers(ledger, count=1, auid=5909):
        print("up", flush=True)
        time.sleep(60)
"""


@pytest.fixture(autouse=True)
def machine() -> None:
    if reason := why_not("audit", "containers", "image"):
        pytest.skip(reason)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_killed_with_everything_up_leaves_nothing_after_the_next_sweep(
    tmp_path: Path, number: signal.Signals
) -> None:
    before = look()
    argv = [sys.executable, "-c", RUN, str(BENCH), str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "up\n"
        run.send_signal(number)
        run.wait(30)
    if number == signal.SIGKILL:
        assert leftovers(before, look()) != []
        assert sweep(tmp_path) == 1
    assert left(before) == []
