"""One real record at every stage of the pipeline: what the README shows.

    python bench/stages.py [--path /usr/bin/.sshd-helper]

Rules of this file
    - The recording shipped with the program, the first system call that creates the file at `--path`. Nothing is
      written down here: every line comes out of the part that it names.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path

from agent.containers import Containers
from agent.epochs import Epochs
from agent.events import AuditParser, Event
from agent.node import Node
from agent.recording import open_recording, read_log
from agent.upg import KINDS_OF_EDGE, Scope
from grammar import Evidence, Model, Span, encode_delta, encode_model

SHOWN, WIDTH = 4, 150


class Watch:
    """A recorder that keeps what the graph is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def vertex(self, scope: Scope, number: int, label: str, ident: str) -> None:
        """A new vertex, with what abstraction leaves of it."""
        self.lines.append(f"vertex {number} of {scope.container}: {label}")

    def sealed(self, scope: Scope, number: int, state: int) -> None:
        """It learns nothing more."""
        _, context = scope.states.states[state]
        self.lines.append(f"state  of {number}: {'; '.join(context)}")

    def edge(self, scope: Scope, effect: int, kind: int, cause: int, millis: int) -> None:
        """A new edge."""
        relation, operation = KINDS_OF_EDGE[kind]
        self.lines.append(f"edge   {effect} -{relation}/{operation}-> {cause}, time {millis / 1000:.3f}")


def show(title: str, text: str) -> None:
    print(f"--- {title}")
    lines = text.splitlines()
    for line in [*lines[:SHOWN], *([f"… and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else [])]:
        print(textwrap.shorten(line, WIDTH, placeholder=" …") if len(line) > WIDTH else line)


def creates(event: Event, path: bytes) -> bool:
    return b'name="' + path + b'"' in event.raw and b"nametype=CREATE" in event.raw


def concerns(line: str, before: Sequence[str]) -> bool:
    """Whether a line is about a vertex that one of the lines before has named."""
    words = {word for one in before if one.startswith("vertex ") for word in one.split()[1:2]}
    return line.partition(":")[0].rpartition(" ")[2] in words


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="one record at every stage")
    parser.add_argument("--path", default="/usr/bin/.sshd-helper")
    path = parser.parse_args(arguments).path
    with as_file(files("winnower") / "recording") as folder:
        if any(follow(folder, worker, path) for worker in open_recording(folder).logs):
            return 0
    print("no such system call in the recording")
    return 1


def follow(folder: Path, worker: str, path: str) -> bool:
    """Run one worker's log, show the event where it is found, and what the whole log comes to."""
    recording = open_recording(folder)
    watch, parser = Watch(), AuditParser()
    node = Node(Containers.of(recording.containers[worker]), recorder=watch)
    found = False
    for chunk in read_log(recording.logs[worker]):
        for event in parser.feed(chunk):
            watch.lines.clear()
            node.apply([event])
            watched = len(watch.lines)
            if not found and creates(event, path.encode()):
                found = True
                node.tick()  # a second of log time later
                shown, later = watch.lines[:watched], watch.lines[watched:]
                watch.lines = [*shown, *(line for line in later if concerns(line, shown))]
                show("records: lines of the audit log", event.raw.decode().replace("\x1d", " "))
                show("event: what a system call offers to the graph", str(event.call)[:150])
                show("graph: versions, edges from effect to cause, labels abstracted", "\n".join(watch.lines))
    if found:
        show_model(worker, path, node)
    return found


def show_model(worker: str, path: str, node: Node) -> None:
    """The delta of every application that names the file, and the model that follows from it."""
    epochs = Epochs(node, 10_000)
    for app, delta in epochs.close(0, 0, {}).deltas.items():
        evidence = Evidence()
        evidence.update(delta.evidence(worker, Span(0, 0)))
        named = [one for one in evidence.transitions if path in one.effect.label]
        if named:
            told = "\n".join(f"{t.effect.label} -{t.relation}/{t.operation}-> {t.cause.label}" for t in named)
            size = len(encode_delta(delta, epochs.lexicons[app]))
            show(f"delta: {len(delta.transitions)} transitions of {app}, {size:,} bytes encoded, among them", told)
            model = Model.of(app, evidence)
            folded = model.folded()
            counts = (
                f"{len(model.states)} states and {len(model.transitions)} transitions, folded to {len(folded.states)} "
                f"and {len(folded.transitions)}, {len(encode_model(folded)):,} bytes"
            )
            ids = {model.ids[model.state_of(one.effect)] for one in named}
            show(
                "model: a function of the evidence", f"{counts}; the file is {', '.join(sorted(ids))} on every monitor"
            )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
