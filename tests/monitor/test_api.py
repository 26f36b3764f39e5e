"""Over HTTP: who is not who he says gets nothing; answers are about their questions; people need the token."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from playbook import APACHE, CURL, SH, USUAL, policy, runs, shows
from signed import SignedAgent
from starlette.testclient import TestClient

from grammar import Lexicon, Revision, apply_extension
from grammar.control import Enrolled, Orders, Reply, read
from grammar.envelope import Run
from grammar.finding import Instance
from grammar.signing import ForgeryError, Signer, Token, digest, unseal
from monitor.config import Config, Listening, Placed, Policing
from monitor.register import Register
from monitor.server import Laws, Live, Sources
from monitor.store import Store

SHELL = policy(
    "MATCH (s:Process {name: 'sh'})-[:WAS_TRIGGERED_BY]->(a:Process {name: 'apache2'}) RETURN s.name AS name"
)


class Site:
    """A live monitor without sockets, and what agents and people do with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        config = Placed(
            state="state", listen=Listening(body=msgspec.convert(100_000, int)), policies=Policing(), folder=folder
        )
        self.live = Live(Sources(lambda: config, lambda _: Laws((SHELL,), (("shell.cypher", "text"),))))
        self.client = TestClient(self.live.api, raise_server_exceptions=True)
        self.token = (folder / "state" / "users.token").read_text().strip()

    def __enter__(self) -> Site:
        self.client.__enter__()
        self.live.begin()
        return self

    def __exit__(self, *error: object) -> None:
        self.live.agents.stop()
        self.client.__exit__(None, None, None)
        self.live.end()

    def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        answer = self.client.post(path, content=body)
        return answer.status_code, answer.content

    def issue(self, name: str) -> Token:
        register = Register(Store(self.folder / "state", create=True, live=True))
        with register.store.transaction():
            token = register.issue(name, time.time_ns() // 10**6, __import__("secrets").token_bytes)
        register.store.close()
        return token

    def agent(self, name: str) -> SignedAgent:
        agent = SignedAgent(name)
        token = self.issue(name)
        status, body = self.post("/v1/enrol", agent.request(token))
        assert status == 200, body
        told = read(body, Enrolled)
        assert token.proves("monitor", told.public + agent.signer.public, told.proof)
        agent.monitor = told.public
        return agent

    def send(self, agent: SignedAgent, sealed: bytes) -> str:
        status, body = self.post("/v1/epochs", sealed)
        assert status == 200, body
        return agent.opened(sealed, body).status

    def get(self, target: str, **params: str) -> object:
        answer = self.client.get(target, params=params, headers={"Authorization": f"Bearer {self.token}"})
        assert answer.status_code == 200, answer.text
        return answer.json() if answer.headers["content-type"].startswith("application/json") else answer.text


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path) as site:
        yield site


def test_an_enrolled_agent_is_heard_and_the_answer_is_about_its_question(site: Site) -> None:
    agent = site.agent("w1")
    sealed = agent.sealed({"web": shows("web1", *USUAL)})
    status, body = site.post("/v1/epochs", sealed)
    told = agent.opened(sealed, body)
    assert (status, told.status, told.sequence, told.control) == (200, "new", 0, 1)
    assert site.send(agent, sealed) == "repeat"
    with pytest.raises(ForgeryError):
        unseal("answer", body, lambda key: agent.monitor, digest(agent.sealed({})))


def test_heads_of_answers_are_small(site: Site) -> None:
    agent = site.agent("w1")
    answer = site.client.post("/v1/epochs", content=agent.sealed({}))
    assert {key.lower() for key in answer.headers} == {"content-length"}


def test_who_is_not_who_he_says_changes_nothing_and_is_counted(site: Site) -> None:
    agent, other = site.agent("w1"), site.agent("w2")
    good = agent.sealed({"web": shows("web1", *USUAL)})
    foreign = other.seal(SignedAgent("w1").envelope({}))
    assert site.post("/v1/epochs", SignedAgent("nobody").sealed({}))[0] == 403
    assert site.post("/v1/epochs", good[:-1] + b"\0")[0] == 403
    assert site.post("/v1/epochs", foreign)[0] == 403
    assert site.post("/v1/epochs", b"rubbish")[0] == 400
    assert site.post("/v1/epochs", b"")[0] in (400, 411)
    assert site.post("/v1/epochs", bytes(100_001))[0] == 413
    assert site.client.get("/v1/epochs").status_code == 405
    assert site.post("/v1/words", good)[0] == 403
    site.live.service.call(lambda: None).result()
    time.sleep(0.6)
    told = site.get("/v1/agents")
    assert isinstance(told, dict)
    incidents = {one["name"]: set(one["incidents"]) for one in told["agents"]}
    assert incidents == {"w1": {"forged"}, "w2": {"foreign"}}
    assert set(told["strangers"]) == {"unknown"}
    assert site.get("/v1/apps") == []
    alerts = site.get("/v1/alerts")
    assert isinstance(alerts, dict)
    assert {(one["policy"], one["severity"]) for one in alerts["alerts"]} == {("agent-identity", "high")}
    assert site.send(agent, good) == "new"


def test_a_revoked_agent_is_refused_and_can_be_enrolled_again(site: Site) -> None:
    agent = site.agent("w1")
    assert site.send(agent, agent.sealed({})) == "new"
    other = Register(Store(site.folder / "state", create=True, live=True))
    with other.store.transaction():
        other.revoke("w1")
    other.store.close()
    for _ in range(100):
        if site.post("/v1/epochs", agent.sealed({}))[0] == 403:
            break
        time.sleep(0.02)
    else:
        pytest.fail("still heard")
    assert site.post("/v1/enrol", agent.request(site.issue("w1")))[0] == 403  # that key was enrolled before
    again, token = SignedAgent("w1", "a new key"), site.issue("w1")
    _, body = site.post("/v1/enrol", again.request(token))
    again.monitor = read(body, Enrolled).public
    assert site.send(again, again.sealed({})) == "new"


def test_words_come_signed(site: Site) -> None:
    agent = site.agent("w1")
    site.send(agent, agent.sealed({"web": shows("web1", *USUAL)}))
    sealed = agent.signer.seal("words", msgspec.msgpack.encode({"web": Revision()}))
    _, body = site.post("/v1/words", sealed)
    answer = unseal("answer", body, lambda key: agent.monitor, digest(sealed)).body
    lexicon = Lexicon()
    apply_extension(lexicon, msgspec.msgpack.decode(answer, type=dict[str, bytes])["web"])
    assert len(lexicon.transitions) == len(USUAL)
    assert site.post("/v1/words", agent.signer.seal("words", b"rubbish"))[0] == 400


def orders(site: Site, agent: SignedAgent, sealed: bytes) -> Orders:
    status, body = site.post("/v1/listen", sealed)
    assert status == 200, body
    return read(unseal("orders", body, lambda key: agent.monitor, digest(sealed)).body, Orders)


def test_control_comes_at_once_to_who_lacks_it_and_wakes_who_waits(site: Site) -> None:
    agent = site.agent("w1")
    control = orders(site, agent, agent.listen(0, 10_000)).control
    assert control is not None
    assert (control.revision, control.epoch_millis, control.policies) == (1, 10_000, (("shell.cypher", "text"),))
    begun = time.monotonic()
    assert orders(site, agent, agent.listen(1, 200)) == Orders()
    assert 0.15 < time.monotonic() - begun < 5
    found: list[Orders] = []
    waiter = threading.Thread(target=lambda: found.append(orders(site, agent, agent.listen(1, 20_000))))
    waiter.start()
    time.sleep(0.2)
    headers = {"Authorization": f"Bearer {site.token}"}
    assert site.client.post("/v1/control", params={"epoch": "5s"}, headers=headers).json()["epoch"] == 5
    waiter.join(5)
    assert [one.control.epoch_millis for one in found if one.control] == [5_000]


def test_a_new_question_for_orders_ends_the_one_before(site: Site) -> None:
    agent = site.agent("w1")
    found: list[Orders] = []
    waiter = threading.Thread(target=lambda: found.append(orders(site, agent, agent.listen(1, 20_000))))
    waiter.start()
    time.sleep(0.2)
    orders(site, agent, agent.listen(1, 10))
    waiter.join(5)
    assert found == [Orders()]


def test_instances_are_asked_of_who_holds_the_node_and_who_is_silent_is_named(site: Site) -> None:
    first, second, third = (site.agent(f"w{n}") for n in (1, 2, 3))
    moved = Run("web1", "0" * 64, "web", "httpd", 1_000, 0)
    site.send(first, first.sealed({"web": shows("web1", *USUAL, runs(APACHE, SH))}))
    site.send(second, second.sealed({"web": shows("web2", *USUAL)}))
    site.send(third, third.seal(third.envelope({}, runs=(moved,))))
    nodes = site.get("/v1/nodes", app="web", name="sh")
    assert isinstance(nodes, dict)
    ident = next(one["id"] for one in nodes["nodes"] if one["context"])

    def worker() -> None:
        (question,) = orders(site, first, first.listen(1, 10_000)).questions
        assert question.states == ((SH, (f"from {APACHE}",)),)
        seen = Instance(1, "web1", SH, "4711", "sh -c id", 4711, 5, True)
        reply = first.reply(Reply(question.id, "w1", (seen,)))
        assert site.post("/v1/replies", second.reply(Reply(question.id, "w2")))[0] == 200  # nobody asked it
        assert site.post("/v1/replies", reply)[0] == 200
        assert site.post("/v1/replies", reply)[0] == 200

    thread = threading.Thread(target=worker)
    thread.start()
    told = site.get(f"/v1/ancestors/{ident}", instances="1", deadline="1.5")
    thread.join()
    assert isinstance(told, dict)
    assert {name: one["answered"] for name, one in told["instances"]["workers"].items()} == {"w1": True, "w3": False}
    assert [one["pid"] for one in told["instances"]["instances"]] == [4711]
    assert [(one["worker"], one["container"]) for one in told["instances"]["runs"]] == [("w3", "web1")]
    assert {one["label"] for one in told["nodes"]} >= {APACHE}
    assert site.live.agents.desk.open == {}
    text = site.get(f"/v1/ancestors/{ident}", instances="1", deadline="0.1", format="table")
    assert isinstance(text, str)
    assert "no answer from: w1, w3" in text
    assert "web1 ran on w3" in text


def test_people_need_the_token(site: Site) -> None:
    paths = [
        "/v1/apps",
        "/v1/nodes?app=web",
        "/v1/ancestors/0",
        "/v1/alerts",
        "/v1/agents",
        "/v1/schedule",
        "/v1/control",
    ]
    for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": site.token}, {"Authorization": "Bearer ä"}):
        encoded = {key: value.encode() for key, value in header.items()}
        assert {site.client.get(path, headers=encoded).status_code for path in paths} == {401}
    assert site.client.post("/v1/query", content=b"MATCH (a) RETURN a.kind AS k").status_code == 401
    for path in ("/healthz", "/readyz"):
        assert site.client.get(path).text == "ok\n"


def test_questions_over_http_are_answered_as_from_a_folder(site: Site) -> None:
    agent = site.agent("w1")
    site.send(agent, agent.sealed({"web": shows("web1", *USUAL, runs(APACHE, SH), runs(SH, CURL))}))
    (app,) = site.get("/v1/apps")  # type: ignore[misc]
    assert (app["app"], app["replicas"], app["transitions"]) == ("web", 1, 6)
    listed = json.loads(str(site.get("/v1/nodes", app="web", path="/etc/*", format="json")))
    assert [one["label"] for one in listed] == ["File /etc/apache2/apache2.conf"]
    curl = site.get("/v1/nodes", app="web", name="curl")["nodes"][0]["id"]  # type: ignore[index]
    assert "dash" in str(site.get(f"/v1/ancestors/{curl}", format="table", depth="1"))
    assert str(site.get(f"/v1/ancestors/{curl}", format="dot")).startswith("digraph")
    headers = {"Authorization": f"Bearer {site.token}"}
    query = "MATCH (p:Process {name: 'curl'}) RETURN p.name AS name"
    assert site.client.post("/v1/query", content=query, headers=headers).json()["rows"] == [
        {"app": "web", "name": "curl"}
    ]
    alerts = site.get("/v1/alerts", after="0")
    assert isinstance(alerts, dict)
    assert [(one["number"], one["policy"]) for one in alerts["alerts"]] == [(1, "test-policy")]
    assert alerts["last"] == 1
    assert "test-policy" in str(site.get("/v1/alerts", format="table"))
    for path, status in (
        ("/v1/nodes", 400), ("/v1/nodes?app=x", 404), ("/v1/ancestors/zz", 400), ("/v1/schedule?at=x", 400),
        ("/v1/alerts?after=-1", 400), ("/v1/nothing", 404),
    ):  # fmt: skip
        assert site.client.get(path, headers=headers).status_code == status
    assert site.client.post("/v1/query", content=b"\xff", headers=headers).status_code == 400
    assert site.client.post("/v1/query", content=b"x" * 2_000_000, headers=headers).status_code == 413


def test_who_follows_alerts_hears_a_new_one_at_once(site: Site) -> None:
    agent = site.agent("w1")
    found: list[object] = []
    waiter = threading.Thread(target=lambda: found.append(site.get("/v1/alerts", after="0", wait="20")))
    waiter.start()
    time.sleep(0.2)
    begun = time.monotonic()
    site.send(agent, agent.sealed({"web": shows("web1", runs(APACHE, SH))}))
    waiter.join(5)
    assert time.monotonic() - begun < 2
    assert [one["policy"] for one in found[0]["alerts"]] == ["test-policy"]  # type: ignore[index]


def test_figures_are_shown(site: Site) -> None:
    agent = site.agent("w1")
    site.send(agent, agent.sealed({"web": shows("web1", runs(APACHE, SH))}))
    site.post("/v1/epochs", b"rubbish")
    text = site.client.get("/metrics").text
    for line in (
        'winnower_monitor_envelopes_total{status="new"} 1.0',
        'winnower_monitor_messages_rejected_total{cause="noise"} 1.0',
        'winnower_monitor_agents{state="enrolled"} 1.0',
        'winnower_monitor_alerts_total{policy="test-policy"} 1.0',
    ):
        assert line in text


def test_a_disk_that_refuses_is_told_and_nothing_is_acknowledged(site: Site) -> None:
    agent = site.agent("w1")
    service = site.live.service
    trigger = "CREATE TRIGGER f BEFORE INSERT ON chain BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    service.call(lambda: service.store._db.execute(trigger)).result()
    sealed = agent.sealed({})
    answer = site.client.post("/v1/epochs", content=sealed)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert site.client.get("/readyz").status_code == 503
    service.call(lambda: service.store._db.execute("DROP TRIGGER f")).result()
    for _ in range(100):
        if site.client.get("/readyz").status_code == 200:
            break
        time.sleep(0.05)
    assert site.send(agent, sealed) == "new"


def test_a_token_that_others_can_read_stops_the_monitor(tmp_path: Path) -> None:
    with Site(tmp_path):
        pass
    (tmp_path / "state" / "users.token").chmod(0o644)
    with pytest.raises(Exception, match="must be private"):
        Site(tmp_path)


def test_settings_are_what_the_shipped_file_says() -> None:
    assert Config().listen.body == 8_000_000


def test_the_monitors_key_is_not_the_agents(site: Site) -> None:
    assert isinstance(site.live.agents.signer, Signer)
    assert site.agent("w1").monitor == site.live.agents.signer.public
