"""What the life cycle of alerts remembers: standings, snoozes, windows; and how each is kept as a row.

Rules of this file
    - Values only. A row is a key of plain ASCII and JSON in ASCII: names with undecodable bytes stay what they are.
    - Times in `time`, `until`, `start`, `last` are log time in milliseconds; `at` is the time of day of whoever did it.

Invariant: `decoded(*row(value)) == value`; anything else that comes from the disk is an `InputError`.
Complexity: O(what a value holds), which is bounded (`MAX_DEEDS`, `MAX_NODES`).
Source: issue "policies and questions" (acknowledged, re-armed, rate-limited).
"""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Final, Literal, NamedTuple

import msgspec

from grammar import InputError
from monitor.alerts import SEVERITIES, Alert, Certainty, Confirmed

MAX_DEEDS: Final = 256
MAX_NODES: Final = 64
MAX_WORDS: Final = 2_000
"""Characters of a comment, and of who made it."""

State = Literal["open", "acknowledged", "rearmed"]
Where = tuple[str, str, str]
"""Policy, worker, container."""


class Terms(NamedTuple):
    """What a policy asks for, in milliseconds of log time.

    At most `most` (0: no limit) alerts in `millis` of one container; what was told is told again after `rearm` (None:
    never).
    """

    most: int = 0
    millis: int = 0
    rearm: int | None = None


NO_TERMS: Final = Terms()


class Standing(msgspec.Struct, frozen=True):
    """What a person said of an alert: by whom, when (`at`), with which words; `time` is the log time by then."""

    number: int
    state: State = "open"
    by: str = ""
    at: int = 0
    comment: str = ""
    time: int = 0


class Snooze(msgspec.Struct, frozen=True):
    """A policy ("*": all) is not told for an application ("*": all) until then."""

    policy: str
    app: str
    until: int
    by: str = ""
    at: int = 0
    comment: str = ""


class Window(msgspec.Struct, frozen=True):
    """One policy in one container, from `start` to `until`: how many alerts were told, and what was not told."""

    policy: str
    worker: str
    container: str
    start: int
    until: int
    told: int = 0
    untold: int = 0
    app: str = ""
    severity: str = "low"
    certainty: Certainty = "possible"
    confirmed: Confirmed = ""
    last: int = 0
    replicas: tuple[int, int] = (1, 1)
    nodes: tuple[str, ...] = ()
    deeds: tuple[str, ...] = ()
    lost: dict[str, int] = {}

    @property
    def where(self) -> Where:
        """Whose window it is."""
        return self.policy, self.worker, self.container

    def holding(self, alert: Alert) -> Window:
        """The same with an alert more that is not told."""
        surer = alert if alert.sure or not self.untold else self
        return msgspec.structs.replace(
            self,
            untold=self.untold + 1,
            app=alert.app,
            severity=max(self.severity, alert.severity, key=_badness),
            certainty=surer.certainty,
            confirmed=surer.confirmed,
            last=max(self.last, alert.time),
            replicas=alert.replicas,
            nodes=tuple(dict.fromkeys((*self.nodes, *alert.nodes)))[:MAX_NODES],
            deeds=tuple(dict.fromkeys((*self.deeds, *alert.deeds)))[:MAX_DEEDS],
            lost=alert.lost,
        )

    def summary(self) -> Alert:
        """The one alert for all that were not told."""
        many = f"{self.untold} more alert{'s' if self.untold > 1 else ''}"
        return Alert(
            policy=self.policy,
            title=f"{many} of this policy in this container, told together",
            severity=self.severity,
            app=self.app,
            worker=self.worker,
            container=self.container,
            time=self.last,
            replicas=self.replicas,
            nodes=self.nodes,
            trace=(),
            summary=(f"{many} within {(self.until - self.start) / 1000:g} s after {self.told} that were told",),
            lost=self.lost,
            deeds=self.deeds,
            certainty=self.certainty,
            confirmed=self.confirmed,
            row={"untold": str(self.untold)},
        )


Value = Standing | Snooze | Window
_SORTS: Final[dict[str, type[Value]]] = {"standing": Standing, "snooze": Snooze, "window": Window}


def key_of(value: Value) -> str:
    """The key of a value's row: the same for all values that replace one another."""
    if isinstance(value, Standing):
        return f"standing:{value.number}"
    if isinstance(value, Snooze):
        return f"snooze:{_digest(value.policy, value.app)}"
    return f"window:{_digest(*value.where)}"


def encoded(value: Value) -> bytes:
    """A value's row."""
    return json.dumps(msgspec.to_builtins(value)).encode("ascii")


def decoded(key: str, data: bytes) -> Value:
    """The value of a row."""
    sort = _SORTS.get(key.partition(":")[0])
    try:
        if sort is None:
            raise ValueError("no such sort")
        return msgspec.convert(json.loads(data), sort)
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise InputError(f"damaged life cycle in the state: {error}", offending=data[:40]) from None


def _digest(*names: str) -> str:
    raw = [name.encode("utf-8", "surrogatepass") for name in names]
    return blake2b(b"".join(len(one).to_bytes(8, "big") + one for one in raw), digest_size=16).hexdigest()


def _badness(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else -1
