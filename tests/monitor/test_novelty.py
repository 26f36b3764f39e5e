"""What few replicas of a settled application do and the rest do not is news; what all do, or one page more, is not."""

from collections.abc import Callable

from playbook import APACHE, CURL, EPOCH, SH, USUAL, Cluster, connects, reads, runs, writes

from grammar import Replica
from monitor.behaviour import Weight
from monitor.novelty import Novelty, Settings

NEW = "Process newd /usr/sbin/newd"
ATTACK = (runs(APACHE, SH), runs(SH, CURL), connects(CURL, "10.89.0.1:4444"))


def test_eight_replicas_serve_for_a_minute_then_one_starts_a_shell(cluster: Callable[..., Cluster]) -> None:
    web = cluster(8)
    web.serve()
    assert web.monitor.settled("web")
    web.epoch({3: ATTACK})
    web.serve()
    (alert,) = web.alerts
    assert (alert.policy, alert.worker, alert.container, alert.replicas) == ("novelty", "w3", "web3", (1, 8))
    assert alert.time == 1_000_000 + 6 * EPOCH + 5
    assert alert.title == "behaviour that 1 of 8 replicas show"
    assert alert.summary[0].startswith(f"{SH} runs {CURL}")


def test_before_it_has_settled_nothing_is_news(cluster: Callable[..., Cluster]) -> None:
    web = cluster(8)
    web.serve(2)
    web.epoch({3: ATTACK})
    assert not web.monitor.settled("web")
    assert web.alerts == []


def test_all_replicas_roll_out_a_new_version_together(cluster: Callable[..., Cluster]) -> None:
    web = cluster(8)
    web.serve()
    web.epoch(dict.fromkeys(web.replicas, (runs(SH, NEW), writes(NEW, "/run/newd.pid"))))
    assert web.alerts == []
    assert not web.monitor.settled("web")
    web.serve(2)
    assert web.monitor.settled("web")
    web.epoch({5: ATTACK})
    assert [(alert.container, alert.replicas) for alert in web.alerts] == [("web5", (1, 8))]


def test_an_attack_does_not_hide_behind_trifles_of_all_replicas(cluster: Callable[..., Cluster]) -> None:
    web = cluster(8)
    web.serve()
    pages = {n: (reads(APACHE, f"/var/www/html/page{n}.html"),) for n in web.replicas}
    web.epoch(pages | {3: (*pages[3], *ATTACK)})
    assert [alert.container for alert in web.alerts] == ["web3"]


def test_what_several_but_not_few_do_at_once_is_no_news(cluster: Callable[..., Cluster]) -> None:
    web = cluster(8)
    web.serve()
    web.epoch(dict.fromkeys((1, 2, 3), (runs(SH, NEW),)))
    assert web.alerts == []


def test_two_of_eight_are_few(cluster: Callable[..., Cluster]) -> None:
    web = cluster(8)
    web.serve()
    web.epoch(dict.fromkeys((1, 2), (runs(SH, NEW),)))
    assert [(alert.container, alert.replicas) for alert in web.alerts] == [("web1", (2, 8)), ("web2", (2, 8))]


def test_an_attack_that_spreads_alarms_in_each_replica_while_they_are_few(cluster: Callable[..., Cluster]) -> None:
    web = cluster(8)
    web.serve()
    for replica in (3, 4, 5):
        web.epoch({replica: ATTACK})
    assert [(alert.container, alert.replicas) for alert in web.alerts] == [("web3", (1, 8)), ("web4", (2, 8))]


def test_k_counts_the_replicas_that_show_what_alarms_not_those_that_show_a_trifle(
    cluster: Callable[..., Cluster],
) -> None:
    web = cluster(8)
    web.serve()
    web.epoch({2: (reads(APACHE, "/var/www/html/two.html"),)})
    web.epoch({3: (reads(APACHE, "/var/www/html/two.html"), *ATTACK)})
    assert [alert.replicas for alert in web.alerts] == [(1, 8)]


def test_an_application_alone_only_running_and_connecting_alarm(cluster: Callable[..., Cluster]) -> None:
    web = cluster(1)
    web.serve()
    assert web.monitor.settled("web")
    web.epoch({1: (writes(APACHE, "/srv/new/file"), reads(SH, "/opt/x/y"))})
    assert web.alerts == []
    web.epoch({1: (connects(APACHE, "10.0.0.7:9999"),)})
    web.epoch({1: (runs(APACHE, SH),)})
    assert [(alert.replicas, alert.severity) for alert in web.alerts] == [((1, 1), "high")] * 2


def test_a_new_page_in_a_known_directory_is_no_news(cluster: Callable[..., Cluster]) -> None:
    web = cluster(8)
    web.serve()
    web.epoch({4: (reads(APACHE, "/var/www/html/new.html"), reads(APACHE, "/var/www/other/new.html"))})
    assert web.alerts == []


def test_a_file_in_a_directory_where_many_are_written_is_no_news(cluster: Callable[..., Cluster]) -> None:
    web = cluster(8)
    spool = [writes(APACHE, f"/var/spool/{n}") for n in "abcd"]
    web.epoch(dict.fromkeys(web.replicas, (*USUAL, *spool[:3])))
    web.serve()
    web.epoch({4: spool[3:]})
    assert web.alerts == []
    web.epoch({4: (writes(APACHE, "/usr/bin/x"),)})
    assert [alert.severity for alert in web.alerts] == ["medium"]


def test_a_replica_that_has_just_been_started_is_not_judged(cluster: Callable[..., Cluster]) -> None:
    web = cluster(8)
    web.serve()
    web.replicas.append(9)
    web.epoch({9: (*USUAL, runs(SH, NEW), writes(NEW, "/run/newd.pid"))})
    web.serve(3)
    assert web.alerts == []
    web.serve(1)
    web.epoch({9: ATTACK})
    assert [(alert.container, alert.replicas) for alert in web.alerts] == [("web9", (1, 9))]


def test_a_restart_of_the_monitor_forgets_neither_what_is_known_nor_that_it_has_settled(
    cluster: Callable[..., Cluster],
) -> None:
    web = cluster(8)
    web.serve()
    web.restart()
    assert web.monitor.settled("web")
    web.epoch({2: (reads(APACHE, "/var/www/html/new.html"), runs(SH, APACHE))})
    assert web.alerts == []
    web.epoch({3: ATTACK})
    assert [alert.container for alert in web.alerts] == ["web3"]


def test_settling_takes_activity_and_quiet() -> None:
    judge = Novelty(Settings(settle_active=30_000, settle_quiet=20_000))
    replica = Replica("w1", "web1")
    judge.see(runs(SH, APACHE), replica)
    judge.end(EPOCH, True)
    for _ in range(5):
        judge.end(EPOCH, False)
    assert not judge.settled
    judge.end(EPOCH, True)
    assert not judge.settled
    judge.end(EPOCH, True)
    assert judge.settled


def test_few_is_a_setting(cluster: Callable[..., Cluster]) -> None:
    web = cluster(8, settings=Settings(few=0.5))
    web.serve()
    web.epoch(dict.fromkeys((1, 2, 3), (runs(SH, NEW),)))
    assert [alert.replicas for alert in web.alerts] == [(3, 8)] * 3


def test_the_weightiest_behaviour_gives_a_finding_its_weight() -> None:
    judge = Novelty(Settings(settle_active=0, settle_quiet=0))
    one, two = Replica("w1", "web1"), Replica("w2", "web2")
    for replica in (one, two):
        judge.activity(replica, EPOCH)
    judge.end(EPOCH, True)
    for transition in (writes(APACHE, "/tmp/x"), connects(APACHE, "10.0.0.1:80")):
        judge.see(transition, one)
    (finding,) = judge.end(EPOCH, True)
    assert (finding.weight, finding.k, finding.n) == (Weight.CONNECTS, 1, 2)
    assert [one.what for one in finding.behaviours] == [Weight.CONNECTS, Weight.WRITES]
