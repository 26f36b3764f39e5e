"""What a monitor takes over of applications that others own: never its own older words, and all that it has missed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from plain import MONITOR, PlainCore

from grammar.topics import Kind, Layout, Stamped, key, seal_record
from monitor.kafka_client import Cluster
from monitor.kafka_core import PATIENCE, Adopted, Part, Strangers
from monitor.kafka_mirror import Kept, Mirror
from monitor.kafka_publish import Position, position_key
from monitor.kafka_tables import Tables

LAYOUT = Layout(partitions=4)
HOME = LAYOUT.partition("web")
OURS, THEIRS = 11, 12


class Core(PlainCore):
    """It says what it was told to adopt, and refuses as often as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[list[Part], bool]] = []
        self.answers: list[Adopted] = []

    def adopt(self, lane: str, parts: Mapping[Part, bytes], *, whole: bool) -> Adopted:
        self.told.append((sorted(parts), whole))
        return self.answers.pop(0) if self.answers else "taken"


class Bench:
    """Tables without a broker: records are put into the mirror by hand."""

    def __init__(self, folder: Path) -> None:
        self.core, self.mirror = Core(), Mirror(folder)
        self.tables = Tables(
            Cluster((), LAYOUT, "m1"),
            MONITOR,
            self.core,
            self.mirror,
            owns=lambda lane: False,
            repair=lambda kind, name: None,
            ours=lambda partition, lineage: lineage == OURS,
        )

    def put(self, kind: Kind, name: bytes, data: bytes) -> None:
        topic = LAYOUT.name(kind)
        self.mirror.put(topic, Kept(name, 1, seal_record(MONITOR, kind, topic, name, Stamped(1, data))))

    def publish(self, lineage: int, *, words: int = 1) -> None:
        for number in range(words):
            self.put("words", key("web", f"{number:08d}"), b"w")
        self.put("models", key("web", "part", "w1"), b"m")
        self.put("models", position_key(str(HOME)), msgspec.msgpack.encode(Position(1, lineage)))

    def changed(self, *parts: Part) -> None:
        self.tables._pending.setdefault("web", set()).update(parts)


def test_a_stranger_is_waited_for_once_and_not_for_long() -> None:
    strangers = Strangers()
    assert strangers.wait({b"k"}, 0.0)
    assert strangers.wait({b"k"}, PATIENCE - 0.1)
    assert not strangers.wait({b"k"}, PATIENCE + 0.1)
    assert not strangers.wait({b"k"}, PATIENCE + 0.2), "who is none of us holds nobody up twice"
    assert not strangers.wait(set(), 0.0)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


PART = ("part", "w1")
WORDS = [("words", "00000000"), ("words", "00000001")]


def test_what_another_has_published_is_taken_over(bench: Bench) -> None:
    bench.publish(THEIRS)
    bench.changed(PART)
    bench.tables._adopt()
    assert bench.core.told == [([PART], False)]
    assert not bench.tables._pending


def test_our_own_publication_never_sets_us_back_while_nobody_owns(bench: Bench) -> None:
    bench.publish(OURS)
    bench.changed(PART)
    bench.tables._adopt()
    assert not bench.core.told
    assert not bench.tables._pending


def test_words_that_were_passed_over_are_taken_with_all_the_rest(bench: Bench) -> None:
    bench.publish(THEIRS, words=2)
    bench.changed(WORDS[1])
    bench.core.answers = ["early"]
    bench.tables._adopt()
    assert bench.tables._pending, "it is tried again"
    bench.tables._adopt()
    assert bench.core.told == [([WORDS[1]], False), ([PART, *WORDS], False)]
    assert not bench.tables._pending


def test_other_words_than_ours_replace_all(bench: Bench) -> None:
    bench.publish(THEIRS)
    bench.changed(PART)
    bench.core.answers = ["forked"]
    bench.tables._adopt()
    assert bench.core.told == [([PART], False), ([PART, WORDS[0]], True)]


def test_what_was_read_before_a_crash_is_taken_after_it(bench: Bench) -> None:
    bench.publish(THEIRS)
    bench.tables._remember()
    bench.tables._adopt()
    assert bench.core.told == [([PART, WORDS[0]], False)]


def test_a_failure_forgets_nothing(bench: Bench) -> None:
    bench.publish(THEIRS)
    bench.changed(PART)

    def fails(lane: str, parts: Mapping[Part, bytes], *, whole: bool) -> Adopted:
        raise TimeoutError

    bench.core.adopt = fails  # type: ignore[method-assign]
    with pytest.raises(TimeoutError):
        bench.tables._adopt()
    assert bench.tables._pending == {"web": {PART}}
