"""Over HTTP: queries with parameters, limits and pages; bad ones end at a limit, and no envelope waits for them."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playbook import APACHE, CURL, SH, USUAL, reads, runs, shows
from starlette.types import Message
from test_api import Site

from grammar import Transition


class Asker:
    """A monitor that knows one application, and somebody who asks it."""

    def __init__(self, site: Site) -> None:
        self.site, self.agent = site, site.agent("w1")
        self.headers = {"Authorization": f"Bearer {site.token}"}

    def learn(self, *transitions: Transition) -> str:
        return self.site.send(self.agent, self.agent.sealed({"web": shows("web1", *transitions)}))

    def query(self, body: object, status: int = 200, **params: str) -> Any:
        content = body if isinstance(body, str | bytes) else json.dumps(body)
        answer = self.site.client.post("/v1/query", content=content, params=params, headers=self.headers)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.headers["content-type"].startswith("application/json") else answer.text


@pytest.fixture
def asker(tmp_path: Path) -> Iterator[Asker]:
    with Site(tmp_path) as site:
        asker = Asker(site)
        asker.learn(*USUAL, runs(APACHE, SH), runs(SH, CURL), reads(CURL, "/tmp/x"))
        yield asker


def test_text_and_json_ask_the_same(asker: Asker) -> None:
    text = "MATCH (p:Process {name: $name}) RETURN DISTINCT p.exe AS exe"
    found = asker.query(text, parameters='{"name": "curl"}')
    assert found == {"columns": ["app", "exe"], "rows": [{"app": "web", "exe": "/usr/bin/curl"}], "total": 1, "cut": ""}
    assert asker.query({"query": text, "parameters": {"name": "curl"}, "app": "web"}) == found
    assert asker.query({"query": text, "app": "none"}, 404)["error"] == "no such application"


def test_pages_and_limits(asker: Asker) -> None:
    text = "MATCH (a)-[r]->(b) RETURN a, r, b"
    whole = asker.query(text)
    pages = [asker.query({"query": text, "limit": 2, "skip": at}) for at in range(0, whole["total"], 2)]
    assert [row for page in pages for row in page["rows"]] == whole["rows"]
    assert {page["total"] for page in pages} == {whole["total"]}
    cut = asker.query(text, rows="3")
    assert (len(cut["rows"]), "more than 3 rows" in cut["cut"]) == (3, True)
    assert len(asker.query("UNWIND range(1, 5000) AS x RETURN x")["rows"]) == 1_000


def test_formats_are_what_the_command_line_prints(asker: Asker) -> None:
    text = "MATCH (p:Process)-[r]->(f:File) RETURN p, r, f"
    assert asker.query(text, format="dot").startswith("digraph")
    assert "graphml" in asker.query(text, format="graphml")
    assert asker.query(text, format="csv").startswith("app,p,r,f\n")
    told = asker.query(text, format="node-link", notes="1", limit="1")
    assert len(json.loads(told["text"])["edges"]) == 1
    assert "rows 1-1 of" in told["notes"][0]
    assert "no such format" in asker.query(text, 400, format="html")["error"]
    assert "Process curl" in asker.query(text, format="table", width="200")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("MATCH (f:File RETURN f", "query:1:15"),
        ("RETURN " + "(" * 100_000, "nested more than"),
        ("MATCH (n) WHERE " + " OR ".join(["n.a = 1"] * 100_000) + " RETURN n", "query:1:"),
        ("MATCH (n) WHERE n.name =~ '" + "(a*)*" * 10_000 + "' RETURN n", "not a regular expression"),
        ("RETURN $x AS x", "x"),
        ("RETURN 1/0 AS x", "1:"),
        (b"\xff", "UTF-8"),
        ('{"query": 1}', "not a query in JSON"),
        ('{"query": "RETURN 1 AS x", "nonsense": 1}', "nonsense"),
        ('{"query": "RETURN 1 AS x", "limit": -1}', "not negative"),
        ("{" * 100_000, "not a query in JSON"),
        ('{"query": "RETURN $a AS x", "parameters": {"a": ' + "[" * 5_000 + "]" * 5_000 + "}}", "a"),
    ],
)
def test_a_bad_query_is_an_error(asker: Asker, body: str | bytes, says: str) -> None:
    assert says in asker.query(body, 400)["error"]


def test_a_query_may_be_a_million_characters_and_no_more(asker: Asker) -> None:
    text = f"RETURN size('{'a' * 1_000_000}') AS n"
    assert asker.query(text)["rows"] == [{"app": "web", "n": 1_000_000}]
    assert asker.query({"query": text})["total"] == 1
    asker.query("x" * 1_400_000, 413)
    assert "more than" in asker.query("RETURN '" + "a" * 1_100_000 + "' AS x", 400)["error"]


def test_a_label_that_nobody_has_is_no_match_or_an_error(asker: Asker) -> None:
    answer = asker.site.client.post("/v1/query", content="MATCH (n:Nonsense) RETURN n", headers=asker.headers)
    assert answer.status_code in (200, 400)
    assert answer.status_code == 400 or answer.json()["rows"] == []


BAD = (
    "MATCH (a), (b), (c), (d), (e) RETURN count(*) AS n",
    "MATCH p = (a)-[*]->(b) WHERE a.name =~ '(a*)*(b|.)*x{0,500}y' RETURN collect(p) AS ps",
    "UNWIND range(1, 900000) AS x WITH x ORDER BY x % 977, x RETURN collect(x) AS xs",
    "WITH range(1, 100000) AS l UNWIND range(1, 1000) AS i UNWIND l AS x WITH x, i WHERE x < 0 RETURN x",
)


def test_an_envelope_is_acknowledged_while_bad_queries_run(asker: Asker) -> None:
    programs = [f"Process p{n} /bin/p{n}" for n in range(40)]
    asker.learn(*(runs(one, other) for one in programs for other in programs))
    found: dict[str, Any] = {}

    def ask(text: str) -> None:
        found[text] = asker.query({"query": text, "seconds": 2})

    threads = [threading.Thread(target=ask, args=(text,)) for text in BAD]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    waited = []
    while sum(thread.is_alive() for thread in threads) >= 2 and time.monotonic() < begun + 10:
        before = time.monotonic()
        assert asker.learn(runs(APACHE, f"Process n{len(waited)} /bin/n")) == "new"
        waited.append(time.monotonic() - before)
    for thread in threads:
        thread.join(60)
    assert len(waited) >= 1
    assert max(waited) < 4
    assert len(found) == len(BAD)
    assert sum("more than 2 s" in one["cut"] for one in found.values()) >= 2


def test_a_query_ends_when_its_client_goes_away(asker: Asker) -> None:
    """As the server sees it: the body, then the end of the connection."""
    body = b'{"query": "MATCH (a), (b), (c), (d), (e), (f), (g), (h), (i) RETURN count(*) AS n", "seconds": 30}'
    headers = [(b"authorization", asker.headers["Authorization"].encode()), (b"content-length", b"%d" % len(body))]
    scope = {"type": "http", "method": "POST", "path": "/v1/query", "query_string": b"", "headers": headers}
    sent: list[Message] = []

    async def run() -> float:
        messages = iter([{"type": "http.request", "body": body}])

        async def receive() -> Message:
            await asyncio.sleep(0.3 if len(sent) else 0)
            return next(messages, {"type": "http.disconnect"})

        async def send(message: Message) -> None:
            sent.append(message)

        begun = time.monotonic()
        await asker.site.live.api(scope | {"asgi": {"version": "3.0"}, "http_version": "1.1"}, receive, send)
        return time.monotonic() - begun

    assert asker.site.client.portal is not None
    assert asker.site.client.portal.call(run) < 10
    assert b"nobody waits" in sent[-1]["body"]


def test_more_queries_than_may_wait_are_told_to_come_again(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.query_api.WAITING", -4)
    assert "too many queries" in asker.query("RETURN 1 AS x", 503)["error"]


def test_nodes_and_traces_come_in_pages(asker: Asker) -> None:
    whole = asker.site.get("/v1/nodes", app="web")
    assert isinstance(whole, dict)
    assert whole["total"] == len(whole["nodes"])
    part = asker.site.get("/v1/nodes", app="web", limit="2", skip="1")
    assert isinstance(part, dict)
    assert (part["nodes"], part["total"]) == (whole["nodes"][1:3], whole["total"])
    httpd = next(one["id"] for one in whole["nodes"] if one["label"] == APACHE)
    trace = asker.site.get(f"/v1/ancestors/{httpd}", limit="1")
    assert isinstance(trace, dict)
    assert (len(trace["nodes"]), trace["total"] > 1) == (1, True)
    assert {edge[end] for edge in trace["edges"] for end in ("effect", "cause")} <= {httpd, trace["nodes"][0]["id"]}
    told = json.loads(json.dumps(asker.site.get("/v1/nodes", app="web", limit="1", format="csv", notes="1")))
    assert "1 of" in told["notes"][0]
    assert "1 of" in str(asker.site.get("/v1/nodes", app="web", limit="1", format="table"))


def test_what_is_offered_is_described_to_who_has_the_token(asker: Asker) -> None:
    told = asker.site.get("/v1/openapi.json")
    assert isinstance(told, dict)
    assert "/v1/query" in told["paths"]
    assert asker.site.client.get("/v1/openapi.json").status_code == 401
