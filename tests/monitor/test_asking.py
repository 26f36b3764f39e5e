"""A reply counts if its question is open and was put to that worker; the first one counts; who is silent is named."""

from __future__ import annotations

import pytest
from playbook import SH, USUAL, shows

from grammar import Delta, InputError, Model, Span, State
from grammar.control import Question, Reply
from monitor.asking import MAX_OPEN, TRIES, Desk, question_for

ASKED = Question(b"q", "web", (("Process sh", ()),))


def test_who_was_asked_answers_once() -> None:
    desk, done = Desk(), list[str]()
    inquiry = desk.ask(ASKED, ["w1", "w2"], lambda: done.append("done"))
    assert (desk.due("w1"), desk.due("w3")) == ((ASKED,), ())
    first = Reply(b"q", "w1")
    assert desk.reply("w1", first)
    assert not desk.reply("w1", Reply(b"q", "w1", cut=True))
    assert not desk.reply("w3", Reply(b"q", "w3"))
    assert not desk.reply("w2", Reply(b"other", "w2"))
    assert (desk.due("w1"), done, inquiry.outcome.silent) == ((), [], ("w2",))
    assert desk.reply("w2", Reply(b"q", "w2"))
    assert (done, inquiry.outcome.answered, inquiry.outcome.replies[0]) == (["done"], ("w1", "w2"), first)
    desk.close(b"q")
    assert not desk.reply("w2", Reply(b"q", "w2"))


def test_a_worker_is_asked_again_but_not_for_ever() -> None:
    desk = Desk()
    desk.ask(ASKED, ["w1"], lambda: None)
    assert [desk.due("w1") for _ in range(TRIES + 1)] == [(ASKED,)] * TRIES + [()]


def test_too_many_questions_are_refused() -> None:
    desk = Desk()
    for number in range(MAX_OPEN):
        desk.ask(Question(b"%d" % number, "web", ()), ["w1"], lambda: None)
    with pytest.raises(InputError, match="open already"):
        desk.ask(ASKED, ["w1"], lambda: None)


def test_a_state_stands_for_all_base_states_that_are_mapped_to_it() -> None:
    names = [f"File /tmp/{n}.log" for n in (1, 2)]
    shown = Delta(shows("web1", *USUAL).sightings, {}, ("File /tmp/{int}.log",)).evidence("w1", Span(0, 0))
    for name in (*names, "File /tmp/\udcff.log"):
        shown.update(
            Delta((shows("web1").sightings[0].__class__("web1", (), (State(name, ("\udcff",)),)),)).evidence(
                "w1", Span(0, 0)
            )
        )
    model = Model.of("web", shown)
    merged = model.state_of(State(names[0], ("\udcff",)))
    assert merged.label == "File /tmp/{int}.log"
    question = question_for(b"q", model, merged, "descendants", depth=3, since=5)
    assert question.states == tuple((name, ("\\udcff",)) for name in names)
    assert (question.direction, question.depth, question.since) == ("descendants", 3, 5)
    assert question_for(b"q", model, State(SH), "ancestors").states == ((SH, ()),)
