"""From a line to its causes on the command line: a folder and a monitor say the same; 1 is no, 2 is bad usage."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO, TextIOWrapper
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stage import Answer, Played
from starlette.testclient import TestClient

from grammar import InputError
from monitor.config import Config, Listening, Placed, Policing
from monitor.server import Laws, Live, Sources
from winnower.remote import Remote
from winnower.trace_log_command import moment

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "monitor"))

from attacked import ACCESS, ATTACK, LOGIN, stored

Winnower = Callable[..., Answer]
LINE = ACCESS.decode().rstrip("\n")
PLAIN = "GET /app.php?a=link 302"
FORMATS = ("table", "json", "dot")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A monitor's state folder in which worker2 was attacked."""
    return stored(tmp_path_factory.mktemp("place") / "state")


class Site:
    """A running monitor on that state, without sockets, and what the command line asks it."""

    def __init__(self, folder: Path) -> None:
        config: Config = Placed(
            state=folder.name,
            listen=Listening(body=msgspec.convert(100_000, int)),
            policies=Policing(),
            folder=folder.parent,
        )
        self.live = Live(Sources(lambda: config, lambda _: Laws((), ())))
        self.client = TestClient(self.live.api)
        self.token = (folder / "users.token").read_text().strip()

    def post(self, body: bytes, token: str | None = None, **params: str) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        answer = self.client.post("/v1/trace-log", content=body, params=params, headers=headers)
        return answer.status_code, answer.text

    def ask(self, path: str, params: Mapping[str, str], body: str | None = None, seconds: float = 0) -> str:
        """In place of `Remote.ask`."""
        assert path == "/v1/trace-log"
        wanted = {name: value for name, value in params.items() if value != ""}
        status, text = self.post((body or "").encode("utf-8", "surrogateescape"), **wanted)
        if status != 200:
            raise InputError(f"the monitor says: {json.loads(text)['error']}")
        return text


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[Site]:
    site = Site(folder)
    with site.client:
        site.live.begin()
        yield site
        site.live.agents.stop()
    site.live.end()


@pytest.fixture
def remotely(site: Site, winnower: Winnower, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Winnower:
    """`winnower trace-log … --url` asks that monitor."""
    monkeypatch.setattr(Remote, "ask", site.ask)
    token = tmp_path / "token"
    token.write_text(site.token)
    token.chmod(0o600)
    return lambda *given: winnower("trace-log", *given, "--url", "http://monitor", "--token-file", token)


@pytest.fixture
def locally(winnower: Winnower, folder: Path) -> Winnower:
    return lambda *given: winnower("trace-log", *given, "--state", folder)


QUESTIONS = [
    (LINE,), (PLAIN,), (LINE, "--app", "portal"), (LINE, "--since", "2026-11-22T01:50:40Z"),
    (LINE, "--until", "1795312120"), (LINE, "--until", "1"),
    ("portal: user bob logged out",), ("\udcff\x1b[31m",), ("x" * 100_000,),
]  # fmt: skip


@pytest.mark.parametrize("how", FORMATS)
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: str(one)[:80])
def test_a_folder_and_a_running_monitor_give_the_same_answer(
    locally: Winnower, remotely: Winnower, question: tuple[str, ...], how: str
) -> None:
    one, other = locally(*question, "--format", how), remotely(*question, "--format", how)
    assert one == other
    assert one.code in (0, 1)
    assert one.out


def test_the_line_of_the_attack_leads_to_the_socket(locally: Winnower) -> None:
    answer = locally(LINE)
    assert (answer.code, answer.err) == (0, "")
    assert "connect → Socket 10.89.0.1:9998" in answer.out
    assert "lost on worker2 so far: unfinished 7" in answer.out
    value = json.loads(locally(LINE, "--format", "json").out)
    assert value["matched"]
    assert "Socket 10.89.0.1:9998" in {one["label"] for one in value["candidates"][0]["effects"]["nodes"]}
    assert locally(LINE, "--format", "dot").out.startswith("digraph")


def test_an_unknown_line_is_no_and_names_the_nearest(locally: Winnower) -> None:
    answer = locally("portal: user bob logged out")
    assert (answer.code, answer.err) == (1, "")
    assert LOGIN.label.removeprefix("LogMessage ") in answer.out
    value = json.loads(locally("portal: user bob logged out", "--format", "json").out)
    assert (value["matched"], value["candidates"]) == (False, [])
    assert value["nearest"][0]["score"] > 0


def test_a_line_that_nobody_has_shown_by_then_is_no(locally: Winnower) -> None:
    answer = locally(LINE, "--until", "2020-01-01")
    assert answer.code == 1
    assert "were first shown after --until" in answer.out


def test_a_line_can_come_from_standard_input(locally: Winnower, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(ACCESS + b"another line\n")))
    assert locally("-") == locally(LINE)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ([LINE, "--app", "nope"], "no such application"),
        ([LINE, "--app", "\x1b[31m"], "no such application"),
        ([LINE, "--since", "yesterday"], "not a time: 'yesterday'"),
        ([LINE, "--since", "\x1b[31m"], "not a time: '\\x1b[31m'"),
        ([LINE, "--until", "-1"], "not a time"),
        ([LINE, "--since", "2", "--until", "1"], "--since is after --until"),
        ([LINE, "--instances"], "instances are on the workers"),
        ([LINE, "--format", "xml"], "'xml' is not one of"),
        ([""], "an empty line"),
        ([" \n"], "an empty line"),
        ([], "Missing argument"),
    ],
)
def test_bad_usage_is_one_located_line(locally: Winnower, arguments: list[str], what: str) -> None:
    answer = locally(*arguments)
    assert (answer.code, answer.out) == (2, "")
    assert what in answer.err
    assert "Traceback" not in answer.err
    assert "\x1b" not in answer.err


def test_a_monitor_says_what_is_wrong(remotely: Winnower, winnower: Winnower, site: Site) -> None:
    assert remotely(LINE, "--app", "nope").code == 2
    assert winnower("trace-log", LINE).code == 2
    assert site.post(ACCESS, since="yesterday")[0] == 400
    assert site.post(ACCESS, format="xml")[0] == 400
    assert site.post(ACCESS, app="nope")[0] == 404
    assert site.post(b"x" * 70_000)[0] == 413
    assert site.post(ACCESS, token="wrong")[0] == 401
    assert site.client.get("/v1/trace-log", headers={"Authorization": f"Bearer {site.token}"}).status_code == 405


def test_over_http_the_answer_is_json_with_the_documented_fields(site: Site) -> None:
    status, text = site.post(ACCESS)
    assert status == 200
    value = json.loads(text)
    assert (value["matched"], len(value["candidates"])) == (True, 2)
    wrapped = json.loads(site.post(ACCESS, format="json")[1])
    assert json.loads(wrapped["text"]) == value
    assert wrapped["matched"]
    narrowed = json.loads(site.post(ACCESS, until=str(ATTACK - 60_000))[1])
    assert (len(narrowed["candidates"]), narrowed["later"]) == (1, 1)


def test_instances_of_a_line_are_asked_of_the_workers(remotely: Winnower, site: Site) -> None:
    """Nobody is enrolled here and nobody answers; the answer about the line stands all the same."""
    value = json.loads(site.post(ACCESS, instances="1", deadline="0.1")[1])
    assert value["matched"]
    assert value["instances"]["question"]["direction"] == "ancestors"
    answer = remotely(LINE, "--instances", "--deadline", "0.1")
    assert answer.code == 0
    assert "connect → Socket 10.89.0.1:9998" in answer.out
    assert remotely("nothing like it", "--instances", "--deadline", "0.1").code == 1


@given(raw=st.binary(max_size=120))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_line_is_an_answer_or_a_located_error(locally: Winnower, raw: bytes) -> None:
    """Whatever bytes are asked about: exit 0, 1 or 2, plain text, no traceback."""
    text = raw.replace(b"\0", b"").decode("utf-8", "surrogateescape")
    answer = locally("--", text)
    assert answer.code in (0, 1, 2)
    assert (answer.code == 2) == bool(answer.err)
    assert set(re.findall(r"[^ -~\n]", answer.out + answer.err)) <= set("…└→")
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-11-22T01:50:46Z", 1_795_312_246_000), ("2026-11-22T02:50:46+01:00", 1_795_312_246_000),
        ("2026-11-22 01:50:46.25", 1_795_312_246_250), ("2026-11-22", 1_795_305_600_000),
        ("1795312246", 1_795_312_246_000),
        ("1795312246.001", 1_795_312_246_001), ("1795312246001", 1_795_312_246_001), ("0", 0), ("-10m", 400_000),
        (" now ", 1_000_000), ("-1.5s", 998_500),
    ],
)  # fmt: skip
def test_a_moment_is_written_in_several_ways(text: str, found: int) -> None:
    assert moment(text, 1_000_000) == found


@given(st.text(max_size=80))
def test_a_moment_is_a_time_or_says_so(text: str) -> None:
    """Whatever is written, it is a time between 1970 and 9999, or an error that names it."""
    try:
        assert 0 <= moment(text, 1_000_000) < 1 << 48
    except InputError as error:
        assert "not a time" in str(error)


def test_on_the_recording_the_line_of_the_attack_reaches_the_attacker(
    winnower: Winnower, portal: Played, shared: Path
) -> None:
    log = shared / "recordings" / "portal" / "worker2" / "logs" / "lamp2" / "access.log"
    line = next(one for one in reversed(log.read_text().splitlines()) if "01:50:4" in one and "a=link" in one)
    answer = winnower("trace-log", line, "--state", portal.state, "--format", "json")
    if json.loads(answer.out)["candidates"] == []:
        pytest.skip("this replay holds no lines of logs")
    best = json.loads(answer.out)["candidates"][0]
    labels = {one["label"] for one in best["effects"]["nodes"]}
    assert "Socket 10.89.0.1:9998" in labels
    assert {"client", "source"} <= {one["beginning"] for one in best["roots"]}
