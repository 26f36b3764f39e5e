"""An alert as an event of the Open Cybersecurity Schema Framework: Detection Finding, version 1.3.0.

Rules of this file
    - Pure: an alert comes in, a JSON value comes out. Every required attribute is there; what we do not know is left
      out, never guessed. Patterns stay what they are: a path with `{int}` in it is the path of a label.
    - Evidence is the trace, step by step: a process, a file or an endpoint; anything else as data. With the profile
      `container`, so that a process says which one it is in.
    - What the schema has no place for is under `unmapped`.

Invariant: valid against the schema of class 2004 (its JSON schema is checked in the tests).
Complexity: O(what the alert holds).
Source: schema.ocsf.io/1.3.0/classes/detection_finding.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from ipaddress import ip_address
from typing import Final

from grammar.labels import kind_of, properties_of
from monitor.alerts import Alert, Step

SCHEMA: Final = "1.3.0"
PROFILE: Final = "container"
CATEGORY: Final = 2
CLASS: Final = 2004
CREATE: Final = 1
NEW: Final = 1
SEVERITIES: Final = {"low": (2, "Low"), "medium": (3, "Medium"), "high": (4, "High"), "critical": (5, "Critical")}
OTHER: Final = (99, "Other")
SURE: Final = (3, "High")
POSSIBLE: Final = (2, "Medium")
RULE: Final = 1
BEHAVIOURAL: Final = 2
FILE: Final = 0
MAX_EVIDENCES: Final = 64
PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:-")

Value = dict[str, object]


def finding(alert: Alert) -> Value:
    """The event for an alert."""
    severity, caption = SEVERITIES.get(alert.severity, OTHER)
    confidence, certainty = SURE if alert.sure else POSSIBLE
    event: Value = {
        "activity_id": CREATE,
        "activity_name": "Create",
        "category_uid": CATEGORY,
        "category_name": "Findings",
        "class_uid": CLASS,
        "class_name": "Detection Finding",
        "type_uid": CLASS * 100 + CREATE,
        "type_name": "Detection Finding: Create",
        "time": alert.time,
        "severity_id": severity,
        "severity": caption if severity != OTHER[0] else alert.severity,
        "status_id": NEW,
        "status": "New",
        "confidence_id": confidence,
        "confidence": certainty,
        "message": alert.title,
        "metadata": _metadata(alert),
        "finding_info": _finding_info(alert),
        "evidences": [_evidence(step, alert) for step in alert.trace[:MAX_EVIDENCES]],
        "resources": _resources(alert),
        "unmapped": _unmapped(alert),
    }
    return {key: value for key, value in event.items() if value != []}


def _metadata(alert: Alert) -> Value:
    product = {"name": "Winnower", "vendor_name": "Winnower", "version": _version(), "feature": {"name": alert.policy}}
    told: Value = {"version": SCHEMA, "profiles": [PROFILE], "product": product}
    return told | {"uid": alert.key, "original_time": str(alert.time)}


def _finding_info(alert: Alert) -> Value:
    analytic = {
        "uid": alert.policy,
        "name": alert.policy,
        "type_id": BEHAVIOURAL if alert.policy == "novelty" else RULE,
        "type": "Behavioral" if alert.policy == "novelty" else "Rule",
    }
    info: Value = {
        "uid": alert.key,
        "title": alert.title,
        "analytic": analytic,
        "created_time": alert.time,
        "types": [alert.maturity] if alert.maturity else [],
        "data_sources": ["Linux audit"],
        "attacks": [_attack(one) for one in alert.techniques],
    }
    if alert.summary:
        info["desc"] = "\n".join(alert.summary)
    return {key: value for key, value in info.items() if value != []}


def _attack(technique: str) -> Value:
    """`T1059.004` is a sub-technique of `T1059`."""
    parent, _, rest = technique.partition(".")
    found: Value = {"technique": {"uid": parent}}
    return found | ({"sub_technique": {"uid": technique}} if rest else {})


def _evidence(step: Step, alert: Alert) -> Value:
    """One step of the trace; the edge that led to it is beside it, as data."""
    told = properties_of(step.label)
    found: Value = {"data": {key: text for key, text in _edge(step).items() if text}}
    kind = kind_of(step.label)
    if kind == "Process":
        found["process"] = _process(step, told, alert)
    elif kind in ("File", "Memory", "Pipe"):
        found["file"] = _file(told.get("path") or step.label)
    elif kind == "Socket" and told.get("address"):
        found["dst_endpoint"] = _endpoint(told, step.node)
    return found


def _edge(step: Step) -> dict[str, str]:
    return {"node": step.node, "label": step.label, "relation": step.relation, "operation": step.operation}


def _process(step: Step, told: dict[str, str], alert: Alert) -> Value:
    """A state of the model has no pid: its id is the process's."""
    process: Value = {"uid": step.node, "name": told.get("name", "")}
    if told.get("exe"):
        process["file"] = _file(told["exe"])
    if step.command:
        process["cmd_line"] = step.command
    if alert.container:
        process["container"] = {"name": alert.container}
    return process


def _file(path: str) -> Value:
    return {"name": path.rpartition("/")[2] or path, "path": path, "type_id": FILE}


def _endpoint(told: dict[str, str], node: str) -> Value:
    """An address that is none (a pattern, a path) is a name."""
    endpoint: Value = {"uid": node}
    address, port = told["address"], told.get("port", "")
    try:
        endpoint["ip"] = str(ip_address(address))
    except ValueError:
        endpoint["name"] = address
    if port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65_535:
        endpoint["port"] = int(port)
    return endpoint


def _resources(alert: Alert) -> list[Value]:
    """The container, the application that it is a replica of, the worker."""
    named = (("container", alert.container), ("application", alert.app), ("worker", alert.worker))
    return [{"name": name, "type": sort} for sort, name in named if name]


def _unmapped(alert: Alert) -> Value:
    return {
        "certainty": alert.certainty,
        "confirmed": alert.confirmed,
        "replicas": {"k": alert.replicas[0], "of": alert.replicas[1]},
        "nodes": list(alert.nodes),
        "lost": dict(alert.lost),
        "row": dict(alert.row),
        "number": alert.number,
    }


def _version() -> str:
    try:
        return version("winnower")
    except PackageNotFoundError:
        return "unknown"
