"""What must be at the monitor, worked out anew: from the envelopes that agents kept as sent, and from the whole log.

Rules of this file
    - `rebuilt` is a monitor made in one go: every sealed envelope once, in the order of the journal, nothing else.
    - `retold` is one agent's pipeline over the whole log without a pause, cut where the envelopes say that they were
      cut (by the number of events): what it tells has to be what was applied, epoch by epoch. Left out are example
      command lines (sent with states that are new to the cluster only), times and levels of sightings.

Source: design section 3 (promises 1 and 3).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

from nodes import RealAgent, until

from agent.ledger import Ledger
from agent.live_containers import LiveContainers
from agent.pipeline import Pipeline
from grammar import Delta, Envelope, Lexicon, Model, decode_delta, decode_envelope, encode_model
from grammar.signing import OVERHEAD
from monitor.monitor import Monitor
from monitor.store import Store
from policies import Policy

Key = tuple[str, str, bytes, int]
"""Agent, lane, session, sequence."""
Shown = set[tuple[str, str, object]]
"""Application, container, item."""
BITE = 1 << 18


def sent(name: str, ledger: Ledger) -> dict[Key, bytes]:
    """What an agent kept as sent: sealed, by place."""
    return {(name, lane, session, sequence): sealed for session, lane, sequence, sealed in ledger.sent()}


def applied(state: Path) -> list[Key]:
    """What a monitor has applied, in order."""
    found: list[Key] = []
    after = 0
    with closing(Store(state)) as store:
        while rows := store.journal(after):
            found += [(agent, lane, session, sequence) for _, agent, lane, session, sequence in rows]
            after = rows[-1][0]
    return found


def check_journal(journal: list[Key], heads: Mapping[str, int], lane: str = "") -> None:
    """Each agent's envelopes are there from the first to the last acknowledged one, once, in order."""
    numbers: dict[str, list[int]] = {}
    for agent, where, _, sequence in journal:
        if where == lane:
            numbers.setdefault(agent, []).append(sequence)
    assert numbers == {agent: list(range(head)) for agent, head in heads.items() if head}


def envelope(sealed: bytes) -> Envelope:
    """What was signed."""
    return decode_envelope(sealed[OVERHEAD:])


def models(state: Path, folded: bool = False) -> dict[str, bytes]:
    """A monitor's models as bytes, by application, as they are read back from its disk."""
    with closing(Store(state)) as store:
        apps = Monitor(store).apps
    return {name: encode_model(app.folded if folded else app.model) for name, app in apps.items()}


def rebuilt(
    folder: Path, journal: Iterable[Key], kept: Mapping[Key, bytes], policies: tuple[Policy, ...] = ()
) -> dict[str, Model]:
    """The models of a monitor that takes what was sent in one go."""
    with closing(Store(folder, create=True)) as store:
        fresh = Monitor(store, policies)
        chosen = [envelope(kept[key]) for key in journal]
        results = [result for one in chosen for result in fresh.receive_many([one], 0.0, strict=True)]
        assert set(results) <= {"new"}, results
        return {name: app.model for name, app in fresh.apps.items()}


def check_models(state: Path, fresh: Path, journal: Iterable[Key], kept: Mapping[Key, bytes]) -> int:
    """The models on the disk are those made in one go, byte for byte, folded or not; gives how many bytes they have."""
    expected = rebuilt(fresh, journal, kept)
    assert models(state) == {name: encode_model(model) for name, model in expected.items()}
    folded = {name: encode_model(model.folded()) for name, model in expected.items()}
    assert models(state, folded=True) == folded
    return sum(map(len, folded.values()))


def told(envelopes: Iterable[Envelope]) -> Iterator[Shown]:
    """What each envelope shows; they share the words, as at the monitor."""
    words: dict[str, Lexicon] = {}
    for one in envelopes:
        shown: Shown = set()
        for app, data in one.deltas:
            lexicon = words.setdefault(app, Lexicon())
            delta = decode_delta(data, lexicon)
            lexicon.extend(delta.states, delta.transitions)
            shown |= items(app, delta)
        yield shown


def items(app: str, delta: Delta) -> Shown:
    """What a delta shows."""
    return {(app, s.container, item) for s in delta.sightings for item in (*s.transitions, *s.states)}


def retold(log: Path, counts: Iterable[int]) -> Iterator[Shown]:
    """What a pipeline tells of the whole log, cut after these numbers of events."""
    pipeline = blank()
    lines = _lines(log)
    due = 0
    for count in counts:
        due += count
        while pipeline.node.events < due:
            pipeline.absorb(next(lines))
        assert pipeline.node.events == due, "an epoch ended within an event"
        epoch = pipeline.cut(0, 1_000)
        yield set().union(*(items(app, delta) for app, delta in epoch.deltas.items()))


def blank() -> Pipeline:
    """As a live agent begins where no engine can be asked: containers are known by what their runtimes are told."""
    containers = LiveContainers()
    pipeline = Pipeline(containers, 1_000)
    containers.loss = pipeline.node.loss
    return pipeline


def counted(log: Path) -> int:
    """How many events the whole log has."""
    pipeline = blank()
    with log.open("rb") as file:
        while data := file.read(BITE):
            pipeline.absorb(data)
    return pipeline.node.events


def check_told(log: Path, envelopes: list[Envelope]) -> None:
    """What one agent's envelopes tell is what its log says, epoch by epoch, and every event is counted once."""
    assert sum(one.events for one in envelopes) == counted(log)
    expected = list(retold(log, [one.events for one in envelopes]))
    found = list(told(envelopes))
    different = [n for n, (one, other) in enumerate(zip(found, expected, strict=True)) if one != other]
    assert not different, f"epochs {different[:5]} of {len(found)} differ"
    everything = [item for one in found for item in one]
    assert len(everything) == len(set(everything)), "something was told twice"


def settle(agent: RealAgent, events: int, seconds: float = 180.0) -> None:
    """All of that many events is read, cut and sent: the agent stops in good order, and nothing is left with it."""
    waits = (0.5 * 2**n for n in range(12))
    until(lambda: _settled(agent, events, next(waits)), seconds, f"{events} events have been sent", every=0.1)


def _settled(agent: RealAgent, events: int, wait: float) -> bool:
    """Stop it when it has had a moment; whether nothing was left, else it goes on, for longer each time."""
    if not agent.alive:
        agent.launch()
    agent.wait()
    time.sleep(wait)
    assert agent.stop() == 0, agent.log[-3000:]
    with agent.ledger() as ledger:
        done = sum(envelope(one).events for one in sent(agent.name, ledger).values())
        assert done <= events, f"{done} events told of {events}"
        return ledger.depth.entries == 0 and done == events


def _lines(log: Path) -> Iterator[bytes]:
    with log.open("rb") as file:
        yield from file
