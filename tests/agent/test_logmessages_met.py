"""Writes that meet, and writes whose lines are read later: what may be another's line is nobody's request's.

Rules of this file
    - Two workers of one server, pages of one length of name, one client: nothing but their order tells lines apart.
    - `late` is a record that comes after the next write's, though its line stands before: it was on its way out of the
      kernel. (Measured on real writers, and met once by CI: `tests/agent/test_logs_real.py`.)
"""

from __future__ import annotations

from typing import Any

import pytest
from lines import RDONLY, WRONLY, World, inet
from unit_server import ACCESS, APPEND

from agent.logfiles_value import Generation, Piece
from agent.logmessages import MAX_WAITING, LogMessages
from agent.logtimes import STUCK
from agent.snapshot import pack, unpack

PLAIN = "/var/log/plain.log"
LINE = '10.0.0.2 - - [14/Nov/2023:22:13:20 +0000] "GET /{} HTTP/1.1" 200 12 "-" "curl"\n'
NEAR, LOG = "log_near", "log"


class Workers(World):
    """Processes 201 and 202 of one server, each with its connection at 4; the access log is 7."""

    def __init__(self, *, known: bool = True) -> None:
        super().__init__()
        self.logs = self.node.logs = LogMessages()
        self.open(ACCESS, 7, WRONLY | APPEND).open(PLAIN, 8, WRONLY | APPEND)
        self.call("socket", a0=10, a1=1, exit=3).call("bind", a0=3, saddr=inet("::", 80)).call("listen", a0=3)
        self.given = self.heard = 0
        if known:
            self.reads("").hears("")
        for pid in (201, 202):
            self.call("clone", exit=pid, a0=0x11)
            self.by(pid, "accept4", a0=3, exit=4, saddr=inet("10.0.0.2", 40_000 + pid))

    def by(self, pid: int, name: str, **fields: Any) -> Workers:
        self.call(name, pid=pid, ppid=100, comm="p100", exe="/bin/p100", **fields)
        return self

    def asks(self, pid: int, page: str) -> Workers:
        """A request is read, and its page."""
        return self.by(pid, "read", a0=4, exit=8).looks(pid, page)

    def looks(self, pid: int, page: str) -> Workers:
        """A page is read."""
        self.open(f"/www/{page}", 9, RDONLY, pid=pid, ppid=100, comm="p100", exe="/bin/p100")
        return self.by(pid, "close", a0=9)

    def reads(self, *pages: str) -> Workers:
        """These pages' lines have been read."""
        data = "".join(LINE.format(page) for page in pages if page).encode()
        self.logs.take([Piece("host", ACCESS, Generation(1, 1), self.given, data, self.millis)])
        self.given += len(data)
        return self

    def writes(self, pid: int, page: str, at: int = 0) -> Workers:
        """The record of the write of this page's line; `at` is when it began, if not now."""
        stamp = {"stamp": (at, self.serial + 1)} if at else {}
        return self.by(pid, "write", a0=7, exit=len(LINE.format(page)), **stamp)

    def hears(self, *words: str) -> Workers:
        """These lines of the plain log have been read: they end nothing."""
        data = "".join(f"said {word}\n" for word in words if word).encode()
        self.logs.take([Piece("host", PLAIN, Generation(1, 2), self.heard, data, self.millis)])
        self.heard += len(data)
        return self

    def says(self, pid: int, word: str) -> Workers:
        """The record of the write of such a line."""
        return self.by(pid, "write", a0=8, exit=len(f"said {word}\n"))

    def told(self) -> dict[str, tuple[str, set[str]]]:
        """By page: how its line was joined, and which pages its unit has read by then."""
        self.millis += 3_000
        self.call("getpid")
        found = {}
        for effect, _, operation, cause, _ in self.graph.edges:
            if operation in (LOG, NEAR):
                labels = self.causes_of(cause)
                page = self.graph.labels[effect].split()[2].strip("/")
                found[page] = operation, {one.rpartition("/")[2] for one in labels if "/www/" in one}
        return found


def test_a_write_that_was_recorded_late_gives_its_line_to_nobodys_request() -> None:
    one = Workers().asks(201, "alpha").asks(202, "gamma").reads("alpha", "gamma")
    one.writes(202, "gamma").writes(201, "alpha", one.millis - 4)
    assert one.told() == {"alpha": (NEAR, set()), "gamma": (NEAR, set())}
    assert one.logs.joined == {LOG: 0, NEAR: 2, "": 0}


def test_nor_do_those_in_between_have_lines_of_their_own() -> None:
    """The last record of three is that of the first line: each of the others has been given its neighbour's."""
    one = Workers()
    one.call("clone", exit=203, a0=0x11).by(203, "accept4", a0=3, exit=4, saddr=inet("10.0.0.2", 40_203))
    one.asks(201, "a").asks(202, "b").asks(203, "c").reads("a", "b", "c")
    begun = one.millis + 4
    one.writes(202, "b", begun).writes(203, "c", begun).writes(201, "a", begun)
    assert one.told() == {page: (NEAR, set()) for page in "abc"}


@pytest.mark.parametrize("later", ["unit", "write"])
def test_a_write_that_was_recorded_last_and_came_last_has_its_line(later: str) -> None:
    """Its unit has begun after the other's record; or it has itself, by the clock."""
    one = Workers().asks(201, "alpha")
    if later == "unit":
        one.reads("alpha", "gamma").writes(201, "alpha")
        one.by(202, "accept4", a0=3, exit=4, saddr=inet("10.0.0.2", 40_203)).asks(202, "gamma")
        one.writes(202, "gamma", one.millis - 50)
    else:
        one.asks(202, "gamma").reads("alpha", "gamma").writes(201, "alpha").writes(202, "gamma")
    assert one.told() == {"alpha": (LOG, {"alpha"}), "gamma": (LOG, {"gamma"})}


def test_lines_that_say_the_same_may_change_places() -> None:
    one = Workers().asks(201, "alpha").asks(202, "alpha").reads("alpha", "alpha")
    one.writes(202, "alpha")
    assert one.logs.joined[LOG] == 1
    one.writes(201, "alpha", one.millis - 4)
    assert one.told() == {"alpha": (LOG, {"alpha"})}


def test_so_may_those_that_wait_for_a_third() -> None:
    one = Workers().asks(201, "alpha").asks(202, "alpha").reads("alpha", "alpha", "gamma")
    one.writes(202, "alpha").writes(201, "alpha", one.millis - 4)
    one.told()
    assert one.logs.joined == {LOG: 2, NEAR: 0, "": 0}


def test_lines_of_other_lengths_are_known_by_them() -> None:
    one = Workers().asks(201, "alpha").asks(202, "xi").reads("xi", "alpha", "pi")
    one.writes(202, "xi").writes(201, "alpha", one.millis - 4)
    assert one.told() == {"alpha": (LOG, {"alpha"}), "xi": (LOG, {"xi"})}


def test_other_programs_that_meet_leave_their_lines_to_nobody() -> None:
    one = Workers().asks(201, "alpha").reads("alpha", "gamma")
    one.call("clone", exit=300, a0=0x11).execve("/bin/other", pid=300, ppid=100)
    one.writes(201, "alpha")
    size = len(LINE.format("gamma"))
    one.call("write", pid=300, ppid=100, comm="other", exe="/bin/other", a0=7, exit=size, stamp=(one.millis - 4, 99))
    assert one.told() == {}
    assert one.logs.joined == {LOG: 0, NEAR: 0, "": 2}
    one.millis += 1_000
    one.call("getpid")
    assert one.node.loss["log_unjoined"] == 2


@pytest.mark.parametrize("waits", [False, True])
def test_a_client_on_another_host_is_no_rival(waits: bool) -> None:
    """What an access log says of its clients' hosts tells such lines apart, and none has to wait."""
    one = Workers().by(202, "accept4", a0=3, exit=4, saddr=inet("10.0.0.7", 40_203)).asks(202, "gamma")
    one.asks(201, "alpha")
    pages = "".join(LINE.format(page).replace("0.2", "0.7") for page in ("gamma", *(["omega"] if waits else [])))
    data = (LINE.format("alpha") + pages).encode()
    one.logs.take([Piece("host", ACCESS, Generation(1, 1), 0, data, one.millis)])
    one.logs.books["host"][ACCESS].doubt = 0  # what it says of hosts has proved right
    one.writes(202, "gamma")
    assert one.logs.joined[LOG] == (not waits)
    one.writes(201, "alpha", one.millis - 4)
    assert one.told() == {"alpha": (LOG, {"alpha"}), "gamma": (LOG, {"gamma"})}


def test_those_that_meet_at_the_end_of_a_second_have_met() -> None:
    one = Workers().asks(201, "alpha").asks(202, "gamma")
    one.millis = one.millis // 1_000 * 1_000 + 988
    one.reads("alpha", "gamma").writes(202, "gamma").call("getpid").writes(201, "alpha", one.millis - 8)
    assert one.told() == {"alpha": (NEAR, set()), "gamma": (NEAR, set())}


def test_a_line_that_waits_is_told_of_what_was_before_its_write() -> None:
    one = Workers().asks(201, "alpha").hears("alpha", "gamma").says(201, "alpha")
    assert one.logs.joined[LOG] == 0
    one.looks(201, "gamma").says(201, "gamma")
    assert one.told() == {"alpha": (LOG, {"alpha"}), "gamma": (LOG, {"alpha", "gamma"})}


def test_and_covers_only_what_was_in_its_files_then() -> None:
    one = Workers().asks(201, "alpha")
    server = {"ppid": 100, "comm": "p100", "exe": "/bin/p100"}
    one.open("/srv/common", 9, WRONLY | APPEND, pid=201, **server).write(9, pid=201, **server)
    one.hears("alpha", "gamma").says(201, "alpha").asks(202, "gamma")
    one.open("/srv/common", 9, WRONLY | APPEND, pid=202, **server).write(9, pid=202, **server)
    one.call("getpid", stamp=(one.millis + 3_000, 0))
    covered = [cause for _, _, operation, cause, _ in one.graph.edges if operation == "covers"]
    assert covered
    assert not [label for label in one.causes_of(*covered) if "/www/gamma" in label]


def test_a_line_that_waits_is_told_when_nothing_more_comes_and_goes_with_a_snapshot() -> None:
    one = Workers().asks(201, "alpha")
    one.millis = one.millis // 1_000 * 1_000 + 1_000
    one.hears("once", "alpha", "gamma").says(201, "once")
    one.node.tick()
    assert not any(scope.open for scope in one.node.scopes.values())
    one.says(201, "alpha")
    outside = {"graph": one.graph, "profiles": one.logs.names.profiles}
    one.node = unpack(pack(one.node, outside), "f", type(one.node), outside)
    assert one.node.logs is not None
    assert any(scope.open for scope in one.node.scopes.values())  # so that the loop seals it (`agent.loop`)
    assert one.node.logs.joined[LOG] == 1
    one.node.tick()
    assert one.node.logs.joined == {LOG: 2, NEAR: 0, "": 0}


def test_a_line_that_waits_is_told_when_the_log_ends() -> None:
    one = Workers().asks(201, "alpha").reads("alpha", "gamma").writes(201, "alpha")
    one.logs.finish(one.node)
    assert one.logs.joined[LOG] == 1


def test_no_more_than_so_many_lines_wait() -> None:
    one = Workers().asks(201, "alpha").hears(*(f"{n:04}" for n in range(2 * MAX_WAITING)))
    begun = one.millis
    for _ in range(2 * MAX_WAITING - 1):
        one.by(201, "write", a0=8, exit=len("said 0000\n"), stamp=(begun, one.serial))
        assert len(one.logs.books["host"][PLAIN].waiting) <= MAX_WAITING
    assert one.logs.joined[LOG] == MAX_WAITING - 1


def test_requests_on_a_connection_whose_lines_are_read_later_are_not_one_anothers() -> None:
    one = Workers(known=False)
    one.asks(201, "alpha").writes(201, "alpha").asks(201, "gamma").writes(201, "gamma")
    one.reads("alpha", "gamma")
    one.asks(201, "omega").reads("omega").writes(201, "omega")
    assert one.told() == {"alpha": (LOG, set()), "gamma": (LOG, set()), "omega": (LOG, {"omega"})}


def test_one_request_whose_line_is_read_later_has_it() -> None:
    one = Workers(known=False).asks(201, "alpha").writes(201, "alpha").asks(202, "gamma").writes(202, "gamma")
    one.reads("alpha", "gamma")
    assert one.told() == {"alpha": (LOG, {"alpha"}), "gamma": (LOG, {"gamma"})}


def test_requests_that_were_read_at_once_have_no_units_of_their_own_but_the_first() -> None:
    """Pipelined: nothing in the audit log says where the second one begins."""
    one = Workers().asks(201, "alpha").reads("alpha").writes(201, "alpha")
    one.looks(201, "gamma").reads("gamma").writes(201, "gamma")
    assert one.told() == {"alpha": (LOG, {"alpha"}), "gamma": (LOG, set())}


def test_a_unit_that_has_gone_on_when_its_line_is_read_does_not_have_it() -> None:
    one = Workers(known=False).asks(201, "alpha").says(201, "alpha").looks(201, "gamma").hears("alpha")
    assert one.told() == {"alpha": (LOG, set())}


def test_where_a_line_is_not_read_at_all_the_next_request_is_another() -> None:
    one = Workers().asks(201, "alpha").writes(201, "alpha")
    one.millis += STUCK + 1_000
    one.call("getpid").asks(201, "gamma").reads("gamma").writes(201, "gamma")
    assert one.told() == {"gamma": (LOG, {"gamma"})}
