"""A deed is told once, and no alert is ever lost without a word: told, kept, repeated, or counted in a summary."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar import InputError
from monitor.alerts import Alert
from monitor.lifecycle import HOUR, MAX_TOLD, Lifecycle, Verdict
from monitor.lifecycle_values import MAX_DEEDS, Snooze, Standing, Terms, Window, decoded, encoded, key_of


def alert(
    *deeds: str, time: int = 0, policy: str = "p", container: str = "c", certainty: str = "certain", app: str = "web"
) -> Alert:
    fields = {"policy": policy, "title": "t", "severity": "high", "app": app, "worker": "w", "container": container}
    fields |= {"time": time, "replicas": (1, 2), "nodes": [f"n{deed}" for deed in deeds], "trace": []}
    return msgspec.convert(fields | {"deeds": deeds, "certainty": certainty}, Alert)


class Book:
    """What a monitor does around a life cycle: number and keep, write rows, read all of it back."""

    def __init__(self) -> None:
        self.life, self.alerts, self.rows = Lifecycle(), [], dict[str, bytes]()  # type: ignore[var-annotated]

    def judge(self, one: Alert, terms: Terms = Terms()) -> Verdict:  # noqa: B008 - a value
        decision = self.life.judge(one, terms)
        self.keep(decision.alerts)
        return decision.verdict

    def keep(self, alerts: tuple[Alert, ...]) -> None:
        for one in alerts:
            self.alerts.append(one.numbered(len(self.alerts) + 1))
            self.life.kept(self.alerts[-1])
        for key, value in self.life.take_changes():
            self.rows.pop(key, None)
            self.rows |= {} if value is None else {key: value}

    def restart(self) -> None:
        self.keep(())
        self.life = Lifecycle.load(self.rows.items(), self.alerts)


def test_the_same_deed_of_the_same_container_is_told_once() -> None:
    book = Book()
    assert book.judge(alert("a")) is Verdict.TOLD
    assert book.judge(alert("a", time=9)) is Verdict.REPEATED
    assert book.judge(alert("a", "b")) is Verdict.TOLD
    assert book.judge(alert("a", container="other")) is Verdict.TOLD
    assert book.judge(alert("a", policy="other")) is Verdict.TOLD
    book.restart()
    assert book.judge(alert("b")) is Verdict.REPEATED


def test_what_was_possible_is_told_again_when_it_is_sure() -> None:
    book = Book()
    assert book.judge(alert("a", certainty="possible")) is Verdict.TOLD
    assert book.judge(alert("a", certainty="possible")) is Verdict.REPEATED
    assert book.judge(alert("a")) is Verdict.TOLD
    assert book.judge(alert("a", certainty="possible")) is Verdict.REPEATED
    confirmed = msgspec.structs.replace(alert("b", certainty="possible"), confirmed="worker")
    assert [book.judge(one) for one in (confirmed, alert("b"))] == [Verdict.TOLD, Verdict.REPEATED]


def test_time_arms_again_from_when_it_was_told_or_acknowledged() -> None:
    book, terms = Book(), Terms(rearm=1_000)
    book.judge(alert("a", time=500), terms)
    assert book.judge(alert("a", time=1_499), terms) is Verdict.REPEATED
    assert book.judge(alert("a", time=1_500), terms) is Verdict.TOLD
    book.life.acknowledge([2], "me", 7, "known", time=2_000)
    book.restart()
    assert book.judge(alert("a", time=2_999), terms) is Verdict.ACKNOWLEDGED
    assert book.judge(alert("a", time=3_000), terms) is Verdict.TOLD


def test_acknowledged_stays_silent_until_somebody_arms_it() -> None:
    book = Book()
    book.judge(alert("a", certainty="possible"))
    (said,) = book.life.acknowledge([1], "me", 7, "known")
    assert (said.by, said.at, said.comment) == ("me", 7, "known")
    book.restart()
    assert book.life.status(book.alerts[0]) == "acknowledged"
    assert book.judge(alert("a", time=1 << 40)) is Verdict.ACKNOWLEDGED
    book.life.rearm([1], "you", 8)
    book.restart()
    assert book.judge(alert("a")) is Verdict.TOLD
    assert book.judge(alert("a")) is Verdict.REPEATED


@pytest.mark.parametrize("number", [0, -1, 2, 1 << 70])
def test_of_an_alert_that_is_none_nothing_can_be_said(number: int) -> None:
    book = Book()
    book.judge(alert("a"))
    with pytest.raises(InputError, match="no alert has this number"):
        book.life.acknowledge([1, number], "me", 0)
    assert book.life.take_changes() == []


def test_too_many_are_one_summary_when_the_window_ends() -> None:
    book, terms = Book(), Terms(2, 1_000)
    verdicts = [book.judge(alert(str(n), time=n), terms) for n in range(5)]
    assert verdicts == [Verdict.TOLD] * 2 + [Verdict.LIMITED] * 3
    assert book.judge(alert("4", time=9), terms) is Verdict.REPEATED
    book.restart()
    assert book.judge(alert("4", time=9), terms) is Verdict.REPEATED
    assert book.life.due(999) == []
    (summary,) = book.life.due(1_000)
    assert (summary.row, summary.deeds, summary.time) == ({"untold": "3"}, ("2", "3", "4"), 4)
    assert "3 more alerts" in summary.title
    book.keep((summary,))
    book.restart()
    assert book.judge(alert("2", time=2_000), terms) is Verdict.REPEATED
    assert book.life.due(1 << 50) == []


def test_the_next_alert_brings_the_summary_of_the_window_before() -> None:
    book, terms = Book(), Terms(1, 1_000)
    for n in range(3):
        book.judge(alert(str(n), time=n), terms)
    decision = book.life.judge(alert("x", time=1_000), terms)
    assert [one.row.get("untold") for one in decision.alerts] == ["2", None]


def test_a_clock_that_steps_back_a_year_closes_the_window() -> None:
    book, terms = Book(), Terms(1, 1_000)
    book.judge(alert("a", time=1 << 40), terms)
    assert book.judge(alert("b", time=(1 << 40) - 500), terms) is Verdict.LIMITED
    assert book.judge(alert("c", time=5), terms) is Verdict.TOLD
    assert [one.row for one in book.alerts] == [{}, {"untold": "1"}, {}]


def test_a_clock_that_is_far_ahead_ends_nobody_elses_windows() -> None:
    book, terms = Book(), Terms(1, 1_000)
    for n in range(2):
        book.judge(alert(str(n)), terms)
    assert book.life.due(1 << 50, {"w": 999, "hostile": 1 << 50}) == []
    assert book.life.due(1 << 50, {"hostile": 1 << 50}) == []
    assert [one.row for one in book.life.due(1 << 50, {"w": 1_000})] == [{"untold": "1"}]


def test_without_a_rate_there_is_a_bound_all_the_same() -> None:
    book = Book()
    verdicts = Counter(book.judge(alert(str(n), time=n)) for n in range(MAX_TOLD + 300))
    assert verdicts == {Verdict.TOLD: MAX_TOLD, Verdict.LIMITED: 300}
    (summary,) = book.life.due(2 * HOUR)
    assert (summary.row["untold"], len(summary.deeds)) == ("300", MAX_DEEDS)


def test_summaries_are_not_counted_among_what_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.lifecycle.MAX_TOLD", 4)
    book, terms = Book(), Terms(1, 10)
    verdicts = [book.judge(alert(str(n), time=5 * n), terms) for n in range(8)]
    assert verdicts == [Verdict.TOLD, Verdict.LIMITED] * 4
    assert sum("untold" in one.row for one in book.alerts) == 3
    assert book.judge(alert("9", time=99), terms) is Verdict.LIMITED


def test_a_summary_is_as_sure_and_as_bad_as_the_surest_and_the_worst_in_it() -> None:
    book, terms = Book(), Terms(1, 10)
    book.judge(alert("a"), terms)
    book.judge(alert("b", certainty="possible"), terms)
    book.judge(msgspec.structs.replace(alert("c"), severity="critical"), terms)
    book.judge(alert("d", certainty="possible"), terms)
    (summary,) = book.life.due(10)
    assert (summary.certainty, summary.severity, summary.row) == ("certain", "critical", {"untold": "3"})


def test_what_another_program_has_said_is_read_and_windows_go_on() -> None:
    book, terms = Book(), Terms(1, 10)
    for deed in "ab":
        book.judge(alert(deed), terms)
    other = Lifecycle.load(book.rows.items(), book.alerts)
    other.acknowledge([1], "me", 7)
    fresh = Lifecycle.load([], book.alerts)
    assert fresh.due(0) == []
    fresh.refresh([*book.rows.items(), *((key, value) for key, value in other.take_changes() if value)])
    assert fresh.status(book.alerts[0]) == "acknowledged"
    assert [one.row for one in fresh.due(10)] == [{"untold": "1"}]


def test_what_was_snoozed_and_then_acknowledged_stays_silent() -> None:
    book = Book()
    book.life.snooze(Snooze("p", "", until=100))
    book.judge(alert("a", time=5))
    book.life.acknowledge([1], "me", 7)
    assert book.judge(alert("a", time=200)) is Verdict.ACKNOWLEDGED


def test_a_snoozed_policy_is_kept_not_told_and_told_when_it_ends() -> None:
    book = Book()
    book.life.snooze(Snooze("p", "", until=100, by="me"))
    assert book.judge(alert("a", time=5)) is Verdict.SNOOZED
    book.restart()
    assert [book.life.status(one) for one in book.alerts] == ["snoozed"]
    assert book.judge(alert("a", time=99)) is Verdict.REPEATED
    assert book.judge(alert("b", time=100)) is Verdict.TOLD
    assert book.judge(alert("a", time=101)) is Verdict.TOLD
    assert book.judge(alert("a", time=102)) is Verdict.REPEATED


def test_a_snooze_is_of_one_policy_and_one_application_and_can_be_ended() -> None:
    book = Book()
    book.life.snooze(Snooze("p", "web", until=100))
    assert [book.life.snoozed(p, a, 5) for p, a in (("p", "web"), ("q", "web"), ("p", "db"))] == [True, False, False]
    book.life.snooze(Snooze("*", "db", until=100))
    assert book.life.snoozed("anything", "db", 99)
    book.life.snooze(Snooze("p", "web", until=0))
    book.restart()
    assert not book.life.snoozed("p", "web", 5)
    assert book.life.snoozed("anything", "db", 99)


rows = st.one_of(
    st.builds(Standing, st.integers(1, 9), st.sampled_from(["open", "acknowledged", "rearmed"]), st.text(), st.just(3)),
    st.builds(Snooze, st.text(), st.text(), st.integers(0, 1 << 60)),
    st.builds(Window, st.text(), st.text(), st.text(), st.integers(), st.integers(), nodes=st.just(("n\udcff",))),
)


@given(rows)
def test_a_row_comes_back_as_it_went_in(value: Standing | Snooze | Window) -> None:
    assert decoded(key_of(value), encoded(value)) == value
    assert key_of(value).isascii()


@pytest.mark.parametrize(("key", "data"), [("standing:1", b"["), ("standing:1", b"{}"), ("x:1", b"{}"), ("", b"")])
def test_a_damaged_row_is_a_located_error(key: str, data: bytes) -> None:
    with pytest.raises(InputError, match="damaged life cycle"):
        decoded(key, data)


events = st.lists(
    st.one_of(
        st.tuples(st.just("alert"), st.integers(0, 5), st.integers(0, 400), st.booleans()),
        st.tuples(st.just("ack"), st.integers(1, 9), st.just(0), st.just(False)),
        st.tuples(st.just("rearm"), st.integers(1, 9), st.just(0), st.just(False)),
        st.tuples(st.just("snooze"), st.integers(0, 300), st.just(0), st.just(False)),
        st.tuples(st.just("due"), st.integers(0, 500), st.just(0), st.just(False)),
        st.tuples(st.just("restart"), st.just(0), st.just(0), st.just(False)),
    ),
    max_size=40,
)


@given(events, st.integers(0, 3), st.sampled_from([0, 100]))
def test_whatever_happens_no_alert_is_lost_without_a_word(
    played: list[tuple[str, int, int, bool]], most: int, rearm: int
) -> None:
    """Told and snoozed alerts are kept; limited ones are counted in the summaries that have come or will come."""
    book, terms, verdicts = Book(), Terms(most, 50, rearm), Counter[Verdict]()
    for what, number, time, sure in played:
        if what == "alert":
            certainty = "certain" if sure else "possible"
            verdicts[book.judge(alert(str(number), time=time, certainty=certainty), terms)] += 1
        elif what in ("ack", "rearm") and number <= len(book.alerts):
            (book.life.acknowledge if what == "ack" else book.life.rearm)([number], "me", 0, time=time)
        elif what == "snooze":
            book.life.snooze(Snooze("p", "*", number))
        elif what == "due":
            book.keep(tuple(book.life.due(number)))
        else:
            book.restart()
    book.keep(tuple(book.life.due(1 << 60)))
    summaries = [one for one in book.alerts if "untold" in one.row]
    assert sum(int(one.row["untold"] or 0) for one in summaries) == verdicts[Verdict.LIMITED]
    assert len(book.alerts) - len(summaries) == verdicts[Verdict.TOLD] + verdicts[Verdict.SNOOZED]
    assert sum(one.quiet == "snoozed" for one in book.alerts) == verdicts[Verdict.SNOOZED]
