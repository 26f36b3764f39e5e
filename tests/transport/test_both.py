"""The same playbooks over HTTP and through Kafka: what was shown is known, once, whatever fails in between."""

from __future__ import annotations

import pytest
from town import KafkaPost, Post, Town, until


def knows(town: Town, post: Post, app: str, why: str) -> None:
    whole = town.whole(app)
    until(lambda: post.model(app) == whole, why=why)


def test_what_workers_show_becomes_the_model_of_all_of_it(town: Town) -> None:
    post = town.monitor()
    one, two = town.worker("w1"), town.worker("w2")
    for number in range(5):
        one.show("web", f"/{number}")
        two.show("web", f"/{number}", f"/two{number}")
        two.show("db", f"/{number}")
        one.beat()
        one.go()
        two.go()
    for app in ("web", "db"):
        knows(town, post, app, app)


def test_a_monitor_that_is_away_misses_nothing(town: Town) -> None:
    town.monitor()
    worker = town.worker("w1")
    worker.show("web", "/0")
    worker.go()
    knows(town, town.posts["m1"], "web", "first")
    town.end("m1")
    for number in range(1, 6):
        worker.show("web", f"/{number}")
        worker.tries()
    post = town.monitor()
    worker.go()
    knows(town, post, "web", "the rest")
    applied = [(agent, lane, session, number) for _, agent, lane, session, number in post.applied()]
    assert len(applied) == len(set(applied)), "nothing is applied twice"


def test_an_agent_that_restarts_goes_on_where_it_was(town: Town) -> None:
    post = town.monitor()
    worker = town.worker("w1")
    for number in range(4):
        worker.show("web", f"/{number}")
        worker.tries()
        worker.restart()
    worker.go()
    knows(town, post, "web", "all of it")


def test_what_was_delivered_twice_counts_once(town: Town) -> None:
    post = town.monitor()
    worker = town.worker("w1")
    deliver = worker.link.deliver

    def twice(sealed: bytes, lane: str, session: bytes, sequence: int) -> object:
        deliver(sealed, lane, session, sequence)
        return deliver(sealed, lane, session, sequence)

    object.__setattr__(worker.sender, "link", _Twice(worker.link, twice))
    for number in range(3):
        worker.show("web", f"/{number}")
    worker.go()
    knows(town, post, "web", "all of it")
    applied = [(agent, lane, session, number) for _, agent, lane, session, number in post.applied()]
    assert len(applied) == len(set(applied))


def test_words_of_one_worker_are_numbers_for_the_next(town: Town) -> None:
    post = town.monitor()
    one, two = town.worker("w1"), town.worker("w2")
    paths = [f"/a/rather/long/path/{number}" for number in range(60)]
    one.show("web", *paths)
    one.go()
    knows(town, post, "web", "first")
    if isinstance(post, KafkaPost):
        until(lambda: post.feed.mirror.keys(post.feed.cluster.layout.name("words")) != [], why="words published")
    two.show("web", *paths)
    two.go()
    knows(town, post, "web", "second")
    sizes = {worker.name: worker.link.counts["up"] for worker in (one, two)}
    assert sizes["w2"] < sizes["w1"] * 0.9, sizes


@pytest.mark.parametrize("name", ["w9"])
def test_who_is_not_enrolled_is_not_heard(town: Town, name: str) -> None:
    post = town.monitor()
    worker = town.worker("w1")
    stranger = type(worker)(name, town.folder / name, town.link)
    stranger.show("web", "/evil")
    stranger.tries()
    worker.show("web", "/good")
    worker.go()
    knows(town, post, "web", "only the good one")
    stranger.link.close()


class _Twice:
    def __init__(self, link: object, deliver: object) -> None:
        self._link, self.deliver = link, deliver

    def __getattr__(self, name: str) -> object:
        return getattr(self._link, name)
