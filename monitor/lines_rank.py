"""Reasons for ranking what a line may stand for (time, certainty, effects, rarity, client, pattern), and root causes.

Rules of this file
    - A reason is a score from 0 to 1 and the words that say why; a rank is their mean by `WEIGHTS`.
    - What a state was told at is when it was *first* told, and again only where something was new: a time before the
      first speaks against a state, a time after the last does not.
    - Times are starts of epochs, so that what was told at one may have happened up to an epoch later. A line may be
      stamped before its unit ended (Apache's is when a request began): an epoch before the first still speaks for it.

Complexity: O(replicas) per state.
Source: issue "application logs", 6 (root causes ranked and explained).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log2, sqrt
from typing import Final

from grammar import InputError, Model, Pattern, Replica, Span, State, Transition, kind_of
from grammar.line import Line
from monitor.lines_causes import LOG, UNIT, Root, units_of
from monitor.lines_index import Word
from monitor.render import safe, time_text

WEIGHTS: Final = {
    "time": 0.35, "certainty": 0.2, "effects": 0.2, "rarity": 0.15, "client": 0.1, "pattern": 0.1,
    "beginning": 0.5, "distance": 0.3,
}  # fmt: skip
SERVES: Final = "unit Socket "
"""How the context of a unit's process says whom it serves."""
SOON: Final = 0.5
"""How well a state goes with a line that was first shown at once after it."""
NAMED: Final = 4
"""Effects that a reason names."""
TELLING: Final = {"Socket": 0, "Process": 1, "File": 2}
"""What is named first."""
WEIGHTY: Final = {"Process": 4, "Socket": 3, "File": 2}
BEGINNINGS: Final = {"client": 1.0, "file": 0.8, "source": 0.7, "peer": 0.6, "program": 0.4}


@dataclass(frozen=True, slots=True)
class Window:
    """When the line was written, in milliseconds of log time, as far as that is known; None is open.

    `asked` says that somebody has said so, not the line.
    """

    since: int | None = None
    until: int | None = None
    asked: bool = False

    def __bool__(self) -> bool:
        return self.since is not None or self.until is not None

    @staticmethod
    def of(line: Line, since: int | None, until: int | None) -> Window:
        """What was asked for; else the line's own time."""
        if since is not None or until is not None:
            return Window(since, until, True)
        return Window(line.millis, line.millis + line.grain) if line.millis is not None else Window()


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something ranks where it does: a score from 0 to 1, and the words."""

    what: str
    score: float
    text: str


def stamp(millis: int) -> str:
    """Log time to the second.

    >>> stamp(1795312246000)
    '2026-11-22T01:50:46Z'
    """
    return time_text(millis).replace(".000", "").replace("+00:00", "Z")


def mean(reasons: Iterable[Reason]) -> float:
    """The mean of reasons by their weight."""
    told = list(reasons)
    weight = sum(WEIGHTS[one.what] for one in told)
    return round(sum(one.score * WEIGHTS[one.what] for one in told) / weight, 4) if weight else 0.0


def fit(span: Span, window: Window, epoch: int) -> float:
    """How well what was told in a span goes with a window: 0 contradicts, 1 is told then and then only."""
    if not window:
        return 0.0
    if window.until is not None and window.until < span.first:
        return SOON if span.first - window.until <= epoch else 0.0
    end = span.last + epoch
    if window.since is not None and window.since > end:
        return 0.3
    return 0.6 + 0.4 * sqrt(epoch / max(epoch, end - span.first))


def when(held: Mapping[Replica, Span], window: Window, epoch: int) -> Reason | None:
    """The time of the replica that it goes with best; None if no time is known."""
    if not window:
        return None
    score, replica = max((fit(span, window, epoch), replica) for replica, span in sorted(held.items()))
    span, where = held[replica], f"{safe(replica.worker, 60)}/{safe(replica.container, 60)}"
    first, last = stamp(span.first), stamp(span.last + epoch)
    if score >= 0.6:
        text = f"shown by {where} then, between {first} and {last}"
    elif score == SOON:
        text = f"shown by {where} at once after, from {first}"
    elif score:
        text = f"shown by {where} before, last told until {last}; what is known is not told again"
    else:
        text = f"not shown before {first}"
    return Reason("time", round(score, 3), text)


def certainty(model: Model, line: State) -> Reason:
    """How surely its unit is known."""
    units = units_of(model, line)
    if not units:
        return Reason("certainty", 0.0, "no process is known to have written it")
    if not _in_unit(units):
        return Reason("certainty", 0.2, "its process is known, its request is not")
    if units[0].operation == LOG:
        return Reason("certainty", 1.0, "joined with its write exactly")
    return Reason("certainty", 0.5, "joined with its process by time only")


def led_to(odd: Mapping[str, int], states: int) -> Reason | None:
    """What it has led to that most of the `states` of its pattern have not (label: how many have); None of one."""
    if states < 2:
        return None
    if not odd:
        return Reason("effects", 0.0, f"has led to nothing that most of the {states} with this pattern have not")
    weight = sum(WEIGHTY.get(kind_of(label), 1) * (states - count) / (states - 1) for label, count in odd.items())
    ordered = sorted(odd, key=lambda label: (TELLING.get(kind_of(label), 9), odd[label], label))[:NAMED]
    most = max(odd[label] for label in ordered)
    who = "it alone has" if most == 1 else f"at most {most} of {states} with this pattern have"
    named = ", ".join(safe(label, 60) for label in ordered) + (", ..." if len(odd) > NAMED else "")
    return Reason("effects", min(1.0, round(weight / 4, 3)), f"{who} led to {named}")


def rarity(held: Mapping[Replica, Span], replicas: int) -> Reason:
    """How few replicas have shown it, and how seldom."""
    times = sum(1 << max(0, min(span.level, 62)) for span in held.values())
    score = 0.5 * (1 - (len(held) - 1) / max(1, replicas)) + 0.5 / (1 + log2(times))
    text = f"{len(held)} of {replicas} replicas have shown it, at least {times} time{'s' * (times != 1)}"
    return Reason("rarity", round(score, 3), text)


def asked_by(model: Model, line: State, client: str) -> Reason | None:
    """Whether its units serve the client that the line names; None if it names none, or they serve nobody known."""
    host = (client.rpartition(":")[0] if client.count(":") == 1 else client).strip("[]")
    units = units_of(model, line)
    peers = [_peer(entry) for one in units for entry in one.cause.context if entry.startswith(SERVES)]
    if host and units and not _in_unit(units):
        return Reason("client", 0.0, "serves no client that is known")
    if not host or not peers:
        return None
    score = max(_names(peer, host) for peer in peers)
    what = {1.0: "serves the client that the line names", 0.0: "serves another client than the line names"}
    return Reason("client", score, what.get(score, "may serve the client that the line names"))


def _in_unit(units: Iterable[Transition]) -> bool:
    """Whether a line was written in a unit, not just by a program."""
    return any(entry.startswith(UNIT) for one in units for entry in one.cause.context)


def _peer(entry: str) -> str:
    """The host in `unit Socket 10.89.0.1:{port}>*:80`."""
    peer = entry[len(SERVES) :].partition(">")[0]
    return peer if peer.startswith("{any}") else peer.rpartition(":")[0].strip("[]")


def _names(peer: str, host: str) -> float:
    """1 if it is that host, 0.5 if it is a pattern of it, 0 if it is another."""
    if peer == host:
        return 1.0
    try:
        return 0.5 if "{" in peer and Pattern.parse(peer).matches(host) else 0.0
    except InputError:
        return 0.0


def literal(word: Word, message: str) -> Reason:
    """How much of the message the pattern says itself."""
    share = min(1.0, word.literal / max(1, len(message)))
    return Reason("pattern", round(share, 3), f"{word.literal} of {len(message)} characters are the pattern's own")


def root_reasons(model: Model, root: Root, window: Window, epoch: int) -> tuple[Reason, ...]:
    """Why a root cause ranks where it does."""
    held = model.support[root.state]
    near = round(2 / (1 + root.distance), 3)
    found = (
        Reason("beginning", BEGINNINGS[root.kind], f"{root.kind}: {safe(root.why, 300)}"),
        Reason("distance", min(1.0, near), f"{root.distance} step{'s' * (root.distance != 1)} away"),
        rarity(held, len(model.replicas)),
        when(held, window, epoch),
    )
    return tuple(one for one in found if one is not None)
