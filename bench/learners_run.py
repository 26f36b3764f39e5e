"""One learner on one task, in a process of its own: `python learners_run.py NAME TASK.json RESULT.json SECONDS`.

Rules of this file
    - The kernel ends a learner that takes more CPU time or memory than it may; whoever started it sees that.
    - Time is CPU time of the learning alone: imports, reading and counting are not in it.
    - Each learner gets what its method takes. RPNI and EDSM need negative words and get `forbidden`; the others do not.
    - Ours are given what the words show, states with their contexts: what an agent sees and a word does not say.
      The agents have told states apart while they replayed, so the seconds of ours are those of what is left to do.

Source: AALpy 2 (RPNI: Oncina and Garcia 1992; EDSM: Lang et al. 1998; Alergia: Carrasco and Oncina 1994; k-tails:
Biermann and Feldman 1972), automata-lib 9 (Hopcroft 1971).
"""

from __future__ import annotations

import resource
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from learners_automaton import Automaton, single, trimmed
from learners_words import Shown, Task

from grammar import State, Transition
from grammar.algebra import dfa_of, step
from grammar.nodelink import from_value
from grammar.published_search import learn

MEMORY: Final = 3 * 2**30
MAX_STATES: Final = 200_000
EVALUATIONS: Final = 20_000
TAIL: Final = 2
MISSING: Final = 3
"""Exit code of a learner whose library is absent."""
Learned = Callable[[], Automaton]


@dataclass(frozen=True, slots=True)
class Learner:
    """A row of the table; `prepare` imports and arranges the data, what it returns is timed."""

    title: str
    prepare: Callable[[Task], Learned]
    applies: Callable[[Task], bool] = lambda task: True


@dataclass(frozen=True, slots=True)
class Result:
    """What a learner made, and the CPU seconds that it took."""

    automaton: Automaton
    seconds: float


def plain(dfa: Any) -> Automaton:
    """An automaton of automata-lib as ours."""
    return single(dfa.initial_state, dfa.transitions, dfa.final_states)


def tree_of(task: Task) -> tuple[list[dict[str, int]], set[int]]:
    """The prefix tree acceptor of the positive words; every prefix is final, but for the empty one."""
    moves: list[dict[str, int]] = [{}]
    for word in task.train:
        at = 0
        for symbol in word:
            if symbol not in moves[at]:
                moves[at][symbol] = len(moves)
                moves.append({})
            at = moves[at][symbol]
    return moves, set(range(1, len(moves)))


def prefix_tree(task: Task) -> Learned:
    """Nothing learned: the words themselves."""

    def run() -> Automaton:
        moves, final = tree_of(task)
        return single(0, dict(enumerate(moves)), final)

    return run


def minimised_tree(task: Task) -> Learned:
    """The same language with the fewest states."""
    from automata.fa.dfa import DFA  # noqa: PLC0415 - may be absent

    def run() -> Automaton:
        moves, final = tree_of(task)
        dfa = DFA(
            states=set(range(len(moves))),
            input_symbols=task.symbols,
            transitions=dict(enumerate(moves)),
            initial_state=0,
            final_states=final,
            allow_partial=True,
        )
        return plain(dfa.minify())

    return run


def ours(task: Task) -> Learned:
    """The model as it is: states are label and context, and several may share a label."""
    return lambda: as_it_is(task.shown)


def ours_determinised(task: Task) -> Learned:
    """Its path language as `to_dfa` gives it."""
    return lambda: plain(_paths(task.shown))


def ours_minimised(task: Task) -> Learned:
    """The same language with the fewest states that a deterministic automaton can have."""
    return lambda: plain(_paths(task.shown).minify())


def whole(task: Task) -> Learned:
    """The model that the monitor has, which has seen the held-out words too and may begin anywhere."""
    return lambda: as_it_is(task.whole)


def whole_minimised(task: Task) -> Learned:
    """Its path language with the fewest states that a deterministic automaton can have."""
    return lambda: plain(_paths(task.whole).minify())


def as_it_is(shown: Shown | None) -> Automaton:
    """States and transitions without determinisation, and a start that leads to where words begin."""
    if shown is None:
        raise ValueError("this task has no model")
    start = None
    moves: dict[State | None, dict[str, list[State | None]]] = {start: {}}
    for state in shown.states if shown.begin is None else shown.begin:
        moves[start].setdefault(state.label, []).append(state)
    for one in shown.transitions:
        moves.setdefault(one.effect, {}).setdefault(step(one), []).append(one.cause)
    ends = {one.cause for one in shown.transitions} | {one.effect for one in shown.transitions} | set(shown.states)
    return trimmed(start, moves, ends)


def quotient(task: Task) -> Learned:
    """One state per label."""

    def run() -> Automaton:
        start = None
        moves: dict[str | None, dict[str, str | None]] = {start: {}}
        for word in task.train:
            at = start
            for symbol in word:
                label = label_of(symbol) if at is not start else symbol
                moves[at][symbol] = label
                moves.setdefault(label, {})
                at = label
        return single(start, moves, [label for label in moves if label is not start])

    return run


def label_of(symbol: str) -> str:
    """The label in a step; neither what separates relation and operation nor what ends them is in their names."""
    return symbol.partition("/")[2].partition(" ")[2]


def _paths(shown: Shown | None) -> Any:
    if shown is None:
        raise ValueError("this task has no model")
    return dfa_of(shown.states, shown.transitions, MAX_STATES, shown.begin)


def published(task: Task) -> Learned:
    """The published learner's types as states; they are linked as the vertices that have them."""

    def run() -> Automaton:
        graph = from_value(task.graph, task.name)
        types = learn([graph], limit=EVALUATIONS).model.vertex_types([graph]) or []
        states = {
            node: State(label, tuple(map(str, pair)))
            for node, label, pair in zip(graph.nodes, graph.labels, types, strict=True)
        }
        transitions = [Transition(states[one.source], "", one.label, states[one.target]) for one in graph.edges]
        targets = {one.target for one in graph.edges}
        begin = [state for node, state in states.items() if node not in targets]
        return plain(dfa_of(states.values(), transitions, MAX_STATES, begin))

    return run


def labelled(task: Task) -> list[tuple[tuple[str, ...], bool]]:
    """All positive prefixes and the negative words, as AALpy takes them; the empty word is no word."""
    positive = {word[:end] for word in task.train for end in range(1, len(word) + 1)}
    return [((), False), *((word, True) for word in sorted(positive)), *((word, False) for word in task.forbidden)]


def of_states(dfa: Any) -> Automaton:
    """An AALpy DFA as ours."""
    moves = {state.state_id: {s: to.state_id for s, to in state.transitions.items()} for state in dfa.states}
    return single(
        dfa.initial_state.state_id, moves, {state.state_id for state in dfa.states if state.is_accepting is True}
    )


def of_nodes(root: Any) -> Automaton:
    """What AALpy's generalised state merging leaves: nodes with (input, output) on their edges; outputs are symbols.

    Every node that something leads to is final: the empty word is no word, all others are prefixes of one.
    """
    nodes = {id(node): node for node in root.get_all_nodes()}
    moves = {key: {output: id(to) for _, output, to in node.transition_iterator()} for key, node in nodes.items()}
    return single(id(root), moves, {target for row in moves.values() for target in row.values()})


def rpni(task: Task) -> Learned:
    """Merge the first pair that no negative word forbids."""
    from aalpy.learning_algs import run_RPNI  # noqa: PLC0415 - may be absent

    data = labelled(task)
    return lambda: of_states(run_RPNI(data, "dfa", print_info=False))


def edsm(task: Task) -> Learned:
    """Of all pairs that no negative word forbids, merge the one with the most evidence."""
    from aalpy.learning_algs import run_EDSM  # noqa: PLC0415 - may be absent

    data = labelled(task)
    return lambda: of_states(run_EDSM(data, "dfa", print_info=False))


def edsm_first_blue(task: Task) -> Learned:
    """The same evidence, but only for the first of the candidates (in short-lex order): quicker, less careful."""
    from aalpy.automata import Dfa  # noqa: PLC0415 - may be absent
    from aalpy.learning_algs import run_GSM  # noqa: PLC0415 - may be absent
    from aalpy.learning_algs.general_passive.GsmNode import GsmNode  # noqa: PLC0415 - may be absent
    from aalpy.learning_algs.general_passive.ScoreFunctionsGSM import (  # noqa: PLC0415 - may be absent
        EDSM_score,
        SimpleScoreCalculation,
    )
    from aalpy.utils.HelperFunctions import dfa_from_moore  # noqa: PLC0415 - may be absent

    data = labelled(task)

    def run() -> Automaton:
        dfa: Dfa = dfa_from_moore(
            run_GSM(
                data,
                output_behavior="moore",
                transition_behavior="deterministic",
                score_calc=SimpleScoreCalculation(GsmNode.deterministic_compatible, EDSM_score()),
                data_format="labeled_sequences",
                consider_only_min_blue=True,
                node_order="short-lex",
            )
        )
        return of_states(dfa)

    return run


def alergia(task: Task) -> Learned:
    """Merge what ends in one symbol and goes on with like frequencies; positive words only, each once."""
    from aalpy.learning_algs import run_GSM  # noqa: PLC0415 - may be absent
    from aalpy.learning_algs.general_passive.DataHandler import CountOnPTADataHandler  # noqa: PLC0415 - may be absent
    from aalpy.learning_algs.general_passive.ScoreFunctionsGSM import (  # noqa: PLC0415 - may be absent
        ScoreIOAlergiaWithEDSM,
    )

    data = [["", *(("", symbol) for symbol in word)] for word in task.train]

    def run() -> Automaton:
        root = run_GSM(
            data,
            output_behavior="moore",
            transition_behavior="stochastic",
            data_handler=CountOnPTADataHandler(),
            score_calc=ScoreIOAlergiaWithEDSM(0.05, True, True, False),
            data_format="io_traces",
            convert=False,
        )
        return of_nodes(root)

    return run


def k_tails(task: Task) -> Learned:
    """Merge what has the same continuations of at most TAIL symbols; positive words only."""
    from aalpy.learning_algs import run_GSM  # noqa: PLC0415 - may be absent
    from aalpy.learning_algs.general_passive.ScoreFunctionsGSM import (  # noqa: PLC0415 - may be absent
        ScoreWithKTail,
        SimpleScoreCalculation,
    )

    data = [[("", symbol) for symbol in word] for word in task.train]

    def alike(one: Any, other: Any) -> bool:
        return bool(one.transitions.get("", {}).keys() == other.transitions.get("", {}).keys())

    def run() -> Automaton:
        root = run_GSM(
            data,
            output_behavior="mealy",
            transition_behavior="nondeterministic",
            score_calc=ScoreWithKTail(SimpleScoreCalculation(alike), TAIL),
            data_format="io_traces",
            convert=False,
        )
        return of_nodes(root)

    return run


LEARNERS: Final = {
    "tree": Learner("prefix tree", prefix_tree),
    "minimal": Learner("  minimised", minimised_tree),
    "quotient": Learner("label quotient", quotient),
    "ours": Learner("ours", ours, lambda task: task.shown is not None),
    "ours-dfa": Learner("  determinised", ours_determinised, lambda task: task.shown is not None),
    "ours-minimal": Learner("  minimised", ours_minimised, lambda task: task.shown is not None),
    "whole": Learner("ours, of the whole dump", whole, lambda task: task.whole is not None),
    "whole-minimal": Learner("  minimised", whole_minimised, lambda task: task.whole is not None),
    "published": Learner("published (TaPP 2017), ours", published, lambda task: task.graph is not None),
    "rpni": Learner("AALpy RPNI", rpni),
    "edsm": Learner("AALpy EDSM", edsm),
    "edsm-first": Learner("AALpy GSM, EDSM of first", edsm_first_blue),
    "alergia": Learner("AALpy GSM, Alergia", alergia),
    "k-tails": Learner(f"AALpy GSM, {TAIL}-tails", k_tails),
}


def main(arguments: Sequence[str]) -> int:
    name, task_file, result_file, seconds = arguments
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")
    task = msgspec.json.decode(Path(task_file).read_bytes(), type=Task)
    try:
        run = LEARNERS[name].prepare(task)
    except ImportError as error:
        print(error.name or error, file=sys.stderr)
        return MISSING
    # From here on: what imports and reading have taken is not the learner's.
    before = time.process_time()
    allowed = int(before + float(seconds)) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (allowed, allowed))
    result = Result(run(), time.process_time() - before)
    Path(result_file).write_bytes(msgspec.json.encode(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
