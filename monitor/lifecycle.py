"""The life cycle of alerts: what is told, what is a repeat, what is too much, what somebody has taken note of.

Rules of this file
    - Pure: alerts, log times and what people say come in; decisions come out. What changes is handed out as rows
      (`take_changes`), and all of it comes back from rows and alerts (`Lifecycle.load`).
    - A deed of a container is told once. It is told again when its policy's `rearm` has passed since it was told or
      acknowledged, when a person arms it again, and (unless acknowledged) when it was possible and is sure now.
    - A policy's rate (and in any case `MAX_TOLD` of one policy in one container) bounds what is told. What is beyond it
      is counted, and told in one summary when its window ends: never silently dropped.
    - What is snoozed is kept and can be listed; it is not told. Of a snooze that has ended nothing is a repeat.

Invariant: every alert that is judged is told, kept as snoozed, a repeat of one that is kept, or counted in a window
whose summary comes.
Complexity: O(deeds) an alert; `due` is O(1) as long as no window has ended; memory O(alerts).
Source: issue "policies and questions" (deduplicated, rate-limited, acknowledged, re-armed).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final, NamedTuple

import msgspec

from grammar import InputError
from monitor.alerts import Alert, Certainty
from monitor.lifecycle_values import (
    MAX_WORDS,
    NO_TERMS,
    Snooze,
    Standing,
    Terms,
    Value,
    Where,
    Window,
    decoded,
    encoded,
    key_of,
)

MAX_TOLD: Final = 256
"""Alerts of one policy in one container that are told one by one."""
HOUR: Final = 3_600_000
MAX_SNOOZES: Final = 1_000
ANY: Final = "*"


class Verdict(Enum):
    """What an alert is."""

    TOLD = "told"
    SNOOZED = "snoozed"
    REPEATED = "repeated"
    ACKNOWLEDGED = "acknowledged"
    LIMITED = "limited"


class Decision(NamedTuple):
    """What an alert is, and the alerts that are to be kept now, in order: perhaps a summary, perhaps itself."""

    verdict: Verdict
    alerts: tuple[Alert, ...] = ()


class _Deed(NamedTuple):
    """How a deed was told last; `number` 0: in a window that has not ended; `snoozed`: for which application."""

    number: int
    time: int
    sure: bool
    snoozed: str | None = None


class Lifecycle:
    """Everything that is remembered of alerts besides the alerts themselves."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """How many alerts were what, by the verdict's name, and how many `summaries` were made."""
        self.snoozes: dict[tuple[str, str], Snooze] = {}
        self.last = 0
        """The number of the last alert."""
        self._standings: dict[int, Standing] = {}
        self._windows: dict[Where, Window] = {}
        self._deeds: dict[tuple[str, str, str, str], _Deed] = {}
        self._told: Counter[Where] = Counter()
        self._changed: dict[str, Value | None] = {}
        self._soonest = 0

    @staticmethod
    def load(rows: Iterable[tuple[str, bytes]], alerts: Iterable[Alert]) -> Lifecycle:
        """From the rows that were handed out, and all alerts, numbered, in order."""
        found = Lifecycle()
        for alert in alerts:
            found.kept(alert)
        found.refresh(rows)
        return found

    def refresh(self, rows: Iterable[tuple[str, bytes]]) -> None:
        """All rows as they are on the disk now: another program may have changed some."""
        values = [decoded(key, data) for key, data in rows]
        self._standings = {one.number: one for one in values if isinstance(one, Standing)}
        self.snoozes = {(one.policy, one.app): one for one in values if isinstance(one, Snooze)}
        self._windows = {one.where: one for one in values if isinstance(one, Window)}
        self._soonest = 0
        for window in self._windows.values():
            for deed in window.deeds:
                self._deeds[(*window.where, deed)] = _Deed(0, window.last, _sure(window))

    def take_changes(self) -> list[tuple[str, bytes | None]]:
        """Rows to write (None: to delete) since the last call."""
        changed, self._changed = self._changed, {}
        return [(key, None if value is None else encoded(value)) for key, value in changed.items()]

    # Alerts

    def judge(self, alert: Alert, terms: Terms = NO_TERMS) -> Decision:
        """What an alert is, and what is to be kept because of it; what is kept comes back by `kept`."""
        where = _where(alert)
        repeat = self._repeat(where, alert.deeds, alert.time, sure=alert.sure, rearm=terms.rearm)
        if repeat is not None:
            return self._decided(repeat)
        window, ended = self._window(where, alert.time, terms)
        snoozed = self.snoozed(alert.policy, alert.app, alert.time)
        full = self._told[where] >= MAX_TOLD
        if full or (terms.most and not snoozed and window.told >= terms.most):
            self._hold(window.holding(alert), alert)
            return self._decided(Verdict.LIMITED, *ended)
        if snoozed:
            return self._decided(Verdict.SNOOZED, *ended, msgspec.structs.replace(alert, quiet="snoozed"))
        if terms.most:
            self._set_window(msgspec.structs.replace(window, told=window.told + 1))
        return self._decided(Verdict.TOLD, *ended, alert)

    def silent(self, where: Where, deed: str, time: int, certainty: Certainty, terms: Terms = NO_TERMS) -> bool:
        """Whether a deed would be a repeat, before an alert is made of it; changes nothing."""
        return self._repeat(where, (deed,), time, sure=certainty == "certain", rearm=terms.rearm) is not None

    def kept(self, alert: Alert) -> None:
        """An alert was kept, with its number: the same is not told again."""
        where = _where(alert)
        self.last = max(self.last, alert.number)
        snoozed = alert.app if alert.quiet == "snoozed" else None
        for deed in alert.deeds:
            self._deeds[(*where, deed)] = _Deed(alert.number, alert.time, alert.sure, snoozed)
        if alert.deeds and "untold" not in alert.row:
            self._told[where] += 1

    def due(self, time: int, of: Mapping[str, int] | None = None) -> list[Alert]:
        """The summaries of windows that have ended by that log time; `of` each worker's own, where clocks may differ.

        With `of`, a worker whose clock is far ahead ends nobody's windows but its own.
        """
        if time < self._soonest:
            return []
        over = [one for one in self._windows.values() if one.until <= (time if of is None else of.get(one.worker, 0))]
        found = [alert for window in over for alert in self._close(window)]
        self._soonest = min((window.until for window in self._windows.values()), default=1 << 62)
        return found

    # People

    def acknowledge(self, numbers: Iterable[int], by: str, at: int, comment: str = "", time: int = 0) -> list[Standing]:
        """Somebody has taken note of these alerts: their deeds are not told until they are armed again."""
        return [self._stand(Standing(one, "acknowledged", by, at, comment, time)) for one in self._all(numbers)]

    def rearm(self, numbers: Iterable[int], by: str, at: int, comment: str = "", time: int = 0) -> list[Standing]:
        """The next deed like those of these alerts is told."""
        return [self._stand(Standing(one, "rearmed", by, at, comment, time)) for one in self._all(numbers)]

    def snooze(self, snooze: Snooze) -> None:
        """From now on; one whose `until` is 0 ends the one that is in force."""
        place = snooze.policy or ANY, snooze.app or ANY
        if place not in self.snoozes and len(self.snoozes) >= MAX_SNOOZES:
            raise InputError("too many snoozes", offending=str(MAX_SNOOZES), hint="end some: --for 0s")
        said = snooze.by[:MAX_WORDS], snooze.comment[:MAX_WORDS]
        snooze = Snooze(*place, snooze.until, said[0], snooze.at, said[1])
        if snooze.until > 0:
            self.snoozes[place] = snooze
        else:
            self.snoozes.pop(place, None)
        self._changed[key_of(snooze)] = snooze if snooze.until > 0 else None

    def snoozed(self, policy: str, app: str, time: int) -> bool:
        """Whether alerts of that time are not told."""
        found = (self.snoozes.get((one, where)) for one in (policy, ANY) for where in (app, ANY))
        return any(one is not None and time < one.until for one in found)

    def standing(self, number: int) -> Standing:
        """What was said of an alert."""
        return self._standings.get(number) or Standing(number)

    def status(self, alert: Alert) -> str:
        """`open`, `acknowledged`, `rearmed`, `snoozed` or `elsewhere`."""
        state = self.standing(alert.number).state
        return alert.quiet or state if state == "open" else state

    # Inside

    def _repeat(
        self, where: Where, deeds: Iterable[str], time: int, *, sure: bool, rearm: int | None
    ) -> Verdict | None:
        """Whether all of its deeds have been told, and what keeps them from being told again."""
        found = Verdict.REPEATED
        for deed in deeds:
            old = self._deeds.get((*where, deed))
            if old is None or self._armed(old, where[0], time, rearm):
                return None
            if self.standing(old.number).state == "acknowledged":
                found = Verdict.ACKNOWLEDGED
            elif sure and not old.sure:
                return None
        return found

    def _armed(self, old: _Deed, policy: str, time: int, rearm: int | None) -> bool:
        """Whether what was told is to be told again."""
        standing = self.standing(old.number)
        if standing.state == "rearmed":
            return True
        if old.snoozed is not None and standing.state == "open" and not self.snoozed(policy, old.snoozed, time):
            return True
        return rearm is not None and old.number > 0 and time >= max(old.time, standing.time) + rearm

    def _window(self, where: Where, time: int, terms: Terms) -> tuple[Window, list[Alert]]:
        """The window that a time falls in, and the summary of the one that it ends. Clocks may step back."""
        length = terms.millis if terms.most and terms.millis else HOUR
        window, ended = self._windows.get(where), []
        if window is not None and not window.start - length <= time < window.until:
            ended = self._close(window)
            window = None
        return window or Window(*where, start=time, until=time + length), ended

    def _close(self, window: Window) -> list[Alert]:
        del self._windows[window.where]
        self._changed[key_of(window)] = None
        if not window.untold:
            return []
        self.counts["summaries"] += 1
        return [window.summary()]

    def _hold(self, window: Window, alert: Alert) -> None:
        """An alert goes into the summary; deeds that the summary has no room for are not known later either."""
        self._set_window(window)
        for deed in alert.deeds:
            if deed in window.deeds:
                self._deeds[(*window.where, deed)] = _Deed(0, alert.time, alert.sure)

    def _set_window(self, window: Window) -> None:
        self._windows[window.where] = window
        self._changed[key_of(window)] = window
        self._soonest = min(self._soonest, window.until)

    def _all(self, numbers: Iterable[int]) -> list[int]:
        found = list(dict.fromkeys(numbers))
        for one in found:
            if not 0 < one <= self.last:
                raise InputError("no alert has this number", offending=str(one), hint="winnower alerts shows them")
        return found

    def _stand(self, standing: Standing) -> Standing:
        standing = msgspec.structs.replace(standing, by=standing.by[:MAX_WORDS], comment=standing.comment[:MAX_WORDS])
        self._standings[standing.number] = standing
        self._changed[key_of(standing)] = standing
        return standing

    def _decided(self, verdict: Verdict, *alerts: Alert) -> Decision:
        self.counts[verdict.value] += 1
        return Decision(verdict, alerts)


def _where(alert: Alert) -> Where:
    return alert.policy, alert.worker, alert.container


def _sure(window: Window) -> bool:
    return window.certainty == "certain" or window.confirmed == "worker"
