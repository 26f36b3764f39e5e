"""From real recordings to the right answers; the same whatever way the bytes came; losses are counted and shown."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import zstandard
from scribe import Scribe, ordinary
from stage import Played, Stage

from agent import recording
from grammar import CodecError, InputError, Lexicon, Revision, State, encode_extension
from monitor.monitor import Ack, Monitor
from monitor.query import find_nodes
from monitor.store import Store
from winnower.replay import Replay

SHADOW, HELPER = "/etc/shadow", "/usr/bin/.sshd-helper"


def attack(folder: Path) -> tuple[str, str, float, float]:
    (one,) = json.loads((folder / "labels.json").read_bytes())["attacks"]
    return one["worker"], one["container"], one["start"], one["end"]


def assert_only_the_attack_is_named(played: Played, folder: Path, seconds: int) -> None:
    worker, container, start, end = attack(folder)
    alerts = played.monitor.alerts
    assert {(alert.worker, alert.container) for alert in alerts} == {(worker, container)}
    assert "novelty" in {alert.policy for alert in alerts}
    first, last = start - start % seconds, end - end % seconds + seconds
    assert all(first <= alert.time / 1000 < last for alert in alerts)
    assert {alert.replicas[0] for alert in alerts} == {1}


def test_the_shipped_recording_is_the_shared_one(shared: Path, shipped: Path) -> None:
    for log in sorted(shipped.glob("*/audit.log.zst")):
        assert log.read_bytes() == (shared / "recordings" / "web" / log.parent.name / log.name).read_bytes()


def test_web_the_alerts_name_the_attacked_container_in_the_epoch_of_the_attack(web: Played, shipped: Path) -> None:
    assert_only_the_attack_is_named(web, shipped, 10)
    assert {alert.policy for alert in web.monitor.alerts} >= {
        "novelty",
        "shadow-file-read",
        "write-below-binary-directory",
        "run-from-temp",
        "data-mover-connects",
    }


def test_web_by_seconds_names_the_same(web_by_seconds: Played, shipped: Path) -> None:
    assert_only_the_attack_is_named(web_by_seconds, shipped, 1)


def test_portal_the_alerts_name_the_attacked_container_in_the_epoch_of_the_attack(portal: Played, shared: Path) -> None:
    assert_only_the_attack_is_named(portal, shared / "recordings" / "portal", 10)


def test_ancestors_of_the_implant_are_what_made_it_and_not_the_serving_of_requests(web: Played) -> None:
    ancestors = web.traced("web", "ancestors", path=HELPER)
    model = web.model("web")
    states = [model.by_id[number] for number in ancestors]
    makers = {state for state in states if state.label == "Process cp /usr/bin/cp"}
    assert len({state.context for state in makers}) > 1  # the cp of the renamed shell, and the cp that made that shell
    assert {"Process .x /tmp/.x", "File /tmp/.x"} <= set(ancestors.values())
    commands = {model.commands.get(state, "") for state in states if state.label == "Process sh /usr/bin/dash"}
    assert any(command.startswith("/bin/sh -c cp /bin/sh /tmp/.x; /tmp/.x -c") for command in commands)
    assert not any("apache2" in label or label.startswith("Socket") for label in ancestors.values())
    assert not any(entry.startswith("unit") for state in states for entry in state.context)


def test_descendants_of_the_secret_include_the_socket_it_left_by(web: Played) -> None:
    assert "Socket 10.89.0.1:4444" in web.traced("web", "descendants", path=SHADOW).values()


def test_the_same_behaviour_of_two_replicas_has_one_id(web: Played) -> None:
    model = web.model("web")
    assert len(model.replicas) == 8
    shared_by_all = [state for state in model.states if len(model.support[state]) == 8]
    assert len(shared_by_all) > 20
    (log,) = {state.label for state in find_nodes(model, {"path": "/var/log/apache2/access.log"}).states}
    assert log == "File /var/log/apache2/access.log"


def test_two_runs_give_the_same_bytes(web: Played, stage: Stage, shipped: Path) -> None:
    again = stage.play(shipped, 10_000, dump=True)
    assert again.models == web.models
    assert again.evidence == web.evidence
    assert again.monitor.alerts == web.monitor.alerts


def test_epochs_of_one_and_of_ten_seconds_give_the_same_answers(web: Played, web_by_seconds: Played) -> None:
    for direction, path in (("ancestors", HELPER), ("descendants", SHADOW)):
        answer = web.traced("web", direction, path=path)
        assert answer
        assert web_by_seconds.traced("web", direction, path=path) == answer
    assert web.model("web").ids == web_by_seconds.model("web").ids
    assert web.model("web").transitions == web_by_seconds.model("web").transitions


def test_what_web_costs_on_the_wire(web: Played) -> None:
    totals = web.report["totals"]
    assert isinstance(totals, dict)
    assert totals["uplink_bytes"] <= 60_000
    assert totals["delta_bytes"] <= 40_000


def test_logs_that_come_in_other_pieces_and_packed_otherwise_give_the_same_bytes(
    web: Played, stage: Stage, shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(shipped, copy)
    for number, packed in enumerate(sorted(copy.glob("*/audit.log.zst"))):
        plain = b"".join(recording.read_log(packed))
        packed.unlink()
        if number % 2:
            pieces = (plain[at : at + 7_777_777] for at in range(0, len(plain), 7_777_777))
            packed.write_bytes(b"".join(zstandard.ZstdCompressor(level=1).compress(piece) for piece in pieces))
        else:
            packed.with_suffix("").write_bytes(plain)
    monkeypatch.setattr(recording, "CHUNK", 10_007)
    again = stage.play(copy, 10_000)
    assert again.models == web.models
    assert again.evidence == web.evidence


def test_a_log_fed_byte_by_byte_gives_the_same_bytes(
    scribe: Scribe, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ordinary(scribe).save()
    whole = stage.play(folder, 1_000)
    monkeypatch.setattr(recording, "CHUNK", 1)
    assert stage.play(folder, 1_000).evidence == whole.evidence


def cut(lines: list[bytes]) -> None:
    lines[-1] = lines[-1][: len(lines[-1]) // 2]


def scribble(lines: list[bytes]) -> None:
    for at in (20, 40, 60):
        lines[at] = b"\x00\xff rubbish \x1b[31m" + bytes([at])


@pytest.mark.parametrize(("damage", "cause"), [(cut, "truncated"), (scribble, "unparsable")])
def test_losses_are_on_epochs_in_the_monitor_and_on_alerts(
    scribe: Scribe, stage: Stage, damage: Callable[[list[bytes]], None], cause: str
) -> None:
    ordinary(scribe)
    if damage is cut:
        scribe.reads(101, "/srv/last")
    damage(scribe.lines)
    if damage is cut:  # cut in the middle, not before the end of the line
        scribe.save(packed=False)
        log = scribe.folder / scribe.worker / "audit.log"
        log.write_bytes(log.read_bytes()[:-1])
    else:
        scribe.writes(101, "/usr/bin/implant")
        scribe.save(packed=False)
    played = stage.play(scribe.folder, 1_000)
    workers = played.report["workers"]
    assert isinstance(workers, dict)
    counted = sum(epoch["lost"].get(cause, 0) for epoch in workers["worker1"]["epochs"])
    assert counted == (1 if damage is cut else 3)
    assert played.monitor.lost["worker1"][cause] == counted
    assert Store(played.state).lost()["worker1"][cause] == counted
    if damage is scribble:
        (alert,) = [one for one in played.monitor.alerts if one.policy == "write-below-binary-directory"]
        assert alert.lost[cause] == 3


def test_an_agent_whose_words_the_monitor_does_not_know_sends_the_epoch_again_in_full(
    scribe: Scribe, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first answer with words is another monitor's: the agent takes words as known that this one never heard."""
    folder = ordinary(scribe).save()
    whole = stage.play(folder, 1_000)
    stranger = Lexicon()
    stranger.extend([State("File /stranger")], ())
    wrong = msgspec.msgpack.encode({"web": encode_extension(stranger, Revision())})
    control, receive = Monitor.control, Monitor.receive
    answers, statuses = [wrong], []

    def noted(self: Monitor, body: bytes) -> bytes:
        answer = receive(self, body)
        statuses.append(msgspec.msgpack.decode(answer, type=Ack).status)
        return answer

    monkeypatch.setattr(Monitor, "control", lambda self, body: answers.pop() if answers else control(self, body))
    monkeypatch.setattr(Monitor, "receive", noted)
    again = stage.play(folder, 1_000)
    assert statuses[:3] == ["base", "new", "new"]
    assert "base" not in statuses[1:]
    assert again.models == whole.models
    assert again.monitor.lost == whole.monitor.lost


def test_what_was_there_is_replaced_only_when_the_replay_is_over(scribe: Scribe, tmp_path: Path) -> None:
    folder = ordinary(scribe).save()
    stage = Stage(tmp_path / "out")
    played = stage.play(folder, 1_000)
    (played.state / "notes.txt").write_text("mine")
    before = (played.state / "monitor.sqlite").read_bytes()
    (folder / "worker1" / "audit.log.zst").write_bytes(b"\x28\xb5\x2f\xfd")
    stage.played = 0
    with pytest.raises(InputError):
        stage.play(folder, 1_000)
    assert (played.state / "monitor.sqlite").read_bytes() == before
    scribe.save()
    stage.played = 0
    stage.play(folder, 1_000)
    assert (played.state / "notes.txt").read_text() == "mine"


def test_a_replay_announces_its_epochs_in_order(scribe: Scribe, tmp_path: Path) -> None:
    folder = ordinary(scribe, containers=3).save()
    starts: list[int] = []
    work = Replay(recording.open_recording(folder), 1_000, on_epoch=lambda start, agents: starts.append(start))
    work.run(Store(tmp_path / "state", create=True))
    assert starts == sorted(set(starts))
    assert all(start % 1_000 == 0 for start in starts)
    assert len(starts) > 1


def test_an_envelope_that_is_none_is_an_error_not_a_traceback(tmp_path: Path) -> None:
    with pytest.raises(CodecError):
        Monitor(Store(tmp_path, create=True)).receive(b"\x00")
