"""Whether this machine can carry the testbed as it is now: for tests, which skip with the reason if it cannot.

Rules of this file
    - Nothing is installed, fetched or changed: what is missing is named.
"""

from __future__ import annotations

import os

from . import kernel, packages
from .kafka_broker import fetched
from .ledger import STATE
from .tell import TestbedError


def why_not(*features: str) -> str:
    """Why features (`packages.FEATURES`) cannot be used here and now; empty if they can."""
    if os.geteuid() != 0:
        return "needs root"
    if missing := packages.missing(*features):
        return f"not installed: {' '.join(missing)}"
    if "kafka" in features and not fetched():
        return "Apache Kafka has not been fetched: python bench/testbed/check.py --kafka"
    if "image" in features and not list(STATE.glob("image-*.tar")):
        return "the image has not been made: python bench/testbed/check.py"
    return _audit() if "audit" in features else ""


def _audit() -> str:
    try:
        now = kernel.status()
    except TestbedError as error:
        return str(error)
    if now.enabled == kernel.LOCKED:
        return "the audit configuration is locked until reboot"
    return "an auditd is running: tests add no rules to it" if now.pid else ""
