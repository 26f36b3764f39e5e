"""Words are paths that were recorded, what is held out stays unseen, bits and sizes are those that a pencil finds."""

from __future__ import annotations

import json
import math
from pathlib import Path

import learners
import msgspec
import pytest
from automata.fa.dfa import DFA
from hypothesis import given
from hypothesis import strategies as st
from learners_automaton import Automaton, single, trimmed
from learners_run import LEARNERS, label_of
from learners_words import Task, chains, negatives, split, task_of_dump, tasks_of_vectors

from grammar import State, Transition
from grammar.algebra import step
from grammar.nodelink import from_value

READ = "USED/read "
TREES = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=5).map(tuple), min_size=1, max_size=12)
WORD_LEARNERS = [name for name, learner in LEARNERS.items() if learner.applies(Task("t", [], [], [], {}))]


def task_of(train: list[tuple[str, ...]], forbidden: list[tuple[str, ...]] | None = None) -> Task:
    return Task("t", train, [], forbidden or [], {})


def learned(name: str, task: Task) -> Automaton:
    try:
        return LEARNERS[name].prepare(task)()
    except ImportError as error:
        pytest.skip(f"no {error.name}")


def node(ident: str, label: str, state: str) -> dict[str, object]:
    return {"id": ident, "label": label, "state": state, "object": ident}


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """Two shells that each read a file of one label; who wrote it differs, and the model's contexts tell."""
    nodes, edges = [], []
    for name, writer in (("1", "cp"), ("2", "nc")):
        nodes += [node("sh" + name, "sh", "S"), node("x" + name, "x", "X" + name), node(writer, writer, writer)]
        for effect, relation, operation, cause in (
            ("sh" + name, "USED", "read", "x" + name),
            ("x" + name, "WAS_GENERATED_BY", "write", writer),
        ):
            edges.append({"source": effect, "target": cause, "relation": relation, "operation": operation, "time": 1})
    states = {str(one["state"]): one["label"] for one in nodes}
    by_id = {str(one["id"]): one["state"] for one in nodes}
    model = {
        "nodes": [{"id": ident, "label": label, "context": [ident], "support": []} for ident, label in states.items()],
        "edges": [{**one, "source": by_id[str(one["source"])], "target": by_id[str(one["target"])]} for one in edges],
    }
    (tmp_path / "web.instance.json").write_text(json.dumps({"nodes": nodes, "edges": edges}))
    (tmp_path / "web.model.json").write_text(json.dumps(model))
    return tmp_path


def test_the_words_of_a_dump_are_its_paths_from_effect_to_cause(dump: Path) -> None:
    task = task_of_dump(dump, "web", length=12, most=100)
    assert task.train == [("sh", READ + "x", f"WAS_GENERATED_BY/write {writer}") for writer in ("cp", "nc")]
    assert (task.held_out, task.traces) == ([], 2)
    assert task.shown is not None
    assert len(task.shown.transitions) == 4
    assert [state.label for state in task.shown.begin or ()] == ["sh"]
    assert all(not set(task.train) & set(words) for words in (task.forbidden, *task.judged.values()))


def test_words_are_cut_at_the_length_and_thinned_evenly(dump: Path) -> None:
    assert task_of_dump(dump, "web", length=1, most=100).train == [("sh", READ + "x")]
    assert len(task_of_dump(dump, "web", length=12, most=1).train) == 1


def test_what_only_held_out_words_show_is_not_given_to_ours(tmp_path: Path) -> None:
    nodes = [node("sh", "sh", "sh"), *(node(f"f{n}", f"f{n}", f"f{n}") for n in range(5))]
    edges = [{"source": "sh", "target": f"f{n}", "relation": "USED", "operation": "read", "time": n} for n in range(5)]
    model = {"nodes": [{**one, "context": []} for one in nodes], "edges": edges}
    (tmp_path / "a.instance.json").write_text(json.dumps({"nodes": nodes, "edges": edges}))
    (tmp_path / "a.model.json").write_text(json.dumps(model))
    task = task_of_dump(tmp_path, "a", length=3, most=100)
    assert task.held_out == [("sh", READ + "f4")]
    assert not learned("ours", task).accepts(task.held_out[0])
    assert learned("whole", task).accepts(task.held_out[0])


@given(st.lists(st.integers(), unique=True))
def test_every_fifth_word_is_held_out(values: list[int]) -> None:
    words = [(str(value),) for value in values]
    train, held_out = split(words)
    assert held_out == words[4::5]
    assert sorted(train + held_out) == sorted(words)


@given(TREES)
def test_negative_words_do_not_occur_and_are_never_the_same_for_learning_and_judging(
    words: list[tuple[str, ...]],
) -> None:
    seen = {word[:end] for word in words for end in range(1, len(word) + 1)}
    train, held_out = split(sorted(set(words)))
    if not train:
        return
    told, judged = negatives(train, held_out, seen.__contains__)
    first = {word for kind in told.values() for word in kind}
    second = {word for kind in judged.values() for word in kind}
    assert not first & second
    assert not (first | second) & seen
    assert negatives(train, held_out, seen.__contains__) == (told, judged)


def test_bits_are_those_of_the_formula() -> None:
    """Three states, three transitions, two symbols; `ab` chooses among 1, 2 (b, stop), 2 (a, stop)."""
    automaton = single(0, {0: {"a": 1}, 1: {"b": 2}, 2: {"a": 1}}, {1, 2})
    assert automaton.model_bits(alphabet=2) == pytest.approx(3 * (2 * math.log2(3) + 1) + 3)
    assert automaton.data_bits([("a", "b"), ("a",)]) == pytest.approx((0 + 1 + 1) + (0 + 1))
    assert automaton.data_bits([("b",)]) == math.inf


def test_a_word_of_several_runs_takes_the_cheapest() -> None:
    moves = {0: {"a": [1, 2]}, 1: {"b": [3]}, 2: {"b": [3], "c": [3], "d": [3]}, 3: {}}
    automaton = trimmed(0, moves, {3})
    assert not automaton.deterministic
    assert automaton.transitions == 6
    assert automaton.data_bits([("a", "b")]) == pytest.approx(1 + 0 + 0)
    assert automaton.data_bits([("a", "c")]) == pytest.approx(1 + math.log2(3))
    assert not automaton.accepts(("a",))


def test_only_what_takes_part_in_a_word_is_counted() -> None:
    automaton = single("q", {"q": {"a": "r", "b": "sink"}, "sink": {"a": "sink"}, "alone": {"a": "r"}}, {"r"})
    assert automaton == Automaton([{"a": [1]}, {}], [False, True])


@pytest.mark.filterwarnings("ignore:Automaton")  # AALpy on what its users are to do next
@pytest.mark.parametrize("name", WORD_LEARNERS)
def test_every_learner_accepts_what_it_learned(name: str) -> None:
    train = [("a", "R/ b", "R/ a"), ("a", "R/ c"), ("b", "R/ c", "R/ a", "R/ b")]
    forbidden = [("a", "R/ a"), ("b", "R/ b")]
    automaton = learned(name, task_of(train, forbidden))
    assert all(automaton.accepts(word[:end]) for word in train for end in range(1, len(word) + 1))
    assert not automaton.accepts(())
    if name in ("rpni", "edsm", "edsm-first"):
        assert not any(map(automaton.accepts, forbidden))


@given(TREES)
def test_minimising_keeps_the_language_and_loses_states(words: list[tuple[str, ...]]) -> None:
    tree, small = learned("tree", task_of(words)), learned("minimal", task_of(words))
    assert len(small.moves) <= len(tree.moves)

    def dfa(one: Automaton) -> DFA:
        moves = {at: {symbol: to for symbol, (to,) in row.items()} for at, row in enumerate(one.moves)}
        final = {at for at, ends in enumerate(one.final) if ends}
        return DFA(
            states=set(moves),
            input_symbols=set("abc"),
            transitions=moves,
            initial_state=0,
            final_states=final,
            allow_partial=True,
        )

    assert dfa(tree) == dfa(small)


def test_the_label_of_a_step_is_found_again() -> None:
    for relation, operation in (("USED", "read"), ("a b/c", "d e"), ("", "")):
        assert label_of(step(Transition(State("x"), relation, operation, State("File /a b/c")))) == "File /a b/c"


def test_chains_are_the_paths_from_sources_to_sinks() -> None:
    diamond = {
        "nodes": [{"id": n, "label": label} for n, label in enumerate("abbc")],
        "edges": [{"source": a, "target": b} for a, b in ((0, 1), (0, 2), (1, 3), (2, 3))],
    }
    assert chains(from_value(diamond, "d")) == [("a", "/ b", "/ c")]


def test_the_published_learner_finds_the_star_of_its_own_vector(shared: Path) -> None:
    """a b a b … : two labels, two states and a start; what the vector rejects is no word of it."""
    path = shared / "vectors" / "induction.json"
    if not path.is_file():
        pytest.skip("no published vectors in `shared`")
    task = next(one for one in tasks_of_vectors(path) if one.name == "ab-star")
    automaton = learned("published", task)
    assert (len(automaton.moves), automaton.transitions) == (3, 3)
    assert all(map(automaton.accepts, task.held_out))
    assert not any(map(automaton.accepts, task.judged["rejected"]))


def test_the_bench_runs_without_vectors_and_a_learner_that_does_not_end_is_a_row(
    dump: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    arguments = ["--dump", str(dump), "--vectors", str(dump / "none"), "--learner", "ours", "--learner", "tree"]
    assert learners.main([*arguments, "--json"]) == 0
    told = capsys.readouterr()
    assert "skipped the published vectors" in told.err
    (task,) = json.loads(told.out)
    assert [(row["name"], row["reason"], row["states"]) for row in task["rows"]] == [("ours", "", 6), ("tree", "", 5)]
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "learners_run.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGXCPU)")
    monkeypatch.setattr(learners, "HERE", slow)
    assert learners.main(arguments) == 0
    assert capsys.readouterr().out.count("did not end") == 2


def test_a_dump_that_is_none_is_an_error_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert learners.main(["--dump", str(tmp_path), "--app", "web", "--vectors", str(tmp_path / "none")]) == 2
    assert "web.model.json" in capsys.readouterr().err


def test_a_task_survives_its_file(dump: Path) -> None:
    task = task_of_dump(dump, "web", length=12, most=100)
    assert msgspec.json.decode(msgspec.json.encode(task), type=Task) == task
