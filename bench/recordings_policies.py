"""What the shipped policies say about recordings with a known truth: each attack is told, and nothing else is.

    python bench/recordings_policies.py [RECORDING...] [--epoch 10s]

Rules of this file
    - A recording is replayed as `winnower replay` does it, with the shipped policies; novelty and what the monitor says
      of its agents are not policies and do not count.
    - The truth is the recording's `labels.json`: attacks with their container, begin and end. An alert belongs to an
      attack if it is of its container and its time lies in it, or within an epoch of it.
    - Exit code 1 if an alert belongs to no attack, if an attack has no alert, or if a policy whose subject the attack
      is (`SUBJECTS`) is silent.

Source: issue "policies and questions" (done when: exactly what `labels.json` says, nothing on the benign part).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

import winnower
from monitor.alerts import SEVERITIES, Alert
from monitor.novelty import Settings
from winnower.policy_command import shipped_policies
from winnower.replay import replay
from winnower.replay_command import Runner, duration

SHIPPED: Final = Path(winnower.__file__).parent / "recording"
SUBJECTS: Final[Mapping[str, frozenset[str]]] = {
    "implant and theft": frozenset(
        {
            "data-mover-connects",  # nc
            "read-then-send",  # /etc/shadow, through /tmp/.loot
            "run-from-temp",  # /tmp/.x
            "shadow-file-read",
            "staged-data-sent",  # /tmp/.loot
            "write-below-binary-directory",  # /usr/bin/.sshd-helper
        }
    ),
    "confidential data theft": frozenset(
        {
            "staged-data-sent",  # /tmp/.r
            "web-server-starts-shell",  # sh mal.sh
        }
    ),
}
"""Attacks by name, and the policies that must speak of them. Of other attacks any will do."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack as the recording's labels tell it; times are milliseconds of log time."""

    name: str
    worker: str
    container: str
    start: int
    end: int

    def has(self, alert: Alert, slack: int) -> bool:
        """Whether an alert speaks of it."""
        here = (alert.worker, alert.container) == (self.worker, self.container)
        return here and self.start - slack <= alert.time <= self.end + slack


@dataclass(slots=True)
class Verdict:
    """What was told of each attack of a recording, and what was told besides."""

    told: dict[Attack, list[Alert]] = field(default_factory=dict)
    outside: list[Alert] = field(default_factory=list)

    @property
    def missed(self) -> list[str]:
        """Attacks without an alert, and policies that should have spoken of one."""
        found = []
        for attack, alerts in self.told.items():
            spoke = {alert.policy for alert in alerts}
            found += [] if spoke else [f"{attack.name}: no policy spoke"]
            found += [f"{attack.name}: {one} was silent" for one in sorted(SUBJECTS.get(attack.name, set()) - spoke)]
        return found


def attacks(labels: Mapping[str, object]) -> list[Attack]:
    """The attacks that `labels.json` tells of."""
    listed = labels.get("attacks")
    return [
        Attack(
            str(one["name"]),
            str(one["worker"]),
            str(one["container"]),
            int(float(one["start"]) * 1000),
            int(float(one["end"]) * 1000),
        )
        for one in (listed if isinstance(listed, list) else [])
    ]


def judged(truth: Iterable[Attack], alerts: Iterable[Alert], slack: int) -> Verdict:
    """Which alert belongs to which attack."""
    verdict = Verdict({attack: [] for attack in truth})
    for alert in alerts:
        owner = next((attack for attack in verdict.told if attack.has(alert, slack)), None)
        (verdict.told[owner] if owner is not None else verdict.outside).append(alert)
    return verdict


def by_severity(alerts: Sequence[Alert]) -> str:
    """Policies in order of severity, the worst first; a question mark on what nobody could confirm."""
    lines = []
    for severity in reversed(SEVERITIES):
        sure = {alert.policy: False for alert in alerts if alert.severity == severity}
        for alert in alerts:
            if alert.policy in sure:
                sure[alert.policy] |= alert.sure
        if sure:
            named = ", ".join(f"{policy}{'' if seen else '?'}" for policy, seen in sorted(sure.items()))
            lines.append(f"{severity}: {named}")
    return "\n".join(lines) or "nothing"


def verdict_on(recording: Path, millis: int) -> Verdict:
    """Replay a recording and hold its alerts against its labels."""
    policies = shipped_policies()
    ids = {policy.id for policy in policies}
    truth = attacks(json.loads((recording / "labels.json").read_text(encoding="utf-8")))
    with tempfile.TemporaryDirectory(prefix="policies-") as folder:
        monitor, _ = replay(recording, Path(folder) / "state", Runner(millis, policies, Settings()))
        alerts = [alert for alert in monitor.alerts if alert.policy in ids]
    return judged(truth, alerts, millis)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="the shipped policies on recordings with a known truth")
    parser.add_argument("recordings", nargs="*", type=Path, default=[])
    parser.add_argument("--epoch", default="10s")
    options = parser.parse_args(arguments)
    title = f"{len(shipped_policies())} shipped policies, epochs of {options.epoch}"
    table = Table("recording", "attack", "policies that spoke", title=title, title_justify="left", show_lines=True)
    table.add_column("outside", justify="right")
    problems: list[str] = []
    for recording in options.recordings or [SHIPPED]:
        verdict = verdict_on(recording, duration(options.epoch))
        for attack, alerts in verdict.told.items():
            where = f"{attack.name}\n({attack.worker}, {attack.container})"
            table.add_row(recording.name, where, by_severity(alerts), str(len(verdict.outside)))
        if not verdict.told:
            table.add_row(recording.name, "(none)", "", str(len(verdict.outside)))
        problems += [f"{recording.name}: {one}" for one in verdict.missed]
        problems += [
            f"{recording.name}: {one.policy} in {one.worker}/{one.container} at {one.time / 1000:.1f} is no attack"
            for one in verdict.outside
        ]
    Console(width=None if sys.stdout.isatty() else 110).print(table)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
