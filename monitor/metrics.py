"""The monitor's figures for Prometheus, in a registry of their own.

Rules of this file
    - What happens in the event loop is counted as it happens; what the writer and the state know is read when somebody
      asks. Labels are closed lists, and names of applications, policies and causes (at most `MOST` of each).

Source: Prometheus' exposition format; issue "live monitor" (/metrics).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from grammar import escape
from monitor.actions import Figure
from monitor.service import Service

MOST: Final = 200
LOOKS: Final = 20


class Metrics:
    """All figures of one monitor."""

    def __init__(self, service: Service) -> None:
        self.registry = CollectorRegistry()
        self.refused = Counter(
            "winnower_monitor_requests_refused", "Requests refused, by HTTP status.", ["status"], registry=self.registry
        )
        self.rejected = Counter(
            "winnower_monitor_messages_rejected",
            "Messages without effect, by cause.",
            ["cause"],
            registry=self.registry,
        )
        self.listening = Gauge(
            "winnower_monitor_agents_listening", "Agents that wait for orders.", registry=self.registry
        )
        self.actions: Callable[[], Iterable[Figure]] = tuple
        """How actions do, set by whoever has some."""
        self.laws: Callable[[], tuple[int, int]] = lambda: (0, 0)
        """How many policies are in force, and how many files of policies are bad."""
        self.registry.register(_State(service, self))

    def text(self) -> bytes:
        """As Prometheus reads it."""
        return generate_latest(self.registry)


class _State(Collector):
    """What is read when somebody asks; approximate while the writer works."""

    def __init__(self, service: Service, metrics: Metrics) -> None:
        self.service, self.metrics = service, metrics

    def collect(self) -> Iterable[Metric]:
        """All families; what the writer changes in the middle of a look is looked at again."""
        for _ in range(LOOKS):
            try:
                return [*self._writer(), *self._state(), *self._policies()]
            except RuntimeError:
                continue
        return []

    def _writer(self) -> Iterator[Metric]:
        figures = self.service.figures
        envelopes = CounterMetricFamily(
            "winnower_monitor_envelopes", "Envelopes answered, by status.", labels=["status"]
        )
        for status, number in sorted(figures.results.items()):
            envelopes.add_metric([status], number)
        yield envelopes
        yield CounterMetricFamily("winnower_monitor_groups", "Transactions with envelopes.", value=figures.groups)
        yield CounterMetricFamily("winnower_monitor_commit_seconds", "Seconds spent on them.", value=figures.seconds)
        yield CounterMetricFamily("winnower_monitor_failures", "Failures of the state.", value=figures.failures)
        yield GaugeMetricFamily("winnower_monitor_queue", "What waits for the writer.", value=self.service.depth)

    def _state(self) -> Iterator[Metric]:
        service = self.service
        entries = list(service.register.by_name.values())
        agents = GaugeMetricFamily("winnower_monitor_agents", "Agents on the register.", labels=["state"])
        agents.add_metric(["enrolled"], sum(not one.revoked for one in entries))
        agents.add_metric(["revoked"], sum(one.revoked for one in entries))
        yield agents
        words = GaugeMetricFamily("winnower_monitor_app_items", "Items of an application.", labels=["app"])
        replicas = GaugeMetricFamily("winnower_monitor_app_replicas", "Replicas of an application.", labels=["app"])
        for app in islice(list(service.monitor.apps.values()), MOST):
            name = escape(app.name, 200)
            words.add_metric([name], len(app.lexicon.states) + len(app.lexicon.transitions))
            replicas.add_metric([name], len(app.shown))
        yield words
        yield replicas
        yield from self._counts()

    def _policies(self) -> Iterator[Metric]:
        good, bad = self.metrics.laws()
        laws = GaugeMetricFamily("winnower_monitor_policies", "Policies.", labels=["state"])
        laws.add_metric(["in_force"], good)
        laws.add_metric(["bad"], bad)
        yield laws
        alarms = self.service.monitor.alarms
        yield GaugeMetricFamily(
            "winnower_monitor_unsettled", "Matches that wait for a worker's word.", value=len(alarms.pending.waiting)
        )
        dismissed = CounterMetricFamily(
            "winnower_monitor_dismissed", "Possible matches that no instance bears out.", labels=["policy"]
        )
        for policy, number in islice(sorted(alarms.dismissed.items()), MOST):
            dismissed.add_metric([policy], number)
        yield dismissed
        done = CounterMetricFamily(
            "winnower_monitor_actions", "What became of alerts in actions.", labels=["action", "outcome"]
        )
        behind = GaugeMetricFamily("winnower_monitor_action_waiting", "Alerts behind.", labels=["action"])
        for figure in self.metrics.actions():
            if figure.outcome == "behind":
                behind.add_metric([figure.action], figure.number)
            else:
                done.add_metric([figure.action, figure.outcome], figure.number)
        yield done
        yield behind

    def _counts(self) -> Iterator[Metric]:
        monitor = self.service.monitor
        lost: dict[str, int] = {}
        for causes in list(monitor.lost.values()):
            for cause, number in causes.items():
                lost[cause] = lost.get(cause, 0) + number
        family = GaugeMetricFamily("winnower_monitor_lost", "What was lost at workers, by cause.", labels=["cause"])
        for cause, number in islice(sorted(lost.items()), MOST):
            family.add_metric([escape(cause, 64)], number)
        yield family
        alerts: dict[str, int] = {}
        for alert in list(monitor.alerts):
            alerts[alert.policy] = alerts.get(alert.policy, 0) + 1
        told = CounterMetricFamily("winnower_monitor_alerts", "Alerts, by policy.", labels=["policy"])
        for policy, number in islice(sorted(alerts.items()), MOST):
            told.add_metric([policy], number)
        yield told
