"""A query is asked of every application; limits cut and say so; pages hang together; what is only possible is said."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from random import Random

import pytest
from playbook import APACHE, CURL, SH, connects, reads, runs

from grammar import Evidence, Model, Replica, Span, State, Transition
from monitor.query_rows import LIMITS, Rows, Views, ask
from policies import Limits, QueryError, parse_query
from policies.limits import SpentError

TRANSITIONS = (runs(APACHE, SH), runs(SH, CURL), reads(CURL, "/tmp/sess_{token:26}"), connects(CURL, "10.0.0.1:80"))


def model_of(app: str, transitions: Sequence[Transition] = TRANSITIONS) -> Model:
    evidence = Evidence()
    for transition in transitions:
        evidence.add(transition, Replica("w1", "web1"), Span(1000, 2000))
    evidence.command(State(CURL), "curl -s")
    return Model.of(app, evidence)


MODELS = [model_of("db"), model_of("web")]


def rows(text: str, limits: Limits = LIMITS, models: Sequence[Model] = MODELS, **parameters: str) -> Rows:
    ticks = count()
    return ask(models, parse_query(text), Views(), lambda: next(ticks) / 1000, parameters=parameters, limits=limits)


def told(found: Rows) -> list[object]:
    value = found.value()["rows"]
    assert isinstance(value, list)
    return value


def test_every_application_is_asked_and_is_the_first_column() -> None:
    found = rows("MATCH (p {name: $n}) WHERE p.command IS NOT NULL RETURN p.exe AS exe, p.command AS command", n="curl")
    assert found.columns == ("app", "exe", "command")
    assert told(found) == [{"app": app, "exe": "/usr/bin/curl", "command": "curl -s"} for app in ("db", "web")]


def test_aggregates_are_of_each_application() -> None:
    assert told(rows("MATCH (p:Process) RETURN count(*) AS n")) == [{"app": "db", "n": 5}, {"app": "web", "n": 5}]


def test_a_column_of_the_query_that_is_called_app_is_its_own() -> None:
    found = rows("RETURN 7 AS app", models=MODELS[:1])
    assert (found.columns, told(found), found.cells(labels=True).rows) == (("app",), [{"app": 7}], [["7"]])


def test_match_is_a_column_if_some_row_is_only_possible() -> None:
    path = "/tmp/sess_abcdefghijklmnopqrstuvwxyz"
    found = rows("MATCH (f:File) WHERE f.path = $path RETURN f.path AS path", models=MODELS[:1], path=path)
    assert found.columns == ("app", "match", "path")
    assert told(found) == [{"app": "db", "match": "possible", "path": "/tmp/sess_{token:26}"}]
    certain = rows("MATCH (f:File) WHERE f.path STARTS WITH '/tmp/sess_' RETURN f.path AS path", models=MODELS[:1])
    assert certain.columns == ("app", "path")
    mixed = rows("MATCH (n) WHERE n.path = $path OR n.name = 'sh' RETURN labels(n) AS l", models=MODELS[:1], path=path)
    assert {(one["match"], *one["l"]) for one in told(mixed)} == {("possible", "File"), ("certain", "Process")}  # type: ignore[index]


def test_what_depends_on_a_possible_row_is_only_possible() -> None:
    path = "/tmp/sess_abcdefghijklmnopqrstuvwxyz"
    (row,) = told(rows("MATCH (f:File) WHERE f.path = $p RETURN count(f) AS n", models=MODELS[:1], p=path))
    assert row == {"app": "db", "match": "possible", "n": "?"}
    (row,) = told(rows("MATCH (f:File) RETURN count(f) AS n", models=MODELS[:1]))
    assert row == {"app": "db", "n": 1}
    text = "MATCH (n) WHERE n.path = $p OR n.name = 'sh' RETURN n.name AS x, id(n) AS i ORDER BY labels(n)[0]"
    (row,) = told(rows(f"{text} SKIP 1 LIMIT 1", models=MODELS[:1], p=path))
    assert row["match"] == "possible"  # type: ignore[index]


def test_a_limit_of_rows_gives_what_was_found_and_says_so() -> None:
    found = rows("MATCH (p:Process) RETURN p.name AS n", Limits(7, LIMITS.steps, 5))
    assert (found.total, len(told(found))) == (7, 7)
    assert "more than 7 rows" in found.cut
    assert {one["app"] for one in told(found)} == {"db", "web"}  # type: ignore[index]
    assert found.notes == [f"not all there is: {found.cut}"]


def test_a_limit_of_time_is_for_all_applications_together() -> None:
    found = rows("MATCH (a), (b), (c), (d), (e), (f) RETURN a.kind AS k", Limits(10**9, LIMITS.steps, 0.02))
    assert "more than 0.02 s" in found.cut
    assert 0 < found.total < 10**6


def test_whoever_asks_may_end_it() -> None:
    ticks = count()

    def tick() -> float:
        if next(ticks) > 3:
            raise SpentError("nobody waits")
        return 0.0

    text = "MATCH (a), (b), (c), (d), (e), (f) RETURN count(*) AS n"
    assert "nobody waits" in ask(MODELS, parse_query(text), Views(), tick).cut
    assert ask(MODELS, parse_query("RETURN 1 AS n"), Views(), lambda: next(iter(()), tick())).cut


def test_pages_hang_together_in_the_same_order_however_the_model_came_about() -> None:
    text = "MATCH (a)-[r]->(b) RETURN a, r, b"
    whole = rows(text).cells(labels=False).rows
    pages = [rows(text).page(skip, 3) for skip in range(0, len(whole), 3)]
    assert [row for page in pages for row in page.cells(labels=False).rows] == whole
    assert "rows 4-6 of 8" in pages[1].notes[0]
    assert pages[1].value()["total"] == 8
    for seed in range(5):
        mixed = Random(seed).sample(TRANSITIONS, len(TRANSITIONS))
        assert rows(text, models=[model_of("db", mixed), model_of("web", mixed)]).cells(labels=False).rows == whole


def test_what_goes_wrong_with_its_values_is_an_error() -> None:
    with pytest.raises(QueryError):
        rows("RETURN 1 / 0 AS x")


def test_without_applications_the_columns_are_told_all_the_same() -> None:
    assert rows("RETURN 1 AS x", models=[]).value() == {"columns": ["app", "x"], "rows": [], "total": 0, "cut": ""}


def test_what_is_small_in_memory_and_endless_on_paper_is_not_written() -> None:
    text = "WITH range(1, 100000) AS l UNWIND range(1, 100) AS i RETURN l"
    found = rows(text, models=MODELS[:1])
    assert found.total == 100
    value = found.value()
    assert len(told(found)) < 12
    assert "values to write" in str(value["cut"])
    cells = found.cells(labels=True)
    assert len(cells.rows) < 12
    assert "values to write" in cells.notes[-1]


def test_a_view_is_kept_as_long_as_the_model_is_the_same() -> None:
    views, other = Views(), model_of("web", TRANSITIONS[:1])
    first = views.of(MODELS[1])
    assert views.of(MODELS[1]) is first
    assert views.of(other).model is other
    assert views.of(MODELS[1]) is not first
    for number in range(40):
        views.of(model_of(f"app{number}", ()))
    assert len(views._kept) <= 16
