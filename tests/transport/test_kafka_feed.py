"""The Kafka parts of a monitor against a real broker, with a core that only notes what was applied."""

from __future__ import annotations

import threading
import time

import pytest
from plain import PlainAgent
from transport_stage import Stage, send, until

from grammar.control import Control, Question, Reply, write
from grammar.topics import Layout
from monitor.kafka_client import AwayError
from monitor.kafka_publish import Owned


def test_what_an_agent_delivers_is_applied_once_and_in_order(stage: Stage, layout: Layout) -> None:
    feed = stage.monitor("m1")
    agent = PlainAgent("w1")
    feed.member(1, agent.member)
    until(lambda: "w1" in stage.cores["m1"].members, why="roster")
    link = stage.link(agent)
    send(link, agent, "web", 20)
    send(link, agent, "")
    core = stage.cores["m1"]
    until(lambda: core.seen("web") == {"w1": agent.sent["web"]}, why="deltas")
    until(lambda: core.seen("") == {"w1": agent.sent[""]}, why="heartbeats")
    assert set(core.applied.values()) == {1}


def test_an_empty_monitor_recovers_everything(stage: Stage) -> None:
    first = stage.monitor("m1")
    agents = [PlainAgent(f"w{n}") for n in range(3)]
    for agent in agents:
        first.member(1, agent.member)
    until(lambda: len(stage.cores["m1"].members) == 3, why="roster")
    for agent in agents:
        link = stage.link(agent)
        for app in ("web", "db", "mail"):
            send(link, agent, app, 3)
        send(link, agent, "", 2)
    whole = stage.cores["m1"]
    until(lambda: all(len(whole.seen(app)) == 3 for app in ("web", "db", "mail", "")), why="applied")
    time.sleep(1)
    assert first.stop()
    stage.monitor("m2")
    core = stage.cores["m2"]
    until(lambda: all(core.seen(app) == whole.seen(app) for app in ("web", "db", "mail", "")), why="recovered")
    assert not [one for one, times in core.applied.items() if times > 1]
    assert len(core.members) == 3


def test_applications_are_divided_and_everybody_can_answer_for_all(stage: Stage, layout: Layout) -> None:
    feeds = [stage.monitor("m1"), stage.monitor("m2")]
    until(lambda: all(feed.owner.given and feed.ready for feed in feeds), why="division")
    agent = PlainAgent("w1")
    feeds[0].member(1, agent.member)
    until(lambda: all("w1" in core.members for core in stage.cores.values()), why="roster")
    link = stage.link(agent)
    apps = [f"app{n}" for n in range(8)]
    for app in apps:
        send(link, agent, app, 2)
        assert sum(feed.owns(app) for feed in feeds) == 1
    for core in stage.cores.values():
        until(lambda core=core: all(core.seen(app) == {"w1": agent.sent[app]} for app in apps), why="both have all")
    applied = stage.cores["m1"].applied + stage.cores["m2"].applied
    assert set(applied.values()) == {1}


def test_a_dead_monitor_s_applications_go_on_at_another(stage: Stage) -> None:
    """m1 publishes nothing any more, then its consumer goes; m2 has everything in the end."""
    feeds = [stage.monitor("m1"), stage.monitor("m2")]
    until(lambda: all(feed.owner.given and feed.ready for feed in feeds), why="division")
    agent = PlainAgent("w1")
    feeds[0].member(1, agent.member)
    until(lambda: all("w1" in core.members for core in stage.cores.values()), why="roster")
    link = stage.link(agent)
    apps = [f"app{n}" for n in range(8)]
    for app in apps:
        send(link, agent, app, 2)
    feeds[0].publisher.owned = lambda: Owned({}, 0, None)
    for app in apps:
        send(link, agent, app, 2)
    feeds[0].owner.stop(5)
    for app in apps:
        send(link, agent, app, 1)
    core = stage.cores["m2"]
    until(lambda: all(core.seen(app) == {"w1": agent.sent[app]} for app in apps), 40, why="taken over")
    assert max(core.applied.values()) == 1


def test_a_monitor_that_has_lost_its_partitions_unawares_cannot_publish(stage: Stage) -> None:
    first = stage.monitor("m1")
    until(lambda: first.ready and len(first.owner.ready) == 4, why="m1 owns all")
    agent = PlainAgent("w1")
    first.member(1, agent.member)
    until(lambda: "w1" in stage.cores["m1"].members, why="roster")
    first.publisher.stop(5)
    old = first.owner.owned()
    second = stage.monitor("m2")
    until(lambda: second.ready and second.owner.given != set(), 30, why="m2 has some")
    send(stage.link(agent), agent, "web")
    first.publisher.owned = lambda: old._replace(positions=dict.fromkeys(old.positions, 1))
    with pytest.raises(AwayError, match=r"CommitFailed|IllegalGeneration|Fenced"):
        first.publisher.publish()
    assert first.tables.position("0") is None or first.tables.position("0").next != 1


def test_a_restarted_monitor_goes_on_from_its_own_state(stage: Stage) -> None:
    first = stage.monitor("m1")
    agent = PlainAgent("w1")
    first.member(1, agent.member)
    until(lambda: "w1" in stage.cores["m1"].members, why="roster")
    link = stage.link(agent)
    send(link, agent, "web", 5)
    until(lambda: stage.cores["m1"].seen("web") == {"w1": agent.sent["web"]}, why="applied")
    first.stop()
    core = stage.cores["m1"].crash()
    send(link, agent, "web", 5)
    stage.monitor("m1b", core, state="m1")
    until(lambda: core.seen("web") == {"w1": agent.sent["web"]}, why="the rest")
    assert sum(core.applied.values()) == 5, "only what came after the restart is applied after it"


def test_poison_is_counted_and_stops_nothing(stage: Stage, layout: Layout) -> None:
    feed = stage.monitor("m1")
    agent, stranger = PlainAgent("w1"), PlainAgent("w2")
    feed.member(1, agent.member)
    until(lambda: "w1" in stage.cores["m1"].members and feed.ready, why="roster")
    producer = stage.cluster_of("evil").producer()
    home = layout.partition("web")
    good = agent.envelope("web")
    for value in (b"", None, b"x" * 1000, stranger.envelope("web"), good[:-1], agent.envelope("db")):
        producer.send(layout.deltas, value, key=b"web", partition=home).get(5)
    producer.send(layout.deltas, good, key=b"web", partition=(home + 1) % 4).get(5)
    producer.send(layout.deltas, good, key=None, partition=home).get(5)
    producer.send(layout.deltas, good, key=b"\xff" * 5000, partition=home).get(5)
    for kind in ("models", "words", "control", "roster", "alerts", "heartbeats", "replies"):
        for value in (b"junk", None):
            producer.send(layout.name(kind), value, key=b"web/part/w1", partition=0).get(5)
    producer.send(layout.deltas, good, key=b"web", partition=home).get(5)
    producer.close()
    core = stage.cores["m1"]
    until(lambda: core.seen("web") == {"w1": agent.sent["web"]}, why="the good one")
    until(lambda: core.counted["kafka_forged"] >= 10, why="what is forged in the tables is counted")
    assert core.counted["kafka_misplaced"] == 3
    assert core.counted["forged"] >= 6
    assert feed.ready


def test_an_old_model_repeated_is_no_news_and_is_repaired(stage: Stage, layout: Layout) -> None:
    feed = stage.monitor("m1")
    agent = PlainAgent("w1")
    feed.member(1, agent.member)
    link = stage.link(agent)
    until(lambda: "w1" in stage.cores["m1"].members, why="roster")
    send(link, agent, "web", 1)
    models, name = layout.name("models"), b"web/part/w1"
    until(lambda: feed.mirror.get(models, name) is not None, why="published")
    old = feed.mirror.get(models, name)
    send(link, agent, "web", 1)
    until(lambda: feed.mirror.get(models, name) != old, why="published again")
    producer = stage.cluster_of("evil").producer()
    assert old is not None
    producer.send(models, old.sealed, key=name, partition=layout.partition("web")).get(5)
    producer.close()
    until(lambda: stage.cores["m1"].counted["kafka_stale"] == 1, why="seen")
    time.sleep(1)
    stage.monitor("m2")
    core = stage.cores["m2"]
    until(lambda: core.seen("web") == {"w1": agent.sent["web"]}, why="m2 has the newer")


def test_control_questions_and_notices_reach_the_agent(stage: Stage) -> None:
    feed = stage.monitor("m1")
    agent = PlainAgent("w1")
    feed.member(1, agent.member)
    until(lambda: "w1" in stage.cores["m1"].members, why="roster")
    link = stage.link(agent)
    assert link.listen(0, 300).control is None
    feed.control(Control(3, 5000))
    assert link.listen(0, 8000).control == Control(3, 5000)
    question = Question(b"q1", "web", (("File /a", ()),))
    feed.ask(question, until=int(time.time() * 1000) + 60_000)
    assert link.listen(3, 8000).questions == (question,)
    link.reply(agent.signer.seal("reply", write(Reply(b"q1", "w1"))), b"q1")
    until(lambda: [one.id for one in stage.cores["m1"].replies] == [b"q1"], why="reply")
    feed.close(question)
    send(link, agent, "web", 2)
    agent.before["web"] = b"of another chain"
    sealed = agent.envelope("web")
    assert link.deliver(sealed, "web", b"s", 2).status == "new", "durable, whatever becomes of it"
    until(lambda: link.listen(3, 200) is not None and bool(link.reader.notices), why="notice")
    assert link.deliver(agent.envelope("web"), "web", b"s", 3).status == "conflict"
    assert stage.cores["m1"].counted["conflict"] == 1


def test_announcing_never_waits_for_a_publication(stage: Stage) -> None:
    """The core announces from the thread that a publication asks for news: neither may hold the other up."""
    feed = stage.monitor("m1")
    core, agent, said = stage.cores["m1"], PlainAgent("w1"), []

    def changed() -> set[tuple[str, str]]:
        announcing = threading.Thread(target=feed.member, args=(1, agent.member), daemon=True)
        announcing.start()
        announcing.join(5)
        said.append(not announcing.is_alive())
        return set()

    core.changed = changed  # type: ignore[method-assign]
    until(lambda: len(said) > 1, why="publications")
    assert all(said)
