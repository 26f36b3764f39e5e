"""Lines of logs in the graph: whose they are, what they cover, where a request ends."""

from __future__ import annotations

import pytest
from lines import CREAT, WRONLY, World, inet
from unit_server import access, error

from agent.logbook import Book
from agent.logfiles_value import Generation, Piece
from agent.logmessages import MAX_OWED, LogMessages
from agent.lognames import LogNames, Profiles
from agent.logtimes import MAX_RECENT
from grammar.profile import Binary, EventLoop, Function, LogString, Point, Profile

ACCESS = '10.0.0.2 - - [22/Nov/2026:01:48:31 +0000] "GET /{} HTTP/1.1" 200 12 "-" "curl"\n'
ERROR = "[Sun Nov 22 01:48:31.033766 2026] [php:notice] [pid 7:tid 7] [client 10.0.0.2:{}] hello {}\n"
LOG = "/var/log/apache2/access.log"
APPEND = 0x400


class Site(World):
    """A server on port 80 with its logs open at 7 (access) and 8 (error)."""

    def __init__(self) -> None:
        super().__init__()
        self.logs = self.node.logs = LogMessages()
        self.access = self.logs.add("host", Book("access.log"))
        self.error = self.logs.add("host", Book("/var/log/apache2/error.log"))
        self.open(LOG, 7, WRONLY | APPEND).open("/var/log/apache2/error.log", 8, WRONLY | APPEND)
        self.call("socket", a0=10, a1=1, exit=3).call("bind", a0=3, saddr=inet("::", 80)).call("listen", a0=3)

    def accept(self, fd: int, port: int) -> Site:
        self.call("accept4", a0=3, exit=fd, saddr=inet("10.0.0.2", port))
        return self

    def log(self, book: Book, text: str, fd: int, **fields: object) -> Site:
        book.put(text.encode())
        self.call("write", a0=fd, exit=len(text.encode()), **fields)
        return self

    def units(self) -> int:
        return sum(op == "unit" for _, _, op, _, _ in self.graph.edges)

    def told(self, operation: str) -> list[tuple[str, str]]:
        """(label of the line, label of what the edge leads to) of all edges of an operation."""
        labels = self.graph.labels
        return [(labels[e], labels[c]) for e, _, op, c, _ in self.graph.edges if op == operation]


def test_a_line_is_its_units() -> None:
    site = Site().accept(4, 40_000)
    site.read(4)
    site.log(site.access, ACCESS.format("home"), 7)
    assert site.told("log") == [("LogMessage GET /home 200", "Process p100 /bin/p100")]
    assert site.logs.joined == {"log": 1, "log_near": 0, "": 0}


def test_a_line_covers_what_its_unit_has_done_and_not_its_own_connection_or_log() -> None:
    site = Site().accept(4, 40_000)
    site.read(4)
    site.call("connect", a0=5, saddr=inet("10.0.0.9", 3306)).open("/srv/upload", 6, CREAT | WRONLY).write(6).write(4)
    site.call("clone", exit=200, a0=0x11).execve("/bin/sh", pid=200, ppid=100)
    site.log(site.access, ACCESS.format("shell"), 7)
    covered = {label for _, label in site.told("covers")}
    assert covered == {"Socket 10.0.0.9:3306", "File /srv/upload", "Process sh /bin/sh"}


def test_a_child_that_serves_others_is_covered_without_what_they_asked_for() -> None:
    site = Site().accept(4, 40_000)
    site.read(4).call("clone", exit=200, a0=0x11)
    child = {"pid": 200, "ppid": 100, "comm": "serve", "exe": "/bin/serve"}
    site.execve("/bin/serve", **{key: child[key] for key in ("pid", "ppid")})
    site.call("accept4", a0=3, exit=9, saddr=inet("10.0.0.7", 50_000), **child).read(9, **child)
    site.open("/srv/anothers", 8, CREAT | WRONLY, **child).write(8, **child)
    site.log(site.access, ACCESS.format("start"), 7)
    line = next(e for e, _, op, _, _ in site.graph.edges if op == "log")
    told = {cause for effect, _, op, cause, _ in site.graph.edges if effect == line and op == "covers"}
    assert {site.graph.labels[one] for one in told} == {"Process serve /bin/serve"}
    assert not any("10.0.0.7" in label for label in site.causes_of(*told))


def test_a_line_of_an_access_log_ends_the_request_on_a_connection_that_stays() -> None:
    site = Site().accept(4, 40_000)
    for name in ("one", "two", "three"):
        site.read(4).write(4)
        site.log(site.access, ACCESS.format(name), 7)
    assert site.units() == 3
    assert len({cause for _, _, op, cause, _ in site.graph.edges if op == "log"}) == 3


def test_the_client_that_a_line_names_says_whose_it_is() -> None:
    site = Site().accept(4, 40_000).accept(5, 40_001)
    site.read(4).call("connect", a0=6, saddr=inet("10.0.0.9", 3306)).read(5)
    site.log(site.error, ERROR.format(40_000, "a"), 8)
    assert ("LogMessage hello a", "Socket 10.0.0.9:3306") in site.told("covers")


def test_numbered_connections_keep_their_units_whatever_runs() -> None:
    site = Site()
    general = site.logs.add("host", Book("/var/log/general.log"))
    site.open("/var/log/general.log", 9, WRONLY | APPEND)
    site.accept(4, 40_000).read(4)
    site.log(general, "261122  1:48:25\t     4 Connect\ta@b\n", 9)
    site.accept(5, 40_001).read(5)
    site.log(general, "\t\t     5 Connect\ta@b\n", 9)
    site.open("/srv/five", 6, CREAT | WRONLY).write(6)
    site.log(general, "\t\t     4 Quit\t\n", 9)
    assert ("LogMessage Quit", "File /srv/five") not in site.told("covers")
    site.log(general, "\t\t     5 Quit\t\n", 9)
    assert ("LogMessage Quit", "File /srv/five") in site.told("covers")


def test_without_writes_time_joins_what_names_its_client() -> None:
    site = Site()
    site.millis = 1_795_312_111_000  # the lines' own time
    site.accept(4, 40_000).accept(5, 40_001)
    site.error.put(ERROR.format(40_001, "there").encode())
    site.millis += 1_000
    site.read(4)
    site.accept(6, 40_002).accept(7, 40_001)
    site.millis += 9_000
    site.read(4)
    assert [line for line, _ in site.told("log_near")] == ["LogMessage hello there"]


def test_a_line_that_nobody_can_be_found_for_has_no_edge() -> None:
    site = Site()
    other = site.logs.add("host", Book("/var/log/other.log"))
    other.put(b"2026-11-22T01:48:31Z hello\n")
    site.call("clone", exit=200, a0=0x11).execve("/bin/sh", pid=200, ppid=100)
    site.millis = 1_795_312_111_000 + 60_000
    site.read(4).read(4)
    assert (site.told("log"), site.told("log_near")) == ([], [])
    assert (site.logs.joined[""], site.node.loss["log_unjoined"]) == (1, 1)


def test_a_log_whose_opening_was_lost_is_known_by_the_length_of_its_lines() -> None:
    site = Site()
    lost = site.logs.add("host", Book("/var/log/lost.log"))
    site.millis = 1_795_312_111_000
    site.log(lost, ERROR.format(40_000, "lost"), 9)
    site.log(lost, ERROR.format(40_000, "found"), 9)
    assert [line for line, _ in site.told("log_near")] == ["LogMessage hello lost", "LogMessage hello found"]


def test_logs_that_are_opened_and_not_read_are_wanted() -> None:
    site = Site()
    site.open("/var/log/new.log", 9, WRONLY | APPEND).open("/srv/data", 10, WRONLY | APPEND)
    assert site.logs.wanted == {("host", "/var/log/new.log")}


@pytest.mark.parametrize("count", [0, 1, 10**12])
def test_hostile_counts_are_no_error(count: int) -> None:
    site = Site()
    site.error.put(b"one line\n")
    site.call("write", a0=8, exit=count)
    assert site.error.offset <= 9


def looping(thread: str = "") -> Site:
    """A program that takes jobs in a loop, without connections, and says where each begins and ends."""
    strings = tuple(
        LogString(str(n), text, text, 0, n, "emits") for n, text in enumerate(("job begins now", "job is done now"))
    )
    function = Function("loop", 0, 0, (Point(0), Point(1)), ((-1, 0), (0, 1), (1, 0)))
    profile = Profile((Binary("/bin/p100", "", ""),), strings, (function,), (EventLoop(0, ("0",), ("1",)),))
    site = Site()
    site.logs.names = LogNames(Profiles([profile]))
    for job in range(3):
        for text, file in (
            ("job begins now", f"/srv/job-{'abc'[job]}"),
            ("job is done now", f"/srv/rest-{'abc'[job]}"),
        ):
            where = f"{thread or '7'}{job if thread else ''}"
            line = f"[Sun Nov 22 01:48:31.033766 2026] [core:notice] [pid 7:tid {where}] {text}\n"
            site.log(site.error, line, 8)
            site.open(file, 6, CREAT | WRONLY).write(6).close(6)
    return site


def test_a_loop_without_connections_is_cut_where_its_profile_says() -> None:
    site = looping()
    covered = [(line, file) for line, file in site.told("covers") if "done" in line]
    assert site.units() == 3
    assert covered == [("LogMessage job is done now", f"File /srv/job-{job}") for job in "abc"]


def test_a_loop_of_several_threads_is_not_cut_by_lines() -> None:
    assert looping("8").units() <= 1


def test_writes_to_a_log_that_is_not_read_yet_get_their_lines_when_it_is() -> None:
    site = Site().accept(4, 40_000)
    site.read(4).open("/var/log/new.log", 9, WRONLY | APPEND)
    site.call("write", a0=9, exit=6).call("write", a0=9, exit=7)
    site.close(4)
    site.logs.take([Piece("host", "/var/log/new.log", Generation(1, 2), 0, b"first\nsecond\n", site.millis)])
    assert [line for line, _ in site.told("log")] == ["LogMessage first", "LogMessage second"]
    assert len({cause for _, _, op, cause, _ in site.graph.edges if op == "log"}) == 1


def test_writes_to_a_log_that_is_never_read_are_bounded() -> None:
    site = Site()
    site.open("/var/log/new.log", 9, WRONLY | APPEND)
    for _ in range(MAX_OWED + 10):
        site.call("write", a0=9, exit=6)
    assert sum(len(writes) for writes in site.logs._owed.values()) <= MAX_OWED
    site.logs.take([Piece("host", "/var/log/new.log", Generation(1, 2), 0, b"first\n", site.millis)])
    assert site.told("log") == []


def test_a_loop_is_not_cut_by_lines_in_a_process_that_serves_connections() -> None:
    site = Site()
    strings = (LogString("0", "job begins now", "job begins now", 0, 0, "emits"),)
    function = Function("loop", 0, 0, (Point(0),), ((-1, 0), (0, 0)))
    profile = Profile((Binary("/bin/p100", "", ""),), strings, (function,), (EventLoop(0, ("0",), ()),))
    site.logs.names = LogNames(Profiles([profile]))
    site.accept(4, 40_000).accept(5, 40_001).close(5)
    for _ in range(2):
        site.log(site.error, "[Sun Nov 22 01:48:31.033766 2026] [core:notice] [pid 7:tid 7] job begins now\n", 8)
    assert site.units() == 2


def test_a_line_that_is_read_late_is_joined_when_it_comes() -> None:
    site = Site().accept(4, 40_000)
    site.read(4)
    path, generation = "/var/log/apache2/error.log", Generation(1, 2)
    site.logs.take([Piece("host", path, generation, 0, b"first\n", site.millis)])
    site.call("write", a0=8, exit=6).call("write", a0=8, exit=7).call("write", a0=8, exit=6)
    assert [line for line, _ in site.told("log")] == ["LogMessage first"]
    site.logs.take([Piece("host", path, generation, 6, b"second\nthird\n", site.millis + 1_000)])
    assert [line for line, _ in site.told("log")] == ["LogMessage first", "LogMessage second", "LogMessage third"]
    assert site.error.dropped == 0


def covered_in_time(site: Site) -> set[str]:
    """What a line of host 10.0.0.2 covers, if time alone joins it."""
    site.access.put(ACCESS.format("late").encode())
    site.millis = 1_795_312_111_000 + 20_000
    site.read(4).read(4)
    return {label for line, label in site.told("covers") if "late" in line}


def test_time_joins_no_unit_of_a_host_though_it_be_the_only_one() -> None:
    site = Site()
    site.millis = 1_795_312_110_000
    site.access.put(ACCESS.format("first").encode())  # until there is a line, nobody is remembered
    site.read(3)
    site.millis += 1_000
    site.read(3).accept(4, 40_000).read(4).open("/srv/mine", 6, CREAT | WRONLY)
    assert covered_in_time(site) == set()
    assert site.logs.joined["log_near"] == 2


def test_time_joins_no_unit_while_an_older_connection_of_the_host_is_open() -> None:
    site = Site()
    site.millis = 1_795_312_100_000
    site.read(3)
    site.millis += 1_000
    site.read(3).accept(9, 39_999)
    site.millis = 1_795_312_111_000
    site.accept(4, 40_000).read(4).open("/srv/mine", 6, CREAT | WRONLY)
    assert covered_in_time(site) == set()


def test_time_joins_no_unit_where_some_have_been_forgotten() -> None:
    site = Site()
    site.millis = 1_795_312_100_000
    site.read(3)
    site.millis = 1_795_312_111_000
    site.accept(4, 40_000).read(4).open("/srv/mine", 6, CREAT | WRONLY)
    for number in range(MAX_RECENT):
        site.millis -= 10
        site.call("accept4", a0=3, exit=9, saddr=inet("10.0.0.8", 41_000 + number))
    assert covered_in_time(site) == set()


def test_a_line_that_is_older_than_its_unit_is_the_request_befores() -> None:
    """The write of the first request's line is lost; the second's, on the same connection, takes its own."""
    site = Site().accept(4, 40_000)
    site.read(4)
    site.error.put(error(site.millis, "10.0.0.2", 40_000, "a").encode())
    site.log(site.access, access(site.millis, "10.0.0.2", "one"), 7)
    site.millis += 1_000
    site.read(4).log(site.error, error(site.millis, "10.0.0.2", 40_000, "b"), 8)
    assert [line for line, _ in site.told("log")] == ["LogMessage GET /one 200", "LogMessage b"]


def test_lines_that_nobody_has_claimed_when_the_log_ends_are_counted() -> None:
    site = Site()
    site.millis = 1_795_312_111_000
    site.read(4)
    site.error.put(ERROR.format(40_000, "late").encode())
    site.millis += 500
    site.read(4)
    site.logs.finish(site.node)
    assert (site.logs.joined[""], site.node.loss["log_unjoined"]) == (1, 1)
