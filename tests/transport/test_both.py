"""The same playbooks over HTTP and through Kafka: what was shown is known, once, whatever fails in between."""

from __future__ import annotations

import pytest
from town import KafkaPost, Town, until


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
        until(lambda app=app: post.model(app) == town.whole(app), why=app)


def test_a_monitor_that_is_away_misses_nothing(town: Town) -> None:
    town.monitor()
    worker = town.worker("w1")
    worker.show("web", "/0")
    worker.go()
    until(lambda: town.posts["m1"].model("web") == town.whole("web"), why="first")
    town.end("m1")
    for number in range(1, 6):
        worker.show("web", f"/{number}")
        worker.tries()
    post = town.monitor()
    worker.go()
    until(lambda: post.model("web") == town.whole("web"), why="the rest")
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
    until(lambda: post.model("web") == town.whole("web"), why="all of it")


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
    until(lambda: post.model("web") == town.whole("web"), why="all of it")
    applied = [(agent, lane, session, number) for _, agent, lane, session, number in post.applied()]
    assert len(applied) == len(set(applied))


def test_words_of_one_worker_are_numbers_for_the_next(town: Town) -> None:
    post = town.monitor()
    one, two = town.worker("w1"), town.worker("w2")
    paths = [f"/a/rather/long/path/{number}" for number in range(60)]
    one.show("web", *paths)
    one.go()
    until(lambda: post.model("web") == town.whole("web"), why="first")
    if isinstance(post, KafkaPost):
        until(lambda: post.feed.mirror.keys(post.feed.cluster.layout.name("words")) != [], why="words published")
        two.link.listen(0, 100)
    two.show("web", *paths)
    before = dict(two.link.words({"web": __import__("grammar").Revision()})) if not isinstance(post, KafkaPost) else {}
    two.go()
    until(lambda: post.model("web") == town.whole("web"), why="second")
    assert before is not None


@pytest.mark.parametrize("name", ["w9"])
def test_who_is_not_enrolled_is_not_heard(town: Town, name: str) -> None:
    post = town.monitor()
    worker = town.worker("w1")
    stranger = type(worker)(name, town.folder / name, town.link)
    stranger.show("web", "/evil")
    stranger.tries()
    worker.show("web", "/good")
    worker.go()
    until(lambda: post.model("web") == town.whole("web"), why="only the good one")
    stranger.link.close()


class _Twice:
    def __init__(self, link: object, deliver: object) -> None:
        self._link, self.deliver = link, deliver

    def __getattr__(self, name: str) -> object:
        return getattr(self._link, name)
