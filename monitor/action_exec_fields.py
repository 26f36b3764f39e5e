"""The fields of an alert that a program gets as arguments: `{policy}` alone in an argument is the policy.

Rules of this file
    - Pure. A field stands for a whole argument or for nothing: text around it makes it literal text.
    - A value is data: it is one argument whatever it holds. What no argument can hold (NUL) is written as an escape;
      what is longer than `MAX_VALUE` is cut, and ends in an ellipsis.

Invariant: as many arguments come out as go in.
Complexity: O(what the alert holds).
Source: execve(2) (one argument is at most 128 KiB); issue "policies and questions" (exec: argument vector only).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from monitor.alerts import Alert
from monitor.render import to_json

MAX_VALUE: Final = 32_768

FIELDS: Final[Mapping[str, Callable[[Alert], str]]] = {
    "number": lambda alert: str(alert.number),
    "key": lambda alert: alert.key,
    "policy": lambda alert: alert.policy,
    "title": lambda alert: alert.title,
    "severity": lambda alert: alert.severity,
    "certainty": lambda alert: "certain" if alert.sure else "possible",
    "app": lambda alert: alert.app,
    "worker": lambda alert: alert.worker,
    "container": lambda alert: alert.container,
    "time": lambda alert: f"{alert.time / 1000:.3f}",
    "techniques": lambda alert: ",".join(alert.techniques),
    "json": lambda alert: to_json(alert.value(), None),
}


def field_of(argument: str) -> str | None:
    """The name of the field that an argument is; None for literal text.

    >>> field_of("{policy}"), field_of("--policy={policy}"), field_of("{}")
    ('policy', None, None)
    """
    name = argument[1:-1]
    whole = len(argument) > 2 and argument[0] == "{" and argument[-1] == "}"
    return name if whole and name.isascii() and name.isalpha() else None


def arguments(command: Sequence[str], alert: Alert) -> list[bytes]:
    """The argument vector for an alert."""
    return [_raw(_value(argument, alert)) for argument in command]


def _value(argument: str, alert: Alert) -> str:
    name = field_of(argument)
    value = FIELDS[name](alert) if name is not None and name in FIELDS else argument
    return value if len(value) <= MAX_VALUE else value[: MAX_VALUE - 1] + "…"


def _raw(text: str) -> bytes:
    """Undecodable bytes are what they were."""
    text = text.replace("\0", "\\x00")
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a character of UTF-16 is no byte of anything
        return text.encode("utf-8", "backslashreplace")
