"""State merging: scores are exact, answers right on cycles too, the search deterministic, bounded and near-linear."""

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from random import Random
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar.components import strong_components
from grammar.cost import TRACING, Settings, answer_bits, model_bits
from grammar.merging import Base, Classes, Merge, Step, ancestor_labels, fold

NEVER = math.inf
"""A share of the budget that no cost reaches."""


@st.composite
def bases(draw: st.DrawFn, most: int = 9) -> Base:
    """Any small graph: cycles, self-loops, parallel links of two kinds, states that stand alone."""
    labels = draw(st.lists(st.integers(0, 3), min_size=1, max_size=most))
    dense = {label: number for number, label in enumerate(sorted(set(labels)))}
    state = st.integers(0, len(labels) - 1)
    links = draw(st.lists(st.tuples(state, st.integers(0, 1), state), max_size=2 * most))
    weights = draw(st.lists(st.sampled_from([1.0, 2.0, 64.0]), min_size=len(labels), max_size=len(labels)))
    return Base([dense[label] for label in labels], links, weights)


def closure(labels: Sequence[int], links: set[tuple[int, int]]) -> list[set[int]]:
    """The labels of all that each state reaches, by saturation."""
    reached = [{cause for effect, cause in links if effect == state} for state in range(len(labels))]
    for _ in labels:
        for causes in reached:
            causes |= {further for cause in set(causes) for further in reached[cause]}
    return [{labels[cause] for cause in causes} for causes in reached]


def answers_of(base: Base, classes: Sequence[int]) -> list[set[int]]:
    """The answer for each base state in the graph of classes."""
    links = {(classes[effect], classes[cause]) for effect, _, cause in base.transitions}
    return [closure(base.labels, links)[one] for one in classes]


def total(base: Base, classes: Sequence[int], tracing: float) -> float:
    """D(M) + D(g|M), from scratch."""
    told, true = answers_of(base, classes), answers_of(base, range(len(base.labels)))
    transitions = {(classes[effect], kind, classes[cause]) for effect, kind, cause in base.transitions}
    kinds = {kind for _, kind, _ in base.transitions}
    size = model_bits(len(set(classes)), len(transitions), len(set(base.labels)), len(kinds))
    sizes = zip(base.weights, map(len, told), map(len, true), strict=True)
    return size + answer_bits(tracing, sizes)


def bits_of(labels: set[int]) -> int:
    return sum(1 << label for label in labels)


@given(bases(), st.sampled_from([0.0, 0.3, 1.0, 16.0]), st.randoms(use_true_random=False))
def test_scores_are_exact_and_answers_stay_right(base: Base, tracing: float, random: Random) -> None:
    """Whatever is merged in whatever order, total bits fall by the score, and answers equal recomputed ones."""
    classes = Classes.of(base, tracing)
    while True:
        roots = sorted({classes.root(state) for state in range(len(base.labels))})
        pairs = [pair for pair in combinations(roots, 2) if classes.compatible(*pair)]
        before = total(base, classes.members(), tracing)
        assert classes.bits == pytest.approx(before, abs=1e-6)
        for root in roots:
            assert classes.answers[root] == bits_of(answers_of(base, classes.members())[root])
        if not pairs:
            break
        merge = classes.score(*random.choice(pairs), share=NEVER)
        assert merge is not None
        classes.merge(merge)
        assert merge.bits == pytest.approx(before - total(base, classes.members(), tracing), abs=1e-6)
        members = classes.members()
        links = {(members[effect], kind, members[cause]) for effect, kind, cause in base.transitions}
        assert (classes.states, classes.transitions) == (len(set(members)), len(links))


@given(bases(), st.sampled_from([0.3, 4.0]))
def test_a_trial_changes_nothing_and_is_given_up_where_it_costs_too_much(base: Base, tracing: float) -> None:
    """`score` is None where answers cost as much as the model saves; else it says the same as without a budget."""
    classes = Classes.of(base, tracing)
    for pair in combinations(range(len(base.labels)), 2):
        if classes.compatible(*pair):
            whole, found = classes.score(*pair, share=NEVER), classes.score(*pair)
            assert whole is not None
            if abs(whole.bits) > 1e-9:
                assert found == (whole if whole.bits > 0 else None)
    assert classes.members() == tuple(range(len(base.labels)))
    assert classes.bits == total(base, range(len(base.labels)), tracing)


@given(bases(), st.sampled_from([0.0, 1.0, 16.0, math.inf]))
def test_what_is_found_costs_what_it_says(base: Base, tracing: float) -> None:
    """Bits of all steps add up to what the whole search saves; classes have one label; sizes are right."""
    steps: list[Step] = []
    found = fold(base, Settings(tracing), observer=steps.append)
    assert found.complete
    assert found.bits == pytest.approx(total(base, found.classes, tracing), abs=1e-6)
    saved = total(base, range(len(base.labels)), tracing) - found.bits
    assert saved == pytest.approx(sum(step.bits for step in steps), abs=1e-6)
    assert all(step.bits >= 0 for step in steps)
    assert len(steps) == len(base.labels) - found.states
    assert all(base.labels[one] == base.labels[state] and one <= state for state, one in enumerate(found.classes))
    if steps:
        assert (steps[-1].states, steps[-1].transitions) == (found.states, found.transitions)


@given(bases(), st.randoms(use_true_random=False))
def test_the_order_of_transitions_leaves_no_trace(base: Base, random: Random) -> None:
    """Shuffled and repeated transitions give the same classes."""
    links = [*base.transitions, *base.transitions[:3]]
    random.shuffle(links)
    assert fold(Base(base.labels, links, base.weights)) == fold(base)


@given(bases())
def test_at_no_price_one_state_is_left_of_each_label(base: Base) -> None:
    assert fold(base, Settings(tracing=0.0)).classes == tuple(map(base.labels.index, base.labels))


@given(bases())
def test_at_any_price_answers_stay_exact(base: Base) -> None:
    """With infinite tracing no answer grows, and states of one label and one answer are one."""
    found = fold(base, Settings(tracing=math.inf))
    exact = answers_of(base, range(len(base.labels)))
    assert answers_of(base, found.classes) == exact
    assert found.states == len({(label, frozenset(known)) for label, known in zip(base.labels, exact, strict=True)})


@given(bases(), st.integers(0, 12))
def test_a_search_may_be_cut_at_any_time(base: Base, limit: int) -> None:
    """At most `limit` trials; what is found is sound; it is complete only if it is what the whole search finds."""
    whole, cut = fold(base), fold(base, limit=limit)
    assert cut.tried <= limit
    assert cut.bits <= total(base, range(len(base.labels)), TRACING) + 1e-6
    assert cut.bits == pytest.approx(total(base, cut.classes, TRACING), abs=1e-6)
    assert cut.complete == (whole.tried <= limit)
    if cut.complete:
        assert cut == whole


@given(bases(), st.sampled_from([0.0, 1.0, 16.0, math.inf]), st.data())
def test_settled_states_stay_apart_and_the_others_are_placed(base: Base, tracing: float, data: st.DataObject) -> None:
    """No two settled states share a class; bits of all steps add up; with nothing new nothing is tried."""
    count = len(base.labels)
    settled = data.draw(st.frozensets(st.integers(0, count - 1)))
    steps: list[Step] = []
    placing = Base(base.labels, base.transitions, base.weights, settled)
    found = fold(placing, Settings(tracing), observer=steps.append)
    assert found.complete
    assert len({found.classes[state] for state in settled}) == len(settled)
    saved = total(base, range(count), tracing) - found.bits
    assert saved == pytest.approx(sum(step.bits for step in steps), abs=1e-6)
    assert all(step.bits >= 0 for step in steps)
    everything = fold(Base(base.labels, base.transitions, base.weights, frozenset(range(count))), Settings(tracing))
    assert (everything.classes, everything.tried) == (tuple(range(count)), 0)
    if tracing == 0:
        assert found.states == sum(
            max(1, len([one for one in settled if base.labels[one] == label])) for label in set(base.labels)
        )


def test_rounds_bound_the_search_too() -> None:
    base = chain(6)
    assert not fold(base, Settings(rounds=0)).complete
    assert fold(base, Settings(rounds=0)).tried == 0


def test_what_is_not_compatible() -> None:
    classes = Classes.of(Base([0, 0, 1], [], [1.0] * 3), 16.0)
    assert classes.compatible(0, 1)
    assert not classes.compatible(0, 2)
    assert not classes.compatible(0, 0)
    settled = Classes.of(Base([0, 0, 0], [], [1.0] * 3, frozenset({0, 1})), 16.0)
    assert not settled.compatible(0, 1)
    assert settled.compatible(1, 2)
    merge = settled.score(2, 1)
    assert merge is not None
    settled.merge(merge)
    assert not settled.compatible(0, settled.root(2))


@given(bases())
def test_components_are_those_that_reach_one_another(base: Base) -> None:
    """Each state is in one; two share one if each reaches the other; what a component reaches comes before it."""
    count = len(base.labels)
    causes = [[cause for effect, _, cause in base.transitions if effect == state] for state in range(count)]
    reached = closure(range(count), {(effect, cause) for effect, _, cause in base.transitions})
    found = strong_components(causes)
    place = {state: at for at, members in enumerate(found) for state in members}
    assert sorted(state for members in found for state in members) == list(range(count))
    for one, other in combinations(range(count), 2):
        assert (place[one] == place[other]) == (one in reached[other] and other in reached[one])
    assert all(place[cause] <= place[effect] for effect, _, cause in base.transitions)
    assert ancestor_labels(base.labels, causes) == [bits_of(one) for one in answers_of(base, range(count))]


def chain(length: int) -> Base:
    """Versions of map and reduce, each caused by the one before; what the first reads stands at the end."""
    labels = [0 if number % 2 == 0 else 1 for number in range(length)]
    return Base([*labels, 2], [(0, 0, length), *((n + 1, 0, n) for n in range(length - 1))], [1.0] * (length + 1))


def test_a_chain_that_repeats_becomes_a_loop() -> None:
    """Fifty versions, map → reduce → map → …: a first turn, where histories are shorter, and then a loop."""
    found = fold(chain(50))
    assert found.states <= 5
    assert found.transitions <= 6
    assert found.classes[2] == found.classes[48] != found.classes[49] == found.classes[3]


def test_a_loop_takes_in_the_first_turn_where_that_is_cheap() -> None:
    found = fold(chain(50), Settings(tracing=1.0))
    assert (found.states, found.transitions) == (3, 3)


def test_a_long_chain_needs_no_recursion_and_no_square() -> None:
    found = fold(chain(20_000))
    assert found.states <= 5
    assert found.tried < 100


def histories(count: int, seed: int = 1) -> Base:
    """`count` states of one label, each with a history of its own: three to eleven of 200 causes."""
    random = Random(seed)
    labels, links, seen = list(range(200)), [], set()
    while len(labels) < count + 200:
        causes = tuple(sorted(random.sample(range(200), random.randrange(3, 12))))
        if causes not in seen:
            seen.add(causes)
            links += [(len(labels), 0, cause) for cause in causes]
            labels.append(200)
    return Base(labels, links, [float(2 ** random.randrange(6)) for _ in labels])


def units(count: int, seed: int = 1) -> Base:
    """Units of thirty states of some kinds, each a small random history; twenty states of each label."""
    random = Random(seed)
    names = count // 20
    labels, links = list(range(names // 10)), []
    while len(labels) < count:
        unit = random.randrange(names // 15 + 1)
        pool, start = Random(unit), len(labels)
        for number in range(30):
            fixed = pool.randrange(names)
            labels.append(fixed if random.random() < 0.95 else random.randrange(names))
            for _ in range(random.choice((1, 2, 3))):
                cause = start + random.randrange(number) if number else unit % (names // 10)
                links.append((start + number, random.randrange(20), cause))
    dense = {label: number for number, label in enumerate(sorted(set(labels)))}
    weights = [float(2 ** random.randrange(6)) for _ in labels]
    return Base([dense[label] for label in labels], links, weights)


@pytest.mark.parametrize("make", [histories, units])
def test_trials_grow_with_the_states_and_not_with_their_square(make: Callable[[int], Base]) -> None:
    """Five times the states: no more than six times the trials, and at most `candidates` per state and full round."""
    few, many = fold(make(1000)), fold(make(5000))
    assert many.complete
    assert many.tried <= 6 * few.tried
    assert many.tried <= 4 * 8 * 5200


def test_a_base_of_a_host_folds_in_under_400_ms() -> None:
    """1,650 states, some 4,500 transitions (best of three, CPU time)."""
    base = units(1650)
    base = Base(base.labels, [*base.transitions, *((e, 20, c) for e, _, c in base.transitions[:1500])], base.weights)

    def seconds() -> float:
        begun = process_time()
        fold(base)
        return process_time() - begun

    assert min(seconds() for _ in range(3)) < 0.4


def test_a_merge_is_a_value() -> None:
    merge = Classes.of(Base([0, 0], [], [1.0, 1.0]), 16.0).score(0, 1)
    assert merge == Merge(0, 1, 0.0, {})
