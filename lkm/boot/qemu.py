"""One guest: a kernel, an initramfs, two serial lines, a time limit.

Rules of this file
    - Software emulation only: where KVM is offered inside a virtual machine it may open and then hang.
    - Two threads of QEMU for two CPUs find races, but not where the kernel's text is patched under load: emulation
      then runs what is no longer there (the kernel's own tracing of vfs_write crashes Linux 6.12 so, with no module of
      ours). There one thread takes turns: `parallel` is false.
    - The guest has no network. It sees the host's files only if asked for, read-only.
    - It is ended by this process, by its id, when it takes too long; whatever happens, none is left behind.

Complexity: a boot takes 6 to 15 s on one core.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .tell import LAST_WORDS, escaped

PROGRAM: Final = "qemu-system-x86_64"
# mitigations=off: with them a system call costs 19 times more under emulation. loglevel 5: warnings are shown.
COMMAND_LINE: Final = (
    "console=ttyS0 panic=-1 oops=panic nokaslr no5lvl mitigations=off loglevel=5 nowatchdog "
    "rcupdate.rcu_cpu_stall_timeout=60"
)


@dataclass(frozen=True, slots=True)
class Machine:
    """What a guest is given. `shares`: folders of the host that it can mount, read-only, each by its tag."""

    kernel: Path
    initramfs: Path
    folder: Path
    seconds: float
    words: str = ""
    cpus: int = 2
    parallel: bool = True
    megabytes: int = 768
    shares: Mapping[str, Path] = field(default_factory=dict)


def boot(machine: Machine) -> tuple[str, str, str]:
    """Run it to its end: the results, the kernel's log, and why it did not end by itself, if so."""
    results, log = machine.folder / "results", machine.folder / "console"
    for file in (results, log):
        file.write_bytes(b"")
    ended = ""
    with subprocess.Popen(
        command(machine, log, results), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as qemu:
        try:
            out, _ = qemu.communicate(timeout=machine.seconds)
            if qemu.returncode != 0:
                ended = f"QEMU: exit code {qemu.returncode}: {escaped(out.decode('utf-8', 'replace'))[-LAST_WORDS:]}"
        except subprocess.TimeoutExpired:
            ended = f"the guest was ended after {machine.seconds:.0f} s"
        finally:
            qemu.kill()
    return results.read_text("utf-8", "replace"), log.read_text("utf-8", "replace"), ended


def command(machine: Machine, log: Path, results: Path) -> list[str]:
    """The command line."""
    accelerator = f"tcg,thread={'multi' if machine.parallel else 'single'}"
    argv = [PROGRAM, "-accel", accelerator, "-cpu", "max"]
    argv += ["-smp", str(machine.cpus), "-m", str(machine.megabytes)]
    argv += ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-nic", "none"]
    argv += ["-kernel", str(machine.kernel), "-initrd", str(machine.initramfs)]
    argv += ["-serial", f"file:{log}", "-serial", f"file:{results}"]
    for tag, path in machine.shares.items():
        argv += ["-virtfs", f"local,path={path},mount_tag={tag},security_model=none,readonly=on,multidevs=remap"]
    return [*argv, "-append", f"{COMMAND_LINE} {machine.words}".strip()]
