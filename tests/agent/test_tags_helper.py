"""The helper, played by a script: heard without waiting, ended when it is of no use, never left behind.

Source: agent/tags_helper.py.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tagged import LOAD, fake_helper, packed, tags

from agent.tags import Tag
from agent.tags_helper import MAX_WORDS, Helper, find
from agent.tags_source import Refused

Starter = Callable[..., Helper]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    made: list[Helper] = []

    def starter(body: str, *words: str, patience: float = 10.0, clock: Callable[[], float] = time.monotonic) -> Helper:
        made.append(Helper([fake_helper(tmp_path, body), *words], patience=patience, clock=clock))
        return made[-1]

    yield starter
    for one in made:
        one.close()
    for one in made:
        until(lambda one=one: not lives(one.pid))


def until(what: Callable[[], object], seconds: float = 8.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it has not come to that in time"
        time.sleep(0.005)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def lives(pid: int) -> bool:
    """Whether there is such a process; one that waits to be reaped counts as one."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def becomes(helper: Helper, state: str) -> list[Tag]:
    """The tags that come until it is in that state."""
    found: list[Tag] = []

    def there() -> bool:
        found.extend(helper.take().tags)
        return helper.state == state

    until(there)
    return found


def giving(data: bytes) -> str:
    return f"os.write(1, bytes.fromhex('{data.hex()}'))"


def test_ready_it_gives_tags_and_tells_its_counters(start: Starter) -> None:
    body = f'ready()\n{giving(packed(*tags(0, 5)))}\nsay(\'{{"tagged": 7, "dropped": 2, "x": 1}}\')\nuntil_the_end()'
    helper = start(body)
    assert helper.state == "starting"
    found = becomes(helper, "works")
    until(lambda: found.extend(helper.take().tags) or len(found) == 5)
    assert found == tags(0, 5)
    assert helper.why == "eBPF (fexit)"
    until(lambda: helper.take() is not None and "tagged" in helper.counters())
    assert helper.counters() == {"load": LOAD, "tagged": 7, "dropped": 2}


def test_before_it_is_ready_nothing_of_it_is_believed(start: Starter) -> None:
    helper = start(f"{giving(packed(*tags(0, 2)))}\ntime.sleep(0.1)\nready()\nuntil_the_end()")
    assert helper.take().tags == []
    found = becomes(helper, "works")
    until(lambda: found.extend(helper.take().tags) or found)
    assert found == tags(0, 2)


def test_why_it_cannot_work_is_told_in_its_words(start: Starter) -> None:
    helper = start('say(\'{"ready": false, "why": "no BTF\\\\u001b[31m", "hint": "a newer kernel"}\')\nsys.exit(1)')
    becomes(helper, "ended")
    assert helper.why == "no BTF\\x1b[31m; a newer kernel"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("say('Segmentation fault')\nsys.exit(3)", "ended with code 3: Segmentation fault"),
        ("ready()\nos.kill(os.getpid(), 9)", "ended by signal 9"),
        ("sys.exit(0)", "ended with code 0"),
    ],
)
def test_how_it_ended_is_told(start: Starter, body: str, why: str) -> None:
    helper = start(body)
    becomes(helper, "ended")
    assert helper.why == why


def test_one_that_closes_its_output_and_stays_is_ended(start: Starter) -> None:
    helper = start("ready()\nos.close(1)\nuntil_the_end()")
    becomes(helper, "ended")
    assert helper.why.endswith("has closed its output")


def test_what_it_gave_before_it_ended_is_taken(start: Starter) -> None:
    helper = start(f"ready()\n{giving(packed(*tags(0, 400)))}\nos._exit(4)")
    assert becomes(helper, "ended") == tags(0, 400)
    assert helper.why == "ended with code 4"


def test_one_that_never_gets_ready_is_given_up_and_keeps_nobody_waiting(start: Starter) -> None:
    now = [0.0]
    helper = start("until_the_end()", patience=5.0, clock=lambda: now[0])
    begun = time.monotonic()
    for now[0] in (1.0, 4.9):
        helper.take()
        assert helper.state == "starting"
    now[0] = 5.0
    helper.take()
    assert helper.state == "ended"
    assert helper.why.endswith("does not get ready")
    helper.close()
    assert time.monotonic() - begun < 1.0


def test_one_that_prints_rubbish_is_ended_and_each_byte_counted(start: Starter) -> None:
    helper = start("ready()\nwhile True: os.write(1, b'rubbish!' * 4096)")
    assert becomes(helper, "ended") == []
    assert helper.why.endswith("prints what are no tags")
    assert helper.loss["tags_damaged"] > 1 << 18


def test_some_damage_among_many_tags_does_not_end_it(start: Starter) -> None:
    many = packed(*tags(0, 50))
    helper = start(f"ready()\nfor _ in range(200): {giving(b'x' * 2_000 + many)}\nuntil_the_end()")
    found = becomes(helper, "works")
    until(lambda: found.extend(helper.take().tags) or len(found) == 10_000)
    assert helper.loss["tags_damaged"] == 400_000
    assert helper.state == "works"


def test_whatever_it_says_is_bounded_and_escaped(start: Starter) -> None:
    """Megabytes without a line's end, deep JSON, numbers beyond any size, bytes that are no text."""
    body = r"""
say("[" * 3000)
say('{"tagged": -1, "dropped": 1e9, "read": true, "missed": 18446744073709551616}')
say('{"tagged": "7"}'); say('{}'); say('7'); say('null')
os.write(2, b"\xff\x1b]0;title\x07\n")
for _ in range(100): os.write(2, b"A" * 60000)
ready()
sys.exit(9)
"""
    helper = start(body)
    becomes(helper, "ended")
    assert helper.counters() == {}
    assert len(helper._line) <= 8_192
    assert len(helper.why) < MAX_WORDS + 60
    assert helper.why.isprintable()


def test_it_gets_its_words_and_nothing_else_of_ours(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """No shell, no environment, no descriptor but its three, and a session of its own."""
    monkeypatch.setenv("WINNOWER_SECRET", "x")
    spare = os.dup(0)
    os.set_inheritable(spare, True)
    body = """
import json
fds = [n for n in range(3, 256) if os.path.exists("/proc/self/fd/%d" % n)]
there = sorted(k for k in os.environ if k != "LC_CTYPE")
why = json.dumps([sys.argv[1:], fds, there])
say(json.dumps({"ready": False, "why": why, "hint": str(os.getsid(0) == os.getpid())}))
"""
    helper = start(body, "--path", "/srv/a b;$(id)")
    becomes(helper, "ended")
    os.close(spare)
    words, _, leads = helper.why.rpartition("; ")
    assert json.loads(words) == [["--path", "/srv/a b;$(id)"], [], ["LC_ALL", "PATH"]]
    assert leads == "True"


def test_somebody_new_to_leave_out_ends_it(start: Starter) -> None:
    helper = start("ready()\nuntil_the_end()")
    becomes(helper, "works")
    helper.exclude([])
    assert helper.state == "works"
    helper.exclude([5])
    assert helper.state == "ended"
    assert "left out" in helper.why


def test_closed_it_is_gone_even_if_it_does_not_want_to(start: Starter) -> None:
    stubborn = "import signal\nsignal.signal(15, signal.SIG_IGN)\nready()\nwhile True: time.sleep(1)"
    helper = start(stubborn)
    becomes(helper, "works")
    begun = time.monotonic()
    helper.close()
    helper.close()
    assert time.monotonic() - begun < 0.5
    until(lambda: not lives(helper.pid))


def test_an_agent_that_is_killed_leaves_no_helper(tmp_path: Path) -> None:
    """kill -9: nobody closes anything, and the helper's input ends all the same."""
    script = f"""
import sys, time
from agent.tags_helper import Helper
helper = Helper([{fake_helper(tmp_path, "ready()" + chr(10) + "until_the_end()")!r}])
while helper.state == "starting": helper.take(); time.sleep(0.01)
print(helper.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdout is not None
        pid = int(agent.stdout.readline())
        assert lives(pid)
        agent.send_signal(signal.SIGKILL)
    until(lambda: not lives(pid))


def test_where_it_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fake_helper(tmp_path, "", name="some-helper")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find("some-helper") == find(path) == path


def test_a_helper_that_is_not_there_or_could_be_another_s_is_refused(tmp_path: Path) -> None:
    path = Path(fake_helper(tmp_path, ""))
    for name in ("no-such-helper-here", str(tmp_path / "none"), str(tmp_path), "a\0b", "/a\0b", "/x\x1b[31m"):
        with pytest.raises(Refused, match="no helper") as caught:
            find(name)
        assert "\x1b" not in str(caught.value)
    path.chmod(0o757)
    with pytest.raises(Refused, match="may be written by others"):
        find(str(path))
    path.chmod(0o644)
    with pytest.raises(Refused, match="no helper"):
        find(str(path))


def test_what_cannot_be_run_is_refused_and_leaves_no_descriptor(tmp_path: Path) -> None:
    before = descriptors()
    (tmp_path / "text").write_text("no program")
    (tmp_path / "text").chmod(0o755)
    with pytest.raises(Refused, match="cannot be started"):
        Helper([str(tmp_path / "text")])
    assert descriptors() == before
