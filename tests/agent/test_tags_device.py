"""The device, played by a pipe with a name: what a reader has of it, and why it cannot be had.

Source: agent/tags_device.py.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tagged import packed, tag, tags

from agent.tags_device import Device, Parameters
from agent.tags_marks import Marks
from agent.tags_source import Refused, TagReader


class Fake:
    """A device that is a FIFO, its statistics and its parameters."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "winnower"
        os.mkfifo(self.path)
        self.statistics, self.parameters = folder / "statistics", folder / "parameters"
        for place in (self.statistics, self.parameters):
            place.mkdir()
        self.count("load", 77)
        (self.parameters / "exclude").write_text("\n")
        self.ours = self.into = -1

    def count(self, name: str, number: object) -> None:
        (self.statistics / name).write_text(f"{number}\n")

    def listed(self, name: str = "exclude") -> str:
        return (self.parameters / name).read_text().strip()

    def device(self) -> Device:
        """Opened as it is in earnest; our side of it after that, for a FIFO without readers has no writers."""
        found = Device(
            str(self.path), parameters=Parameters(str(self.parameters)), statistics=str(self.statistics), room=1 << 20
        )
        self.into = os.open(self.path, os.O_WRONLY)
        return found

    def vanish(self) -> None:
        if self.into >= 0:
            os.close(self.into)
        self.into = -1


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Fake]:
    made = Fake(tmp_path)
    yield made
    made.vanish()


def refusing(number: int) -> Callable[[str], int]:
    def opener(path: str) -> int:
        raise OSError(number, os.strerror(number), path)

    return opener


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOENT, "not loaded (modprobe winnower)"),
        (errno.ENODEV, "being removed"),
        (errno.EBUSY, "another process reads it"),
        (errno.EACCES, "as root"),
        (errno.EPERM, "as root"),
        (errno.EMFILE, "Too many open files"),
    ],
)
def test_why_it_cannot_be_opened_is_said(number: int, words: str) -> None:
    with pytest.raises(Refused, match="/dev/winnower: ") as caught:
        Device(opener=refusing(number))
    assert words in str(caught.value)


def test_tags_come_in_order_of_time_with_gaps_counted_in_theirs(fake: Fake) -> None:
    """Two processors, whose records the kernel gives one after the other."""
    device = fake.device()
    reader = TagReader(device)
    os.write(fake.into, packed(*tags(0, 3), *tags(4, 6), *tags(0, 6, cpu=1)))
    found = reader.poll()
    assert [one.nanos for one in found] == sorted(one.nanos for one in found)
    assert len(found) == 11
    assert reader.loss.take() == {"tags_dropped": 1}
    assert (reader.kind, reader.why, reader.read) == ("module", f"read from {fake.path}", 11)
    assert reader.poll() == []
    reader.close()


def test_a_newer_module_s_longer_records_are_read(fake: Fake) -> None:
    longer = bytearray(packed(tag(0)) + bytes(8))
    longer[4:8] = bytes((2, 0, 136, 0))
    reader = TagReader(fake.device())
    os.write(fake.into, bytes(longer) + packed(tag(1)))
    assert reader.poll() == tags(0, 2)
    reader.close()


def test_it_ends_when_the_device_does_after_all_was_given(fake: Fake) -> None:
    device = fake.device()
    os.write(fake.into, packed(*tags(0, 2)))
    fake.vanish()
    end = time.monotonic() + 5
    while not device._tap.ended and time.monotonic() < end:
        time.sleep(0.005)
    assert (device._tap.ended, device.state) == ("it has ended", "works")
    assert device.take().tags == tags(0, 2)
    assert device.take().tags == []
    assert device.state == "ended"
    assert device.why == f"{fake.path}: it has ended"
    device.close()


def test_writes_that_no_probe_saw_are_a_loss(fake: Fake) -> None:
    """Counted by the module; looked at once in a while, and what was there before us is not ours."""
    now = [10**18]
    fake.count("missed", 5)
    reader = TagReader(fake.device(), Marks(), lambda: now[0])
    for missed in (5, 8, 8):
        fake.count("missed", missed)
        now[0] += 2 * 10**9
        reader.poll()
    assert reader.loss.take() == {"tags_missed": 3}
    fake.count("missed", 9)
    now[0] += 10**8
    reader.poll()
    assert reader.loss.take() == {}
    assert reader.counted == {"missed": 8, "load": 77}
    reader.close()


@pytest.mark.parametrize("text", ["", "-1", "9" * 30, "\u0663", "x", "1 2"])
def test_a_counter_that_is_no_number_is_left_out(fake: Fake, text: str) -> None:
    fake.count("missed", text)
    device = fake.device()
    assert device.counters() == {"load": 77}
    device.close()


def test_we_are_added_to_those_left_out_and_taken_away_again(fake: Fake) -> None:
    (fake.parameters / "exclude").write_text("17,4\n")
    device = fake.device()
    device.exclude([os.getpid(), 4])
    assert fake.listed() == f"17,4,{os.getpid()}"
    device.close()
    assert fake.listed() == "17,4"


def test_what_others_add_meanwhile_stays(fake: Fake) -> None:
    device = fake.device()
    device.exclude([900])
    (fake.parameters / "exclude").write_text("900,31\n")
    device.close()
    assert fake.listed() == "31"


def test_a_process_that_is_gone_keeps_no_other_out(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module refuses a list with a process that has ended; the living ones go in all the same."""
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        if b"999" in data:
            raise ProcessLookupError(errno.ESRCH, "No such process")
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    parameters = Parameters(str(fake.parameters))
    parameters.add("exclude", ["999", "12"])
    assert fake.listed() == "12"
    parameters.add("exclude", ["999"])
    assert parameters.troubles == {}


def test_a_list_that_cannot_be_written_is_said_once_and_is_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parameters = Parameters(str(tmp_path / "none"))
    parameters.add("exclude", ["1"])
    parameters.add("exclude", ["1"])
    parameters.restore()
    assert parameters.troubles == {"exclude": "No such file or directory"}
    assert [one.message for one in caplog.records] == ["the module's parameter cannot be set"]


def test_a_list_is_never_longer_than_the_kernel_takes(fake: Fake) -> None:
    parameters = Parameters(str(fake.parameters))
    (fake.parameters / "paths").write_text("")
    parameters.add("paths", [f"/{number:01000d}" for number in range(9)])
    assert len(fake.listed("paths")) < 4_096
    assert parameters.troubles == {"paths": "the list is too long"}
