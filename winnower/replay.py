"""Replaying a recording: one agent per worker and a monitor, epoch by epoch in log time.

Rules of this file
    - Agents and monitor speak to each other in signed bytes only, as over a network; every byte is counted.
    - All workers advance together: an epoch is over when every worker has reported it.
    - Nothing is half-written: state, report and dump appear when the whole recording has been read, or not at all.

Complexity: O(bytes of the logs).
Source: design section 5 (`winnower replay`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

import msgspec

from agent.abstraction import TAU_FILE, TAU_SOCK, Abstraction
from agent.containers import Container, Containers
from agent.epochs import Epoch
from agent.instances import Instances
from agent.lognames import LogNames, Profiles
from agent.pipeline import Pipeline
from agent.police import Police
from agent.publisher import Publisher
from agent.recorders import Recorders
from agent.recording import Recording, open_recording, read_log
from agent.recording_logs import logs_of
from agent.upg import Recorder
from grammar import InputError, answered, framed
from grammar.finding import Finding
from grammar.profile import Profile
from grammar.signing import SEED, Signer, digest, unseal
from monitor.alerts import Alert
from monitor.monitor import Ack, Monitor
from monitor.novelty import Settings
from monitor.pending import verdict
from monitor.render import to_json
from monitor.store import FILE, Store
from policies.policy import Policy
from winnower.dump import Dump
from winnower.memory import peak_rss
from winnower.report import Report, WorkerReport
from winnower.staging import staging

MAX_NAME: Final = 256
MAX_ASKED: Final = 64
FOREVER: Final = 1e9
"""Seconds: a recording is replayed the same on every machine, however slow."""
TARGETS: Final = {"envelope": "/v1/epochs", "words": "/v1/words"}


@dataclass(slots=True)
class Agent:
    """One worker's side: its pipeline, its publisher, its counts; `pending` is the next epoch to report."""

    name: str
    pipeline: Pipeline
    publisher: Publisher
    report: WorkerReport
    source: Iterator[bytes]
    log: Path
    judge: Judge | None = None
    pending: Epoch | None = None
    findings: tuple[Finding, ...] = ()
    _epochs: Iterator[Epoch] = field(default_factory=lambda: iter(()))

    def start(self) -> None:
        """Read up to the first epoch's end."""
        self._epochs = self._all()
        self.advance()

    def advance(self) -> None:
        """Read up to the next epoch's end."""
        begun = time.process_time()
        self.pending = next(self._epochs, None)
        if self.judge is not None and self.pending is not None:
            self.findings = self.judge.judge(self.pipeline, self.pending)
        self.report.cpu_seconds += time.process_time() - begun

    def _all(self) -> Iterator[Epoch]:
        for chunk in self.source:
            self.report.raw_bytes += len(chunk)
            yield from self.pipeline.feed(chunk)
        yield from self.pipeline.finish()
        if self.report.raw_bytes and not self.pipeline.node.events:
            hint = "a log of auditd has lines like type=SYSCALL msg=audit(TIME:SERIAL): ..."
            raise InputError("not one audit event in this log", file=str(self.log), line=1, hint=hint)


@dataclass(slots=True)
class Judge:
    """Policies at one worker, and its local store: what is only possible is held against what really was."""

    police: Police
    store: Instances
    number: int = 0

    def judge(self, pipeline: Pipeline, epoch: Epoch) -> tuple[Finding, ...]:
        """What the policies find in an epoch."""
        found = self.police.judge(pipeline.node, epoch, self.store)
        self.store.cut(self.number)
        self.number += 1
        return found


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How many names in one directory, and how many peers, are told apart; after how long the unseen is forgotten."""

    file: int = TAU_FILE
    sock: int = TAU_SOCK
    forget_after: int = 0


@dataclass(slots=True)
class Replay:
    """A recording under way. `progress` hears the fraction of log time done; `on_alert` every alert."""

    recording: Recording
    epoch_millis: int
    policies: Sequence[Policy] = ()
    settings: Settings = field(default_factory=Settings)
    thresholds: Thresholds = field(default_factory=Thresholds)
    dump: Dump | None = None
    lines: bool = True
    profiles: Sequence[Profile] = ()
    on_alert: Callable[[Alert], None] = lambda alert: None
    on_epoch: Callable[[int, Sequence[Agent]], None] = lambda start, agents: None

    def run(self, store: Store) -> tuple[Monitor, Report]:
        """Replay everything into `store`."""
        begun = time.monotonic()
        monitor = Monitor(store, self.policies, self.settings, self.on_alert, self.thresholds.forget_after)
        with TemporaryDirectory(prefix="winnower-") as folder:
            return monitor, self._run(monitor, Path(folder), begun)

    def _run(self, monitor: Monitor, folder: Path, begun: float) -> Report:
        agents = [self._agent(worker, folder / str(at)) for at, worker in enumerate(self.recording.logs)]
        report = Report(self.recording.name, self.epoch_millis / 1000, {agent.name: agent.report for agent in agents})
        for agent in agents:
            agent.start()
        while any(agent.pending for agent in agents):
            start = min(agent.pending.start for agent in agents if agent.pending)
            for agent in agents:
                if agent.pending is not None and agent.pending.start == start:
                    _publish(agent, agent.pending, monitor)
                    _settle(monitor, agents)
                    agent.advance()
            monitor.end_epoch(self.epoch_millis)
            self.on_epoch(start, agents)
        for agent in agents:
            if (logs := agent.pipeline.node.logs) is not None:
                agent.report.lines = {key or "unjoined": n for key, n in logs.joined.items()}
                agent.report.tagged = logs.how["tag"]
        report.wall_seconds = time.monotonic() - begun
        report.peak_rss_bytes = peak_rss()
        for agent in agents:
            if agent.judge is not None:
                agent.judge.store.close()
        return report

    def _agent(self, worker: str, folder: Path) -> Agent:
        containers = Containers.of(map(_sendable, self.recording.containers.get(worker, [])))
        judge = Judge(Police(tuple(self.policies), FOREVER), Instances(folder, worker)) if self.policies else None
        recorders: list[Recorder] = [] if judge is None else [judge.store]
        if self.dump is not None:
            recorders.append(self.dump.of(worker))
        recorder = Recorders(*recorders) if len(recorders) > 1 else next(iter(recorders), None)
        abstraction = Abstraction(self.thresholds.file, self.thresholds.sock)
        logs = logs_of(self.recording.logs[worker].parent, LogNames(Profiles(self.profiles))) if self.lines else None
        refresh = self.thresholds.forget_after // 2
        pipeline = Pipeline(containers, self.epoch_millis, abstraction, recorder, refresh, logs=logs)
        session = blake2b(f"{self.recording.name}\0{worker}".encode(), digest_size=8).digest()
        publisher = Publisher(worker, session, pipeline.epochs.lexicons)
        log = self.recording.logs[worker]
        return Agent(worker, pipeline, publisher, WorkerReport(), read_log(log), log, judge)


def _sendable(container: Container) -> Container:
    """Names as a monitor takes them: UTF-8 (JSON may hold half a character), and of bounded length."""
    return replace(container, name=_name(container.name), app=_name(container.app))


def _name(text: str) -> str:
    text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) <= MAX_NAME:
        return text
    return f"{text[: MAX_NAME - 18]}~{blake2b(text.encode(), digest_size=8).hexdigest()}"


def _publish(agent: Agent, epoch: Epoch, monitor: Monitor) -> None:
    """One epoch over the wire: ask for new words if there is something to tell, tell, and if need be again in full."""
    wire = Wire(_signer(agent.name), _signer(""))
    begun = time.process_time()
    question = agent.publisher.question(epoch)
    wire.seconds += time.process_time() - begun
    if question:
        answer = wire.ask("words", question, monitor.control)
        begun = time.process_time()
        agent.publisher.learn(answer)
        wire.seconds += time.process_time() - begun
    for envelope in (agent.publisher.envelope, agent.publisher.again):
        begun = time.process_time()
        body = envelope(epoch, agent.findings)
        wire.seconds += time.process_time() - begun
        wire.deltas += agent.publisher.delta_bytes
        if msgspec.msgpack.decode(wire.ask("envelope", body, monitor.receive), type=Ack).status != "base":
            break
    agent.report.cpu_seconds += wire.seconds
    agent.report.add(epoch, wire.up, wire.down, wire.deltas, wire.seconds)


def _settle(monitor: Monitor, agents: Sequence[Agent]) -> None:
    """Ask the workers about matches that their findings say nothing of."""
    stores = {agent.name: agent.judge.store for agent in agents if agent.judge is not None}
    while waiting := monitor.alarms.pending.unasked(MAX_ASKED):
        for one in waiting:
            store = stores.get(one.alert.worker)
            reply = store.answer(one.question, FOREVER) if store is not None else None
            monitor.settle(one.question.id, verdict(reply) if reply is not None else None)


def _signer(name: str) -> Signer:
    """A key as an enrolled agent (or the monitor) has one; here it is made from the name: it is counted, not secret."""
    return Signer(
        blake2b(name.encode("utf-8", "surrogateescape"), digest_size=SEED, person=b"winnower replay").digest()
    )


@dataclass(slots=True)
class Wire:
    """What one epoch cost: bytes both ways with heads and signatures, bytes of deltas, CPU seconds of the agent."""

    agent: Signer
    monitor: Signer
    up: int = 0
    down: int = 0
    deltas: int = 0
    seconds: float = 0.0

    def ask(self, sort: Literal["envelope", "words"], body: bytes, monitor: Callable[[bytes], bytes]) -> bytes:
        """One request and its answer, both signed and checked."""
        begun = time.process_time()
        sealed = self.agent.seal(sort, body)
        self.seconds += time.process_time() - begun
        self.up += len(framed("POST", TARGETS[sort], sealed))
        opened = unseal(sort, sealed, {self.agent.key_id: self.agent.public}.get)
        answer = self.monitor.seal("answer", monitor(opened.body), digest(sealed))
        self.down += len(answered(answer))
        begun = time.process_time()
        told = unseal("answer", answer, {self.monitor.key_id: self.monitor.public}.get, digest(sealed))
        self.seconds += time.process_time() - begun
        return told.body


def replay(
    folder: Path,
    state: Path,
    run: Callable[[Recording, Dump | None, Store], tuple[Monitor, Report]],
    report: Path | None = None,
    dump: Path | None = None,
) -> tuple[Monitor, Report]:
    """Replay a recording into fresh state; write report and dump; all of it or nothing."""
    recording = open_recording(folder)
    _may_replace(state)
    with staging() as stage:
        told_at = stage.file(report) if report is not None else None
        dumped_at = stage.folder(dump) if dump is not None else None
        with closing(Store(stage.folder(state), create=True)) as store:
            recorder = Dump() if dumped_at is not None else None
            monitor, told = run(recording, recorder, store)
        if recorder is not None and dumped_at is not None:
            recorder.write(dumped_at, {name: app.folded for name, app in monitor.apps.items()})
        if told_at is not None:
            told_at.write_text(to_json(told.value(monitor)) + "\n", encoding="ascii")
        for leftover in (f"{FILE}-wal", f"{FILE}-shm"):
            (state / leftover).unlink(missing_ok=True)
    return monitor, told


def _may_replace(state: Path) -> None:
    """A folder that holds something else than a state is not touched."""
    try:
        if state.exists() and not state.is_dir():
            raise InputError("state is not a folder", file=str(state), hint="name a new folder")
        if state.is_dir() and any(state.iterdir()) and not (state / FILE).is_file():
            raise InputError(
                "this folder holds something else", file=str(state), hint="name a new folder for the state"
            )
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(state)) from None
