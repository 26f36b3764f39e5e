"""The parts of the live benches that need no root: what is read, counted and judged."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import live_demo
import pytest
from hypothesis import given
from hypothesis import strategies as st
from latency import SATURATED, SYLLABLES, Seconds, _of, names, percentile
from live import AUDITD, BOTH, NONE, Worker, limits, sorted_by_target
from live_agent import merged, read_figures, rules_for
from live_costs import Stretch, below
from live_demo import MARK, missing, unsaid
from live_monitor import Told, toml
from live_scene import Tail, first_run
from live_wire import Conversation, Wire
from testbed.ledger import Ledger, sweep
from testbed.processes import of_process
from testbed.program import Program
from testbed.tell import TestbedError
from testbed.traffic import Attack

from agent.config import Config as AgentConfig
from grammar.settings import read_settings
from monitor.config import Config as MonitorConfig

SLEEPER = "import sys, time; print('ready', flush=True); time.sleep(60)"


def told(policy: str, word: str) -> Told:
    return Told({"policy": policy, "trace": [{"label": word}], "summary": []}, 1.0)


def program(ledger: Ledger, code: str = SLEEPER) -> Program:
    folder = ledger.folder()
    return Program(ledger, "sleeper", [sys.executable, "-c", code, str(folder)], folder)


# --- programs of ours ---


def test_a_program_is_started_heard_measured_and_stopped(tmp_path: Path) -> None:
    with Ledger.begin(tmp_path) as ledger, program(ledger) as one:
        assert one.wait_for("ready", 10) == "ready"
        assert one.rss_bytes() > 1e6
        assert one.peak_bytes() >= one.rss_bytes() * 0.9
        pid = one.pid
        one.kill()
        one.start()
        assert one.alive()
        assert one.pid != pid
        running = of_process(one.pid)
    assert not running.alive()


def test_a_program_that_ends_early_gives_its_last_words(tmp_path: Path) -> None:
    with (
        Ledger.begin(tmp_path) as ledger,
        program(ledger, "raise SystemExit('no \\x1b luck')") as one,
        pytest.raises(TestbedError, match=r"no \\x1b luck"),
    ):
        one.wait_for("ready", 10)


def test_a_program_whose_starter_was_killed_is_found_by_its_folder(tmp_path: Path) -> None:
    code = f"""
import os, sys
sys.path.insert(0, {str(Path(live_demo.__file__).parent)!r})
from pathlib import Path
from testbed.ledger import Ledger
from testbed.program import Program
with Ledger.begin(Path({str(tmp_path)!r})) as ledger:
    folder = ledger.folder()
    with Program(ledger, "sleeper", [sys.executable, "-c", {SLEEPER!r}, str(folder)], folder) as one:
        one.wait_for("ready", 10)
        print(one.pid, flush=True)
        os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    running = of_process(int(done.stdout))
    assert running.alive()
    assert sweep(tmp_path) == 1
    assert not running.alive()


# --- settings, figures, logs ---


def test_settings_are_what_the_programs_read() -> None:
    monitor = toml({"epoch": "2s", "novelty": {"settle_active": "6s"}, "listen": {"port": 0}})
    assert read_settings(monitor, "monitor.toml", MonitorConfig).epoch == 2_000
    agent = merged({"capture": {"log": "/x", "rules": "any"}, "name": "a"}, {"capture": {"rules": "full"}})
    found = read_settings(toml(agent), "agent.toml", AgentConfig)
    assert (found.capture.log, found.capture.rules, found.name) == ("/x", "full", "a")


words = st.text("abc_", min_size=1, max_size=5)
values = st.one_of(st.integers(-5, 5), st.booleans(), st.text(max_size=8), st.lists(st.text(max_size=3), max_size=3))


@given(st.dictionaries(words, st.one_of(values, st.dictionaries(words, values, max_size=3)), max_size=4))
def test_any_settings_come_out_as_they_went_in(settings: dict[str, object]) -> None:
    assert tomllib.loads(toml(settings)) == settings


def test_figures_with_labels_are_summed_under_their_name() -> None:
    text = '# HELP x y\nlost_total{cause="late"} 2.0\nlost_total{cause="throttled"} 1.0\nrss 5e+06\n'
    assert read_figures(text) == {
        'lost_total{cause="late"}': 2.0,
        'lost_total{cause="throttled"}': 1.0,
        "lost_total": 3.0,
        "rss": 5e6,
    }


def test_every_rule_is_for_one_login_uid_and_has_our_key() -> None:
    lean, full = rules_for("lean", 6105), rules_for("full", 6105)
    assert all("-F auid=6105" in line and line.endswith("key=winnower") for line in [*lean, *full])
    assert all(line.startswith("-a always,exit -F arch=") for line in full)
    calls = [set(line.split()[5].split(",")) for line in (lean[0], full[0])]
    assert calls[1] - calls[0] >= {"read", "write"}


def test_the_time_of_an_attack_is_that_of_its_first_record() -> None:
    log = b'type=PATH msg=audit(1.000:1): name="/tmp/x"\n'
    log += b'node=a type=SYSCALL msg=audit(12.345:6): exe="/tmp/xy"\n'
    log += b'type=SYSCALL msg=audit(13.001:7): exe="/tmp/x"\ntype=SYSCALL msg=audit(14.000:8): exe="/tmp/x"\n'
    assert first_run(log, "x") == 13.001
    assert first_run(log, "xy") == 12.345
    assert first_run(log, "z") == 0.0


def test_a_tail_gives_whole_lines_once_through_a_rotation(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_bytes(b"before\n")
    tail = Tail(log)
    with log.open("ab") as old:
        old.write(b"one\ntw")
        old.flush()
        assert tail.more() == b"one\n"
        log.rename(tmp_path / "audit.log.1")
        log.write_bytes(b"three\nfo")
        old.write(b"o\n")
    assert tail.more() == b"two\nthree\n"
    with log.open("ab") as new:
        new.write(b"ur\n")
    assert tail.more() == b"four\n"
    tail.close()


# --- the wire ---


def test_an_exchange_is_a_request_with_its_answer() -> None:
    talk = Conversation()
    for up, down in ((b"POST /v1/epochs HTTP/1.1\r\n\r\nab", b"x" * 7), (b"POST /v1/words HTTP/1.1\r\n\r\n", b"yy")):
        talk.up(up[:20] if up.endswith(b"ab") else up)
        talk.up(up[20:] if up.endswith(b"ab") else b"")
        talk.down(down)
    assert [(one.target, one.up, one.down) for one in talk.exchanges] == [("/v1/epochs", 30, 7), ("/v1/words", 27, 2)]
    assert sorted_by_target(talk.exchanges)["/v1/words"] == [talk.exchanges[1]]


def test_the_proxy_changes_nothing_and_counts_everything() -> None:
    question, reply = b"POST /v1/epochs HTTP/1.1\r\n\r\n" + os.urandom(200_000), os.urandom(100_000)

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            for _ in range(2):
                got = 0
                while got < len(question):
                    got += len(connection.recv(65_536))
                connection.sendall(reply)

    with socket.create_server(("127.0.0.1", 0)) as server, Wire(server.getsockname()[1]) as wire:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        with socket.create_connection(("127.0.0.1", wire.port), timeout=5) as client:
            for _ in range(2):
                client.sendall(question)
                got = bytearray()
                while len(got) < len(reply):
                    got += client.recv(65_536)
                assert got == reply
        assert [one.bytes for one in wire.exchanges] == [len(question) + len(reply)] * 2
        assert {one.target for one in wire.exchanges} == {"/v1/epochs"}


# --- what is judged ---


def worker(**figures: float) -> Worker:
    def one(condition: str, rate: float) -> Stretch:
        return Stretch(condition, rate, 0, 10.0, figures.get("agent", 4.0), 1.0, 1_000, 0)  # type: ignore[arg-type]

    stretches = [one(NONE, 200.0)]
    for _ in range(3):
        stretches += [one(AUDITD, 100.0), one(BOTH, figures.get("rate", 99.0))]
    made = Worker("lean", "together", stretches, figures.get("peak", 70.0))
    made.lost = int(figures.get("lost", 0))
    made.causes = {
        "late": 3,
        "kernel_backlog_full": 1,
        "container_unnamed": 1,
        **({"throttled": 1} if figures.get("throttled") else {}),
    }
    made.silent = [Stretch(BOTH, 100.0, 0, 10.0, figures.get("silent", 3.5), 1.0, 1_000, 0)]
    made.heartbeats, made.listens = [int(figures.get("heartbeat", 330))] * 3, [int(figures.get("listen", 400))]
    return made


def test_a_good_worker_misses_no_limit() -> None:
    assert all(good for *_, good in limits(worker()))
    assert worker().with_poll == pytest.approx(330 + 400 * 10 / 55)


@pytest.mark.parametrize(
    ("figures", "row"),
    [
        ({"agent": 5.1}, "agent CPU s / auditd CPU s"),
        ({"rate": 96.0}, "requests/s with agent / auditd alone"),
        ({"silent": 2.9}, "  of it for applications' logs"),
        ({"peak": 120.0}, "agent's peak RSS"),
        ({"lost": 1}, "records lost by the kernel"),
        ({"throttled": 1}, "records lost by the agent"),
        ({"heartbeat": 451}, "bytes per heartbeat"),
        ({"heartbeat": 0}, "bytes per heartbeat"),
        ({"listen": 900}, "  with its share of the long poll"),
    ],
)
def test_each_limit_can_be_missed(figures: dict[str, float], row: str) -> None:
    assert row in [name for name, _, _, good in limits(worker(**figures)) if not good]


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile([float(n) for n in range(100)], 99) == 98.0
    assert percentile([5.0], 99) == 5.0


def test_every_attack_has_a_name_of_its_own_that_looks_like_no_number() -> None:
    first = names(1)
    made = [next(first) for _ in range(200)]
    assert len(set(made)) == 200
    assert all(len(name) == 10 and set(name) <= set("".join(SYLLABLES)) for name in made)
    assert not any(all(c in "0123456789abcdef" for c in name) for name in made)


def test_alerts_of_other_attacks_do_not_count() -> None:
    found = _of([told("novelty", "Process kolu /tmp/kolu"), told("run-from-temp", "/tmp/mimi")], "mimi")
    assert list(found) == ["run-from-temp"]


def test_latency_is_judged_from_the_system_call_or_the_log_where_the_queue_is_full() -> None:
    slow = Seconds({"a": [3.0]}, {"a": [0.5]})
    assert slow.good(2.0, SATURATED)
    assert not slow.good(2.0, "quiet")
    assert not Seconds({"a": [0.1]}, {"a": [0.1]}, missed=["a of run 1"]).good(2.0, "quiet")


def trace(**changes: object) -> dict[str, object]:
    def process(label: str, **fields: object) -> dict[str, object]:
        own = {"kind": "Process", "label": f"Process x {label}", "pid": 7, "time": 100.0, "command": ""}
        return own | {"worker": "worker-1", "container": "web-2"} | fields

    instances = [process(f"/tmp/{MARK}", command=f"/tmp/{MARK} -c x"), process("/usr/sbin/apache2")]
    return {"instances": instances, "workers": {"worker-1": {"answered": True}}} | changes


def test_a_trace_must_be_of_this_attack() -> None:
    struck = Attack("web-2", 99.9, 100.1, b"root:")
    assert missing(trace(), struck) == []
    assert missing(trace(instances=[]), struck) != []
    assert missing(trace(workers={}), struck) == ["the answer of worker-1"]
    assert missing(trace(), Attack("web-1", 99.9, 100.1, b"root:")) == ["instances of the attacked container alone"]
    assert missing(trace(), Attack("web-2", 199.9, 200.1, b"root:")) == ["a process of the attack's time"]


def test_the_processes_below_one_are_found() -> None:
    assert os.getpid() in below(os.getppid())


def test_what_the_demo_must_show_of_the_request() -> None:
    struck = Attack("web-2", 99.9, 100.1, b"root:")
    unit = "the unit that it happened in, on worker-1 / web-2:\n  request: GET /cgi-bin/lookup?host={term} 200\n"
    traced = ["connect → Socket 10.89.0.1:40\n727", "10.89.0.1:40727"]
    assert unsaid(unit, traced, struck, 40727) == []
    assert unsaid(unit.replace("web-2", "web-1"), traced, struck, 40727) == ["the request that the alert began with"]
    assert unsaid("", traced, struck, 40727) == ["the request that the alert began with"]
    assert unsaid(unit.replace("request: ", ""), traced, struck, 40727) == ["the request that the alert began with"]
    assert unsaid(unit, ["", traced[1]], struck, 40727) == ["the attacker's socket in trace-log"]
    assert unsaid(unit, [traced[0], ""], struck, 40727) == ["the attacker's socket in trace-log --instances"]


def test_without_root_the_demo_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert live_demo.main([]) == 2
    assert "sudo make live" in capsys.readouterr().err
