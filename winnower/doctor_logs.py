"""The doctor's checks of applications' logs: whether journald keeps any, and whose logs an agent could read here.

Rules of this file
    - A check is a pure function from a `Probe` to a `Finding`; nothing here is a failure. Engines are asked by their
      own programs; at most `MAX_CONTAINERS` of their containers.

Source: design section 5; agent.logfiles.
"""

from __future__ import annotations

import json
from typing import Final

from agent.logfiles_journal import FOLDERS
from agent.logfiles_places import inspected
from winnower.doctor_probe import Finding, Probe

MAX_CONTAINERS: Final = 64
MAX_NAMED: Final = 3


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
