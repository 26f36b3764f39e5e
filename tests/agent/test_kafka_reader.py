"""What an agent believes of what it reads: only what the monitors have sealed for that place, each question once."""

from __future__ import annotations

import msgspec
import pytest

from agent.kafka_reader import Reader
from grammar import Lexicon, Revision, State, apply_extension, encode_extension
from grammar.control import Control, Question, write
from grammar.signing import Signer
from grammar.topics import Asked, Kind, Layout, Notice, Stamped, key, seal_record

MONITOR, OTHER = Signer(b"m" * 32), Signer(b"o" * 32)
LAYOUT = Layout(prefix="t", partitions=2)


class Spot(msgspec.Struct, frozen=True, order=True):
    topic: str
    partition: int


class Record(msgspec.Struct):
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


class FakeConsumer:
    """Topics as lists; assigned partitions are read on from their positions."""

    def __init__(self) -> None:
        self.logs: dict[Spot, list[Record]] = {}
        self.at: dict[Spot, int] = {}

    def write(self, kind: Kind, partition: int, name: bytes, value: bytes | None) -> None:
        log = self.logs.setdefault(Spot(LAYOUT.name(kind), partition), [])
        log.append(Record(LAYOUT.name(kind), partition, len(log), name, value))

    def say(self, kind: Kind, partition: int, name: bytes, data: bytes, signer: Signer = MONITOR) -> None:
        self.write(kind, partition, name, seal_record(signer, kind, LAYOUT.name(kind), name, Stamped(0, data)))

    def assign(self, spots: list[Spot]) -> None:
        self.at = dict.fromkeys(spots, 0)

    def seek(self, spot: Spot, offset: int) -> None:
        self.at[spot] = offset

    def position(self, spot: Spot) -> int:
        return self.at[spot]

    def end_offsets(self, spots: list[Spot]) -> dict[Spot, int]:
        return {spot: len(self.logs.get(spot, [])) for spot in spots}

    def poll(self, millis: int, max_records: int) -> dict[Spot, list[Record]]:
        found = {spot: self.logs.get(spot, [])[at:] for spot, at in self.at.items()}
        self.at.update((spot, self.at[spot] + len(records)) for spot, records in found.items())
        return {spot: records for spot, records in found.items() if records}


class Scene:
    def __init__(self) -> None:
        self.now = 1_000
        self.consumer = FakeConsumer()
        self.reader = Reader("w1", LAYOUT, MONITOR.public, lambda: self.now)

    def poll(self) -> bool:
        if self.reader.wants():
            self.reader.start_over()
        return self.reader.poll(self.consumer, Spot, 0)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_control_only_grows_and_is_told_to_who_lacks_it(scene: Scene) -> None:
    for revision in (1, 3, 2):
        scene.consumer.say("control", 0, key("control"), write(Control(revision)))
    assert scene.poll()
    assert scene.reader.orders(2).control == Control(3)
    assert scene.reader.orders(3).control is None


def test_a_question_is_given_once_and_not_after_its_time(scene: Scene) -> None:
    for name, until in ((b"a", 2_000), (b"b", 900)):
        asked = Asked(Question(name, "web", ()), until)
        scene.consumer.say("control", 0, key("question", name.hex()), msgspec.msgpack.encode(asked))
    scene.poll()
    assert [one.id for one in scene.reader.orders(0).questions] == [b"a"]
    assert scene.reader.orders(0).questions == ()
    scene.consumer.write("control", 0, key("question", b"a".hex()), None)
    scene.poll()
    assert scene.reader.orders(0).questions == ()


def test_what_the_monitors_have_not_sealed_for_its_place_has_no_effect(scene: Scene) -> None:
    good = write(Control(7))
    scene.consumer.say("control", 0, key("control"), good, OTHER)
    scene.consumer.write("control", 0, key("control"), b"junk")
    scene.consumer.write("control", 0, key("control"), None)
    scene.consumer.write("control", 0, None, good)
    elsewhere = seal_record(MONITOR, "control", LAYOUT.name("control"), key("other"), Stamped(0, good))
    scene.consumer.write("control", 0, key("control"), elsewhere)
    scene.consumer.say("control", 0, key("unheard"), good)
    assert not scene.poll()
    assert scene.reader.orders(0).control is None
    assert scene.reader.forged == 6


def test_words_are_given_when_the_partition_is_read_to_its_end(scene: Scene) -> None:
    theirs, home = Lexicon(), LAYOUT.partition("web")
    scene.poll()
    for number, label in enumerate(("File /a", "File /b")):
        before = theirs.revision
        theirs.extend([State(label)], [])
        extension = encode_extension(theirs, before)
        scene.consumer.say("words", home, key("web", f"{number:08d}"), extension)
    assert scene.reader.words({"web": Revision()}, wait=0.0) == {}, "not read yet"
    scene.poll()
    scene.poll()
    mine = Lexicon()
    apply_extension(mine, scene.reader.words({"web": mine.revision}, wait=0.0)["web"])
    assert mine.revision == theirs.revision
    assert scene.reader.words({"web": mine.revision}, wait=0.0) == {}
    assert "db" not in scene.reader.lexicons


def test_what_became_of_an_envelope_is_told_at_the_next_of_its_lane(scene: Scene) -> None:
    for status, lane in (("conflict", "web"), ("base", "db")):
        notice = Notice("w1", b"s", lane, 4, status)  # type: ignore[arg-type]
        scene.consumer.say("control", 0, key("notice", "w1", lane), msgspec.msgpack.encode(notice))
    other = Notice("w2", b"s", "mail", 4, "conflict")
    scene.consumer.say("control", 0, key("notice", "w2", "mail"), msgspec.msgpack.encode(other))
    scene.poll()
    assert scene.reader.verdict("web", b"other session") is None
    for _ in range(2):
        found = scene.reader.verdict("web", b"s")
        assert found is not None
        assert found.status == "conflict"
    base = scene.reader.verdict("db", b"s")
    assert base is not None
    assert base.status == "base"
    assert scene.reader.verdict("db", b"s") is None, "once: the next goes in full"
    assert scene.reader.verdict("mail", b"s") is None
