"""Real monitors through Kafka: what one has learned, an empty one knows; what one owns, all can answer for."""

from __future__ import annotations

from collections.abc import Callable

from town import KafkaPost, KafkaTown, until


def test_an_empty_monitor_recovers_the_same_bytes(town_of: Callable[[], KafkaTown]) -> None:
    town = town_of()
    first = town.monitor("m1")
    workers = [town.worker(f"w{n}") for n in range(3)]
    apps = ("web", "db", "mail")
    for worker in workers:
        for app in apps:
            worker.show(app, "/shared", f"/{worker.name}")
        worker.beat()
        worker.go()
    whole = {app: town.whole(app) for app in apps}
    until(lambda: all(first.model(app) == whole[app] for app in apps), why="taken")
    town.end("m1")
    second = town.monitor("m2")
    assert isinstance(second, KafkaPost)
    until(lambda: all(second.model(app) == whole[app] for app in apps), why="recovered")
    assert second.applied() == [] or len(second.applied()) < 3, "from what was published, not from deltas"
    assert set(second.service.register.by_name) == {"w0", "w1", "w2"}
    for worker in workers:
        worker.show("web", f"/more/{worker.name}")
        worker.go()
    more = town.whole("web")
    until(lambda: second.model("web") == more, why="it goes on from there")


def test_two_monitors_share_the_work_and_both_know_all(town_of: Callable[[], KafkaTown]) -> None:
    town = town_of()
    posts = [town.monitor("m1"), town.monitor("m2")]
    until(lambda: all(isinstance(post, KafkaPost) and post.feed.owner.ready for post in posts), why="division")
    worker = town.worker("w1")
    apps = [f"app{n}" for n in range(6)]
    for app in apps:
        worker.show(app, "/a", "/b")
    worker.go()
    whole = {app: town.whole(app) for app in apps}
    for post in posts:
        until(lambda post=post: all(post.model(app) == whole[app] for app in apps), why="both know all")
    lanes = [{lane for _, _, lane, _, _ in post.applied() if lane} for post in posts]
    assert lanes[0] | lanes[1] == set(apps)
    assert not lanes[0] & lanes[1], "each application is merged at one monitor"
