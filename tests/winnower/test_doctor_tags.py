"""The doctor on tags of log writes: what there is, what forbids it, and what an agent would read.

Source: winnower/doctor_tags.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import pytest

from winnower import doctor_tags as room
from winnower.doctor_probe import Finding, Machine, Probe
from winnower.doctor_tags import BTF, DEVICE, ENFORCED, HOOKS, LOCKDOWN, LOCKED, MODULE, SECURE_BOOT, TRACING

ROOT_MAY = "Name:\tpython\nCapEff:\t000001ffffffffff\n"
HEADERS = "/lib/modules/6.1.0/build/Makefile"
LOADED = frozenset({MODULE, DEVICE, BTF, "/proc/modules", HEADERS})
UNLOADED = LOADED - {MODULE, DEVICE}
BUILT = {("modinfo", "-n", "winnower"): "/lib/modules/6.1.0/updates/dkms/winnower.ko\n"}
SIGNED = BUILT | {("modinfo", "-F", "signer", "winnower"): "our key\n"}
INTEGRITY = {LOCKDOWN: "none [integrity] confidentiality\n"}


@dataclass
class Fake:
    """A machine with what the test says."""

    there: frozenset[str] = UNLOADED
    texts: dict[str, str] = field(default_factory=dict)
    outputs: dict[tuple[str, ...], str] = field(default_factory=dict)
    programs: frozenset[str] = frozenset({"winnower-tags"})
    is_root: bool = True
    served: str | None = None

    def exists(self, path: str) -> bool:
        return path in self.there

    def text(self, path: str) -> str | None:
        return self.texts.get(path, ROOT_MAY if path == "/proc/self/status" else None)

    def output(self, *command: str) -> str | None:
        return self.outputs.get(command)

    def program(self, name: str) -> str | None:
        return f"/usr/local/sbin/{name}" if name in self.programs else None

    def kernel(self) -> str:
        return "6.1.0"

    def root(self) -> bool:
        return self.is_root

    def page(self, url: str) -> str | None:
        return self.served


def module(fake: Fake) -> Finding:
    return room.module(cast(Probe, fake))


def ebpf(fake: Fake) -> Finding:
    return room.ebpf(cast(Probe, fake))


def choice(fake: Fake) -> Finding:
    return room.choice(cast(Probe, fake))


def test_with_the_module_loaded_there_is_nothing_to_do() -> None:
    fake = Fake(LOADED, {HOOKS: "vfs_write vfs_writev\n", TRACING: "1\n"})
    assert [one(fake).result for one in (module, ebpf, choice)] == ["ok"] * 3
    assert module(fake).found == "loaded, hooks vfs_write vfs_writev"
    assert choice(fake).found == "an agent would read the module's device"


@pytest.mark.parametrize(
    ("fake", "found", "todo"),
    [
        (Fake(LOADED - {DEVICE}), "no /dev/winnower", "devtmpfs"),
        (Fake(LOADED, {TRACING: "0\n"}), "tracing is off", "kernel.ftrace_enabled=1"),
        (Fake(LOADED, is_root=False), "is root's", "as root"),
        (Fake(UNLOADED - {"/proc/modules"}), "no modules", "eBPF"),
        (Fake(texts={LOCKED: "1\n"}), "modules_disabled", "at boot"),
        (Fake(texts=INTEGRITY, outputs=BUILT), "lockdown integrity: modules need a signature, the inst", "sign it"),
        (Fake(texts=INTEGRITY | {SECURE_BOOT: "\x06\x01"}), "integrity, Secure Boot", "sign it"),
        (Fake(texts=INTEGRITY, outputs=SIGNED), "installed for 6.1.0, not loaded", "dmesg"),
        (Fake(texts={ENFORCED: "Y\n"}), "sig_enforce: modules need a signature, none is installed", "sign it"),
        (Fake(texts={ENFORCED: "N\n", LOCKDOWN: "[none] integrity"}, outputs=BUILT), "not loaded", "modprobe winnower"),
        (
            Fake(outputs={("dkms", "status", "winnower"): "winnower/1.0, 6.1.0-9, x86_64: installed\n"}),
            "not built for 6.1.0; DKMS: winnower/1.0",
            "dkms autoinstall -k 6.1.0",
        ),
        (Fake(UNLOADED - {HEADERS}), "no headers", "headers, or the eBPF"),
        (Fake(), "not installed", "make -C lkm install"),
    ],
)
def test_why_the_module_does_not_work_is_said(fake: Fake, found: str, todo: str) -> None:
    finding = module(fake)
    assert finding.result == "warn"
    assert found in finding.found
    assert todo in finding.todo


@pytest.mark.parametrize(
    ("fake", "found", "todo"),
    [
        (Fake(UNLOADED - {BTF}), "no /sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF"),
        (Fake(texts={LOCKDOWN: "none integrity [confidentiality]"}), "may not read the kernel", "lockdown=integrity"),
        (Fake(texts={"/proc/self/status": "CapEff:\t00000000a80425fb\n"}), "may not load", "CAP_BPF"),
        (Fake(texts={"/proc/self/status": ""}, is_root=False), "may not load", "as root"),
        (Fake(programs=frozenset()), "no winnower-tags", "make -C lkm/bpf install"),
    ],
)
def test_why_ebpf_does_not_work_is_said_and_that_there_are_no_tags(fake: Fake, found: str, todo: str) -> None:
    finding = ebpf(fake)
    assert finding.result == "warn"
    assert found in finding.found
    assert todo in finding.todo
    assert (choice(fake).result, choice(fake).found[:5]) == ("warn", "none:")


def test_by_bpf_s_own_capabilities_it_is_allowed() -> None:
    for bits, result in ((1 << 38 | 1 << 39, "ok"), (1 << 21, "ok"), (1 << 39, "warn"), (1 << 38, "warn")):
        assert ebpf(Fake(texts={"/proc/self/status": f"CapEff:\t{bits:016x}\n"})).result == result


def test_without_the_module_an_agent_would_start_the_helper() -> None:
    assert ebpf(Fake()) == Finding("tags: eBPF", "ok", "/usr/local/sbin/winnower-tags, allowed")
    assert choice(Fake()).found == "an agent would start the eBPF helper: the module is not loaded"


@pytest.mark.parametrize(
    ("source", "result", "found"),
    [
        ("module", "ok", "the agent reads them from the module"),
        ("ebpf", "ok", "the agent reads them from the eBPF helper"),
        ("none", "warn", "the agent gets none"),
    ],
)
def test_a_running_agent_says_what_it_reads(source: str, result: str, found: str) -> None:
    lines = [
        f'winnower_agent_tags_source{{source="{one}"}} {float(one == source)}' for one in ("module", "ebpf", "none")
    ]
    finding = choice(Fake(served="\n".join(lines)))
    assert (finding.result, finding.found[: len(found)]) == (result, found)


def test_this_machine_is_told_something_in_each_check() -> None:
    for one in (room.module, room.ebpf, room.choice):
        finding = one(Machine())
        assert finding.found
        assert finding.todo or finding.result == "ok"
