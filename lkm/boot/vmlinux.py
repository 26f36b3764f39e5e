"""The plain kernel inside a compressed one: QEMU starts it directly (PVH), instead of unpacking it under emulation.

Rules of this file
    - The place of the payload is read from the boot protocol's header, not searched for.
    - A size limit on what comes out: the input is a package's, but a damaged one must not fill the disk.

Source: Documentation/arch/x86/boot.rst (payload_offset, payload_length; protocol 2.08 and later).
"""

from __future__ import annotations

import gzip
import lzma
import struct
import subprocess
from typing import Final

from .tell import BootError

SETUP_SECTORS: Final = 0x1F1
SIGNATURE: Final = 0x202
PROTOCOL: Final = 0x206
PAYLOAD: Final = 0x248
ELF: Final = b"\x7fELF"
MOST: Final = 512 << 20


def unpack(vmlinuz: bytes) -> bytes:
    """The ELF file in a bzImage; `BootError` if it is none."""
    if len(vmlinuz) < 0x250 or vmlinuz[SIGNATURE : SIGNATURE + 4] != b"HdrS":
        raise BootError("the kernel image is no bzImage")
    if struct.unpack_from("<H", vmlinuz, PROTOCOL)[0] < 0x208:
        raise BootError("the kernel image is older than boot protocol 2.08")
    offset, length = struct.unpack_from("<II", vmlinuz, PAYLOAD)
    start = ((vmlinuz[SETUP_SECTORS] or 4) + 1) * 512 + offset
    kernel = _decompressed(vmlinuz[start : start + length])
    if not kernel.startswith(ELF):
        raise BootError("what the kernel image holds is no ELF file")
    return kernel


def _decompressed(payload: bytes) -> bytes:
    """The last four bytes of the payload tell its size unpacked; they are not part of the stream."""
    if payload.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMADecompressor().decompress(payload, MOST)
    if payload.startswith(b"\x1f\x8b"):
        return gzip.decompress(payload[:-4])
    if payload.startswith(b"\x28\xb5\x2f\xfd"):
        done = subprocess.run(["zstd", "-dcq"], input=payload[:-4], capture_output=True, check=False)
        if done.returncode == 0:
            return done.stdout
        raise BootError(f"zstd: {done.stderr.decode('utf-8', 'replace').strip()}")
    raise BootError(f"the kernel is compressed in a way that is not known here: {payload[:6].hex()}")
