"""What `bench/speed.py` and `bench/memory.py` run as a child: one stage of the agent over one log.

    python bench/ours.py parse|graph|epochs LOG [CONTAINERS.json WORKER]

Rules of this file
    - The same way as an agent's: 64 kB chunks, no dump. It prints records, CPU seconds without the interpreter's
      start, and the peak resident set, as one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from agent.containers import Containers
from agent.events import AuditParser
from agent.node import Node
from agent.pipeline import Pipeline
from agent.publisher import Publisher
from agent.recording import open_recording, read_log
from winnower.memory import peak_rss

EPOCH_MILLIS = 10_000


def parse(log: Path, containers: Containers) -> int:
    parser = AuditParser()
    for chunk in read_log(log):
        parser.feed(chunk)
    parser.finish()
    return parser.lines


def graph(log: Path, containers: Containers) -> int:
    """Parse + UPG + abstraction: what the issue's yardstick names."""
    parser, node = AuditParser(), Node(containers)
    for chunk in read_log(log):
        node.apply(parser.feed(chunk))
    node.apply(parser.finish())
    return parser.lines


def epochs(log: Path, containers: Containers) -> int:
    """The same, and deltas encoded for the wire every ten seconds of log time."""
    pipeline = Pipeline(containers, EPOCH_MILLIS)
    publisher = Publisher("bench", b"session0", pipeline.epochs.lexicons)
    for chunk in read_log(log):
        for epoch in pipeline.feed(chunk):
            publisher.envelope(epoch)
    for epoch in pipeline.finish():
        publisher.envelope(epoch)
    return pipeline.parser.lines


STAGES = {"parse": parse, "graph": graph, "epochs": epochs}


def main(arguments: Sequence[str]) -> int:
    stage, log, *rest = arguments
    known = open_recording(Path(rest[0]).parent).containers.get(rest[1], []) if rest else []
    begun = time.process_time()
    records = STAGES[stage](Path(log), Containers.of(known))
    cpu = time.process_time() - begun
    peak = peak_rss()
    print(json.dumps({"records": records, "cpu_seconds": cpu, "peak_rss_bytes": peak}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
