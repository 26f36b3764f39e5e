"""Lines of Go's loggers: logfmt (logrus, Prometheus, Grafana, docker's own) and klog (Kubernetes).

Rules of this file
    - logfmt is `key=value key="quoted value" ...` and must begin with one of the usual keys; the message is that of
      `msg`, its escapes stay. Without one the message is the whole line.
    - klog: `I1122 01:48:25.942249       1 main.go:12] message`; the year is missing and comes from the `Clock`.
    - Every field is a claim.

Complexity: O(length); at most `MAX_PAIRS` pairs are looked at.
Source: logrus `text_formatter.go`; go-kit `log/logfmt`; klog `klog.go`.
"""

from __future__ import annotations

import re
from typing import Final

from grammar.line import MAX_MESSAGE, Line
from grammar.lineformats_clock import ISO, MONTHS, Clock, fraction_of, iso_time, yearless_millis
from grammar.lineformats_level import level_of

MAX_PAIRS: Final = 64
_BEGIN: Final = re.compile(r"(?:time|ts|t|timestamp|level|lvl|msg|message|caller)=", re.ASCII)
_PAIR: Final = re.compile(
    r'([A-Za-z_][\w.-]{0,63})=(?:"((?:[^"\\]|\\.){0,65535})"|([^ "]{0,4096}))(?: {1,4}|$)', re.ASCII | re.DOTALL
)
_KLOG: Final = re.compile(
    r"([IWEF])(\d\d)(\d\d) (\d\d:\d\d:\d\d)\.(\d{6}) {1,8}(\d{1,10}) ([\w./-]{1,120}):\d{1,6}\] ", re.ASCII
)
_LETTERS: Final = {"I": "info", "W": "warn", "E": "error", "F": "crit"}
_NAMES: Final = ("", *MONTHS)


def read_logfmt(text: str, clock: Clock) -> Line | None:
    """Read a line of key=value pairs; None if it does not begin like one."""
    if _BEGIN.match(text) is None:
        return None
    pairs: dict[str, str] = {}
    at = 0
    while len(pairs) < MAX_PAIRS and (found := _PAIR.match(text, at)):
        key, quoted, plain = found.groups()
        if key in pairs:
            break
        pairs[key] = plain if quoted is None else quoted
        at = found.end()
    if len(pairs) < 2:
        return None
    when = next((pairs[key] for key in ("time", "ts", "t", "timestamp") if key in pairs), "")
    stamp = ISO.match(when)
    millis, grain = iso_time(stamp, clock.zone_minutes) if stamp else (None, 0)
    message = pairs.get("msg") or pairs.get("message") or text
    return Line(
        message[:MAX_MESSAGE],
        "logfmt",
        millis,
        grain,
        level_of(pairs.get("level") or pairs.get("lvl") or ""),
        component=(pairs.get("logger") or pairs.get("component") or "")[:255],
        cut=len(message) > MAX_MESSAGE,
    )


def read_klog(text: str, clock: Clock) -> Line | None:
    """Read a line of klog; None if it is none."""
    found = _KLOG.match(text)
    if found is None:
        return None
    letter, month, day, second, digits, pid, source = found.groups()
    name = _NAMES[int(month)] if int(month) < len(_NAMES) else ""
    millis = yearless_millis(name, day, second, clock)
    part, grain = fraction_of(digits)
    millis, grain = (None, 0) if millis is None else (millis + part, grain)
    message = text[found.end() :]
    is_cut = len(message) > MAX_MESSAGE
    message = message[:MAX_MESSAGE]
    return Line(message, "klog", millis, grain, _LETTERS[letter], int(pid), component=source, cut=is_cut)
