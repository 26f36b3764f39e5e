"""An envelope is applied whole, once, whatever the order; what is lost, missing or suppressed is counted and shown."""

from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import msgspec
import pytest
from playbook import APACHE, CURL, SH, USUAL, Cluster, connects, envelope, policy, reads, runs, shows, status, writes

from grammar import CodecError, InputError, Lexicon, Revision, State, apply_extension, encode_model
from monitor import lifecycle
from monitor.monitor import Monitor
from monitor.store import Store
from policies import Policy

SHELL = policy(
    "MATCH (s:Process {name: 'sh'})-[:WAS_TRIGGERED_BY]->(a:Process {name: 'apache2'}) RETURN s.name AS name"
)
ATTACK = (runs(APACHE, SH), runs(SH, CURL), connects(CURL, "10.89.0.1:4444"))


def new(folder: Path, *policies: Policy) -> Monitor:
    return Monitor(Store(folder, create=True), policies)


def models(monitor: Monitor) -> dict[str, bytes]:
    return {name: encode_model(app.model) for name, app in monitor.apps.items()}


def test_a_repeated_envelope_changes_nothing(tmp_path: Path) -> None:
    monitor = new(tmp_path, SHELL)
    body = envelope("w1", 0, {"web": shows("web1", *ATTACK)}, lost={"late": 2}, active=("web1",))
    assert status(monitor.receive(body)) == "new"
    before = (models(monitor), list(monitor.alerts), monitor.lost, monitor.store.alerts())
    assert status(monitor.receive(body)) == "repeat"
    assert (models(monitor), monitor.alerts, monitor.lost, monitor.store.alerts()) == before
    assert len(before[1]) == 1


def test_the_model_does_not_depend_on_the_order_in_which_envelopes_arrive(tmp_path: Path) -> None:
    bodies = [
        envelope("w1", 0, {"web": shows("web1", *USUAL)}, start=10),
        envelope("w1", 1, {"web": shows("web1", *ATTACK), "db": shows("db1", USUAL[0])}, start=20),
        envelope("w1", 2, {"web": shows("web1", USUAL[0])}, start=30),
        envelope("w2", 0, {"web": shows("web2", *USUAL)}, start=10),
    ]
    found = []
    for number, order in enumerate(permutations(bodies)):
        monitor = new(tmp_path / str(number))
        assert [status(monitor.receive(body)) for body in order] == ["new"] * 4
        found.append((models(monitor), monitor.lost))
    assert all(one == found[0] for one in found)
    assert found[0][1] == {}


def test_envelopes_that_have_not_come_are_lost_until_they_come(tmp_path: Path) -> None:
    monitor = new(tmp_path)
    monitor.receive(envelope("w1", 0, {}))
    monitor.receive(envelope("w1", 3, {}))
    assert monitor.lost == {"w1": {"envelopes_missing": 2}} == monitor.store.lost()
    monitor.receive(envelope("w1", 1, {}))
    monitor.receive(envelope("w1", 2, {}))
    assert monitor.lost == {} == monitor.store.lost()


def test_an_agent_that_starts_again_starts_a_session_and_counts_from_nought(tmp_path: Path) -> None:
    monitor = new(tmp_path)
    assert status(monitor.receive(envelope("w1", 0, {}, session=b"a"))) == "new"
    assert status(monitor.receive(envelope("w1", 0, {}, session=b"b"))) == "new"
    assert status(monitor.receive(envelope("w1", 1, {}, session=b"b"))) == "new"
    assert status(monitor.receive(envelope("w1", 0, {}, session=b"a"))) == "repeat"
    assert status(monitor.receive(envelope("w1", 1, {}, session=b"a"))) == "conflict"
    assert monitor.lost == {}


def test_an_envelope_against_an_unknown_base_is_answered_base_and_nothing_is_half_applied(tmp_path: Path) -> None:
    monitor = new(tmp_path)
    monitor.receive(envelope("w1", 0, {"web": shows("web1", *USUAL)}))
    stranger = Lexicon()
    stranger.extend([State("File /elsewhere")], ())
    before = (models(monitor), monitor.store.lost())
    deltas = {"web": shows("web1", *ATTACK)}
    body = envelope("w1", 1, {"db": shows("db1", *USUAL)} | deltas, lost={"late": 1}, lexicon=stranger)
    assert status(monitor.receive(body)) == "base"
    assert (models(monitor), monitor.store.lost()) == before
    assert list(monitor.apps) == ["web"]
    assert status(monitor.receive(envelope("w1", 1, deltas))) == "new"


def test_what_is_no_envelope_is_an_error_and_changes_nothing(tmp_path: Path) -> None:
    monitor = new(tmp_path)
    good = envelope("w1", 0, {"web": shows("web1", *USUAL)})
    for body in (b"", b"\xc1", b"rubbish" * 100, good[:-1], good.replace(b"\xa2w1", b"\xa2\xff\xff")):
        with pytest.raises(CodecError):
            monitor.receive(body)
    for body in (b"", b"\xc1rubbish", msgspec.msgpack.encode({"web": 5})):
        with pytest.raises(CodecError):
            monitor.control(body)
    assert (monitor.apps, monitor.store.apps()) == ({}, [])


@pytest.mark.parametrize("after", range(1, 5))
def test_killed_between_transactions_the_monitor_comes_back_the_same(
    cluster: Callable[..., Cluster], after: int
) -> None:
    web = cluster(3, (SHELL,))
    web.serve(after)
    web.epoch({2: ATTACK}, lost={2: 7})
    before = (web.model, web.alerts, web.monitor.lost, web.monitor.apps["web"].replicas)
    web.open()  # without closing: as after a kill
    assert (web.model, web.alerts, web.monitor.lost, web.monitor.apps["web"].replicas) == before
    web.epoch({2: ATTACK})
    assert web.alerts == before[1]


def test_a_store_that_fails_in_the_middle_leaves_memory_as_the_disk_is(tmp_path: Path) -> None:
    monitor = new(tmp_path, SHELL)
    monitor.receive(envelope("w1", 0, {"web": shows("web1", *USUAL)}))
    before = (models(monitor), monitor.lost, monitor.alerts)
    body = envelope("w1", 1, {"web": shows("web1", *ATTACK)}, lost={"late": 1})
    monitor.store._db.execute("CREATE TRIGGER full BEFORE INSERT ON chain BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    monitor.store._db.execute("CREATE TRIGGER f BEFORE INSERT ON alert BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    with pytest.raises(InputError, match="cannot write this state: disk full"):
        monitor.receive(body)
    assert (models(monitor), monitor.lost, monitor.alerts) == before
    monitor.store._db.execute("DROP TRIGGER full")
    with pytest.raises(InputError, match="disk full"):
        monitor.receive(body)
    assert (models(monitor), monitor.lost, monitor.alerts) == before
    monitor.store._db.execute("DROP TRIGGER f")
    assert status(monitor.receive(body)) == "new"
    assert [alert.policy for alert in monitor.alerts] == ["test-policy"]
    assert models(monitor) == models(Monitor(monitor.store))


def test_words_for_an_agent_bring_it_to_where_the_monitor_is(tmp_path: Path) -> None:
    monitor = new(tmp_path)
    monitor.receive(envelope("w1", 0, {"web": shows("web1", *USUAL)}))
    lexicon = Lexicon()
    for more in ((), ATTACK):
        if more:
            monitor.receive(envelope("w1", 1, {"web": shows("web1", *more)}))
        question = msgspec.msgpack.encode({"web": lexicon.revision, "unknown": Revision()})
        answer = msgspec.msgpack.decode(monitor.control(question), type=dict[str, bytes])
        assert list(answer) == ["web"]
        apply_extension(lexicon, answer["web"])
        assert lexicon.revision == monitor.apps["web"].lexicon.revision
    assert monitor.control(msgspec.msgpack.encode({"web": lexicon.revision})) == msgspec.msgpack.encode({})


def test_a_policy_names_the_replica_and_how_many_share_it(cluster: Callable[..., Cluster]) -> None:
    web = cluster(4, (SHELL,))
    web.epoch({2: ATTACK[:1]}, lost={2: 3, 3: 1})
    web.epoch({3: ATTACK[:1]})
    assert [(a.policy, a.worker, a.container, a.replicas[0], a.lost) for a in web.alerts] == [
        ("test-policy", "w2", "web2", 1, {"unfinished": 3}),
        ("test-policy", "w3", "web3", 2, {"unfinished": 1}),
    ]
    assert {web.monitor.apps["web"].model.by_id[node].label for node in web.alerts[0].nodes} == {SH, APACHE}


def test_a_policy_never_joins_the_deeds_of_two_containers(cluster: Callable[..., Cluster]) -> None:
    secret = "(f:File {path: '/etc/shadow'})"
    both = f"MATCH (s:Socket)-[:WAS_GENERATED_BY]->(p:Process)-[:USED]->{secret} RETURN f.path AS path"
    web = cluster(2, (policy(both),))
    web.epoch({1: (reads(CURL, "/etc/shadow"),), 2: (connects(CURL, "10.0.0.1:80"),)})
    assert web.alerts == []
    web.epoch({1: (connects(CURL, "10.0.0.1:80"),)})
    assert web.alerts == []  # two edges that meet in a state may belong to two processes: the worker is asked
    assert web.settle("seen") == ["web1"]
    assert [(alert.container, alert.replicas, alert.confirmed) for alert in web.alerts] == [("web1", (1, 2), "worker")]


def test_a_flood_of_alerts_is_counted_not_kept(
    cluster: Callable[..., Cluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "MAX_TOLD", 5)
    web = cluster(1, (policy("MATCH (f:File)-[:WAS_GENERATED_BY]->(p:Process {name: 'sh'}) RETURN f.path AS path"),))
    for number in range(9):
        web.epoch({1: (writes(SH, f"/usr/bin/x{number}"),)})
    assert len(web.alerts) == 5
    assert web.monitor.lost == {"w1": {"alerts_suppressed": 4}} == web.monitor.store.lost()


def test_texts_with_undecodable_bytes_pass(cluster: Callable[..., Cluster]) -> None:
    web = cluster(2, (SHELL,))
    odd = "Process apache2 /usr/sbin/\udcff"
    web.epoch({1: (runs(odd, SH), reads(SH, "/tmp/\udc80\x1b[31m"))})
    web.monitor.receive(envelope("w7", 0, {"web": shows("web\udcff", runs(odd, SH))}))
    before = (web.model, web.alerts)
    assert [alert.container for alert in web.alerts] == ["web1", "web\udcff"]
    web.restart()
    assert (web.model, web.alerts) == before


def test_who_listens_hears_every_alert_once(tmp_path: Path) -> None:
    heard: list[str] = []
    monitor = Monitor(Store(tmp_path, create=True), (SHELL,), on_alert=lambda alert: heard.append(alert.policy))
    for number in range(3):
        monitor.receive(envelope("w1", number, {"web": shows("web1", *ATTACK)}))
    assert heard == ["test-policy"]
