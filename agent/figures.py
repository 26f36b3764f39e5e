"""What the agent's way to the monitor, and its reading of logs, have to say for themselves: /metrics, /readyz.

Rules of this file
    - Reads, and holds nothing. Names are `winnower_agent_…`; labels are closed lists.

Source: issue "live agent" (Prometheus metrics).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agent.health import Figure
from agent.ledger import Ledger
from agent.listener import Listener
from agent.logfiles_feed import LogFeed
from agent.logmessages import LogMessages
from agent.sender import Sender


def sending(ledger: Ledger, sender: Sender, listener: Listener | None = None) -> Iterator[Figure]:
    """Ledger, sender, listener."""
    depth = ledger.depth
    yield Figure("winnower_agent_spool_entries", "Epochs that wait for the monitor, on disk.", depth.entries)
    yield Figure("winnower_agent_spool_bytes", "Their bytes.", depth.bytes)
    yield Figure("winnower_agent_spool_waiting", "Epochs that wait in memory for room on the disk.", depth.waiting)
    yield Figure("winnower_agent_spool_oldest_millis", "Log time of the oldest.", depth.oldest)
    yield Figure("winnower_agent_monitor_reached_seconds", "When the monitor last took an epoch.", sender.state.reached)
    yield Figure("winnower_agent_monitor_failures", "Failures since then.", sender.state.failures)
    yield from _counted("winnower_agent_spool_events", "What has befallen the spool.", ledger.counts)
    yield from _counted("winnower_agent_sending", "What sending has come to.", sender.counts)
    for name, link in (("sender", sender.link), *((("listener", listener.link),) if listener else ())):
        for what, number in sorted(link.counts.items()):
            labels = {"link": name, "what": what}
            yield Figure("winnower_agent_link", "Bytes up and down, forged answers.", number, labels, True)
    if listener is not None:
        yield from _counted("winnower_agent_listening", "What listening has come to.", listener.counts)


def logs(feed: LogFeed, lines: LogMessages) -> Iterator[Figure]:
    """Applications' logs: what is read, and how lines were joined with those who wrote them."""
    for operation, number in sorted(dict(lines.joined).items()):
        labels = {"operation": operation or "none"}
        yield Figure("winnower_agent_log_lines", "Lines, by how their writers were found.", number, labels, True)
    if lines.tags.on:
        for how, number in sorted(dict(lines.how).items()):
            told = {"by": how}
            yield Figure("winnower_agent_log_joined", "Lines, by what has joined them.", number, told, True)
        yield Figure("winnower_agent_tags_held", "Tags that are held for lines to come.", lines.tags.held)
    yield Figure("winnower_agent_log_files", "Logs that are followed.", feed.followed)
    yield Figure("winnower_agent_log_bytes", "Bytes of logs.", feed.read, counter=True)
    yield Figure("winnower_agent_log_behind_bytes", "Bytes of logs that are there and not read yet.", feed.behind)


def _counted(name: str, meaning: str, counts: Mapping[str, int]) -> Iterator[Figure]:
    for what, number in sorted(dict(counts).items()):
        yield Figure(name, meaning, number, {"what": what}, True)


def troubles(ledger: Ledger, sender: Sender) -> dict[str, str]:
    """What keeps epochs from reaching the monitor."""
    found: dict[str, str] = {}
    if sender.state.trouble:
        found["monitor"] = sender.state.trouble
    waiting = ledger.depth.waiting
    if waiting:
        found["spool"] = f"no room on the disk: {waiting} epochs wait in memory"
    return found
