"""An application is its evidence: what order it came in, and whether it came from memory or disk, leaves no trace."""

from contextlib import closing
from itertools import permutations
from pathlib import Path

import pytest
from playbook import APACHE, SH, USUAL, reads, runs, shows, writes

from grammar import Delta, InputError, Sighting, Span, State, encode_model
from monitor.application import SHARE, Application
from monitor.limits import Limits
from monitor.store import Store

DELTAS = (
    ("w1", Span(10, 10), shows("web1", *USUAL)),
    ("w2", Span(20, 20), shows("web2", *USUAL[:2], writes(APACHE, "/tmp/x"))),
    ("w1", Span(30, 30), Delta(shows("web1", USUAL[0]).sightings, {State(SH): "sh -c b"}, ("File /tmp/{int}",))),
    ("w2", Span(40, 40), Delta(shows("web2", reads(SH, "/tmp/42")).sightings, {State(SH): "sh -c a"})),
)


def build(folder: Path, order: tuple[int, ...]) -> Application:
    store, app = Store(folder, create=True), Application("web")
    for position in order:
        worker, span, delta = DELTAS[position]
        with store.transaction():
            app.take(delta, worker, span, store)
    assert encode_model(Application.load(store, "web").model) == encode_model(app.model)
    store.close()
    return app


def test_the_model_does_not_depend_on_the_order_of_deltas_or_on_the_disk(tmp_path: Path) -> None:
    models = {encode_model(build(tmp_path / str(n), order).model) for n, order in enumerate(permutations(range(4)))}
    assert len(models) == 1


def test_news_is_what_a_replica_had_not_shown_before(tmp_path: Path) -> None:
    store, app = Store(tmp_path, create=True), Application("web")
    with store.transaction():
        first = app.take(shows("web1", *USUAL), "w1", Span(0, 0), store)
        again = app.take(shows("web1", *USUAL), "w1", Span(0, 0), store)
        other = app.take(shows("web2", USUAL[0]), "w2", Span(0, 0), store)
    assert (set(first.seen), set(again.seen), set(other.seen)) == (set(USUAL), set(), {USUAL[0]})


def test_a_repeated_delta_of_a_later_epoch_widens_the_time_in_memory_as_on_disk(tmp_path: Path) -> None:
    store, app = Store(tmp_path, create=True), Application("web")
    for start in (10, 90):
        with store.transaction():
            app.take(shows("web1", *USUAL), "w1", Span(start, start), store)
        assert encode_model(app.model) == encode_model(Application.load(store, "web").model)
    (span,) = app.model.support[USUAL[0]].values()
    assert span == Span(10, 90)


def test_a_sighting_of_nothing_is_a_damaged_state(tmp_path: Path) -> None:
    store, app = Store(tmp_path, create=True), Application("web")
    with store.transaction():
        app.take(shows("web1", runs(SH, APACHE)), "w1", Span(0, 0), store)
        store._db.execute("UPDATE sighting SET item = 9999")
    with pytest.raises(InputError, match="damaged state"):
        Application.load(store, "web")


def test_what_nobody_has_shown_for_long_is_left_out_of_the_model_also_after_a_restart(tmp_path: Path) -> None:
    store = Store(tmp_path, create=True)
    with store.transaction():
        store.set_setting("forget_after", "50")
    app = Application("web", 50)
    for start, items in ((0, USUAL), (100, USUAL[:1])):
        with store.transaction():
            app.take(shows("web1", *items), "w1", Span(start, start), store)
    for one in (app, Application.load(store, "web")):
        assert set(one.model.transitions) == {USUAL[0]}
        assert set(one.evidence.transitions) == set(USUAL)


def test_the_folded_model_is_as_old_as_the_evidence(tmp_path: Path) -> None:
    store, app = Store(tmp_path, create=True), Application("web")
    for start, items in ((0, USUAL[:1]), (10, USUAL)):
        with store.transaction():
            app.take(shows("web1", *items), "w1", Span(start, start), store)
        assert {one.label for one in app.folded.states} == {one.label for one in app.model.states}


def test_one_worker_cannot_use_up_an_application_s_words(tmp_path: Path) -> None:
    limits = Limits(app_items=100)

    def told(worker: str, number: int) -> int:
        states = tuple(State(f"File /{worker}/{number}/{n}", ()) for n in range(10))
        whole = Delta((Sighting(f"invented{number}", (), states),))
        delta, cut = app.room(limits, worker, 1_000_000).admitted(whole, worker)
        with store.transaction():
            app.take(delta, worker, Span(0, 0), store)
        return cut

    with closing(Store(tmp_path, create=True)) as store:
        app = Application("web")
        assert sum(told("bad", number) for number in range(20)) == 200 - 100 // SHARE
        assert told("quiet", 0) == 0
