"""A model in the forms that general libraries compute with: a networkx graph, and its path language as a DFA.

Rules of this file
    - A word of the path language is what a trace shows, read from effect to cause: the label of the state where it
      begins, then for each step one symbol `RELATION/operation label` with the label of the cause. It may begin at any
      state and may end at any state: every prefix of a word is a word, but for the empty one, which shows nothing.
    - States that share a label make the language nondeterministic; the subset construction takes that away. It may grow
      without end in practice, so it has a limit, and stops at it instead of trying.
    - Same model, same numbers: DFA states are numbered breadth first, symbols in order of their text; 0 is the start.
    - networkx and automata-lib are imported where they are needed: whoever asks for nothing of this pays nothing.

Invariant: the DFA is partial and has no dead state; all states but the start accept; every path of a member graph, with
the labels that the model gives it, is a word.
Complexity: `to_networkx` O(states + transitions); `to_dfa` at most O(max_states * transitions) time and
O(max_states * states) memory.
Source: design section 3 (algebra); Rabin and Scott 1959 (subset construction).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from grammar.errors import InputError
from grammar.evidence import State, Transition
from grammar.model import Model

if TYPE_CHECKING:
    import networkx as nx
    from automata.fa.dfa import DFA

MAX_STATES: Final = 10_000
INSTALL: Final = "pip install 'winnower[algebra]'"
START: Final = 0

Moves = dict[str, int]
"""One DFA state: where each symbol leads."""


def kind(relation: str, operation: str) -> str:
    """`RELATION/operation`; different pairs have different texts, because what separates is escaped inside."""
    relation = relation.replace("%", "%25").replace("/", "%2F")
    return f"{relation}/{operation.replace('%', '%25').replace(' ', '%20')}"


def step(transition: Transition) -> str:
    """The symbol of one step: how the cause is related, and its label."""
    return f"{kind(transition.relation, transition.operation)} {transition.cause.label}"


def word(start: State, path: Iterable[Transition] = ()) -> list[str]:
    """The word of a path that begins at `start`; ValueError where a transition does not begin where the last ended."""
    symbols, at = [start.label], start
    for transition in path:
        if transition.effect != at:
            raise ValueError(f"{transition.effect} does not follow {at}")
        symbols.append(step(transition))
        at = transition.cause
    return symbols


def to_networkx(model: Model) -> nx.MultiDiGraph:
    """The model as a graph of ids, edges from effect to cause; its node-link JSON is what `nodelink.from_json` reads.

    Nodes have `label, context, support`, edges `relation, operation, support`, and the kind of edge as key. Support is
    the number of replicas that have shown it.
    """
    try:
        import networkx as nx  # noqa: PLC0415 - only who asks for a graph needs it
    except ImportError as error:
        raise InputError("networkx is not installed", hint=INSTALL) from error
    graph: nx.MultiDiGraph = nx.MultiDiGraph(app=model.app)
    for state in model.states:
        held = len(model.support[state])
        graph.add_node(model.ids[state], label=state.label, context=list(state.context), support=held)
    for one in model.transitions:
        name, held = kind(one.relation, one.operation), len(model.support[one])
        attributes = {"relation": one.relation, "operation": one.operation, "support": held}
        graph.add_edge(model.ids[one.effect], model.ids[one.cause], key=name, **attributes)
    return graph


def to_dfa(model: Model, max_states: int = MAX_STATES) -> DFA:
    """The model's path language; InputError if it takes more than `max_states` states, the start among them."""
    return dfa_of(model.states, model.transitions, max_states)


def dfa_of(
    states: Iterable[State],
    transitions: Iterable[Transition],
    max_states: int = MAX_STATES,
    begin: Iterable[State] | None = None,
) -> DFA:
    """The path language of any states and transitions between them; a transition's ends are states too.

    Words begin at the states in `begin`, or anywhere.
    """
    try:
        from automata.fa.dfa import DFA  # noqa: PLC0415 - heavy, and an extra
    except ImportError as error:
        raise InputError("automata-lib is not installed", hint=INSTALL) from error
    table = determinised(*_nondeterministic(states, transitions, begin), max_states)
    return DFA(
        states=set(range(len(table))),
        input_symbols={symbol for moves in table for symbol in moves},
        transitions=dict(enumerate(table)),
        initial_state=START,
        final_states=set(range(1, len(table))),
        allow_partial=True,
    )


def aligned(*automata: DFA) -> tuple[DFA, ...]:
    """The same languages over one alphabet, the union of all: automata-lib compares nothing else."""
    symbols = frozenset().union(*(one.input_symbols for one in automata))
    return tuple(
        type(one)(
            states=one.states,
            input_symbols=symbols,
            transitions=one.transitions,
            initial_state=one.initial_state,
            final_states=one.final_states,
            allow_partial=True,
        )
        for one in automata
    )


Choices = Mapping[str, frozenset[int]]
"""One state of the nondeterministic automaton: where each symbol may lead."""


def determinised(start: Choices, states: list[Choices], max_states: int) -> list[Moves]:
    """Subset construction: the moves of every reachable set of states, numbered breadth first from the start."""
    table: list[Moves] = []
    numbers: dict[frozenset[int], int] = {}
    # The start is no state of the model, so no set stands for it: nothing ever leads back to it.
    waiting: deque[Choices | frozenset[int]] = deque([start])
    while waiting:
        members = waiting.popleft()
        choices = _joined(states, members) if isinstance(members, frozenset) else members
        moves: Moves = {}
        for symbol, targets in sorted(choices.items()):
            if targets not in numbers:
                numbers[targets] = len(numbers) + 1
                waiting.append(targets)
            if len(numbers) >= max_states:
                hint = "raise max_states, or take a smaller model"
                raise InputError(f"the path language needs more than the limit of {max_states} DFA states", hint=hint)
            moves[symbol] = numbers[targets]
        table.append(moves)
    return table


def _joined(states: list[Choices], members: frozenset[int]) -> Choices:
    """What a set of states can do."""
    if len(members) == 1:
        return states[next(iter(members))]
    joined: dict[str, set[int]] = {}
    for member in members:
        for symbol, targets in states[member].items():
            joined.setdefault(symbol, set()).update(targets)
    return {symbol: frozenset(targets) for symbol, targets in joined.items()}


def _nondeterministic(
    states: Iterable[State], transitions: Iterable[Transition], begin: Iterable[State] | None
) -> tuple[Choices, list[Choices]]:
    """What a word may begin with, and what each state may do next."""
    numbers: dict[State, int] = {}
    choices: list[dict[str, set[int]]] = []

    def number(state: State) -> int:
        if state not in numbers:
            numbers[state] = len(choices)
            choices.append({})
        return numbers[state]

    for state in states:
        number(state)
    for one in transitions:
        cause = number(one.cause)
        choices[number(one.effect)].setdefault(step(one), set()).add(cause)
    first: dict[str, set[int]] = {}
    for state in tuple(numbers) if begin is None else begin:
        first.setdefault(state.label, set()).add(number(state))
    return _frozen(first), [_frozen(one) for one in choices]


def _frozen(choices: Mapping[str, set[int]]) -> Choices:
    return {symbol: frozenset(targets) for symbol, targets in choices.items()}
