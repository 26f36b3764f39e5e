"""Envelopes in groups: the same state as one by one; each whole or not at all; what is foreign has no effect."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playbook import APACHE, CURL, SH, USUAL, connects, policy, runs, shows, writes
from signed import SignedAgent
from zstandard import ZstdCompressor

from grammar import Envelope, InputError, Lexicon, State, encode_delta, encode_model
from grammar.envelope import Run
from monitor.limits import Limits
from monitor.monitor import Monitor, Result
from monitor.store import Store

SHELL = policy(
    "MATCH (s:Process {name: 'sh'})-[:WAS_TRIGGERED_BY]->(a:Process {name: 'apache2'}) RETURN s.name AS name"
)
ATTACK = (runs(APACHE, SH), runs(SH, CURL), connects(CURL, "10.89.0.1:4444"))


@pytest.fixture
def monitor(tmp_path: Path) -> Monitor:
    return Monitor(Store(tmp_path, create=True), (SHELL,))


def said(results: list[Result]) -> list[str]:
    return [one if isinstance(one, str) else "malformed" for one in results]


def state(monitor: Monitor) -> object:
    models = {name: encode_model(app.model) for name, app in monitor.apps.items()}
    alerts = sorted((a.policy, a.worker, a.deeds) for a in monitor.alerts)
    return models, monitor.lost, alerts, monitor.store.journal()


def traffic() -> list[Envelope]:
    """Three agents, in turn: usual work, an attack, heartbeats."""
    agents = [SignedAgent(f"w{n}") for n in range(3)]
    found = []
    for epoch in range(6):
        for n, agent in enumerate(agents):
            shown = (USUAL, USUAL[:2], ATTACK[:1], (), ATTACK[1:], ())[(epoch + n) % 6]
            deltas = {"web": shows(f"web{n}", *shown, at=5)} if shown else {}
            found.append(agent.envelope(deltas, active=(f"web{n}",), lost={"late": epoch}))
    return found


@given(st.lists(st.integers(1, 9), min_size=2, max_size=18), st.booleans())
def test_however_envelopes_are_grouped_and_repeated_the_state_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], twice: bool
) -> None:
    one = Monitor(Store(tmp_path_factory.mktemp("one"), create=True), (SHELL,))
    many = Monitor(Store(tmp_path_factory.mktemp("many"), create=True), (SHELL,))
    envelopes, at = traffic(), 0
    for envelope in envelopes:
        assert one.receive_many([envelope]) == ["new"]
    while at < len(envelopes):
        size = sizes[at % len(sizes)]
        group = envelopes[at : at + size]
        assert said(many.receive_many(group + group if twice else group))[: len(group)] == ["new"] * len(group)
        at += size
    assert state(many) == state(one)
    assert state(Monitor(many.store, (SHELL,))) == state(one)
    one.store.close()
    many.store.close()


def test_one_bad_envelope_does_not_spoil_its_group(monitor: Monitor) -> None:
    good, other = SignedAgent("w1"), SignedAgent("w2")
    stranger = Lexicon()
    stranger.extend([State("File /elsewhere")], ())
    unknown = encode_delta(shows("web2", *USUAL), stranger)
    based = other.envelope()
    group = [
        good.envelope({"web": shows("web1", *USUAL)}, active=("web1",)),
        Envelope("w2", b"s", 0, 0, 1, 1, {}, (("web", unknown),), (), b""),
        Envelope("w2", b"s", 0, 0, 1, 1, {"late": 9}, (("db", b"rubbish"),), (), b""),
        Envelope("w3", b"s" * 100, 0, 0, 1, 1, {}, (), (), b""),
        Envelope("w3", b"s", 3, 0, 1, 1, {}, (), (), b""),
        Envelope("w3", b"s", 0, 1 << 60, 1, 1, {}, (), (), b""),
        based,
        good.envelope({"web": shows("web1", *ATTACK)}),
    ]
    told = ["new", "base", "malformed", "refused", "conflict", "refused", "new", "new"]
    assert said(monitor.receive_many(group, millis=5)) == told
    assert list(monitor.apps) == ["web"]
    assert monitor.lost == {}
    assert [(a.policy, a.worker) for a in monitor.alerts if a.policy == "test-policy"] == [("test-policy", "w1")]
    assert {(a.policy, a.worker) for a in monitor.alerts if a.policy != "test-policy"} == {
        ("agent-identity", "w2"),
        ("agent-identity", "w3"),
    }
    assert monitor.store.incidents() == {
        "w2": {"malformed": (1, 5)},
        "w3": {"refused": (2, 5), "conflict": (1, 5)},
    }
    assert said(monitor.receive_many(group)) == [
        "repeat",
        "conflict",
        "conflict",
        "refused",
        "conflict",
        "refused",
        "repeat",
        "repeat",
    ]


def test_a_disk_that_refuses_refuses_the_whole_group(monitor: Monitor) -> None:
    agent, other = SignedAgent("w1"), SignedAgent("w2")
    monitor.receive_many([agent.envelope({"web": shows("web1", *USUAL)})])
    before = state(monitor)
    group = [other.envelope({"web": shows("web2", *USUAL)}), agent.envelope({"web": shows("web1", *ATTACK)})]
    monitor.store._db.execute("CREATE TRIGGER f BEFORE INSERT ON alert BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    for _ in range(2):
        with pytest.raises(InputError, match="disk full"):
            monitor.receive_many(group)
        assert state(monitor) == before
    monitor.store._db.execute("DROP TRIGGER f")
    assert monitor.receive_many(group) == ["new", "new"]
    assert state(monitor) == state(Monitor(monitor.store, (SHELL,)))


def test_a_disk_that_is_really_full_refuses_and_takes_the_same_again_later(monitor: Monitor) -> None:
    agent = SignedAgent("w1")
    monitor.receive_many([agent.envelope({"web": shows("web1", *USUAL)})])
    (pages,) = monitor.store._db.execute("PRAGMA page_count").fetchone()
    monitor.store._db.execute(f"PRAGMA max_page_count = {pages + 3}")
    many = [
        agent.envelope({"web": shows("web1", *(writes(SH, f"/tmp/{n}-{m}") for m in range(200)))}) for n in range(9)
    ]
    taken = 0
    with pytest.raises(InputError, match="full"):
        for taken, envelope in enumerate(many):
            before = state(monitor)
            monitor.receive_many([envelope, SignedAgent(f"other{taken}").envelope({})])
    assert state(monitor) == before
    assert state(Monitor(monitor.store, (SHELL,))) == before
    monitor.store._db.execute("PRAGMA max_page_count = 1000000")
    assert monitor.receive_many(many[taken:]) == ["new"] * (len(many) - taken)
    assert monitor.lost == {}


def test_a_bomb_is_malformed_and_costs_little(monitor: Monitor) -> None:
    bomb = ZstdCompressor(level=19).compress(bytes(200 << 20))
    deltas = tuple((f"app{n}", b"\x02" + bomb) for n in range(50))
    envelope = Envelope("w1", b"s", 0, 0, 1, 1, {}, deltas, (), b"")
    begun = time.process_time()
    assert said(monitor.receive_many([envelope])) == ["malformed"]
    assert time.process_time() - begun < 1
    assert monitor.apps == {}


def test_an_envelope_that_breaks_while_it_is_applied_is_undone_alone(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, other = SignedAgent("w1"), SignedAgent("w2")
    monitor.receive_many([agent.envelope({"web": shows("web1", *USUAL)})])
    before = monitor._note_activity

    def fails(envelope: Envelope) -> None:
        if envelope.agent == "w2":
            raise OverflowError("a bug")
        before(envelope)

    monkeypatch.setattr(monitor, "_note_activity", fails)
    group = [
        agent.envelope({"web": shows("web1", ATTACK[0])}),
        other.envelope({"web": shows("web2", *ATTACK), "db": shows("db2", *USUAL)}, lost={"late": 1}),
        agent.envelope({"web": shows("web1", ATTACK[1])}),
    ]
    assert said(monitor.receive_many(group)) == ["new", "malformed", "new"]
    assert list(monitor.apps) == ["web"]
    assert {replica.worker for replica in monitor.apps["web"].replicas} == {"w1"}
    assert monitor.lost == {}
    assert state(monitor) == state(Monitor(monitor.store, (SHELL,)))
    monkeypatch.undo()
    assert monitor.receive_many([group[1]]) == ["new"]


def test_forks_replays_and_strange_sessions_have_no_effect_and_are_counted(monitor: Monitor) -> None:
    agent = SignedAgent("w1")
    sent = [agent.envelope({"web": shows("web1", writes(APACHE, f"/tmp/{n}"))}) for n in range(80)]
    assert monitor.receive_many(sent) == ["new"] * 80
    before = state(monitor)
    twin = SignedAgent("w1")
    for _ in range(79):
        twin.envelope({})
    fork, strange = twin.envelope({"web": shows("web1", *ATTACK)}), SignedAgent("w1")
    strange.session = b"another"
    bad = [sent[0], fork, strange.envelope({"web": shows("web1", *ATTACK)}), strange.envelope({})]
    assert monitor.receive_many(bad, millis=1) == ["conflict"] * 4
    assert [a.policy for a in monitor.alerts] == ["agent-identity"]
    monitor.alerts.clear()
    assert state(monitor) == before
    assert monitor.store.incidents() == {"w1": {"conflict": (4, 1)}}
    assert monitor.receive_many([sent[79], agent.envelope({})]) == ["repeat", "new"]


def test_after_an_enrolment_the_chain_starts_anew(monitor: Monitor) -> None:
    agent = SignedAgent("w1")
    assert monitor.receive_many([agent.envelope({}), agent.envelope({})]) == ["new"] * 2
    again = SignedAgent("w1", "new key")
    again.session = b"new"
    first = again.envelope({"web": shows("web1", *USUAL)})
    assert monitor.receive_many([first]) == ["conflict"]
    with monitor.store.transaction():
        monitor.start_anew("w1")
    assert monitor.receive_many([first]) == ["new"]
    assert monitor.receive_many([agent.envelope({})]) == ["conflict"]


def small(folder: Path, **limits: int) -> Monitor:
    return Monitor(Store(folder, create=True), (), limits=Limits(**limits))


@pytest.mark.parametrize(
    "limits", [{"replica_items": 30}, {"minute_items": 30}, {"app_items": 80}, {"app_items": 2, "replica_items": 9}]
)
def test_a_flood_is_bounded_counted_and_told(tmp_path: Path, limits: dict[str, int]) -> None:
    monitor = small(tmp_path, **limits)
    flooder, honest = SignedAgent("w1"), SignedAgent("w2")
    for number in range(10):
        shown = [writes(SH, f"/tmp/{number}-{n}") for n in range(10)]
        assert monitor.receive_many([flooder.envelope({"web": shows("web1", *shown)})], 1.0, millis=1) == ["new"]
    app = monitor.apps.get("web")
    words = len(app.lexicon.states) + len(app.lexicon.transitions) if app else 0
    shown_items = sum(app.shown.values()) if app else 0
    assert words <= limits.get("app_items", 10**6)
    assert shown_items <= min(limits.get("replica_items", 100), limits.get("minute_items", 100))
    assert monitor.lost["w1"]["model_limit"] + shown_items == 100
    assert [(a.policy, a.worker, a.app) for a in monitor.alerts] == [("behaviour-flood", "w1", "web")]
    if "app_items" not in limits:
        assert monitor.receive_many([honest.envelope({"web": shows("web2", *USUAL)})], 1.0) == ["new"]
        assert monitor.apps["web"].shown == {**app.shown, **{r: 4 for r in app.shown if r.worker == "w2"}}  # type: ignore[union-attr]
        assert "w2" not in monitor.lost
    assert {n: encode_model(a.model) for n, a in monitor.apps.items()} == {
        n: encode_model(a.model) for n, a in Monitor(monitor.store).apps.items()
    }


def test_what_is_known_needs_no_room(tmp_path: Path) -> None:
    monitor = small(tmp_path, replica_items=4)
    agent = SignedAgent("w1")
    for _ in range(3):
        assert monitor.receive_many([agent.envelope({"web": shows("web1", *USUAL)})], 1.0) == ["new"]
    assert monitor.lost == {}


def test_applications_lanes_containers_and_causes_are_bounded(tmp_path: Path) -> None:
    monitor = small(tmp_path, apps=2, lanes=2, containers=3, causes=2)
    agent = SignedAgent("w1")
    monitor.receive_many([agent.envelope({f"app{n}": shows(f"c{n}", USUAL[0]) for n in range(4)})])
    assert sorted(monitor.apps) == ["app0", "app1"]
    many = {"app0": shows("x", USUAL[0]), "app1": shows("y", USUAL[0])}
    monitor.receive_many([agent.envelope(many, lost={f"cause{n}": 1 for n in range(5)})])
    assert sum(len(app.shown) for app in monitor.apps.values()) == 3
    assert set(monitor.lost["w1"]) <= {"model_limit", "cause0", "other"}
    lanes = [SignedAgent("w1").envelope(lane=f"lane{n}") for n in range(4)]
    assert monitor.receive_many(lanes) == ["new", "refused", "refused", "refused"]


def test_absurd_numbers_do_not_break_the_state(monitor: Monitor) -> None:
    agent = SignedAgent("w1")
    most = (1 << 63) - 1
    for _ in range(3):
        run = Run("c", "id", "web", "image", most, most)
        assert monitor.receive_many([agent.envelope({}, lost={"late": most}, runs=(run,), control=most)]) == ["new"]
    assert monitor.lost == {"w1": {"late": 1 << 60}} == monitor.store.lost()
    assert monitor.schedule.find() == []
    gap = SignedAgent("w2").envelope({})
    gap = Envelope("w2", b"s", (1 << 52), 0, 1, 1, {}, (), (), gap.digest)
    assert monitor.receive_many([gap]) == ["new"]
    assert monitor.lost["w2"]["envelopes_missing"] == 1 << 52


def test_a_group_says_what_changed(monitor: Monitor) -> None:
    agent: SignedAgent = SignedAgent("w1")
    make: Callable[[], Envelope] = lambda: agent.envelope({"web": shows("web1", *USUAL), "db": shows("db1", USUAL[0])})  # noqa: E731
    monitor.receive_many([make()])
    assert monitor.changed == {("web", "w1"), ("db", "w1")}
