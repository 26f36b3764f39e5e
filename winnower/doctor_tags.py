"""The doctor's checks of tags of log writes: the kernel module, the eBPF helper, and which of them an agent would read.

Rules of this file
    - A check is a pure function from a `Probe` to a `Finding`; nothing here is a failure: without tags, lines of logs
      are joined by audited writes and by time.
    - The device is not opened: it has one reader at a time, and that is an agent's business.

Source: lkm/README.md; kernel_lockdown(7); capabilities(7); agent.tags_choice.
"""

from __future__ import annotations

import re
from typing import Final

from winnower.doctor_logs import METRICS
from winnower.doctor_probe import Finding, Probe

DEVICE: Final = "/dev/winnower"
MODULE: Final = "/sys/module/winnower"
HOOKS: Final = "/sys/class/misc/winnower/hooks"
HELPER: Final = "winnower-tags"
BTF: Final = "/sys/kernel/btf/vmlinux"
LOCKDOWN: Final = "/sys/kernel/security/lockdown"
ENFORCED: Final = "/sys/module/module/parameters/sig_enforce"
LOCKED: Final = "/proc/sys/kernel/modules_disabled"
TRACING: Final = "/proc/sys/kernel/ftrace_enabled"
SECURE_BOOT: Final = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
SYS_ADMIN, PERFMON, BPF = 21, 38, 39
"""Bits of capabilities."""
_SOURCE: Final = re.compile(r'^winnower_agent_tags_source\{source="(module|ebpf|none)"\} 1(?:\.0)?$', re.M)
_BRACKETED: Final = re.compile(r"\[(\w+)\]")
_CAPABILITIES: Final = re.compile(r"^CapEff:\s*([0-9a-f]{1,16})$", re.M)


def module(probe: Probe) -> Finding:
    """The module is loaded and sees writes; if not, whether it could be."""
    if not probe.exists(MODULE):
        found, todo = _unloaded(probe)
        return Finding("tags: module", "warn", found, todo)
    if not probe.exists(DEVICE):
        return Finding("tags: module", "warn", f"loaded, but no {DEVICE}", "mount devtmpfs, or make the device's node")
    if (probe.text(TRACING) or "").strip() == "0":
        todo = "sysctl kernel.ftrace_enabled=1: the module sees no write without it"
        return Finding("tags: module", "warn", "loaded, but the kernel's tracing is off", todo)
    if not probe.root():
        return Finding("tags: module", "warn", f"loaded; {DEVICE} is root's", "run the agent as root")
    return Finding("tags: module", "ok", f"loaded, hooks {(probe.text(HOOKS) or 'not told').strip()}")


def ebpf(probe: Probe) -> Finding:
    """The eBPF helper could be started, where the module is not loaded."""
    if _has_module(probe):
        return Finding("tags: eBPF", "ok", "not needed: the module is loaded")
    trouble = _no_ebpf(probe)
    if trouble is None:
        return Finding("tags: eBPF", "ok", f"{probe.program(HELPER)}, allowed")
    return Finding("tags: eBPF", "warn", *trouble)


def choice(probe: Probe) -> Finding:
    """What a running agent reads, or else what one would."""
    running = _SOURCE.search(probe.page(METRICS) or "")
    if running is not None and running[1] != "none":
        return Finding("tags of log writes", "ok", f"the agent reads them from {_NAMES[running[1]]}")
    if running is not None:
        return Finding("tags of log writes", "warn", "the agent gets none: its log says why", "tags.source; see above")
    if _has_module(probe):
        return Finding("tags of log writes", "ok", "an agent would read the module's device")
    trouble = _no_ebpf(probe)
    if trouble is None:
        return Finding("tags of log writes", "ok", "an agent would start the eBPF helper: the module is not loaded")
    found = "none: lines are joined by audited writes and by time alone"
    return Finding("tags of log writes", "warn", found, "modprobe winnower, or see tags: eBPF")


_NAMES: Final = {"module": "the module", "ebpf": "the eBPF helper"}


def _has_module(probe: Probe) -> bool:
    return probe.exists(MODULE) and probe.exists(DEVICE) and probe.root()


def _unloaded(probe: Probe) -> tuple[str, str]:
    """Why the module is not loaded, and what to do: first what forbids it, then what is missing."""
    path = (probe.output("modinfo", "-n", "winnower") or "").strip()
    signer = (probe.output("modinfo", "-F", "signer", "winnower") or "").strip() if path else ""
    if not probe.exists("/proc/modules"):
        return "this kernel has no modules", "the eBPF helper"
    if (probe.text(LOCKED) or "").strip() == "1":
        return "loading modules is switched off until boot (kernel.modules_disabled)", "load it at boot, or eBPF"
    forbidden = _signature(probe)
    if forbidden and not signer:
        what = "the installed one has none" if path else "none is installed"
        return f"{forbidden}: modules need a signature, {what}", "sign it (lkm/README.md), or the eBPF helper"
    if path:
        return f"installed for {probe.kernel()}, not loaded", "modprobe winnower; see dmesg if it is refused"
    known = (probe.output("dkms", "status", "winnower") or "").strip().splitlines()
    if known:
        return f"not built for {probe.kernel()}; DKMS: {known[0]}", f"dkms autoinstall -k {probe.kernel()}"
    if not probe.exists(f"/lib/modules/{probe.kernel()}/build/Makefile"):
        return "not installed, and no headers to build it", "the kernel's headers, or the eBPF helper"
    return "not installed", "make -C lkm install, or the eBPF helper"


def _signature(probe: Probe) -> str:
    """What makes the kernel ask for signatures of modules; nothing if it does not."""
    lockdown = _lockdown(probe)
    secure = (probe.text(SECURE_BOOT) or "")[-1:] == "\x01"
    if lockdown in ("integrity", "confidentiality"):
        return f"lockdown {lockdown}" + (", Secure Boot" if secure else "")
    return "sig_enforce" if (probe.text(ENFORCED) or "").strip() == "Y" else ""


def _lockdown(probe: Probe) -> str:
    found = _BRACKETED.search(probe.text(LOCKDOWN) or "")
    return found[1] if found is not None else ""


def _no_ebpf(probe: Probe) -> tuple[str, str] | None:
    """Why the helper cannot work, and what to do; None if it can."""
    if not probe.exists(BTF):
        return f"no {BTF}", "a kernel with CONFIG_DEBUG_INFO_BTF, or the module"
    if _lockdown(probe) == "confidentiality":
        return "lockdown confidentiality: eBPF may not read the kernel", "boot with lockdown=integrity, or the module"
    if not _may_load(probe):
        return "this user may not load eBPF programs", "run the agent as root (CAP_BPF and CAP_PERFMON), on the host"
    if probe.program(HELPER) is None:
        return f"no {HELPER}", "make -C lkm/bpf install (clang, libbpf-dev)"
    return None


def _may_load(probe: Probe) -> bool:
    """By its capabilities; where they are not told, by its being root."""
    found = _CAPABILITIES.search(probe.text("/proc/self/status") or "")
    if found is None:
        return probe.root()
    bits = int(found[1], 16)
    return bool(bits >> SYS_ADMIN & 1 or (bits >> BPF & 1 and bits >> PERFMON & 1))
