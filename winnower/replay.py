"""Replaying a recording: one agent per worker and a monitor, epoch by epoch in log time.

Rules of this file
    - Agents and monitor speak to each other in bytes only, as they would over a network; every byte is counted.
    - All workers advance together: an epoch is over when every worker has reported it.
    - Nothing is half-written: state, report and dump appear when the whole recording has been read, or not at all.

Complexity: O(bytes of the logs).
Source: design section 5 (`winnower replay`).
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from agent.containers import Containers
from agent.epochs import Epoch
from agent.pipeline import Pipeline
from agent.publisher import Publisher
from agent.recording import Recording, open_recording, read_log
from grammar import InputError, answered, framed
from monitor.alerts import Alert
from monitor.monitor import Monitor
from monitor.novelty import Settings
from monitor.store import FILE, Store
from policies import Policy
from winnower.dump import Dump
from winnower.report import Report, WorkerReport


@dataclass(slots=True)
class Agent:
    """One worker's side: its pipeline, its publisher, its counts; `pending` is the next epoch to report."""

    name: str
    pipeline: Pipeline
    publisher: Publisher
    report: WorkerReport
    source: Iterator[bytes]
    pending: Epoch | None = None
    _epochs: Iterator[Epoch] = field(default_factory=lambda: iter(()))

    def start(self) -> None:
        """Read up to the first epoch's end."""
        self._epochs = self._all()
        self.advance()

    def advance(self) -> None:
        """Read up to the next epoch's end."""
        begun = time.process_time()
        self.pending = next(self._epochs, None)
        self.report.cpu_seconds += time.process_time() - begun

    def _all(self) -> Iterator[Epoch]:
        for chunk in self.source:
            self.report.raw_bytes += len(chunk)
            yield from self.pipeline.feed(chunk)
        yield from self.pipeline.finish()


@dataclass(slots=True)
class Replay:
    """A recording under way. `progress` hears the fraction of log time done; `on_alert` every alert."""

    recording: Recording
    epoch_millis: int
    policies: Sequence[Policy] = ()
    settings: Settings = field(default_factory=Settings)
    dump: Dump | None = None
    on_alert: Callable[[Alert], None] = lambda alert: None
    on_epoch: Callable[[int, Sequence[Agent]], None] = lambda start, agents: None

    def run(self, store: Store) -> tuple[Monitor, Report]:
        """Replay everything into `store`."""
        begun = time.monotonic()
        monitor = Monitor(store, self.policies, self.settings, self.on_alert)
        agents = [self._agent(worker) for worker in self.recording.logs]
        report = Report(self.recording.name, self.epoch_millis / 1000, {agent.name: agent.report for agent in agents})
        for agent in agents:
            agent.start()
        while any(agent.pending for agent in agents):
            start = min(agent.pending.start for agent in agents if agent.pending)
            for agent in agents:
                if agent.pending is not None and agent.pending.start == start:
                    _publish(agent, agent.pending, monitor)
                    agent.advance()
            monitor.end_epoch(self.epoch_millis)
            self.on_epoch(start, agents)
        report.wall_seconds = time.monotonic() - begun
        report.peak_rss_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return monitor, report

    def _agent(self, worker: str) -> Agent:
        containers = Containers.of(self.recording.containers.get(worker, []))
        recorder = self.dump.of(worker) if self.dump is not None else None
        pipeline = Pipeline(containers, self.epoch_millis, recorder=recorder)
        session = blake2b(f"{self.recording.name}\0{worker}".encode(), digest_size=8).digest()
        publisher = Publisher(worker, session, pipeline.epochs.lexicons)
        return Agent(worker, pipeline, publisher, WorkerReport(), read_log(self.recording.logs[worker]))


def _publish(agent: Agent, epoch: Epoch, monitor: Monitor) -> None:
    """One epoch over the wire: ask for new words if there is something to tell, then tell."""
    uplink = downlink = 0
    begun = time.process_time()
    question = agent.publisher.question(epoch)
    spent = time.process_time() - begun
    if question:
        uplink += len(framed("POST", "/v1/words", question))
        answer = monitor.control(question)
        downlink += len(answered(answer))
        begun = time.process_time()
        agent.publisher.learn(answer)
        spent += time.process_time() - begun
    begun = time.process_time()
    envelope = agent.publisher.envelope(epoch)
    spent += time.process_time() - begun
    uplink += len(framed("POST", "/v1/epochs", envelope))
    downlink += len(answered(monitor.receive(envelope)))
    agent.report.cpu_seconds += spent
    delta = agent.publisher.delta_bytes
    agent.report.add(epoch, uplink, downlink, delta, spent)


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
    state.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{state.name}-", dir=state.parent))
    try:
        store = Store(work / "state", create=True)
        recorder = Dump() if dump is not None else None
        monitor, told = run(recording, recorder, store)
        if recorder is not None:
            recorder.write(work / "dump", {name: app.model for name, app in monitor.apps.items()})
        (work / "report.json").write_text(json.dumps(told.value(monitor), indent=1), encoding="utf-8")
        store.close()
        _place(work, state, report, dump)
    except OSError as error:
        raise InputError(f"cannot write: {error.strerror}", file=str(error.filename or state)) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return monitor, told


def _may_replace(state: Path) -> None:
    """A folder that holds something else than a state is not touched."""
    if state.exists() and not state.is_dir():
        raise InputError("state is not a folder", file=str(state), hint="name a new folder")
    if state.is_dir() and any(state.iterdir()) and not (state / FILE).is_file():
        raise InputError("this folder holds something else", file=str(state), hint="name a new folder for the state")


def _place(work: Path, state: Path, report: Path | None, dump: Path | None) -> None:
    """Move everything to where it was asked for; the state last."""
    if dump is not None:
        dump.mkdir(parents=True, exist_ok=True)
        for path in sorted((work / "dump").iterdir()):
            shutil.move(path, dump / path.name)
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        partial = report.with_name(f".{report.name}.partial")
        shutil.copyfile(work / "report.json", partial)
        os.replace(partial, report)
    if state.exists():
        shutil.rmtree(state)
    os.replace(work / "state", state)
