"""Lines of JSON: an application's record, or the wrapper in which docker keeps what a container printed.

Rules of this file
    - Of a record the usual names are known: message, level, time, pid, logger, thread, client; others are left out of
      the message. A record without a message is its own text.
    - A wrapper (`{"log": "...\\n", "stream": "stdout", "time": "..."}`) is unwrapped; its line is read again by the
      caller. Without the line's end it is a part of a longer line.
    - What is no object, or broken, is no JSON line: text. Every field is a claim.

Complexity: O(length).
Source: docker `daemon/logger/jsonfilelog`; the loggers zap, zerolog, logrus, pino, bunyan, logstash, MongoDB.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from grammar.line import MAX_MESSAGE, Line
from grammar.lineformats_clock import ISO, Clock, epoch_time, iso_time
from grammar.lineformats_level import level_of, node_level_of
from grammar.pattern import writable

_MESSAGE: Final = ("message", "msg", "MESSAGE", "short_message", "event", "log", "text")
_LEVEL: Final = ("level", "levelname", "severity", "lvl", "log.level", "loglevel", "s")
_TIME: Final = ("time", "ts", "timestamp", "@timestamp", "t", "datetime", "asctime", "date", "eventTime")
_PID: Final = ("pid", "process", "process_id", "process.pid")
_LOGGER: Final = ("logger", "logger_name", "log.logger", "name", "component", "module", "c")
_THREAD: Final = ("thread", "thread_name", "threadName", "tid", "thread_id", "ctx")
_CLIENT: Final = ("client", "client_ip", "remote_addr", "remote_ip", "remote", "client.address")
_SHORT: Final = 255
_MONGO: Final = {"F": "crit", "E": "error", "W": "warn", "I": "info", "D": "debug"}


class _Docker(msgspec.Struct, forbid_unknown_fields=True):
    log: str
    time: str
    stream: str = ""
    attrs: dict[str, str] = {}


_DOCKER: Final = msgspec.json.Decoder(_Docker)
_RECORD: Final = msgspec.json.Decoder(dict[str, object])


def unwrap_docker(text: str) -> tuple[str, str, str] | None:
    """The printed line with its end, the stream and the time of docker's wrapper; None if it is none."""
    try:
        wrapper = _DOCKER.decode(text)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None
    return wrapper.log, wrapper.stream, wrapper.time


def read_json(text: str, clock: Clock) -> Line | None:
    """Read a record of JSON; None if the text is no object."""
    try:
        record = _RECORD.decode(text)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None
    message = _text(record, _MESSAGE) or text
    millis, grain = _time(record, clock.zone_minutes)
    pid = next((found for name in _PID if type(found := record.get(name)) is int), 0)
    return Line(
        message[:MAX_MESSAGE],
        "json",
        millis,
        grain,
        _level(record),
        pid if 0 < pid < 1 << 32 else 0,
        _text(record, _THREAD)[:_SHORT],
        _text(record, _CLIENT)[:_SHORT],
        _text(record, _LOGGER)[:_SHORT],
        "",
        False,
        len(message) > MAX_MESSAGE,
    )


def _text(record: Mapping[str, object], names: tuple[str, ...]) -> str:
    found = next((found for name in names if isinstance(found := record.get(name), str) and found), "")
    return writable(found)


def _level(record: Mapping[str, object]) -> str:
    for name in _LEVEL:
        found = record.get(name)
        if isinstance(found, str):
            return level_of(found) or _MONGO.get(found, "")
        if type(found) is int:
            return node_level_of(found)
    return ""


def _time(record: Mapping[str, object], zone_minutes: int) -> tuple[int | None, int]:
    for name in _TIME:
        found = record.get(name)
        if isinstance(found, dict):
            found = found.get("$date")  # MongoDB's
        if isinstance(found, str) and (match := ISO.match(found)):
            return iso_time(match, zone_minutes)
        if isinstance(found, int | float) and not isinstance(found, bool):
            return _number(found)
    return None, 0


def _number(number: float) -> tuple[int | None, int]:
    """Seconds with or without a fraction, or a whole number of smaller units."""
    if not 1e9 <= number < 1e19:
        return None, 0
    if isinstance(number, int):
        return epoch_time(str(number), None)
    if number < 1e10:
        return int(number * 1000), 1
    return epoch_time(str(int(number)), None)
