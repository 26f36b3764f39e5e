"""An action takes what its settings say, and nothing that is kept quiet."""

import pytest
from told import alert

from monitor.action_filter import Filter
from monitor.alerts import Alert


@pytest.mark.parametrize(
    ("wanted", "one", "taken"),
    [
        (Filter(), alert(), True),
        (Filter(least="high"), alert(), True),
        (Filter(least="critical"), alert(), False),
        (Filter(least="critical"), alert(severity="never heard of"), True),
        (Filter(policies=("shell-*", "x")), alert(), True),
        (Filter(policies=("x*",)), alert(), False),
        (Filter(policies=()), alert(), False),
        (Filter(apps=("db", "w*b")), alert(), True),
        (Filter(apps=("db",)), alert(), False),
        (Filter(certain=True), alert(certainty="possible", confirmed="unanswered"), False),
        (Filter(certain=True), alert(certainty="possible", confirmed="worker"), True),
        (Filter(named=("pager",)), alert(), False),
        (Filter(named=("pager", "exec")), alert(actions=("other", "exec")), True),
        (Filter(), alert(quiet="snoozed"), False),
        (Filter(), alert(quiet="elsewhere"), False),
    ],
)
def test_what_is_taken(wanted: Filter, one: Alert, taken: bool) -> None:
    assert wanted.takes(one) is taken
