"""Other parsers' test data: their logs in, their expected results compared value by value.

Rules of this file
    - The fixtures stay in `../shared/fixtures` (licences beside them); without that folder these tests are skipped.
    - go-libaudit's goldens are normalised: `RENAMED` and `_ours` are the whole list of differences. What has no rule is
      compared as it is; what cannot be compared is counted, and the share that is compared is asserted.

Source: elastic/go-libaudit auparse and aucoalesce test data; log2timeline/plaso; OTRF Security-Datasets.
"""

from __future__ import annotations

import errno
import json
import re
import signal
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.addresses import parse as parse_address
from agent.events import AuditParser, Event
from agent.paths import named, working_directory
from agent.records import Record, arguments, parse_line
from agent.syscalls import ARCHITECTURES, NUMBERS

AUPARSE = [
    "audit-rhel6", "audit-rhel7", "audit-ubuntu14", "audit-ubuntu16", "audit-ubuntu17", "test2", "test3",
]  # fmt: skip
AUCOALESCE = [
    "random-internet", "rhel-7-linux-3.10.0", "ubuntu-16.04-linux-4.13.0", "ubuntu-16.10-linux-4.8.0",
    "ubuntu-17.04-linux-4.10.0", "ubuntu-20.04.6-linux-5.15.0-1034-gcp", "ubuntu-21.10-linux-5.13",
    "ubuntu-24.04-linux-6.8.0",
]  # fmt: skip

UNSET = "4294967295"
CONTEXT = ("user", "role", "domain", "level", "category")
FAMILIES = {"inet": "ipv4", "inet6": "ipv6", "unix": "unix", "netlink": "netlink", "unknown": "0"}
RENAMED = {"old_auid": "old auid", "new_auid": "new auid"}
"""RHEL 5 wrote `old auid=`: go-libaudit joins the words; with us the second word is the name (`auid`)."""


@pytest.fixture(scope="session")
def fixtures(shared: Path) -> Path:
    folder = shared / "fixtures"
    if not folder.is_dir():
        pytest.skip("no folder `fixtures` in `shared`")
    return folder


def whole(data: bytes) -> tuple[list[Event], AuditParser]:
    parser = AuditParser()
    return parser.feed(data) + parser.finish(), parser


def millis(timestamp: str) -> int:
    return round(datetime.fromisoformat(timestamp).timestamp() * 1000)


def _context(value: str | None, part: str) -> str | None:
    """`user:role:domain:level[:category]` of SELinux, go-libaudit's way: what stands between the colons."""
    parts = (value or "").split(":", 4)
    position = CONTEXT.index(part)
    return parts[position] if position < len(parts) else None


def _result(fields: dict[str, str]) -> str | None:
    found = fields.get("success", fields.get("res"))
    return None if found is None else "success" if found in ("yes", "success", "1") else "fail"


def _socket(fields: dict[str, str], key: str) -> str | None:
    address = parse_address(fields["saddr"].encode())
    values = {"family": FAMILIES[address.family], "addr": address.host, "path": address.host, "port": str(address.port)}
    return values.get(key, fields.get(key))


def _ours(record: Record, key: str) -> str | None:
    """What we make of one of go-libaudit's normalised fields; None where we have no such value."""
    fields = record.fields
    if key == "result":
        return _result(fields)
    if (split := re.fullmatch(r"(subj|obj)_(\w+)", key)) is not None:
        return _context(fields.get(split[1]), split[2])
    if record.type == "SOCKADDR":
        return _socket(fields, key)
    if record.type == "AVC" and key in ("seresult", "seperms"):
        found = re.search(rb"avc: +(\w+) +\{ (.*) \}", record.body)
        return found[{"seresult": 1, "seperms": 2}[key]].decode() if found else None
    if key in RENAMED:
        found = re.search(RENAMED[key].encode() + rb"=(\d+)", record.body)
        return found[1].decode() if found else None
    value = fields.get(key)
    if value == UNSET and key in ("auid", "ses", "old-auid"):
        return "unset"
    return value if value is None else _named(record, key, value)


def _named(record: Record, key: str, value: str) -> str | None:
    """Numbers that go-libaudit replaces by their names; None for a system call that means nothing to the graph."""
    if key == "arch":
        return ARCHITECTURES[value]
    if key == "syscall":
        return NUMBERS[ARCHITECTURES[record.fields["arch"]]].get(int(value))
    if key == "exit" and value.startswith("-"):
        return errno.errorcode[-int(value)]
    return signal.Signals(int(value)).name if key == "sig" and record.type == "SECCOMP" else value


def compared(record: Record, golden: dict[str, Any]) -> Iterator[tuple[str, str, str | None]]:
    """Field, golden value and ours, of every value that one record's golden has."""
    for key, value in golden.get("data", {}).items():
        yield key, value, _ours(record, key)


@pytest.mark.parametrize("name", AUPARSE)
def test_records_and_their_values_are_those_of_go_libaudit(fixtures: Path, name: str) -> None:
    folder = fixtures / "go-libaudit/auparse/testdata"
    lines = [line for line in (folder / f"{name}.log").read_bytes().split(b"\n") if line.strip()]
    goldens = json.loads((folder / f"{name}.log.golden").read_text())
    assert len(lines) == len(goldens)
    different: list[tuple[str, str, str, str | None]] = []
    total = skipped = 0
    for line, golden in zip(lines, goldens, strict=True):
        record = parse_line(line)
        assert (record is None) == (golden is None)
        if record is None:
            continue
        seconds, _, serial = record.stamp.decode().partition(":")
        assert record.type.lower() == golden["record_type"].replace("unknown[", "UNKNOWN[").lower()
        assert (round(float(seconds) * 1000), int(serial)) == (millis(golden["@timestamp"]), golden["sequence"])
        for key, expected, ours in compared(record, golden):
            total += 1
            if key == "syscall" and ours is None:
                skipped += 1  # a call that means nothing to the graph has no name in our tables
            elif ours != expected:
                different.append((record.type, key, expected, ours))
    assert different == []
    assert (total - skipped) / total >= 0.95


@pytest.mark.parametrize("name", AUPARSE)
def test_every_record_of_these_logs_is_in_one_event(fixtures: Path, name: str) -> None:
    data = (fixtures / f"go-libaudit/auparse/testdata/{name}.log").read_bytes()
    lines = [line for line in data.split(b"\n") if line.strip()]
    found, parser = whole(data)
    readable = [line for line in lines if parse_line(line) is not None]
    assert sorted(line for event in found for line in event.raw.split(b"\n") if line) == sorted(readable)
    assert parser.loss["unparsable"] == len(lines) - len(readable)
    assert parser.lines == len(lines)
    assert len({record.stamp for event in found for record in event.records}) == len({_stamp(ln) for ln in readable})


def _stamp(line: bytes) -> bytes:
    record = parse_line(line)
    return record.stamp if record else b""


def test_events_interleaved_by_a_busy_machine(fixtures: Path) -> None:
    found, parser = whole((fixtures / "go-libaudit/auparse/testdata/test3.log").read_bytes())
    began = [194435, 194433, 194436, 194437, 194438, 194439, 194440, 194894, 1865, 10262]
    assert [event.serial for event in found] == began
    assert sum(event.call is not None for event in found) == 7
    assert dict(parser.loss) == {"late": 1}  # an EXECVE record whose system call is not in the file


def _cases(fixtures: Path, name: str) -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    folder = fixtures / "go-libaudit/aucoalesce/testdata"
    logs: dict[str, str] = yaml.safe_load((folder / f"{name}.yaml").read_text())["tests"]
    for golden in json.loads((folder / f"{name}.json.golden").read_text()):
        yield golden["test_name"], logs[golden["test_name"]].encode(), golden["event"]


def _process(event: Event, key: str) -> str | list[str] | None:
    """One value of `process` as go-libaudit gathers it from the records of an event."""
    records = event.records
    if key == "args":
        return arguments([record.body for record in records if record.type == "EXECVE"])
    if key == "cwd":
        return working_directory(event.raw) or next((r.fields["cwd"] for r in records if "cwd" in r.fields), None)
    if key == "title":
        titles = (record.fields["proctitle"] for record in records if record.type == "PROCTITLE")
        return next((one.replace("\0", " ") for one in titles), None)
    wanted = {"name": "comm"}.get(key, key)
    first = sorted(records, key=lambda record: record.type != "SYSCALL")
    return next((record.fields[wanted] for record in first if wanted in record.fields), None)


def _gathered(event: Event, golden: dict[str, Any]) -> Iterator[tuple[str, object, object]]:
    for key, value in golden.get("process", {}).items():
        yield f"process.{key}", value, _process(event, key)
    items = [record.fields for record in event.records if record.type == "PATH"]
    for expected, ours in zip(golden.get("paths", []), items, strict=False):
        for key, value in expected.items():
            context = re.fullmatch(r"obj_(\w+)", key)
            yield f"paths.{key}", value, _context(ours.get("obj"), context[1]) if context else ours.get(key)
    data = golden.get("data", {})
    sockets = [record.fields for record in event.records if record.type == "SOCKADDR"]
    for key in ("family", "addr", "port", "path"):
        if f"socket_{key}" in data:
            yield f"socket.{key}", data[f"socket_{key}"], _socket(sockets[0], key)
    for side in ("source", "destination"):
        if sockets and "ip" in golden.get(side, {}):
            yield f"{side}.ip", golden[side]["ip"], _socket(sockets[0], "addr")
            yield f"{side}.port", golden[side]["port"], _socket(sockets[0], "port")
    for key, value in (golden.get("user", {}).get("ids", {}) | data).items():
        if not key.startswith("socket_"):
            said = [_ours(record, key) for record in event.records]
            yield f"data.{key}", value, value if value in said else next((one for one in said if one), None)
    if golden.get("result", "unknown") != "unknown":
        yield "result", golden["result"], next((r for one in event.records if (r := _result(one.fields))), None)


@pytest.mark.parametrize("name", AUCOALESCE)
def test_events_are_those_that_go_libaudit_puts_together(fixtures: Path, name: str) -> None:
    total = 0
    for title, log, golden in _cases(fixtures, name):
        found, parser = whole(log)
        assert len(found) == 1, title
        event = found[0]
        assert (event.millis, event.serial) == (millis(golden["@timestamp"]), golden["sequence"]), title
        assert golden["record_type"].upper() in {record.type for record in event.records}, title
        assert not parser.loss, title
        for key, expected, ours in _gathered(event, golden):
            if ours is not None or key != "data.syscall":
                assert ours == expected, (title, key)
                total += 1
        assert len(named(event.raw)) == sum("name" in p and _kind(p) != "PARENT" for p in golden.get("paths", [])), (
            title
        )
    assert total > 0


def _kind(path: dict[str, str]) -> str | None:
    return path.get("nametype", path.get("objtype"))


@pytest.mark.parametrize("name", ["normal", "out_of_order"])
def test_the_same_five_events_in_order_and_out_of_order(fixtures: Path, name: str) -> None:
    found, parser = whole((fixtures / f"go-libaudit/testdata/{name}.log").read_bytes())
    assert [event.serial for event in found] == [58, 59, 60, 61, 62]
    assert [len(event.records) for event in found] == [2, 5, 5, 4, 1]
    assert all(event.call for event in found)
    assert not parser.loss


def test_out_of_order_records_end_up_in_the_same_events(fixtures: Path) -> None:
    folder = fixtures / "go-libaudit/testdata"
    normal, shuffled = (whole((folder / f"{name}.log").read_bytes())[0] for name in ("normal", "out_of_order"))
    assert normal == shuffled


def test_lost_events_show_only_as_a_gap_of_serials(fixtures: Path) -> None:
    """Nine are missing between 49 and 59. A gap alone is no loss: filtered and recorded logs are full of them."""
    found, parser = whole((fixtures / "go-libaudit/testdata/lost_messages.log").read_bytes())
    assert [event.serial for event in found] == [49, 59, 60, 61, 62]
    assert (parser.lines, dict(parser.loss)) == (17, {})


def test_serials_roll_over(fixtures: Path) -> None:
    found, parser = whole((fixtures / "go-libaudit/testdata/rollover.log").read_bytes())
    assert [event.serial for event in found] == [4294967294, 4294967295, 0, 1, 2]
    assert not parser.loss


def test_plaso_enriched(fixtures: Path) -> None:
    found, parser = whole((fixtures / "plaso/test_data/audit_enriched.log").read_bytes())
    assert (len(found), parser.lines, dict(parser.loss)) == (12, 29, {})
    executed = [arguments([r.body for r in event.records if r.type == "EXECVE"]) for event in found]
    assert [argv for argv in executed if argv][:2] == [["id"], ["/bin/sh", "-c", "grep -c . /etc/hostname"]]
    calls = [event for event in found if event.call]
    assert len(calls) == 4
    assert {record.interpreted["ARCH"] for event in calls for record in event.records if record.type == "SYSCALL"} == {
        "x86_64"
    }


def test_plaso_selinux(fixtures: Path) -> None:
    """The truly odd ones: no milliseconds, no date, no type, no `type=`. A record may be empty, its type unknown."""
    data = (fixtures / "plaso/test_data/selinux.log").read_bytes()
    odd = [line.split(b": ")[-1] for line in data.split(b"\n") if line.strip() and parse_line(line) is None]
    assert odd == [
        b"missing milliseconds, should be skipped by parser",
        b"empty date, should be skipped by parser",
        b"missing type value, should be skipped by parser",
        b"missing type param, should be skipped by parser",
    ]
    found, parser = whole(data)
    assert (len(found), parser.lines, dict(parser.loss)) == (6, 11, {"unparsable": 4})
    assert [event.records[0].type for event in found].count("AVC") == 1


def test_otrf(fixtures: Path) -> None:
    folder = fixtures / "otrf/datasets/atomic/linux"
    logs = sorted(folder.rglob("*.log"))
    found = [whole(log.read_bytes()) for log in logs]
    assert [(len(events), parser.lines, dict(parser.loss)) for events, parser in found] == [(1, 6, {}), (2, 12, {})]
    assert [
        arguments([r.body for r in event.records if r.type == "EXECVE"]) for events, _ in found for event in events
    ] == [
        ["dd", "if=/dev/zero", "bs=1", "count=1"],
        ["arp", "-a"],
        ["grep", "-v", "^?"],
    ]


def test_another_forwarder_s_format_is_counted_not_believed(fixtures: Path) -> None:
    """Azure's auoms writes JSON lines of its own: 50 lines, none of them an audit record."""
    log = next((fixtures / "otrf").rglob("*.json"))
    found, parser = whole(log.read_bytes())
    assert (found, parser.lines, dict(parser.loss)) == ([], 50, {"unparsable": 50})


def test_nearly_every_value_of_the_goldens_is_compared(fixtures: Path) -> None:
    """The share that the tests above compare, of all that go-libaudit's record goldens and event goldens say."""
    folder = fixtures / "go-libaudit/auparse/testdata"
    total = unnamed = 0
    for name in AUPARSE:
        lines = [line for line in (folder / f"{name}.log").read_bytes().split(b"\n") if line.strip()]
        for line, golden in zip(lines, json.loads((folder / f"{name}.log.golden").read_text()), strict=True):
            record = parse_line(line)
            values = [] if record is None else list(compared(record, golden))
            total += len(values)
            unnamed += sum(key == "syscall" and ours is None for key, _, ours in values)
    assert total >= 1_000
    assert unnamed <= total * 0.02
    gathered = expected = 0
    for name in AUCOALESCE:
        for _, log, golden in _cases(fixtures, name):
            gathered += len(list(_gathered(whole(log)[0][0], golden)))
            expected += len(golden.get("process", {})) + sum(map(len, golden.get("paths", [])))
    assert gathered >= 2 * expected >= 700
