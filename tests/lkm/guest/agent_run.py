"""All of it in the guest: monitor, agent, auditd, nginx, the module; each line of the log is joined with its writer.

    chroot /root PYTHON tests/lkm/guest/agent_run.py      # PYTHON: with all that winnower needs

Rules of this file
    - Monitor and agent run as users run them; what the agent has found is read from its own store of instances.
    - The lean rules: no write is audited, so that nothing but a tag can say which process wrote a line.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from stage import LINES, PLACE, Result, auditd, nginx, requests, tell, until  # noqa: E402

from agent.instance_files import Lookup, SegmentFiles  # noqa: E402 - the checkout may not be installed where this runs

LOGIN: Final = 7001
MONITOR: Final = 'state = "{place}/monitor"\n[listen]\nport = 7717\n'
AGENT: Final = """\
name = "guest"
state = "{place}/agent"
[capture]
log = "{place}/audit.log"
rules = "any"
[epochs]
length = "2s"
[engines]
sockets = []
[logs]
files = [{{container = "host", path = "{place}/access.log"}}]
[tags]
source = "module"
"""
WINNOWER: Final = [sys.executable, "-c", "from winnower.cli import main; main()"]
SAID: Final = re.compile(r"by tag: container (\S+), pid (\d+) .*?thread (\d+) .*? at (\S+)Z")
LINE: Final = re.compile(r'winnower_agent_log_lines(?:_total)?\{operation="(\w+)"\} ([0-9.e+]+)')


def _run(result: Result) -> None:
    daemon = auditd()
    (PLACE / "monitor.toml").write_text(MONITOR.format(place=PLACE))
    (PLACE / "agent.toml").write_text(AGENT.format(place=PLACE))
    monitor = _started("monitor", "monitor", "run", "--config", str(PLACE / "monitor.toml"))
    _wait_for("monitor", '"ready"')
    token = _winnower("monitor", "token", "guest", "--config", str(PLACE / "monitor.toml"))
    (PLACE / "token").write_text(token)
    _winnower("agent", "enrol", "--config", str(PLACE / "agent.toml"), "--token-file", str(PLACE / "token"))
    _winnower("agent", "rules", "--auid", str(LOGIN), "--load")
    agent = _started("agent", "agent", "run", "--config", str(PLACE / "agent.toml"))
    _wait_for("agent", "agent works")
    master = nginx(LOGIN)
    for _ in requests():
        time.sleep(0)
    until(lambda: sum(_joined().values()) >= LINES, 120, f"a log of {LINES} lines, of which {_joined()}")
    joined = _joined()
    time.sleep(3)
    agent.send_signal(signal.SIGTERM)
    agent.wait(30)
    monitor.terminate()
    monitor.wait(30)
    subprocess.run(["kill", "-QUIT", str(master)], check=True)
    daemon.terminate()
    daemon.wait(10)
    _compare(joined, result)


def _compare(joined: Counter[str], result: Result) -> None:
    """What the store says of each line's writer is what the line itself says."""
    commands: dict[str, str] = {}
    files = SegmentFiles(PLACE / "agent" / "instances")
    with Lookup() as lookup:
        for entry in files.entries:
            commands.update(lookup.head(entry).commands)
    at, right, wrong = 0, 0, list[str]()
    for line in (PLACE / "access.log").read_bytes().splitlines(keepends=True):
        at += len(line)  # a line is named by where it ends
        words = commands.get(f"log:{PLACE}/access.log:{at}", "nothing")
        found = SAID.search(words)
        if found and found[2] == line.split()[0].decode():
            right += 1
        else:
            wrong.append(f"{words[:120]} of {line[:20]!r}")
    detail = f"{right} of {LINES} lines carry container, process, thread and time by their tag; {dict(joined)}"
    result("agent_joins", right == LINES and not wrong, " ".join([detail, *wrong[:2]]))


def _joined() -> Counter[str]:
    try:
        with urllib.request.urlopen("http://127.0.0.1:7718/metrics", timeout=10) as answer:
            text = answer.read().decode()
    except OSError:
        return Counter()
    return Counter({name: int(float(number)) for name, number in LINE.findall(text)})


def _started(name: str, *words: str) -> subprocess.Popen[bytes]:
    with (PLACE / f"{name}.log").open("wb") as out:
        return subprocess.Popen([*WINNOWER, *words], stdout=out, stderr=out, cwd=ROOT)


def _winnower(*words: str) -> str:
    done = subprocess.run([*WINNOWER, *words], capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode != 0:
        raise RuntimeError(f"winnower {' '.join(words)}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


def _wait_for(name: str, words: str) -> None:
    log = PLACE / f"{name}.log"
    until(
        lambda: words in log.read_text("utf-8", "replace"), 200, f"{name} ({log.read_text('utf-8', 'replace')[-300:]})"
    )


if __name__ == "__main__":
    sys.exit(tell("agent_joins", _run))
