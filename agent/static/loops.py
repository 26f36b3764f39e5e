"""Event-handling loops: where a process waits for somebody, in every iteration, and logs what it does then.

Rules of this file
    - A loop is a strongly connected part of a function's blocks; inside it, without its head, are the inner loops.
    - A loop counts if the wait is on the path of every iteration, and if what follows the wait logs inside the loop
      without an error having been looked at: a loop that only tries an interrupted call again handles nothing.
    - An inner loop around the wait that does not log is the wait. Where the function itself waits for somebody, its
      outermost loop may have ways round the wait (a server that shuts down, or has but one socket).
    - Of the loops around one wait the outermost counts.
    - A callee waits for its caller if it calls what waits, `MAX_DEPTH` calls down at most, has no such loop of its own,
      and is not called all over the program (`MAX_CALLERS`): "waits somewhere within four calls" is no test of a loop.

Invariant: a loop's marks are all in one strongly connected part.
Complexity: O(nesting * (blocks + edges)) per function and wait; nesting, loops and waits are bounded; nothing recurses.
Source: design section 2 (execution unit); DisProTrack section IV (event-handling loops).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice
from typing import Final

from agent.static.flow import Shape
from grammar.components import strong_components

MAX_DEPTH: Final = 4
MAX_CALLERS: Final = 4
MAX_NESTING: Final = 12
MAX_LOOPS: Final = 256
"""Loops of one function that are looked at, the outer ones first."""
MAX_WAITS: Final = 32
"""Calls that wait of which one function's are looked at, the best first."""

_EVENTS: Final = """
    accept accept4 poll ppoll __poll_chk __ppoll_chk select pselect pselect6 epoll_wait epoll_pwait epoll_pwait2 recv
    recvfrom recvmsg recvmmsg __recv_chk __recvfrom_chk sigwait sigwaitinfo sigtimedwait sigsuspend msgrcv mq_receive
    mq_timedreceive kevent io_uring_wait_cqe io_uring_submit_and_wait io_getevents apr_pollset_poll apr_pollcb_poll
    apr_poll apr_socket_accept apr_socket_recv event_base_loop event_base_dispatch uv_run ev_run FCGX_Accept
    FCGX_Accept_r SSL_accept SSL_read gnutls_record_recv
"""
EVENTS: Final = frozenset(_EVENTS.split())
"""Functions that wait until somebody wants something: the loops around them are those of servers."""

_QUEUES: Final = """
    pthread_cond_wait pthread_cond_timedwait sem_wait sem_timedwait apr_queue_pop apr_thread_cond_wait
    apr_thread_cond_timedwait cnd_wait cnd_timedwait
"""
QUEUES: Final = frozenset(_QUEUES.split())
"""Functions in which a thread waits for another to hand it something."""

_READS: Final = """
    read readv __read_chk fgets __fgets_chk fgets_unlocked getline getdelim __getdelim getc fgetc _IO_getc fread
    __fread_chk getchar scanf __isoc99_scanf fscanf __isoc99_fscanf apr_file_gets apr_file_read readline
"""
READS: Final = frozenset(_READS.split())
"""Functions that wait for input if it comes from a pipe, a terminal or a socket: of a file they do not."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What a call waits in, and how many calls below it."""

    name: str
    depth: int = 0

    @property
    def kind(self) -> int:
        """0 waits for somebody, 1 for another thread, 2 perhaps for a file."""
        return 0 if self.name in EVENTS else 1 if self.name in QUEUES else 2

    @property
    def rank(self) -> tuple[int, int, str]:
        """The better one is smaller."""
        return self.kind, self.depth, self.name

    def below(self) -> Wait | None:
        """The same seen from a caller."""
        return Wait(self.name, self.depth + 1) if self.depth < MAX_DEPTH and self.kind < 2 else None


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop in one function: its marks, those of them that wait in every iteration, what the best one waits in."""

    marks: frozenset[int]
    waits: frozenset[int]
    wait: Wait


def loops_of(shape: Shape, waits: Mapping[int, Wait], logs: Set[int]) -> list[Loop]:
    """The event-handling loops of a function: for each mark that waits the outermost loop that must pass it.

    >>> shape = Shape(marks=((), (0,), (1,), ()), successors=((1,), (2, 3), (1,), ()), returns={3})
    >>> [(sorted(loop.marks), loop.wait.name) for loop in loops_of(shape, {0: Wait("accept")}, {1})]
    [([0, 1], 'accept')]
    """
    if not waits or not logs:
        return []
    search = _Search.of(shape, waits, logs)
    found: dict[frozenset[int], list[int]] = {}
    for mark in search.best:
        fit = search.fitting(mark)
        own = [nodes for nodes in fit if nodes not in found or search.home[found[nodes][0]] in fit[-1]]
        if fit:
            found.setdefault((own or fit)[0], []).append(mark)
    return [
        Loop(frozenset(mark for block in nodes for mark in shape.marks[block]), frozenset(marks), waits[marks[0]])
        for nodes, marks in found.items()
    ]


@dataclass(frozen=True, slots=True)
class _Search:
    """One function's loops around its waits: `best` are the waits, `home` the block of a mark, `nest` outer first."""

    shape: Shape
    waits: Mapping[int, Wait]
    logs: Set[int]
    best: Sequence[int]
    home: Mapping[int, int]
    nest: Sequence[tuple[int, frozenset[int]]]

    @staticmethod
    def of(shape: Shape, waits: Mapping[int, Wait], logs: Set[int]) -> _Search:
        home = {mark: block for block, inside in enumerate(shape.marks) for mark in inside}
        best = sorted((mark for mark in waits if mark in home), key=lambda mark: (*waits[mark].rank, mark))[:MAX_WAITS]
        nest = list(islice(_nest(shape, {home[mark] for mark in best}), MAX_LOOPS))
        return _Search(shape, waits, logs, best, home, nest)

    def fitting(self, mark: int) -> list[frozenset[int]]:
        """The loops around a wait that handle what comes in every iteration, outer ones first.

        Where the function itself waits for somebody, its outermost loop may go round that (when it shuts down).
        """
        block, wait = self.home[mark], self.waits[mark]
        around = [one for one in self.nest if block in one[1]]
        handled = [self._handles(nodes, block) for _, nodes in around]
        fit: list[frozenset[int]] = []
        for number, (head, nodes) in enumerate(around):
            quiet = [inner for at, (_, inner) in enumerate(around) if inner < nodes and not handled[at]]
            waiting = max(quiet, key=len, default=frozenset({block}))
            direct = not (wait.depth or wait.kind or fit)
            if handled[number] and (direct or _every(self.shape, head, nodes, waiting)):
                fit.append(nodes)
        return fit

    def _handles(self, nodes: frozenset[int], wait: int) -> bool:
        """True if a path from the wait back to it, inside a loop and past no error, logs."""
        following, before = self.shape.successors, _preceding(self.shape, nodes)
        after = _reach(lambda block: following[block], wait, nodes, self.shape.errors)
        back = _reach(lambda block: before.get(block, ()), wait, nodes, self.shape.errors)
        return any(
            mark in self.logs and (mark not in self.waits or self.waits[mark].depth)
            for block in after & back
            for mark in self.shape.marks[block]
        )


def _reach(step: Callable[[int], Sequence[int]], start: int, nodes: frozenset[int], but: Set[int]) -> set[int]:
    """The blocks of a loop that a block leads to, itself included if it does."""
    seen, rest = set[int](), [start]
    while rest:
        for child in step(rest.pop()):
            if child in nodes and child not in seen and (child not in but or child == start):
                seen.add(child)
                rest.append(child)
    return seen


def _preceding(shape: Shape, nodes: Collection[int]) -> dict[int, list[int]]:
    before: dict[int, list[int]] = {}
    for block in nodes:
        for child in shape.successors[block]:
            before.setdefault(child, []).append(block)
    return before


def _nest(shape: Shape, wanted: Set[int]) -> Iterator[tuple[int, frozenset[int]]]:
    """Loops that hold a wanted block, outer ones first: their head and their blocks."""
    whole = frozenset(range(len(shape.marks)))
    preceding = _preceding(shape, whole)
    waiting = [(whole, 0)]
    for room, depth in waiting:  # grows: inner loops are put behind
        for head, nodes in _cycles(shape, room, preceding):
            if nodes & wanted:
                yield head, nodes
                if depth < MAX_NESTING:
                    waiting.append((nodes - {head}, depth + 1))


def _cycles(
    shape: Shape, room: frozenset[int], preceding: Mapping[int, Sequence[int]]
) -> Iterator[tuple[int, frozenset[int]]]:
    """The strongly connected parts of some blocks that are loops; the head is where they are entered, or the first."""
    order = sorted(room)
    at = {block: number for number, block in enumerate(order)}
    following = [[at[child] for child in shape.successors[block] if child in at] for block in order]
    for part in strong_components(following):
        if len(part) > 1 or part[0] in following[part[0]]:
            nodes = frozenset(order[number] for number in part)
            entered = [node for node in nodes if any(before not in nodes for before in preceding.get(node, ()))]
            yield min(entered or nodes), nodes


def _every(shape: Shape, head: int, nodes: frozenset[int], waiting: Set[int]) -> bool:
    """True if no iteration, from the head back to it, can go round all the blocks that wait."""
    if head in waiting:
        return True
    seen, rest = set[int](), [head]
    while rest:
        for child in shape.successors[rest.pop()]:
            if child == head:
                return False
            if child in nodes and child not in seen and child not in waiting:
                seen.add(child)
                rest.append(child)
    return True
