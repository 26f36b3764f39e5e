"""nginx and Apache of Debian as processes of a worker: a port of the loopback, a folder of the ledger, two logs.

    with WebServer(ledger, "nginx", auid=5977, ids=ids) as server: server.port, server.log, server.told

Rules of this file
    - The log that an agent may read is in the servers' own default format, and names no client's port. The server's own
      account of each request (process, thread, client's port, how-manieth on its connection) goes to a second file,
      which is called like no log: nobody but the bench reads it.
    - Every id is a page of its own, all of one size: lines of the log differ by the id alone.
    - No service, no file of /etc: configuration, pages, logs and pid files are in the folder, the master in the
      foreground below the worker's login uid.

Invariant: after the block no process of the server is left.
Source: nginx.org/en/docs (log_format, reuseport); httpd.apache.org/docs/2.4 (mod_log_config, mpm_common).
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Literal

from .ledger import Entry, Facts, Ledger, undoes
from .processes import arguments, end, of_process, wait_until
from .program import Program
from .tell import TestbedError
from .worker import in_worker

Kind = Literal["nginx", "apache-prefork", "apache-event"]
KINDS: Final[tuple[Kind, ...]] = ("nginx", "apache-prefork", "apache-event")
HOST: Final = "127.0.0.1"
READY: Final = 20.0
PAGE: Final = b"<p>one page of many</p>\n"
TOLD: Final = "account.txt"
"""The server's own account: `pid tid port number path status`, a line a request."""

NGINX: Final = """daemon off; user www-data; worker_processes {workers}; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  log_format account '$pid $pid $remote_port $connection_requests $request_uri $status';
  access_log {folder}/access.log combined; access_log {folder}/{told} account;
  keepalive_requests 100000; keepalive_timeout 30; default_type text/html; server_tokens off;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{ listen {host}:{port} reuseport; root {folder}/pages; }}
}}
"""
APACHE: Final = """ServerRoot {folder}
ServerName localhost
Listen {host}:{port}
PidFile {folder}/pid
Mutex file:{folder}
User www-data
Group www-data
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule mpm_{mpm}_module /usr/lib/apache2/modules/mod_mpm_{mpm}.so
ErrorLog {folder}/error.log
LogFormat "%h %l %u %t \\"%r\\" %>s %O \\"%{{Referer}}i\\" \\"%{{User-Agent}}i\\"" combined
LogFormat "%P %{{tid}}P %{{remote}}p %k %U %>s" account
CustomLog {folder}/access.log combined
CustomLog {folder}/{told} account
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 30
DocumentRoot {folder}/pages
<Directory {folder}/pages>
  Require all granted
</Directory>
{shape}
"""
SHAPES: Final = {
    "prefork": "StartServers {processes}\nMinSpareServers 1\nMaxSpareServers {processes}\nServerLimit {processes}\n"
    "MaxRequestWorkers {processes}\nMaxConnectionsPerChild 0",
    "event": "StartServers 2\nServerLimit 2\nThreadsPerChild {threads}\nThreadLimit {threads}\n"
    "MinSpareThreads {threads}\nMaxSpareThreads {many}\nMaxRequestWorkers {both}\nAsyncRequestWorkerFactor 4",
}


class WebServer:
    """One server while the block runs; `log` is what an agent may read, `told` the server's own account."""

    def __init__(self, ledger: Ledger, kind: Kind, *, ids: Sequence[str], auid: int | None, clients: int = 32) -> None:
        self.ledger, self.kind, self.ids, self.auid, self.clients = ledger, kind, ids, auid, clients
        self.port = 0
        self.folder = self.log = self.told = Path()
        self.program: Program | None = None
        self._entry: Entry | None = None

    def __enter__(self) -> WebServer:
        """Make its pages and start it; it answers."""
        self.folder = self.ledger.folder()
        self.folder.chmod(0o755)
        self.log, self.told = self.folder / "access.log", self.folder / TOLD
        pages = self.folder / "pages"
        pages.mkdir()
        for one in self.ids:
            (pages / one).write_bytes(PAGE)
        self.port = free_port()
        self._entry = self.ledger.note("server", folder=str(self.folder))
        self.program = Program(self.ledger, "server", in_worker(self.auid, self._argv()), self.folder)
        self.program.__enter__()
        if not wait_until(lambda: self.log.exists() and self.told.exists() and answers(self.port), READY):
            said = self.program.last_words()
            self.program.__exit__(None, None, None)
            raise TestbedError(f"{self.kind} does not answer: {said}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, workers too: the master does that when it is asked to end."""
        if self.program is not None:
            self.program.__exit__(kind, error, trace)
        if self._entry is not None:
            self.ledger.undo(self._entry)

    @property
    def pid(self) -> int:
        """Its master: the shell that set the login uid has become it."""
        return self.program.pid if self.program is not None else 0

    def _argv(self) -> list[str]:
        config = self.folder / "server.conf"
        config.write_text(self._config(), "utf-8")
        if self.kind == "nginx":
            return ["nginx", "-p", str(self.folder), "-e", str(self.folder / "error.log"), "-c", str(config)]
        return ["apache2", "-DFOREGROUND", "-f", str(config)]

    def _config(self) -> str:
        place = {"folder": self.folder, "host": HOST, "port": self.port, "told": TOLD}
        if self.kind == "nginx":
            return NGINX.format(workers=4, **place)
        mpm = self.kind.partition("-")[2]
        threads = max(4, self.clients)
        shape = SHAPES[mpm].format(
            processes=max(4, self.clients + 2), threads=threads, both=2 * threads, many=8 * threads
        )
        return APACHE.format(mpm=mpm, shape=shape, **place)


@undoes("server")
def _stop(facts: Facts) -> None:
    """A master that a killed run has left: it wrote its number down, and its command line names the folder."""
    try:
        pid = int((Path(facts["folder"]) / "pid").read_text("utf-8"))
    except (OSError, ValueError):
        return
    if any(facts["folder"] in word for word in arguments(pid)):
        end(of_process(pid))


def free_port() -> int:
    """A port of the loopback that nobody has now."""
    with socket.create_server((HOST, 0)) as one:
        return int(one.getsockname()[1])


def answers(port: int) -> bool:
    """Whether something takes connections there."""
    try:
        with socket.create_connection((HOST, port), 1):
            return True
    except OSError:
        return False


def descriptor(pids: Sequence[int], path: Path) -> dict[int, int]:
    """Under which number each process has a file open, as far as it has."""
    found: dict[int, int] = {}
    for pid in pids:
        folder = Path(f"/proc/{pid}/fd")
        try:
            for link in folder.iterdir():
                if link.is_symlink() and str(link.readlink()) == str(path):
                    found[pid] = int(link.name)
        except OSError:
            continue
    return found
