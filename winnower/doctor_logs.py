"""The doctor's checks of applications' logs: journald's, whose logs could be read here, what a running agent has read.

Rules of this file
    - A check is a pure function from a `Probe` to a `Finding`; nothing here is a failure. Engines are asked by their
      own programs; at most `MAX_CONTAINERS` of their containers.
    - The agent is asked where its settings say by default: an agent that is served elsewhere is not found.

Source: design section 5; agent.logfiles; agent.figures.
"""

from __future__ import annotations

import json
import re
from typing import Final

from agent.logfiles_journal import FOLDERS
from agent.logfiles_places import inspected
from winnower.doctor_probe import Finding, Probe

MAX_CONTAINERS: Final = 64
MAX_NAMED: Final = 3
METRICS: Final = "http://127.0.0.1:7718/metrics"
BEHIND: Final = 16 << 20
"""Bytes behind from which on an agent does not keep up."""
UNJOINED: Final = 0.1
"""Share of lines that nobody was found for, from which on something is missing."""
_LOG: Final = re.compile(
    r"^winnower_agent_log_(\w+?)(?:_total)?(?:\{operation=\"(\w+)\"\})? (\d{1,18}(?:\.\d+)?)$", re.M
)


def journal(probe: Probe) -> Finding:
    """journald keeps a journal, and can be asked for it: only containers whose engine logs there need it."""
    kept = next((folder for folder in FOLDERS if probe.inside(folder)), "")
    if not kept:
        return Finding("journal", "ok", "no journal is kept here: logs come from files alone")
    if probe.program("journalctl"):
        return Finding("journal", "ok", kept)
    return Finding("journal", "warn", f"{kept}, but no journalctl", "containers that log to journald: install systemd")


def containers(probe: Probe) -> Finding:
    """Whose logs can be read: files by a container's first process, stdout by what its engine keeps."""
    found = [one for name in ("docker", "podman") for one in _running(probe, name)]
    if not found:
        return Finding("container logs", "ok", "no container runs that an engine here would tell of")
    unread = [f"{name} ({why})" for name, why in (_trouble(probe, one) for one in found) if why]
    told = f"of {len(found) - len(unread)} of {len(found)} containers"
    if not unread:
        return Finding("container logs", "ok", told)
    shown = ", ".join(unread[:MAX_NAMED]) + (", …" if len(unread) > MAX_NAMED else "")
    return Finding("container logs", "warn", f"{told}; not {shown}", "run as root; a log driver that keeps a file")


def read(probe: Probe) -> Finding:
    """What a running agent has made of the logs here."""
    page = probe.page(METRICS)
    if page is None:
        return Finding("lines of logs", "ok", "no agent runs here, or not on port 7718")
    found = {name + operation: int(float(value)) for name, operation, value in _LOG.findall(page)}
    if not found:
        return Finding("lines of logs", "ok", "the agent reads none (logs.enabled)")
    exact, near, alone = (found.get(f"lines{operation}", 0) for operation in ("log", "log_near", "none"))
    behind = found.get("behind_bytes", 0)
    told = f"{found.get('files', 0)} logs; lines by write {exact}, by time {near}, nobody's {alone}; behind {behind} B"
    if behind > BEHIND:
        return Finding("lines of logs", "warn", told, "the agent does not keep up: limits.cpu_percent, logs.most")
    if alone > UNJOINED * (exact + near + alone):
        return Finding("lines of logs", "warn", told, "audit writes (winnower agent rules --set full), or log ports")
    return Finding("lines of logs", "ok", told)


def _running(probe: Probe, engine: str) -> list[dict[str, object]]:
    """What an engine's `inspect` prints of its running containers."""
    idents = (probe.output(engine, "ps", "--quiet", "--no-trunc") or "").split()[:MAX_CONTAINERS]
    text = probe.output(engine, "inspect", *idents) if idents else None
    try:
        answers = json.loads(text or "[]")
    except (ValueError, RecursionError):
        return []
    return [one for one in answers if isinstance(one, dict)] if isinstance(answers, list) else []


def _trouble(probe: Probe, answer: dict[str, object]) -> tuple[str, str]:
    """A container's name, and why its logs cannot all be read, if they cannot."""
    state, where = answer.get("State"), inspected(answer)
    pid = state.get("Pid") if isinstance(state, dict) else None
    name = str(answer.get("Name") or answer.get("Id", ""))[:64].lstrip("/")
    if not isinstance(pid, int) or not probe.inside(f"/proc/{pid}/root"):
        return name, "its files"
    if where.driver == "journald":
        return name, "" if any(probe.inside(folder) for folder in FOLDERS) else "stdout: no journal"
    if not where.log:
        return name, "stdout: its engine keeps none"
    return name, "" if probe.exists(where.log) else "stdout: no file yet"
