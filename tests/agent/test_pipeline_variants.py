"""Raw, enriched and node-prefixed logs of the same events are the same behaviour, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import as_file, files
from itertools import islice

import pytest

from agent.containers import Containers
from agent.pipeline import Pipeline
from agent.publisher import Publisher
from agent.recording import open_recording, read_log

WORKER = "worker3"
MEGABYTES = 20


def envelopes(change: Callable[[bytes], bytes]) -> list[bytes]:
    """What the agent of one worker would send, its log's lines changed."""
    with as_file(files("winnower") / "recording") as folder:
        recording = open_recording(folder)
        pipeline = Pipeline(Containers.of(recording.containers[WORKER]), 5_000)
        publisher = Publisher(WORKER, b"session0", pipeline.epochs.lexicons)
        log = b"".join(islice(read_log(recording.logs[WORKER]), MEGABYTES * 16))
    lines = log[: log.rindex(b"\n") + 1].splitlines(keepends=True)
    data = b"".join(map(change, lines))
    found = [publisher.envelope(epoch) for epoch in pipeline.feed(data)]
    return found + [publisher.envelope(epoch) for epoch in pipeline.finish()]


def raw(line: bytes) -> bytes:
    return line.partition(b"\x1d")[0].rstrip(b"\n") + b"\n"


def with_node(line: bytes) -> bytes:
    return b"node=worker-3.example " + line


@pytest.fixture(scope="module")
def enriched() -> list[bytes]:
    found = envelopes(lambda line: line)
    assert len(found) > 2
    return found


@pytest.mark.parametrize("change", [raw, with_node])
def test_how_the_log_is_written_makes_no_difference(change: Callable[[bytes], bytes], enriched: list[bytes]) -> None:
    assert envelopes(change) == enriched
