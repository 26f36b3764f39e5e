"""A recording by hand: what happens in the containers of one worker is written down as auditd would."""

from __future__ import annotations

import json
from pathlib import Path

import zstandard


def value(data: str | bytes) -> str:
    """As audit writes an untrusted string: quoted, or in hex if it is not plain."""
    raw = data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape")
    plain = all(0x21 <= byte <= 0x7E and byte != 0x22 for byte in raw)
    return f'"{raw.decode("ascii")}"' if plain and raw else raw.hex().upper()


class Scribe:
    """Writes `folder`: containers with `contain`, what happens with `execs`, `writes`, `reads`; then `save`."""

    def __init__(self, folder: Path, worker: str = "worker1") -> None:
        self.folder, self.worker = folder, worker
        self.containers: list[dict[str, object]] = []
        self.lines: list[bytes] = []
        self.clock, self.serial = 1_700_000_000.0, 0
        self.programs: dict[int, tuple[str, str, int]] = {}

    def contain(self, name: str, pid: int, app: str = "web") -> None:
        labels = {"com.docker.compose.service": app}
        one: dict[str, object] = {
            "Id": f"{pid:064x}",
            "Name": name,
            "State": {"Pid": pid},
            "Config": {"Labels": labels},
        }
        self.containers.append(one | {"Worker": self.worker})

    def execs(self, pid: int, ppid: int, exe: str, *arguments: str, comm: str = "") -> None:
        self.programs[pid] = (comm or exe.rpartition("/")[2][:15], exe, ppid)
        vector = " ".join(f"a{n}={value(one)}" for n, one in enumerate((exe, *arguments)))
        self._event(pid, 59, "55ee 55ee 55ee 8", 0, f"EXECVE argc={len(arguments) + 1} {vector}", *self._path(exe))

    def writes(self, pid: int, path: str) -> None:
        self._event(pid, 257, "ffffff9c 55ee 241 1b6", 3, *self._path(path, "CREATE"))
        self._event(pid, 1, "3 55ee 5 0", 5)
        self._event(pid, 3, "3 0 0 0", 0)

    def reads(self, pid: int, path: str) -> None:
        self._event(pid, 257, "ffffff9c 55ee 0 0", 3, *self._path(path))
        self._event(pid, 0, "3 55ee 5 0", 5)
        self._event(pid, 3, "3 0 0 0", 0)

    def save(self, *, packed: bool = True) -> Path:
        """Write everything; gives the folder."""
        where = self.folder / self.worker
        where.mkdir(parents=True, exist_ok=True)
        (self.folder / "recording.json").write_text(json.dumps({"name": "by hand", "workers": [self.worker]}))
        (self.folder / "containers.json").write_text(json.dumps(self.containers))
        log = b"".join(line + b"\n" for line in self.lines)
        if packed:
            (where / "audit.log.zst").write_bytes(zstandard.ZstdCompressor().compress(log))
        else:
            (where / "audit.log").write_bytes(log)
        return self.folder

    def _path(self, path: str, nametype: str = "NORMAL") -> tuple[str, str]:
        inode = sum(path.encode("utf-8", "surrogateescape")) + len(path) * 1000
        rest = f"inode={inode} dev=fe:00 mode=0100755 ouid=0 ogid=0 rdev=00:00 nametype={nametype}"
        return 'CWD cwd="/"', f"PATH item=0 name={value(path)} {rest} cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0"

    def _event(self, pid: int, call: int, arguments: str, result: int, *more: str) -> None:
        self.serial += 1
        self.clock += 0.05
        stamp = f"msg=audit({self.clock:.3f}:{self.serial}):"
        comm, exe, ppid = self.programs[pid]
        a = " ".join(f"a{n}={one}" for n, one in enumerate(arguments.split()))
        ids = "auid=5001 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=1"
        head = (
            f"arch=c000003e syscall={call} success=yes exit={result} {a} items={len(more)} ppid={ppid} pid={pid} {ids}"
        )
        records = [f"SYSCALL {head} comm={value(comm)} exe={value(exe)} key=(null)", *more, "PROCTITLE proctitle=7368"]
        for record in records:
            kind, _, body = record.partition(" ")
            self.lines.append(f"type={kind} {stamp} {body}".encode())


def ordinary(scribe: Scribe, app: str = "web", containers: int = 2) -> Scribe:
    """Containers in which a shell starts a server that reads its pages."""
    for number in range(1, containers + 1):
        scribe.contain(f"web{number}", 100 * number, app)
        scribe.execs(100 * number, 1, "/usr/bin/dash", "-c", "start")
        scribe.execs(100 * number + 1, 100 * number, "/usr/sbin/httpd", "-D")
        for page in range(5):
            scribe.reads(100 * number + 1, f"/srv/page{page}")
        scribe.writes(100 * number + 1, "/var/log/access.log")
    return scribe
