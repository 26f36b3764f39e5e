"""The choice: the best there is, the next best when it ends, and back again; each said, and counted once.

Source: agent/tags_choice.py.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tagged import fake_helper, packed, tag, tags

from agent import tags_choice
from agent.backoff import Backoff
from agent.config_tags import Tags
from agent.kernel import KernelAuditError
from agent.kernel_wire import KernelStatus
from agent.loss import Loss
from agent.tags import Tag
from agent.tags_choice import SETTLED, Candidate, Choice, Outside, auditd, choose
from agent.tags_marks import Marks
from agent.tags_source import Batch, Kind, Refused, State, TagReader


@dataclass
class Fake:
    """A channel that is as the test says."""

    kind: Kind
    state: State = "works"
    why: str = "well"
    waiting: list[Tag] = field(default_factory=list)
    left_out: set[int] = field(default_factory=set)
    loss: Loss = field(default_factory=Loss)
    closed: int = 0
    behind: int = 0

    def take(self) -> Batch:
        taken, self.waiting = self.waiting, []
        return Batch(taken, packed(*taken))

    def counters(self) -> Mapping[str, int]:
        return {"read": 7}

    def exclude(self, pids: Iterable[int]) -> None:
        self.left_out |= set(pids)

    def close(self) -> None:
        self.closed += 1


class Stage:
    """A clock, and what can be had of each kind: a channel, or why not."""

    def __init__(self, module: Fake | str, ebpf: Fake | str) -> None:
        self.now = 0.0
        self.had: dict[Kind, Fake | str] = {"module": module, "ebpf": ebpf}
        self.tried: list[Kind] = []
        candidates = [Candidate(kind, self.maker(kind), Backoff(lambda: 1.0, 2.0, 60.0)) for kind in self.had]
        self.choice = Choice(candidates, lambda: self.now)

    def maker(self, kind: Kind) -> Callable[[], Fake]:
        def make() -> Fake:
            self.tried.append(kind)
            found = self.had[kind]
            if isinstance(found, str):
                raise Refused(found)
            return found

        return make

    def at(self, now: float) -> Kind:
        self.now = now
        self.choice.take()
        return self.choice.kind


def test_the_module_is_read_and_the_helper_is_not_even_started() -> None:
    stage = Stage(Fake("module"), Fake("ebpf"))
    assert (stage.choice.kind, stage.choice.why, stage.tried) == ("module", "module: well", ["module"])


def test_without_the_module_the_helper_is_and_it_is_said_why() -> None:
    stage = Stage("not loaded", Fake("ebpf"))
    assert (stage.choice.kind, stage.choice.why) == ("ebpf", "module: not loaded; ebpf: well")


def test_without_both_there_are_none_and_each_says_why() -> None:
    stage = Stage("not loaded", "no helper")
    assert (stage.choice.kind, stage.choice.why) == ("none", "module: not loaded; ebpf: no helper")
    assert stage.choice.take() == ([], b"")
    assert stage.choice.counters() == {}


def test_what_cannot_be_had_is_tried_again_after_longer_and_longer_times() -> None:
    stage = Stage("no", "no")
    for now in range(1, 40):
        stage.at(now)
    assert stage.tried.count("module") == len([0, 2, 6, 14, 30])


def test_when_the_module_goes_the_helper_takes_over_at_once_and_gives_way_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """rmmod, and later modprobe: each end is logged, and counted once."""
    caplog.set_level(logging.INFO, "agent.tags")
    device, helper = Fake("module"), Fake("ebpf")
    stage = Stage(device, helper)
    device.state, device.why = "ended", "No such device"
    stage.had["module"] = "not loaded"
    assert stage.at(100) == "ebpf"
    assert device.closed == 1
    assert stage.choice.loss.take() == {"tags_unknown": 1}
    assert stage.choice.falls == 1
    stage.had["module"] = Fake("module")
    assert [stage.at(now) for now in (101, 102, 110, 200)][-1] == "module"
    assert helper.closed == 1
    assert stage.choice.loss.take() == {}
    said = [(one.levelname, one.message, one.__dict__.get("source")) for one in caplog.records]
    assert said[:2] == [
        ("INFO", "log writes are tagged", "module"),
        ("WARNING", "tags of log writes have ended", "module"),
    ]
    assert said[-1] == ("INFO", "log writes are tagged", "module")


def test_when_the_module_goes_a_helper_that_was_not_to_be_had_is_tried_at_once() -> None:
    stage = Stage("no", "no")
    stage.choice.candidates[1].due = 1_000.0
    device = stage.had["module"] = Fake("module")
    assert stage.at(2) == "module"
    device.state, stage.had["ebpf"] = "ended", Fake("ebpf")
    assert stage.at(3) == "ebpf"


def test_where_another_reads_the_device_the_helper_is_the_next_best() -> None:
    stage = Stage("another process reads it: it has one reader at a time", Fake("ebpf"))
    assert "another process reads it" in stage.choice.why
    assert stage.choice.kind == "ebpf"


def test_a_helper_that_is_starting_is_none_until_it_works() -> None:
    helper = Fake("ebpf", "starting")
    stage = Stage("no", helper)
    assert stage.choice.kind == "none"
    helper.state = "works"
    helper.waiting = tags(0, 2)
    assert stage.choice.take().tags == tags(0, 2)
    assert stage.choice.kind == "ebpf"


def test_while_a_helper_starts_the_module_may_come() -> None:
    helper = Fake("ebpf", "starting")
    stage = Stage("no", helper)
    stage.had["module"] = Fake("module")
    assert stage.at(3) == "module"
    assert helper.closed == 1


def test_one_that_works_and_ends_again_and_again_is_started_less_and_less() -> None:
    stage = Stage("no", Fake("ebpf"))
    for now in range(1, 120):
        stage.had["ebpf"] = Fake("ebpf")
        stage.at(now)
        channel = stage.choice.candidates[1].channel
        if isinstance(channel, Fake):
            channel.state = "ended"
    assert stage.tried.count("ebpf") <= 7


def test_one_that_has_worked_for_long_is_started_again_at_once() -> None:
    stage = Stage("no", Fake("ebpf"))
    for number in range(1, 6):
        channel = stage.choice.candidates[1].channel
        assert isinstance(channel, Fake)
        channel.state = "ended"
        stage.had["ebpf"] = Fake("ebpf")
        stage.at(number * 2 * SETTLED)
        assert stage.at(number * 2 * SETTLED + 2.1) == "ebpf"


def test_losses_of_all_that_were_read_come_through() -> None:
    device = Fake("module")
    stage = Stage(device, "no")
    device.loss.note("tags_damaged", 3)
    stage.choice.take()
    assert stage.choice.loss.take() == {"tags_damaged": 3}
    device.loss.note("tags_damaged", 4)
    device.state = "ended"
    stage.choice.take()
    assert stage.choice.loss.take() == {"tags_damaged": 4, "tags_unknown": 1}


def test_who_is_left_out_is_told_to_what_is_open_once() -> None:
    device = Fake("module")
    stage = Stage(device, "no")
    stage.choice.exclude([5, 0])
    assert device.left_out == {5}
    device.left_out.clear()
    stage.choice.exclude([5])
    assert device.left_out == set()


def test_closed_all_is_closed() -> None:
    device = Fake("module")
    stage = Stage(device, "no")
    stage.choice.close()
    assert (device.closed, stage.choice.kind) == (1, "none")


# The real parts, put together from settings: a FIFO stands for the device, a script for the helper.


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[..., TagReader]]:
    readers: list[TagReader] = []
    (tmp_path / "parameters").mkdir()

    def make(source: str = "auto", body: str = "ready()\nuntil_the_end()", **words: object) -> TagReader:
        told: dict[str, object] = {"device": str(tmp_path / "device"), "helper": fake_helper(tmp_path, body)} | words
        world = Outside(auditd=lambda: 1, chance=lambda: 0.0, parameters=str(tmp_path / "parameters"))
        readers.append(choose(Tags(source=source, **told), Marks(), world))  # type: ignore[arg-type]
        return readers[-1]

    yield make
    for one in readers:
        one.close()


def comes(reader: TagReader, kind: Kind) -> list[Tag]:
    found, end = list[Tag](), time.monotonic() + 8
    while reader.kind != kind:
        found += reader.poll()
        assert time.monotonic() < end, reader.why
        time.sleep(0.01)
    return found


def test_a_device_that_vanishes_gives_way_to_the_helper(made: Callable[..., TagReader], tmp_path: Path) -> None:
    """And the gap is seen: the helper's load is another one."""
    os.mkfifo(tmp_path / "device")
    given = packed(*tags(0, 2, load=5)).hex()
    reader = made(body=f"ready(5)\nos.write(1, bytes.fromhex('{given}'))\nuntil_the_end()")
    writer = os.open(tmp_path / "device", os.O_WRONLY)
    assert reader.kind == "module"
    os.write(writer, packed(tag(0)))
    assert reader.poll() == [tag(0)]
    os.close(writer)
    (tmp_path / "device").unlink()
    found = comes(reader, "ebpf")
    end = time.monotonic() + 8
    while len(found) < 2 and time.monotonic() < end:
        found += reader.poll()
    assert found == tags(0, 2, load=5)
    assert reader.loss.take() == {"tags_unknown": 2}
    assert "device: it has ended; ebpf: eBPF (fexit)" in reader.why


def test_the_helper_is_told_what_the_settings_say(made: Callable[..., TagReader], tmp_path: Path) -> None:
    body = 'import json\nsay(json.dumps({"ready": False, "why": " ".join(sys.argv[1:])}))\nsys.exit(1)'
    reader = made("ebpf", body, mode="sys_exit", paths=("/srv/log",), cgroups=(str(tmp_path),))
    end = time.monotonic() + 8
    while "starting" in reader.why and time.monotonic() < end:
        reader.poll()
        time.sleep(0.01)
    told = f"--mode sys_exit --buffer 8388608 --path /srv/log --cgroup {tmp_path.stat().st_ino}"
    excluded = {f"--exclude {pid}" for pid in (1, os.getpid())}
    assert told in reader.why
    assert all(one in reader.why for one in excluded)


def test_the_module_is_told_what_the_settings_say(made: Callable[..., TagReader], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "device")
    for name in ("exclude", "paths", "cgroups"):
        (tmp_path / "parameters" / name).write_text("\n")
    made("module", paths=("/srv/log/", "/"), cgroups=(str(tmp_path),))
    listed = {path.name: path.read_text().strip() for path in (tmp_path / "parameters").iterdir()}
    assert set(listed.pop("exclude").split(",")) == {"1", str(os.getpid())}
    assert listed == {"paths": "/srv/log,/", "cgroups": str(tmp_path.stat().st_ino)}


def test_a_group_that_is_not_there_does_not_mean_all_groups(made: Callable[..., TagReader], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "device")
    reader = made(cgroups=(str(tmp_path / "none"),))
    assert reader.kind == "none"
    assert "tags.cgroups" in reader.why


@pytest.mark.parametrize(
    ("source", "words"), [("none", "not wanted"), ("module", "modprobe winnower"), ("ebpf", "starting")]
)
def test_only_what_is_wanted_is_tried(made: Callable[..., TagReader], source: str, words: str) -> None:
    reader = made(source, "until_the_end()")
    assert reader.kind == "none"
    assert words in reader.why


def test_a_helper_that_is_missing_is_said(made: Callable[..., TagReader]) -> None:
    assert "no helper /none/winnower-tags" in made(helper="/none/winnower-tags").why


def test_who_takes_the_kernel_s_records_is_asked_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags_choice, "read_status", lambda deadline: KernelStatus(pid=77))
    assert auditd() == 77

    def refused(deadline: float) -> KernelStatus:
        raise KernelAuditError("no audit", "none here", "")

    monkeypatch.setattr(tags_choice, "read_status", refused)
    assert auditd() == 0
