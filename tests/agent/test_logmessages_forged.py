"""Text of logs is anybody's: what it claims chooses among the writer's own units, and never ends another's request."""

from __future__ import annotations

import random
import string

from lines import AT_CWD, CREAT, START, WRONLY, World, inet, path, syscall
from unit_server import access, error

from agent.containers import Containers
from agent.logbook import Book
from agent.logmessages import LogMessages
from agent.pipeline import Pipeline
from grammar.codec import encode_delta
from grammar.lexicon import Lexicon

APPEND = 0x400


class Attacked(World):
    """Process 100 serves the attacker (port 40000) and, in a thread, a victim (40001); 200 another victim (40002)."""

    def __init__(self) -> None:
        super().__init__()
        self.logs = self.node.logs = LogMessages()
        for fd, name in ((7, "/var/log/access.log"), (8, "/var/log/error.log")):
            self.open(name, fd, WRONLY | APPEND)
        self.call("socket", a0=10, a1=1, exit=3).call("bind", a0=3, saddr=inet("::", 80)).call("listen", a0=3)
        self.call("clone", exit=200, a0=0x11).call("getpid", pid=200, ppid=100, comm="p100", exe="/bin/p100")
        self.serve(200, 4, 40_002, "/srv/theirs")
        self.serve(100, 5, 40_001, "/srv/other")
        self.serve(100, 4, 40_000, "/srv/mine")

    def serve(self, pid: int, fd: int, port: int, file: str) -> None:
        who = {"pid": pid, "comm": "p100", "exe": "/bin/p100"}
        self.call("accept4", a0=3, exit=fd, saddr=inet("10.0.0.2", port), **who).read(fd, **who)
        self.open(file, 6, CREAT | WRONLY, **who).write(6, **who).close(6, **who)
        self.read(fd, **who)

    def log(self, text: str, fd: int = 8, book: str = "/var/log/error.log") -> None:
        self.logs.books["host"][book].put(text.encode())
        self.call("write", a0=fd, exit=len(text.encode()))

    def told(self, operation: str) -> list[tuple[str, str]]:
        labels = self.graph.labels
        return [(labels[e], labels[c]) for e, _, op, c, _ in self.graph.edges if op == operation]

    def covered(self, line: str) -> set[str]:
        return {label for told, label in self.told("covers") if line in told}

    def units(self) -> int:
        return sum(op == "unit" for _, _, op, _, _ in self.graph.edges)

    def now(self, port: int, text: str) -> str:
        return error(self.millis, "10.0.0.2", port, text)


def test_a_second_line_in_one_write_is_nobody_elses() -> None:
    site = Attacked()
    for port, name in ((40_001, "thread"), (40_002, "process")):
        site.log(site.now(40_000, f"hello {name}") + site.now(port, f"forged {name}"))
        assert site.covered(f"hello {name}") == {"File /srv/mine"}
        assert site.covered(f"forged {name}") == set()


def test_a_line_of_its_own_that_names_another_processs_client_is_no_units() -> None:
    site = Attacked()
    site.log(site.now(40_000, "first"))
    site.log(site.now(40_002, "forged"))
    assert site.covered("forged") == set()
    assert len(site.told("log")) == 2


def test_a_forged_line_takes_nobodys_place() -> None:
    """One of the length of the victim's line, which stands behind it already: each keeps its own."""
    site = Attacked()
    site.log(site.now(40_000, "first"))
    forged, honest = site.now(40_002, "forged"), site.now(40_002, "honest")
    site.logs.books["host"]["/var/log/error.log"].put((forged + honest).encode())
    site.call("write", a0=8, exit=len(forged))
    site.call("write", a0=8, exit=len(honest), pid=200, comm="p100", exe="/bin/p100")
    assert site.covered("forged") == set()
    assert site.covered("honest") == {"File /srv/theirs"}


def test_a_line_that_looks_like_an_access_logs_ends_no_request() -> None:
    site = Attacked()
    before = site.units()
    site.logs.books["host"]["/var/log/error.log"].put(b"started\n")
    site.call("write", a0=8, exit=8, pid=200, comm="p100", exe="/bin/p100")
    for _ in range(2):
        site.log(access(site.millis, "10.0.0.2", "innocent"))
        site.read(4)
    assert site.units() == before
    site.log(access(site.millis, "10.0.0.2", "real"), 7, "/var/log/access.log")
    assert "File /srv/mine" in site.covered("GET /real")


def test_a_log_of_ones_own_ends_no_request() -> None:
    site = Attacked()
    before = site.units()
    site.logs.add("host", Book("/srv/app/access.log"))
    site.open("/srv/app/access.log", 9, WRONLY | APPEND)
    site.log(access(site.millis, "10.0.0.2", "innocent"), 9, "/srv/app/access.log")
    site.read(4)
    assert site.units() == before


def test_a_target_that_imitates_another_format_stays_a_request() -> None:
    site = Attacked()
    line = access(site.millis, "10.0.0.2", "x").replace(
        "/x ", "/[Sun_Nov_22_[pid_9:tid_9]_[client_10.0.0.2:40002]_AH1: "
    )
    site.log(line, 7, "/var/log/access.log")
    assert all("/srv/theirs" not in label for _, label in site.told("covers"))
    assert [told.partition(" /")[0] for told, _ in site.told("log")] == ["LogMessage GET"]


def test_what_is_joined_by_time_is_never_called_exact() -> None:
    site = Attacked()
    stream = site.logs.stream("host", "/dev/stdout")
    assert stream is not None
    stream.entry(site.now(40_001, "forged").encode(), site.millis)
    site.millis += 30_000
    site.read(4).read(4)
    assert not any("forged" in told for told, _ in site.told("log"))


def test_a_flood_of_lines_of_one_process_stays_small() -> None:
    """20,000 lines, no two alike, in one epoch: bounded templates, bounded bytes, and what had no room is counted."""
    chance = random.Random(1)
    letters = string.ascii_lowercase
    lines = [
        " ".join(
            "".join(chance.choices(letters, k=chance.randint(3, 10))) for _ in range(chance.randint(1, 40))
        ).encode()
        + b"\n"
        for _ in range(20_000)
    ]
    logs = LogMessages()
    pipeline = Pipeline(Containers.of([]), 10_000, logs=logs)
    logs.add("host", Book("/var/log/app.log", iter([b"".join(lines)])))
    opened = {"exit": 7, "a0": AT_CWD, "a2": WRONLY | APPEND, "paths": [path("/var/log/app.log")]}
    events = [syscall("openat", stamp=(START, 1), **opened)]
    events += [syscall("write", stamp=(START + at // 4, 2 + at), a0=7, exit=len(one)) for at, one in enumerate(lines)]
    epochs = [*pipeline.feed(b"".join(events)), *pipeline.finish()]
    labels = {label for states in pipeline.node.states.values() for label, _ in states.states}
    sent = sum(len(encode_delta(delta, Lexicon())) for epoch in epochs for delta in epoch.deltas.values())
    assert logs.joined == {"log": 20_000, "log_near": 0, "": 0}
    assert sent < 200_000
    assert max(map(len, labels)) < 1_000
    assert sum(epoch.lost.get("behaviour_limit", 0) for epoch in epochs) > 10_000
