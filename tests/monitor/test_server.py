"""The monitor as a process: what it has acknowledged is there, once, whenever it is killed; signals do what they say.

Rules of this file
    - Real processes, real sockets; ports are the kernel's choice; every process that is started is ended.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from shutil import which

import pytest
from playbook import APACHE, USUAL, shows, writes
from signed import Fresh, SignedAgent

from grammar import decode_envelope, encode_model, framed
from grammar.control import Enrolled, read
from grammar.signing import OVERHEAD
from monitor.monitor import Monitor
from monitor.register import Register
from monitor.store import Store

ROOT = Path(__file__).resolve().parent.parent.parent
ROUNDS = 20


class Process:
    """`winnower monitor run` on a folder."""

    def __init__(self, folder: Path, settings: str = "", **listen: str) -> None:
        self.folder, self.path = folder, folder / "monitor.toml"
        told = {"port": "0", **listen}
        lines = "\n".join(f"{key} = {value}" for key, value in told.items())
        self.path.write_text(f'state = "state"\n{settings}\n[listen]\n{lines}\n')
        self.log = folder / "log"
        self.start()

    def start(self) -> None:
        code = "from winnower.monitor_command import monitor; monitor()"
        command = [sys.executable, "-c", code, "run", "--config", str(self.path)]
        with self.log.open("wb") as log:
            env = os.environ | {"PYTHONPATH": str(ROOT)}
            self.process = subprocess.Popen(command, stderr=log, stdout=log, env=env, cwd=self.folder)
        (address,) = self.wait_for("ready")["addresses"]  # type: ignore[misc]
        self.host, _, port = str(address).rpartition("/")[2].rpartition(":")
        self.port = int(port)

    def wait_for(self, event: str, seconds: float = 20) -> dict[str, object]:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for told in self.events():
                if told["event"] == event:
                    return told
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(self.log.read_text())

    def events(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def end(self, how: int = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(20)

    def post(self, target: str, body: bytes, connection: HTTPConnection | None = None) -> tuple[int, bytes]:
        link = connection or HTTPConnection(self.host, self.port, timeout=10)
        try:
            link.request("POST", target, body)
            answer = link.getresponse()
            return answer.status, answer.read()
        finally:
            if connection is None:
                link.close()

    def agent(self, name: str) -> SignedAgent:
        agent = SignedAgent(name)
        register = Register(Store(self.folder / "state", create=True, live=True))
        with register.store.transaction():
            token = register.issue(name, time.time_ns() // 10**6, Fresh(name))
        register.store.close()
        status, body = self.post("/v1/enrol", agent.request(token))
        assert status == 200, body
        agent.monitor = read(body, Enrolled).public
        return agent


Starter = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    made: list[Process] = []

    def start(settings: str = "", **listen: str) -> Process:
        made.append(Process(tmp_path, settings, **listen))
        return made[-1]

    yield start
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


class Sender(threading.Thread):
    """An agent that sends one envelope after the other, the same again until it is acknowledged, whatever happens."""

    def __init__(self, process: Process, agent: SignedAgent, number: int) -> None:
        super().__init__(daemon=True)
        self.process, self.agent, self.number = process, agent, number
        self.sent: list[bytes] = []
        self.acknowledged: list[str] = []
        self.stopping = False
        self.problem = ""

    def run(self) -> None:
        while not self.stopping:
            count = len(self.sent)
            shown = (writes(APACHE, f"/tmp/{self.number}-{count}"),) if count % 3 == 0 else ()
            deltas = {f"app{count % 2}": shows(f"c{self.number}", *USUAL[:2], *shown)} if shown else {}
            envelope = self.agent.envelope(deltas, active=(f"c{self.number}",), lost={"late": 1})
            sealed = self.agent.seal(envelope)
            self.sent.append(sealed)
            self.deliver(sealed)

    def deliver(self, sealed: bytes) -> None:
        while True:
            try:
                status, body = self.process.post("/v1/epochs", sealed)
            except (OSError, HTTPException):
                time.sleep(0.02)
                continue
            if status == 200:
                self.acknowledged.append(self.agent.opened(sealed, body).status)
                return
            if status != 503:
                self.problem = f"{status} {body!r}"
                return
            time.sleep(0.05)


def test_killed_at_random_instants_under_load_nothing_acknowledged_is_lost_or_applied_twice(
    start: Starter, tmp_path: Path
) -> None:
    """After every kill the state opens; in the end it is byte for byte what the sent envelopes give in one go."""
    process = start("[policies]\nshipped = false")
    senders = [Sender(process, process.agent(f"w{n}"), n) for n in range(4)]
    for sender in senders:
        sender.start()
    chance = random.Random(4)
    for _ in range(ROUNDS):
        time.sleep(chance.random() * 0.15)
        process.end(signal.SIGKILL)
        process.start()
    for sender in senders:
        sender.stopping = True
    for sender in senders:
        sender.join(20)
        assert not sender.is_alive()
    assert process.end() == 0
    assert [sender.problem for sender in senders] == [""] * 4
    assert all(set(sender.acknowledged) <= {"new", "repeat"} for sender in senders)
    sent = [(sender.agent.name, number) for sender in senders for number in range(len(sender.sent))]
    store = Store(tmp_path / "state")
    applied = [(agent, sequence) for _, agent, _, _, sequence in store.journal(most=1_000_000)]
    assert sorted(applied) == sorted(sent)
    assert len(sent) > 5 * ROUNDS
    monitor = Monitor(Store(tmp_path / "again", create=True))
    for sender in senders:
        for sealed in sender.sent:
            assert monitor.receive_many([decode_envelope(sealed[OVERHEAD:])]) == ["new"]
    found = Monitor(Store(tmp_path / "state", create=True, live=True))
    assert {n: encode_model(a.model) for n, a in found.apps.items()} == {
        n: encode_model(a.model) for n, a in monitor.apps.items()
    }
    assert found.lost == monitor.lost


def test_told_to_stop_it_answers_what_it_has_taken_and_ends_well(start: Starter, tmp_path: Path) -> None:
    process = start()
    agent = process.agent("w1")
    waiting: list[tuple[int, bytes]] = []
    thread = threading.Thread(target=lambda: waiting.append(process.post("/v1/listen", agent.listen(9, 30_000))))
    thread.start()
    assert process.post("/v1/epochs", agent.sealed({"web": shows("web1", *USUAL)}))[0] == 200
    time.sleep(0.2)
    begun = time.monotonic()
    assert process.end() == 0
    assert time.monotonic() - begun < 5
    thread.join(5)
    assert [status for status, _ in waiting] == [200]
    assert process.events()[-1]["event"] == "stopped"
    assert not list((tmp_path / "state").glob("*-wal"))
    process.start()
    assert process.post("/v1/epochs", agent.sealed({}))[0] == 200


def test_settings_are_read_again_and_bad_ones_change_nothing(start: Starter) -> None:
    process = start('epoch = "10s"')
    agent = process.agent("w1")
    good = process.path.read_text()
    process.path.write_text(good.replace('"10s"', '"10 parsecs"').replace("[listen]", "[listne]"))
    process.process.send_signal(signal.SIGHUP)
    process.wait_for("settings not reloaded")
    errors = [str(one["error"]) for one in process.events() if one["event"] == "settings not reloaded"]
    assert [error.split(":")[1:3] for error in errors] == [["2", "1"], ["3", "2"]]
    assert process.post("/v1/epochs", agent.sealed({}))[0] == 200
    process.path.write_text(good.replace('"10s"', '"20s"'))
    process.process.send_signal(signal.SIGHUP)
    process.wait_for("settings reloaded")
    status, body = process.post("/v1/listen", agent.listen(1, 1_000))
    assert status == 200
    assert b"\xcd\x4e\x20" in body  # 20000 as msgpack has it
    assert process.end() == 0


def test_a_slow_or_huge_head_is_cut_off_and_holds_up_nobody(start: Starter) -> None:
    process = start(slow='"500ms"')
    agent = process.agent("w1")
    body = agent.sealed({})
    slow = [socket.create_connection((process.host, process.port)) for _ in range(20)]
    for number, one in enumerate(slow):
        one.settimeout(5)
        one.sendall((b"POST /v1/ep", b"", framed("POST", "/v1/epochs", body)[:-10])[number % 3])
    assert process.post("/v1/epochs", body)[0] == 200
    begun = time.monotonic()
    ends = [one.recv(1_000) for one in slow]
    assert time.monotonic() - begun < 4
    assert all(end == b"" or end.startswith(b"HTTP/1.1 408") for end in ends)
    huge = socket.create_connection((process.host, process.port))
    huge.settimeout(5)
    huge.sendall(b"POST /v1/epochs HTTP/1.1\r\n" + b"x: y\r\n" * 10_000)
    assert b" 400 " in huge.recv(100)
    for one in (*slow, huge):
        one.close()
    assert process.end() == 0


def test_many_agents_wait_for_orders_at_once(start: Starter) -> None:
    process = start()
    agents = [process.agent(f"w{n}") for n in range(60)]
    links = [socket.create_connection((process.host, process.port)) for _ in agents]
    for agent, link in zip(agents, links, strict=True):
        link.sendall(framed("POST", "/v1/listen", agent.listen(1, 2_000)))
    time.sleep(0.3)
    begun = time.monotonic()
    assert process.post("/v1/epochs", agents[0].sealed({}))[0] == 200
    assert time.monotonic() - begun < 1
    for link in links:
        link.settimeout(10)
        assert link.recv(100).startswith(b"HTTP/1.1 200 OK\r\ncontent-length: ")
        link.close()
    assert process.end() == 0


openssl = pytest.mark.skipif(not which("openssl"), reason="no openssl to make certificates with")


def certificate(folder: Path, name: str, issuer: tuple[Path, Path] | None = None) -> tuple[Path, Path]:
    """A certificate and its key, signed by an issuer or by itself."""
    cert, key, request = folder / f"{name}.pem", folder / f"{name}.key", folder / f"{name}.csr"
    new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}"]
    alt = ["-addext", "subjectAltName=IP:127.0.0.1"]
    if issuer is None:
        made = [*new, *alt, "-x509", "-days", "2", "-keyout", str(key), "-out", str(cert)]
        subprocess.run(made, check=True, capture_output=True)
    else:
        subprocess.run([*new, "-keyout", str(key), "-out", str(request)], check=True, capture_output=True)
        by = ["-CA", str(issuer[0]), "-CAkey", str(issuer[1]), "-CAcreateserial", "-days", "2", "-out", str(cert)]
        subprocess.run(["openssl", "x509", "-req", "-in", str(request), *by], check=True, capture_output=True)
    key.chmod(0o600)
    return cert, key


@openssl
def test_with_mutual_tls_only_known_clients_get_in(start: Starter, tmp_path: Path) -> None:
    ours = certificate(tmp_path, "monitor")
    clients = certificate(tmp_path, "clients")
    client = certificate(tmp_path, "client", clients)
    tls = f'[tls]\ncertificate = "{ours[0]}"\nkey = "{ours[1]}"\nclients = "{clients[0]}"\n'
    process = start(tls)
    context = ssl.create_default_context(cafile=str(ours[0]))
    stranger = HTTPSConnection(process.host, process.port, timeout=5, context=context)
    with pytest.raises((ssl.SSLError, OSError)):
        process.post("/v1/epochs", b"x", stranger)
    context.load_cert_chain(*client)
    known = HTTPSConnection(process.host, process.port, timeout=5, context=context)
    assert process.post("/v1/epochs", b"x", known)[0] == 400
    known.close()
    assert process.end() == 0
    ours[1].chmod(0o644)
    with pytest.raises(AssertionError, match="must be private"):
        process.start()


def test_alerts_are_appended_to_a_file(start: Starter, tmp_path: Path) -> None:
    process = start('[alerts]\nfile = "alerts.jsonl"')
    agent = process.agent("w1")
    other = SignedAgent("w1")
    for _ in range(3):
        assert process.post("/v1/epochs", agent.sealed({}))[0] == 200
    other.monitor = agent.monitor
    sealed = other.sealed({"web": shows("web1", *USUAL)})
    status, body = process.post("/v1/epochs", sealed)
    assert (status, other.opened(sealed, body).status) == (200, "conflict")
    process.wait_for("alert")
    (line,) = (tmp_path / "alerts.jsonl").read_text().splitlines()
    assert json.loads(line)["policy"] == "agent-identity"
    assert process.end() == 0
