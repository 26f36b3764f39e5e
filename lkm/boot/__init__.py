"""The boot test of the kernel module: real Debian kernels in QEMU, checks that run inside, a table of what they said.

    cd lkm && python3 -m boot test        # or: make -C lkm test

Each of two kernels is booted four times: the checks; auditd and nginx; unloading under load; the eBPF twin without the
module, in the modes that this machine's kernel may not have. One of them once more with the whole agent. The twin is
built by clang with libbpf-dev, which only the complete test wants: without them it is left out, and the end says so.

Rules of this folder
    - Python 3.11's standard library only: a new machine runs it before anything is installed.
    - Nothing is loaded on, installed into or configured for the host: kernels, headers and programs of the guest are
      downloaded (by apt, which checks their signatures) and unpacked below `.testbed/kernels` of the checkout. Only the
      tools that run here (QEMU, gcc, make, clang) are installed, as root, and a line says so.
    - A guest is a throw-away: its disk is memory, the host's files reach it read-only if at all.
"""
