"""Every kind of entry that a ledger may hold: importing this file makes a sweep able to undo all of them."""

from __future__ import annotations

from . import auditd, containers, firewall, kafka_broker, kernel, ledger, program, servers

__all__ = ["auditd", "containers", "firewall", "kafka_broker", "kernel", "ledger", "program", "servers"]
