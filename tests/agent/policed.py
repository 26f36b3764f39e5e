"""A worker with policies and a local store, fed with files that processes open, judged epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lines import AT_CWD, START, path, syscall

from agent.containers import Containers
from agent.instances import Instances
from agent.pipeline import Pipeline
from agent.police import Police
from grammar.finding import Finding
from policies import Policy, parse_policy

HEAD = "---\nid: {}\ntitle: t\nseverity: high\ntechnique: T1059\nfalse_positives: [none]\n---\n"


def policy(name: str, query: str) -> Policy:
    return parse_policy(HEAD.format(name) + query, name)


class Worker:
    """One worker with a store, judged epoch by epoch."""

    def __init__(self, folder: Path, *policies: Policy) -> None:
        self.store = Instances(folder, "w")
        self.pipeline = Pipeline(Containers.of([]), 10_000, recorder=self.store)
        self.police = Police(tuple(policies))
        self.epochs = 0
        self.serial = 0

    @property
    def start(self) -> int:
        """Log time: an epoch every ten seconds."""
        return START + 10_000 * self.epochs

    def opened(self, name: str, *, pid: int = 100, flags: int = 0) -> Worker:
        """A process opens a file."""
        self.serial += 1
        exit_ = 3 + self.serial
        stamp = (self.start + 10 * self.serial, self.serial)
        line = syscall("openat", stamp=stamp, pid=pid, exit=exit_, a0=AT_CWD, a2=flags, paths=[path(name)])
        self.pipeline.absorb(line)
        return self

    def judged(self) -> tuple[Finding, ...]:
        """End the epoch."""
        self.pipeline.node.tick()
        epoch = self.pipeline.cut(self.start, 10_000)
        found = self.police.judge(self.pipeline.node, epoch, self.store)
        self.store.cut(self.epochs)
        self.epochs += 1
        return found


def verdicts(found: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(one.policy, one.verdict) for one in found]
