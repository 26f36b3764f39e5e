"""One peer, timed: reads a graph and queries as JSON, writes for each query its CPU milliseconds and number of rows.

    .venv-peers/bin/python bench/queries_peer.py grand-cypher|nxcypher|kglite|ocg

Rules of this file
    - Loading is not counted; each query runs once to warm up and then some times, the least counts.
    - A query that the peer cannot answer has no line.

Source: the packages' own documentation; graphs are loaded as `tck_peer` does.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sized
from typing import Any

from tck_peer import Networkx, creating


def grand_cypher(job: Mapping[str, Any]) -> Callable[[str], int]:
    from grandcypher import GrandCypher  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    graph = Networkx(job).graph
    return lambda query: columns(GrandCypher(graph).run(query))


def nxcypher(job: Mapping[str, Any]) -> Callable[[str], int]:
    from nxcypher import NXCypher  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    graph = Networkx(job).graph
    return lambda query: columns(NXCypher(graph).run(query, params={}))


def kglite(job: Mapping[str, Any]) -> Callable[[str], int]:
    import kglite as peer  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    graph = peer.KnowledgeGraph()
    for statement, parameters in creating(job):
        graph.cypher(statement, params=parameters)
    return lambda query: len(graph.cypher(query, params={}).to_list())


def ocg(job: Mapping[str, Any]) -> Callable[[str], int]:
    from ocg import Graph  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    graph = Graph()
    for statement, parameters in creating(job, quote=""):
        graph.execute(statement, parameters)
    return lambda query: len(graph.execute(query, {}))


def columns(found: Mapping[Any, Sized]) -> int:
    return len(next(iter(found.values()), ()))


PEERS = {"grand-cypher": grand_cypher, "nxcypher": nxcypher, "kglite": kglite, "ocg": ocg}


def main(name: str) -> None:
    job = json.load(sys.stdin)
    ask = PEERS[name](job)
    for query in job["queries"]:
        try:
            rows, best = ask(query), float("inf")
            for _ in range(job["runs"]):
                before = time.process_time()
                ask(query)
                best = min(best, time.process_time() - before)
        except Exception:
            continue
        print(json.dumps([query, best * 1000, rows]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
