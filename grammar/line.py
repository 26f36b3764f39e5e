"""One entry of an application's log, its preamble read: when, who, and what it says.

Rules of this file
    - A value, made by `grammar.lineformat.read_line`; nothing in it is trusted, everything is bounded.
    - `message` is what patterns match: the text without what differs in every line (time, pid, client). Of a line of an
      access log it is the canonical request, `GET /index.html?a=b 200`: method, target, status.

Complexity: a value.
Source: design section 2 (LogMessage); issue "log processor".
"""

from __future__ import annotations

from dataclasses import dataclass

STARTED = "started "
RAN = "ran "
"""Tags of a line's state: programs that its unit had started by then, and such of them as had ended by then."""
MAX_PROGRAMS = 12
"""Tags of one state; where there are as many, there may be more."""
MAX_MESSAGE = 4_096
"""Characters of a message that are kept; the rest is cut (`cut` says so)."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a line says of itself; what it does not say is None, 0 or empty.

    `millis` is log time (UTC milliseconds since 1970), exact to `grain` milliseconds. `pid` and `thread` are the
    application's own numbers (in its pid namespace). `client` is `host` or `host:port`. `component` is the module that
    speaks (`php`, `core`). `ends` says that such a line is the last of a request (an access log's).
    """

    message: str
    format: str = ""
    millis: int | None = None
    grain: int = 0
    level: str = ""
    pid: int = 0
    thread: str = ""
    client: str = ""
    component: str = ""
    program: str = ""
    ends: bool = False
    cut: bool = False
