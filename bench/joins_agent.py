"""`winnower agent run` beside a capture: the same bytes as they come, joined by the program as users run it.

    with beside(ledger, auditd.log, tags=True) as agent: ...; lines(agent, expected=3_000)

Rules of this file
    - Shipped settings, but for the place of the logs and the source of tags; a monitor of ours takes what it sends.
    - What it says of lines are its own figures: by operation, as `bench/joins.py` counts them from the pipeline.

Source: bench/live_agent.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from live_agent import AgentProcess
from live_monitor import MonitorProcess, Table
from testbed.ledger import PREFIX, TEMPORARY, Ledger
from testbed.processes import wait_until
from testbed.tagger import helper
from testbed.tell import TestbedError

LINES: Final = 'winnower_agent_log_lines_total{operation="'
PLACE: Final = f'\n[[logs.files]]\npath = "{TEMPORARY}/{PREFIX}*/access.log"\ncontainer = "host"\n'
PATIENCE: Final = 30.0
"""Seconds: lines that wait for a write that never comes are told after twelve."""


@contextmanager
def beside(ledger: Ledger, log: Path, *, tags: bool) -> Iterator[AgentProcess]:
    """An agent on this audit log that reads the testbed's access logs; with `tags` it starts the eBPF helper."""
    settings: Table = {"tags": {"source": "ebpf", "helper": str(helper())}} if tags else {}
    with (
        MonitorProcess.begin(ledger) as monitor,
        AgentProcess.begin(ledger, monitor, "joins", log=log, settings=settings) as agent,
    ):
        agent.program.stop()
        agent.config.write_text(agent.config.read_text("utf-8") + PLACE, "utf-8")
        agent.program.start()
        if not wait_until(lambda: _answers(agent), PATIENCE):
            raise TestbedError(f"the agent does not come back: {agent.program.last_words()}")
        yield agent


def _answers(agent: AgentProcess) -> bool:
    try:
        return bool(agent.figures())
    except TestbedError:
        return False


def lines(agent: AgentProcess, expected: int) -> dict[str, int]:
    """How many lines it has joined by each operation, once it has told of all, or is too late."""
    wait_until(lambda: sum(_lines(agent).values()) >= expected, PATIENCE, every=0.25)
    return _lines(agent)


def _lines(agent: AgentProcess) -> dict[str, int]:
    found = agent.figures()
    return {name[len(LINES) : -2]: int(value) for name, value in found.items() if name.startswith(LINES)}
