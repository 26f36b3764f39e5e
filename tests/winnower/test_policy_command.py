"""The sub-commands are there, and are imported when they are called."""

import subprocess
import sys

import pytest
from written import run

from winnower.policy_command import COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_that_begins_as_the_table_says(name: str) -> None:
    result = run(name, "--help")
    assert (result.exit_code, "Usage:" in result.stdout) == (0, True)


def test_help_names_them_and_imports_none() -> None:
    script = "import sys; from winnower.policy_command import policy; policy(['--help'], standalone_mode=False)"
    script += "; print([m for m in sys.modules if m.startswith(('winnower.policy_run', 'monitor', 'sigma'))])"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert told.endswith("[]\n")
    assert [name for name in COMMANDS if name not in told] == []


def test_an_unknown_command_is_bad_usage() -> None:
    assert run("explode").exit_code == 2
