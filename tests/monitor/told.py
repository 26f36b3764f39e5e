"""Alerts by hand for the tests of actions, some of them hostile, and a state folder that holds them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import msgspec
from hypothesis import strategies as st

from monitor.alerts import Alert, Step
from monitor.store import Store

HOSTILE = (
    "\n<13>1 - evil - - - - forged",
    "a\0b",
    "\x1b]0;owned\x07\x1b[31m\x9b31m",
    'q" ] \\" \\] \\n',
    "\udcff\udc80 \ud800",
    "</script>\u2028\u202e",
    "$(touch /tmp/x); `id` && -rf --",
    "{policy} {json}",
    "é…" * 3_000,
)
"""Texts that want to be more than text."""


def alert(number: int = 0, **fields: object) -> Alert:
    """An alert with everything in it; `fields` change some of it."""
    known: dict[str, object] = {
        "policy": "shell-below-web-server",
        "title": "a web server starts a shell",
        "severity": "high",
        "app": "web",
        "worker": "worker1",
        "container": "web-1",
        "time": 1_769_860_800_123 + number,
        "replicas": (1, 8),
        "nodes": ("aa", "bb"),
        "trace": (
            Step("aa", "Process sh /bin/sh", command="sh -c id"),
            Step("bb", "File /etc/shadow", "USED", "read"),
            Step("cc", "Socket 10.0.0.9:4444>*:80", "USED", "connect"),
            Step("dd", "LogMessage GET /x 200", "USED", "log"),
        ),
        "summary": ("sh reads /etc/shadow",),
        "lost": {"late": 2},
        "deeds": (f"d{number}",),
        "techniques": ("T1059.004", "T1003"),
        "maturity": "stable",
        "row": {"path": "/etc/shadow", "by": None},
    }
    return msgspec.structs.replace(Alert(**(known | fields)), number=number)  # type: ignore[arg-type]


def hostile(text: str, number: int = 0) -> Alert:
    """An alert whose every text is this one."""
    names = ("policy", "title", "app", "worker", "container", "maturity")
    step = Step(text, f"Process {text}", text, text, text)
    told: dict[str, object] = dict.fromkeys(names, text)
    told |= {"trace": (step, Step(text, f"File {text}"), Step(text, f"Socket {text}:9")), "summary": (text,)}
    return alert(number, **told, nodes=(text,), lost={text: 1}, techniques=(text,), row={text: text}, deeds=(text,))


halves = st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF)
texts = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40), halves)
alerts = st.builds(hostile, texts)


class State:
    """A state folder with alerts in it, as a monitor that runs writes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with closing(Store(folder, create=True)):
            pass

    def add(self, *alerts: Alert) -> list[Alert]:
        """Keep them; they come back with their numbers."""
        with closing(Store(self.folder, create=True)) as store, store.transaction():
            return [one.numbered(store.add_alert(one.encode())) for one in alerts]

    def open(self) -> Store:
        """For reading."""
        return Store(self.folder)
