"""`winnower trace-log 'LINE'`: from one line of an application's log to what caused it and what came of it.

Rules of this file
    - Parses options and prints; what a line stands for is in `monitor.lines`, how it looks in `monitor.render_lines`.
      A running monitor answers in the same words.
    - Exit 1 if no pattern matches; the nearest are printed.
    - The clock is read here only: `-10m` becomes a moment before anybody is asked.

Source: issue "application logs", 6; design section 5.
"""

from __future__ import annotations

import json
import re
import sys
import time
from datetime import UTC, datetime
from typing import Final

import click

from grammar import InputError
from grammar.settings import millis
from monitor.lines import trace_line
from monitor.render_lines import show_told
from winnower.console import output
from winnower.query_command import Where, asking, models_of

HINT: Final = "for example 2026-11-22T01:50:46Z, 1795312246, -10m or now"
MAX_LINE: Final = 1 << 16
"""Bytes of a line that are looked at: a monitor takes no more."""
LATEST: Final = 253_402_300_799_999
"""The last millisecond of the year 9999."""
_EPOCH: Final = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,9}))?", re.ASCII)
MILLIS_FROM: Final = 100_000_000_000
"""A number from here on is milliseconds: as seconds it would be the year 5138."""


@click.command("trace-log")
@click.argument("line", metavar="'LINE'")
@click.option("--app", help="Only this application.")
@click.option("--since", help="When it was written, at the earliest: ISO 8601, seconds since 1970, -10m, now.")
@click.option("--until", help="When it was written, at the latest; what was first seen after that is left out.")
@click.option("--instances", is_flag=True, help="Ask the workers for what really happened (needs --url).")
@click.option("--deadline", type=click.FloatRange(0.1, 60), default=5.0, show_default=True, help="Seconds for them.")
@asking("table", "json", "dot")
def trace_log(
    *,
    line: str,
    app: str | None,
    since: str | None,
    until: str | None,
    instances: bool,
    deadline: float,
    where: Where,
    how: str,
) -> int:
    """What a line of a log stands for: its pattern, who logs it, root causes and effects.

    Without --since and --until the line's own time counts, if it has one. `-` in place of a line reads one from
    standard input; a line that begins with a dash comes after `--`.
    """
    raw = _raw(line)
    begin, end = _window(since, until)
    if where.url:
        asked = {"app": app or "", "since": _text(begin), "until": _text(end)}
        if instances:
            asked |= {"instances": "1", "deadline": str(deadline)}
        return _remote(where, how, asked, raw, deadline if instances else 0.0)
    if instances:
        hint = "ask the running monitor: --url URL --token-file FILE"
        raise InputError("instances are on the workers, not in a state folder", offending="--instances", hint=hint)
    models, lost = models_of(where.folder, app)
    told = trace_line(models, raw, begin, end, lost=lost)
    shown = show_told(told, how)
    if isinstance(shown, str):
        click.echo(shown, nl=not shown.endswith("\n"))
    else:
        output().print(shown)
    return 0 if told.explained else 1


def _remote(where: Where, how: str, asked: dict[str, str], raw: bytes, seconds: float) -> int:
    from winnower.remote import SLACK, remote  # noqa: PLC0415 - questions to a folder need no network

    told = remote(where.url, where.token_file, where.authority)
    params = {**asked, "format": how, "width": str(output().width)}
    text = told.ask("/v1/trace-log", params, raw.decode("utf-8", "surrogateescape"), SLACK + seconds)
    try:
        answer = json.loads(text)
        matched, shown = answer["matched"], "".join(c for c in str(answer["text"]) if c >= " " or c == "\n")
    except (ValueError, TypeError, KeyError):
        raise InputError("not an answer of a monitor", offending=text, hint="does it know /v1/trace-log?") from None
    click.echo(shown, nl=not shown.endswith("\n"))
    return 0 if matched else 1


def _raw(line: str) -> bytes:
    """The line's bytes, at most `MAX_LINE`; there must be something to look for."""
    if line == "-":
        raw = sys.stdin.buffer.readline(MAX_LINE)
    else:
        try:
            raw = line.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raw = line.encode("utf-8", "backslashreplace")
    if not raw.strip():
        raise InputError("an empty line", hint="copy one line of the log, in quotes; - reads it from standard input")
    return raw[:MAX_LINE]


def _text(moment: int | None) -> str:
    return "" if moment is None else str(moment)


def _window(since: str | None, until: str | None) -> tuple[int | None, int | None]:
    now = time.time_ns() // 1_000_000
    begin, end = (None if one is None else moment(one, now) for one in (since, until))
    if begin is not None and end is not None and begin > end:
        raise InputError("--since is after --until", offending=f"{since} {until}")
    return begin, end


def moment(text: str, now: int) -> int:
    """A moment in milliseconds since 1970: ISO 8601 (UTC, unless it says otherwise), seconds, `-10m`, `now`.

    >>> moment("2026-11-22T01:50:46Z", 0), moment("1795312246.5", 0), moment("-10m", 600_001), moment("now", 7)
    (1795312246000, 1795312246500, 1, 7)
    """
    written = text.strip()
    found = _moment(written, now) if len(written) <= 64 else None
    if found is None or not 0 <= found <= LATEST:
        raise InputError("not a time", offending=text, hint=HINT)
    return found


def _moment(written: str, now: int) -> int | None:
    if written == "now":
        return now
    if epoch := _EPOCH.fullmatch(written):
        whole = int(epoch[1])
        return whole if whole >= MILLIS_FROM else whole * 1_000 + int((epoch[2] or "").ljust(3, "0")[:3])
    try:
        if written.startswith("-"):
            return now - millis(written[1:])
        when = datetime.fromisoformat(written)
        return round((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1_000)
    except (ValueError, OverflowError, OSError):
        return None
