"""A process of its own for the tests of actions, to be killed: the actions of a settings file on a state folder."""

import sys
import time
from pathlib import Path

from grammar.settings import read_settings
from monitor.actions import Actions
from monitor.config_actions import Acting
from monitor.store import Store

state, settings = Path(sys.argv[1]), Path(sys.argv[2])
actions = Actions(state / "actions", lambda: Store(state))
actions.change(read_settings(settings.read_text(), str(settings), Acting), settings.parent)
actions.start()
print("ready", flush=True)
while True:
    actions.wake()
    time.sleep(0.02)
