"""A list shows what is asked for; what somebody has taken note of is not shown, but that it is there is."""

import pytest
from told import HOSTILE, alert

from grammar import InputError
from monitor.actions_listing import Listing
from monitor.lifecycle import Lifecycle

ALERTS = [
    alert(1, time=1_000),
    alert(2, time=2_000, severity="low", app="db"),
    alert(3, time=3_000, policy="other", quiet="elsewhere"),
    alert(4, time=4_000, severity="critical", quiet="snoozed"),
    alert(5, time=5_000, container="x"),
]


@pytest.fixture
def life() -> Lifecycle:
    found = Lifecycle.load([], ALERTS)
    found.acknowledge([1], "me\x1b", 7_000, "it is \n fine")
    found.rearm([5], "you", 8_000)
    return found


@pytest.mark.parametrize(
    ("params", "numbers", "hidden"),
    [
        ({}, [2, 3, 5], 2),
        ({"all": "1"}, [1, 2, 3, 4, 5], 0),
        ({"all": "0"}, [2, 3, 5], 2),
        ({"status": "acknowledged"}, [1], 0),
        ({"status": "snoozed"}, [4], 0),
        ({"status": "open"}, [2], 0),
        ({"app": "web"}, [3, 5], 2),
        ({"policy": "shell-*"}, [2, 5], 2),
        ({"severity": "high"}, [3, 5], 2),
        ({"severity": "critical", "all": "1"}, [4], 0),
        ({"since": "3000"}, [3, 5], 1),
        ({"app": "nope"}, [], 0),
    ],
)
def test_what_is_shown(life: Lifecycle, params: dict[str, str], numbers: list[int], hidden: int) -> None:
    listing = Listing.of(params)
    listed = listing.listed(ALERTS, life)
    assert ([one.number for one in listed.alerts], listed.hidden) == (numbers, hidden)
    assert Listing.of(listing.params()) == listing


def test_what_was_said_is_said_below(life: Lifecycle) -> None:
    listed = Listing(everything=True).listed(ALERTS, life)
    assert listed.notes(life).splitlines() == [
        "  1: acknowledged by me\\x1b, 1970-01-01T00:00:07.000+00:00: it is \\n fine",
        "  4: snoozed",
        "  5: rearmed by you, 1970-01-01T00:00:08.000+00:00",
    ]
    assert Listing().listed(ALERTS, life).notes(life).endswith("  2 acknowledged or snoozed: --all shows them\n")
    assert Listing(status="open").listed(ALERTS, life).notes(life) == ""


def test_json_says_what_has_become_of_it(life: Lifecycle) -> None:
    first, second, *_ = Listing(everything=True).listed(ALERTS, life).values(life)
    said = {"number": 1, "status": "acknowledged", "by": "me\x1b", "at": 7.0, "comment": "it is \n fine"}
    assert (first["status"], first["said"], first["number"]) == ("acknowledged", said, 1)
    assert (second["status"], "said" in second) == ("open", False)


@pytest.mark.parametrize(
    "params", [{"since": "x"}, {"since": "²"}, {"severity": "x"}, *({"status": t} for t in HOSTILE)]
)
def test_what_cannot_be_asked_is_an_error(params: dict[str, str]) -> None:
    with pytest.raises(InputError):
        Listing.of(params)
