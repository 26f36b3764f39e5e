"""An alert comes back from the store as it went in, whatever bytes it holds; its JSON has the contract's fields."""

import json

import pytest

from grammar import InputError
from monitor.alerts import Alert, Step

ALERT = Alert(
    policy="novelty",
    title="t\x1b[31m",
    severity="high",
    app="web",
    worker="w1",
    container="web\udcff1",
    time=1_500,
    replicas=(1, 8),
    nodes=("aa", "bb"),
    trace=(Step("aa", "Process sh /bin/sh", command="sh -c '\udc80'"), Step("bb", "File /x", "USED", "read")),
    summary=("a runs b",),
    lost={"late": 2},
)


def test_it_survives_the_store_with_undecodable_bytes() -> None:
    assert Alert.decode(ALERT.encode()) == ALERT
    assert ALERT.encode().isascii()


def test_its_json_has_the_fields_of_the_contract() -> None:
    value = ALERT.value()
    contract = ("policy", "severity", "app", "worker", "container", "time", "nodes")
    assert [value[key] for key in contract] == ["novelty", "high", "web", "w1", "web\udcff1", 1.5, ["aa", "bb"]]
    assert value["replicas"] == {"k": 1, "of": 8}
    assert value["lost"] == {"late": 2}


@pytest.mark.parametrize("data", [b"", b"\x80rubbish", b"{}", json.dumps({"policy": 1}).encode()])
def test_rubbish_in_the_store_is_an_error_not_a_traceback(data: bytes) -> None:
    with pytest.raises(InputError, match="damaged alert"):
        Alert.decode(data)


def test_two_alerts_do_not_share_their_losses() -> None:
    fields = {name: getattr(ALERT, name) for name in ALERT.__struct_fields__ if name != "lost"}
    one, two = Alert(**fields), Alert(**fields)
    assert one.lost is not two.lost
