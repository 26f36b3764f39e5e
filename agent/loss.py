"""Loss has a type: what could not be used, counted by cause.

Rules of this file
    - Nothing is dropped silently (design promise 5): whoever drops something counts it here, once, under one cause.
    - Causes are a closed list, so that a report, a metric and an alert call the same thing by the same name.

Source: design section 3, promise 5.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

CAUSES: Final = {
    "unparsable": "a line that is no audit record",
    "truncated": "the log ended inside a record",
    "oversized": "a line longer than any record can be",
    "malformed": "an event whose SYSCALL record lacks its fields",
    "unfinished": "an event whose last record never came, or not in time (used as far as it goes)",
    "late": "a record that came after its event had been closed, or whose SYSCALL record never came",
    "clock_step": "the log's clock went back: times were shifted to keep order",
    "files_evicted": "a file not used for long was forgotten: a later reader is not linked to its writer",
    "processes_evicted": "a process not seen for long was forgotten",
    "kernel_lost": "records that the kernel itself reported as lost",
    "kernel_reset": "times that the kernel's counter was set back: what it had lost just before is not known",
    "kernel_backlog_full": "readings that found the kernel's backlog nearly full: it may have lost records",
    "kernel_rate_limited": "readings that found a rate limit set: the kernel drops what is over it",
    "kernel_off": "readings that found auditing switched off, or no daemon to take its records",
    "kernel_unread": "readings of the kernel's counters that failed: what it lost was not known then",
    "behaviour_limit": "new behaviour of a flood of it: told by its kind alone, or not at all",
    "state_reset": "times that a restarted agent had lost its memory: what goes on is told anew",
    "unknown_arch": "a system call of an architecture without a table",
    "spool_dropped": "epochs whose deltas had no room in the spool",
    "spool_refused": "epochs whose deltas the monitor would not take, again and again",
    "spool_damaged": "entries of the spool that could not be read again",
    "unencodable": "deltas that cannot be written",
    "instances_dropped": "vertices that the local store had no room for: drill-down does not find them",
    "capture_gap": "bytes of the log that were rotated away, truncated or overwritten before they were read",
    "capture_unknown": "stretches of the log that were gone, or may have been, before their size was known",
    "throttled": "records skipped because the CPU budget was spent",
    "plugin_overflow": "records from the audit dispatcher for which there was no room in the buffer",
    "process_unplaced": "a process without a known parent was gone before its container was read: taken for the host's",
    "container_unnamed": "a container named by less than its engine knows: its image alone, or its short id",
    "runs_dropped": "runs of containers for which there was no room in the scheduling log",
    "log_unjoined": "lines of application logs that no process could be found for",
    "log_unread": "bytes of application logs that were written, and gone before they were read",
    "log_flood": "lines of application logs for which there was no room before a write claimed them",
    "log_truncated": "bytes of an application's log that were there and were emptied before they were read",
    "log_gap": "bytes of an application's log that were gone when a restarted agent came to read on",
    "log_unknown": "stretches of an application's log that were gone, or may have been, before their size was known",
    "log_backlog": "bytes of an application's log left out because its agent was too far behind",
    "log_oversized": "bytes of entries on stdout, stderr or in the journal that were longer than an entry may be",
    "log_malformed": "entries in the engine's copy of stdout and stderr, or in the journal, that are none",
    "log_files_limit": "log files not read, because so many are read already",
    "log_unreadable": "log files that were named or open and could not be read",
    "tags_dropped": "tags of log writes for which the kernel's side had no room (by their sequence numbers)",
    "tags_missed": "log writes that the kernel's side could not look at: all of its probes were busy",
    "tags_damaged": "bytes from the kernel's side that were no tags",
    "tags_unused": "tags of log writes without room until their lines were read, or with numbers that no write has",
    "tags_unknown": "times that tags ended, began anew or jumped: what was written meanwhile may have none",
    "plugin_gap": "events that the audit dispatcher dropped or sent to nobody (by serial numbers: an estimate)",
}
"""Every cause of loss and what it means."""


class Loss(Counter[str]):
    """Counts by cause; adding an unknown cause is a programming error."""

    def note(self, cause: str, number: int = 1) -> None:
        """Count `number` losses of one cause."""
        if cause not in CAUSES:
            raise KeyError(cause)
        self[cause] += number

    def take(self) -> dict[str, int]:
        """Give what was counted since the last call, in order of the causes, and start again at zero."""
        taken = {cause: self[cause] for cause in sorted(self) if self[cause]}
        self.clear()
        return taken
