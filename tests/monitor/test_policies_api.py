"""Policies are run over HTTP; workers are asked within the deadline; what makes no sense is refused."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from io import StringIO
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pytest
from playbook import CURL, Cluster, connects, policy, reads
from rich.console import Console
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient

from grammar import InputError
from grammar.control import Question, Reply
from monitor.agents_api import AgentsApi
from monitor.policies_api import MAX_BODY, PoliciesApi
from monitor.web import HttpError

T = TypeVar("T")
PATH = "MATCH (s:Socket)-[:WAS_GENERATED_BY]->(p:Process)-[:USED]->(f:File {path: '/etc/shadow'}) RETURN p.name AS name"
HEAD = "---\nid: own\ntitle: t\nseverity: low\ntechnique: T1000\nfalse_positives: x\n---\n"
FILE = f"{HEAD}MATCH (f:File) RETURN f.path AS p"


def guarded(handler: Callable[[Request], Awaitable[object]]) -> Callable[[Request], Awaitable[Response]]:
    async def run(request: Request) -> Response:
        try:
            return JSONResponse(await handler(request))
        except HttpError as error:
            return JSONResponse({"error": error.text}, error.status)
        except InputError as error:
            return JSONResponse({"error": str(error)}, 400)

    return run


class Workers:
    """As `monitor.agents_api` has it; every worker answers `says`, or nothing."""

    slow = 5.0

    def __init__(self, web: Cluster) -> None:
        self.says: str | None = "seen"
        self.questions: list[Question] = []
        self.service = SimpleNamespace(monitor=web.monitor, register=SimpleNamespace(by_name={"w1": 1}))

    async def errand(self, action: Callable[[], T]) -> T:
        return action()

    def fresh_id(self) -> bytes:
        return b"1234567890123456"

    async def ask(self, question: Question, workers: set[str], seconds: float) -> object:
        assert workers == {"w1"}
        assert 0 < seconds <= 5
        self.questions.append(question)
        return SimpleNamespace(replies=[Reply(question.id, "w1", verdict=self.says)] if self.says else [])


def drawn(shown: object, width: int) -> str:
    page = Console(file=StringIO(), width=width)
    page.print(shown)
    assert isinstance(page.file, StringIO)
    return page.file.getvalue()


@pytest.fixture
def workers(cluster: Callable[..., Cluster]) -> Workers:
    web = cluster(1, (policy(PATH),))
    web.epoch({1: (reads(CURL, "/etc/shadow"), connects(CURL, "10.0.0.1:80"))})
    return Workers(web)


@pytest.fixture
def client(workers: Workers) -> Iterator[TestClient]:
    api = PoliciesApi(cast(AgentsApi, workers), drawn)
    yield TestClient(Starlette(routes=api.routes(guarded)))


def post(client: TestClient, query: str = "", **body: object) -> Any:
    answer = client.post(f"/v1/policies/run{query}", content=json.dumps(body) if body else b"")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_what_is_in_force_is_told(client: TestClient) -> None:
    (one,) = client.get("/v1/policies/in-force").json()["policies"]
    assert (one["id"], one["technique"]) == ("test-policy", list(policy(PATH).techniques))


def test_all_in_force_are_run_without_asking_anybody(client: TestClient, workers: Workers) -> None:
    (one,) = post(client)["matches"]
    assert (one["policy"], one["certainty"], one["confirmed"]) == ("test-policy", "possible", "")
    assert workers.questions == []


@pytest.mark.parametrize(("says", "confirmed"), [("seen", ["worker"]), ("unseen", []), (None, ["unanswered"])])
def test_workers_are_asked_if_that_is_wanted(
    client: TestClient, workers: Workers, says: str | None, confirmed: list[str]
) -> None:
    workers.says = says
    found = post(client, "?confirm=1&deadline=2")
    assert [one["confirmed"] for one in found["matches"]] == confirmed
    assert [question.policy for question in workers.questions] == [PATH]


def test_a_worker_that_is_gone_is_not_asked(client: TestClient, workers: Workers) -> None:
    workers.service.register.by_name.clear()
    assert [one["confirmed"] for one in post(client, "?confirm=1")["matches"]] == ["unanswered"]
    assert workers.questions == []


def test_files_and_ids_are_run_instead(client: TestClient) -> None:
    assert {one["policy"] for one in post(client, files=[["x.cypher", FILE]])["matches"]} == {"own"}
    both = post(client, ids=["test-policy"], files=[["x.cypher", FILE]])
    assert {one["policy"] for one in both["matches"]} == {"own", "test-policy"}


def test_a_format_is_a_text_and_how_much_matched(client: TestClient) -> None:
    answer = post(client, "?format=table&width=60")
    assert answer["matched"] == 1
    assert max(map(len, answer["text"].splitlines())) <= 60
    assert json.loads(post(client, "?format=json")["text"])["matches"][0]["policy"] == "test-policy"


@pytest.mark.parametrize(
    ("query", "body", "status", "words"),
    [
        ("?app=none", b"", 404, "no such application"),
        ("?since=yesterday", b"", 400, "milliseconds"),
        ("?confirm=1&deadline=nan", b"", 400, "deadline"),
        ("?confirm=1&deadline=1e9", b"", 400, "deadline"),
        ("", b"[", 400, "not what a run"),
        ("", b'{"more": 1}', 400, "not what a run"),
        ("", b'{"ids": ["none"]}', 400, "no such policy in force: 'none'"),
        ("", b'{"files": [["x.cypher", "---"], ["y.cypher", ""]]}', 400, "y.cypher:1:1"),
        ("", b" " * (MAX_BODY + 1), 413, "too many"),
    ],
)
def test_what_makes_no_sense_is_refused(client: TestClient, query: str, body: bytes, status: int, words: str) -> None:
    answer = client.post(f"/v1/policies/run{query}", content=body)
    assert (answer.status_code, words in answer.json()["error"]) == (status, True)
