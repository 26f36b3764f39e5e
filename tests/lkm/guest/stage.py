"""What the tests from end to end start in the guest: auditd, nginx, requests; and how they tell what they found.

Rules of this file
    - Programs as Debian ships them, with settings and files of their own in `PLACE`.
    - nginx says in each line which of its processes wrote it: what a tag must say is in the log itself.
"""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

PLACE: Final = Path("/run/server")
LINES: Final = 240
PORT: Final = 8080
NGINX: Final = f"""\
user root;
worker_processes 2;
error_log {PLACE}/error.log;
pid {PLACE}/nginx.pid;
events {{ worker_connections 64; }}
http {{
    log_format told '$pid $request_uri "$http_user_agent" $request_length';
    client_body_temp_path {PLACE}/body; proxy_temp_path {PLACE}/proxy; fastcgi_temp_path {PLACE}/fastcgi;
    uwsgi_temp_path {PLACE}/uwsgi; scgi_temp_path {PLACE}/scgi;
    access_log {PLACE}/access.log told;
    server {{ listen 127.0.0.1:{PORT}; location / {{ return 200 "hello\\n"; }} }}
}}
"""
AUDITD: Final = f"""\
log_file = {PLACE}/audit.log
log_format = RAW
log_group = root
flush = INCREMENTAL_ASYNC
freq = 50
max_log_file = 100
num_logs = 2
max_log_file_action = IGNORE
space_left = 1
space_left_action = IGNORE
admin_space_left_action = IGNORE
admin_space_left = 0
disk_full_action = IGNORE
disk_error_action = IGNORE
"""

Result = Callable[[str, bool, str], None]


def tell(name: str, run: Callable[[Result], None]) -> int:
    """Run a test; each result is one line for the harness, an error the result of that name."""
    with open("/dev/ttyS1", "w", buffering=1) as line:  # noqa: PTH123 - a terminal, line by line

        def result(name: str, good: bool, detail: str) -> None:
            line.write(f"RESULT {name} {'ok' if good else 'FAIL'} {detail}\n")

        try:
            run(result)
        except Exception as error:  # whatever it is, the harness must hear it
            result(name, False, f"{type(error).__name__}: {error}".replace("\n", " ")[:500])
            return 1
    return 0


def auditd() -> subprocess.Popen[bytes]:
    """auditd as Debian ships it, writing where we look; no rules yet."""
    (PLACE / "audit").mkdir(parents=True)
    (PLACE / "audit" / "auditd.conf").write_text(AUDITD)
    daemon = subprocess.Popen(["auditd", "-n", "-c", str(PLACE / "audit")], stdout=subprocess.DEVNULL)
    until(lambda: f"pid {daemon.pid}" in said("auditctl", "-s"))
    subprocess.run(["auditctl", "-b", "8192"], check=True, stdout=subprocess.DEVNULL)
    return daemon


def nginx(login: int = 0) -> int:
    """nginx, with a login user of its own if one is given; its master's pid."""

    def log_in() -> None:
        if login:
            Path("/proc/self/loginuid").write_text(str(login))

    (PLACE / "nginx.conf").write_text(NGINX)
    words = ["nginx", "-c", str(PLACE / "nginx.conf"), "-p", str(PLACE)]
    subprocess.run(words, check=True, preexec_fn=log_in)
    until((PLACE / "nginx.pid").exists)
    return int((PLACE / "nginx.pid").read_text())


def requests(rotate: int = -1) -> Iterator[int]:
    """`LINES` requests, kept alive and not; before the one with number `rotate` the log is rotated."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
    for number in range(LINES):
        if number == rotate:
            (PLACE / "access.log").rename(PLACE / "access.log.1")
            os.kill(int((PLACE / "nginx.pid").read_text()), signal.SIGUSR1)
        connection.request("GET", f"/{number}?{'x' * (number * 7 % 600)}", headers={"User-Agent": f"agent {number}"})
        connection.getresponse().read()
        if number % 5 == 0:
            connection.close()
        yield number
    connection.close()


def said(*words: str) -> str:
    """What a program prints."""
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def until(there: Callable[[], bool], seconds: float = 20, what: str = "what was started") -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not there():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} is not ready after {seconds:.0f} s")
        time.sleep(0.05)
