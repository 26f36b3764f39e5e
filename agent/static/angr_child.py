"""The child process that runs angr: a job on standard input, a line of JSON for each binary on standard output.

    python -m agent.static.angr_child [PARENT FOLDER] < JOB > ANSWERS

Rules of this file
    - Nobody imports it: angr takes seconds and hundreds of megabytes and may not come back. The child takes its limits
      of memory and CPU from the job before it loads angr; `agent.static.angr_engine` holds the deadline.
    - A binary that angr cannot take is an answer with `failed`, and the next one's turn.
    - What one binary exports is known in the binaries after it.
    - It ends with the process PARENT that wants the answers, also when that is killed, and takes FOLDER with it.

Complexity: angr's.
Source: DisProTrack section IV.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import resource
import shutil
import signal
import sys
import time
from types import FrameType
from typing import Final

import msgspec

from agent.static.angr_binary import AngrBinary, Known
from agent.static.angr_wire import Answer, Job

PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Do the job; what cannot be done is in the answers."""
    if len(sys.argv) == 3:
        _end_with(int(sys.argv[1]), sys.argv[2])
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    resource.setrlimit(resource.RLIMIT_AS, (job.memory, job.memory))
    resource.setrlimit(resource.RLIMIT_CPU, (job.seconds, job.seconds + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.disable(logging.CRITICAL)
    out = sys.stdout.buffer
    sys.stdout = sys.stderr  # whatever a library prints is no answer
    known = Known()
    for path in job.paths:
        start = time.process_time()
        try:
            answer = AngrBinary(path, job, known).answer()
        except MemoryError:
            answer = Answer(path, failed=f"needs more than {job.memory >> 20} MB of memory")
        except Exception as error:  # angr fails in every way that there is
            answer = Answer(path, failed=f"{type(error).__name__}: {error}"[:300])
        out.write(msgspec.json.encode(msgspec.structs.replace(answer, seconds=time.process_time() - start)) + b"\n")
        out.flush()
        gc.collect()  # angr's objects know one another


def _end_with(parent: int, folder: str) -> None:
    """End when the parent does; nobody else would remove the folder of temporary files then."""

    def end(_: int = 0, __: FrameType | None = None) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    signal.signal(signal.SIGTERM, end)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it has ended before we asked for the signal
        end()


if __name__ == "__main__":
    main()
