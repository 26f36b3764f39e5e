"""A recording replayed in-process into a dump, for benches that look at what came out.

Rules of this file
    - The replay's own code, with the shipped policies and default settings; nothing is kept but the dump.

Complexity: O(bytes of the logs).
Source: design section 5 (replay, --dump).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from agent.recording import open_recording
from grammar import Model
from monitor.application import Application
from monitor.novelty import Settings
from monitor.store import Store
from winnower.dump import Dump, file_name
from winnower.policy_command import shipped_policies
from winnower.replay_command import Runner

SHIPPED: Final = Path(__file__).resolve().parent.parent / "winnower" / "recording"
EPOCH: Final = 10_000


def is_recording(folder: Path) -> bool:
    return (folder / "recording.json").is_file()


def dumped(recording: Path, folder: Path, which: Callable[[Application], Model]) -> dict[str, Model]:
    """Replay into an empty folder and dump `which` model of each application there; those by their files' names.

    InputError for what is no recording.
    """
    recorder = Dump()
    with closing(Store(folder / "state", create=True)) as store:
        run = Runner(EPOCH, shipped_policies(), Settings())
        monitor, _ = run(open_recording(recording), recorder, store)
    models = {name: which(app) for name, app in monitor.apps.items()}
    recorder.write(folder, models)
    return {file_name(name): model for name, model in models.items()}
