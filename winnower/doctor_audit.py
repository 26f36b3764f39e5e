"""The doctor's checks of auditing: the daemon, its log and settings, the kernel's counters, the rules.

Rules of this file
    - A check is a pure function from a `Probe` to a `Finding`. None of this is needed for replay, demo and queries, so
      nothing here is a failure.

Source: auditd.conf(5), auditctl(8); design section 3 (loss is visible).
"""

from __future__ import annotations

from typing import Final

from agent.kernel_wire import KernelStatus
from agent.rules import BACKLOG, MACHINES, RuleSet, ours, wanted, which_loaded
from agent.rules_obstacles import obstacles
from winnower.doctor_checks import APT, MIB
from winnower.doctor_probe import Finding, Probe

AUDIT_LOG: Final = "/var/log/audit/audit.log"
AUDITD_CONF: Final = "/etc/audit/auditd.conf"
ENOUGH_LOG: Final = 256
"""Megabytes that auditd should keep: half a minute of a very busy node, hours of a usual one, to catch up with."""


def auditd(probe: Probe) -> Finding:
    """The audit daemon runs: a live agent reads what it writes."""
    if "auditd" in probe.processes():
        return Finding("auditd", "ok", "running")
    if probe.program("auditd"):
        return Finding("auditd", "warn", "installed, not running", "live agent: systemctl start auditd")
    return Finding("auditd", "warn", "not installed", f"live agent: {APT} auditd; replay and demo do without")


def audit_log(probe: Probe) -> Finding:
    """The audit log can be read by this user."""
    path = _settings(probe).get("log_file", AUDIT_LOG)
    if probe.text(path) is not None:
        return Finding("audit log", "ok", f"{path} readable")
    if probe.exists(path) or not probe.root():
        todo = "live agent: CAP_DAC_READ_SEARCH (its unit has it), or log_group in auditd.conf"
        return Finding("audit log", "warn", "not readable", todo)
    return Finding("audit log", "warn", f"no {path}", "live agent: start auditd with audit rules")


def auditd_conf(probe: Probe) -> Finding:
    """auditd's settings: does it write a log, how much of it does it keep, does it go on when the disk fills up?"""
    settings = _settings(probe)
    if not settings:
        return Finding("auditd.conf", "warn", f"{AUDITD_CONF} cannot be read", "as root, or install auditd")
    if settings.get("write_logs", "yes") == "no":
        return Finding("auditd.conf", "warn", "write_logs = no", "write_logs = yes, or run the agent as a plugin")
    action = settings.get("max_log_file_action", "rotate")
    if action in ("suspend", "single", "halt"):
        return Finding("auditd.conf", "warn", f"max_log_file_action = {action}", "ROTATE, or auditing ends there")
    size, count = (_number(settings, name, default) for name, default in (("max_log_file", 8), ("num_logs", 0)))
    kept = size * max(count, 1)
    log_format = settings.get("log_format", "enriched")
    found = f"{log_format}, keeps {kept} MB" if action == "rotate" else f"{log_format}, keeps all ({action})"
    if action == "rotate" and kept < ENOUGH_LOG:
        todo = f"max_log_file = {ENOUGH_LOG // 4}, num_logs = 5: what is rotated away while the agent is away is lost"
        return Finding("auditd.conf", "warn", found, todo)
    return Finding("auditd.conf", "ok", found)


def audit_kernel(probe: Probe) -> Finding:
    """The kernel answers audit questions here, auditing is on, and a daemon takes the records."""
    status = probe.audit_status()
    if not isinstance(status, KernelStatus):
        return Finding("kernel audit", "warn", status.message, status.hint)
    if not status.enabled:
        return Finding("kernel audit", "warn", "off", "live agent: start auditd, or auditctl -e 1")
    if not status.pid:
        return Finding("kernel audit", "warn", "on, but no daemon takes the records", "systemctl start auditd")
    locked = ", rules locked until boot" if status.enabled == 2 else ""
    return Finding("kernel audit", "ok", f"on{locked}; status readable")


def audit_loss(probe: Probe) -> Finding:
    """What the kernel has already lost, and whether it has room for a burst."""
    status = probe.audit_status()
    if not isinstance(status, KernelStatus):
        return Finding("audit loss", "warn", f"not known: {status.reason}", status.hint)
    limit, least = status.backlog_limit, BACKLOG["lean"]
    found = f"lost {status.lost}, backlog {status.backlog} of {limit or 'any number'}"
    if status.rate_limit:
        return Finding("audit loss", "warn", f"{found}, rate limit {status.rate_limit}", "auditctl -r 0")
    if limit and (limit < least or status.backlog * 2 > limit):
        return Finding("audit loss", "warn", found, f"auditctl -b {max(least, 4 * limit)}, before records are lost")
    if status.lost:
        todo = "auditctl -b 65536, or audit less; auditctl --reset-lost"
        return Finding("audit loss", "warn", found, todo)
    return Finding("audit loss", "ok", found)


def audit_rules(probe: Probe) -> Finding:
    """Our rules are loaded, and nothing before them hides what they should give."""
    status = probe.audit_status()
    if not isinstance(status, KernelStatus):
        return Finding("audit rules", "warn", f"not known: {status.reason}", status.hint)
    arches = list(MACHINES.get(probe.machine(), {}).values())
    rules = list(probe.audit_rules())
    which = which_loaded(rules, arches) if arches else "none"
    others = len(rules) - len(ours(rules))
    found = f"ours: {which}; of others: {others}"
    if which in ("none", "partly"):
        todo = "winnower agent rules prints them, --load loads them, --check says what is missing"
        return Finding("audit rules", "warn", found, todo)
    needed: RuleSet = "full" if which == "full" else "lean"
    in_the_way = [one for one in obstacles(rules, wanted(needed, arches), status, 0) if one.what not in _SAID]
    if in_the_way:
        return Finding("audit rules", "warn", f"{found}; {in_the_way[0].what}", in_the_way[0].todo)
    return Finding("audit rules", "ok", found)


_SAID: Final = frozenset({"auditing is switched off", "no audit daemon takes the records"})
"""Obstacles that `audit_kernel` tells of."""


def audit_disk(probe: Probe) -> Finding:
    """Room where auditd writes: by default it stops auditing when there is little left."""
    settings = _settings(probe)
    folder = settings.get("log_file", AUDIT_LOG).rpartition("/")[0] or "/"
    if not probe.exists(folder):
        return Finding("audit disk", "warn", f"no {folder}", "live agent: install and start auditd")
    free, least = probe.free_disk(folder) // MIB, _number(settings, "admin_space_left", 50)
    wants = 2 * least + _number(settings, "max_log_file", 8) * max(_number(settings, "num_logs", 5), 1)
    found = f"{free:,} MiB free in {folder}"
    if free < wants:
        return Finding(
            "audit disk", "warn", found, f"{wants} MiB; below {least} auditd acts by admin_space_left_action"
        )
    return Finding("audit disk", "ok", found)


def _settings(probe: Probe) -> dict[str, str]:
    """auditd.conf: names and values in lower case, but for paths."""
    pairs = (line.partition("=") for line in (probe.text(AUDITD_CONF) or "").splitlines() if line[:1] not in ("#", ""))
    found = {name.strip().lower(): value.strip() for name, equals, value in pairs if equals}
    return {name: value if "/" in value else value.lower() for name, value in found.items()}


def _number(settings: dict[str, str], name: str, default: int) -> int:
    value = settings.get(name, "")
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 10 else default
