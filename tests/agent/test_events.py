"""Records → events: one test per oddity that an audit log has (design section 4), as lines in and events out.

Rules of this file
    - A log is written with `call`, `path`, `title` …: only what the test is about differs from the ordinary.
    - What holds for any log and any cut is in `test_events_properties.py`; other parsers' expected results are in
      `test_fixtures.py`.
"""

import pytest

from agent import events
from agent.events import FEW, SPAN, AuditParser, Event
from agent.logtime import STEP, STEP_EVENTS, LogTime
from agent.loss import Loss
from grammar.errors import CodecError

TAIL = b'ppid=1 pid=2 auid=0 uid=0 tty=(none) ses=1 comm="sh" exe="/bin/sh" key=(null)'


def stamp(serial: int, seconds: float = 1000.0) -> bytes:
    return b"%d.%03d:%d" % (int(seconds), round(seconds * 1000) % 1000, serial)


def record(kind: bytes, serial: int, body: bytes, seconds: float = 1000.0, node: bytes = b"") -> bytes:
    return (b"node=%s " % node if node else b"") + b"type=%s msg=audit(%s): %s\n" % (kind, stamp(serial, seconds), body)


def call(serial: int, number: int = 1, seconds: float = 1000.0, arch: bytes = b"c000003e", node: bytes = b"") -> bytes:
    body = b"arch=%s syscall=%d success=yes exit=5 a0=1 a1=2 a2=3 a3=4 items=0 %s" % (arch, number, TAIL)
    return record(b"SYSCALL", serial, body, seconds, node)


def title(serial: int, seconds: float = 1000.0, node: bytes = b"") -> bytes:
    return record(b"PROCTITLE", serial, b'proctitle="sh"', seconds, node)


def path(serial: int, item: int = 0, seconds: float = 1000.0) -> bytes:
    return record(b"PATH", serial, b'item=%d name="/x" nametype=NORMAL' % item, seconds)


def parse(*parts: bytes) -> tuple[list[Event], dict[str, int], int]:
    """Events, losses and lines of one log, fed whole; the same log fed by line must give the same."""
    results = []
    for chunks in ([b"".join(parts)], b"".join(parts).splitlines(keepends=True)):
        parser = AuditParser()
        found = [event for chunk in chunks for event in parser.feed(chunk)] + parser.finish()
        results.append((found, dict(parser.loss), parser.lines))
    assert results[0] == results[1]
    return results[0]


def serials(found: list[Event]) -> list[int]:
    return [event.serial for event in found]


def test_an_event_whose_records_stand_together() -> None:
    found, lost, lines = parse(call(7), path(7), title(7))
    assert len(found) == 1
    assert found[0].millis == 1_000_000
    assert found[0].raw == call(7) + path(7) + title(7)
    expected = (b"arch=c000003e syscall=1 success=yes", b"5", b"1", b"2", b"3", b"4", TAIL, path(7), b'proctitle="sh"')
    assert found[0].call == (stamp(7), *expected)
    assert [one.type for one in found[0].records] == ["SYSCALL", "PATH", "PROCTITLE"]
    assert (lost, lines) == ({}, 3)


def test_enriched_records_keep_their_interpretation() -> None:
    enriched = call(7)[:-1] + b'\x1dARCH=x86_64 SYSCALL=write AUID="root"\n'
    found, lost, _ = parse(enriched, title(7))
    assert found[0].call is not None
    assert found[0].records[0].interpreted == {"ARCH": "x86_64", "SYSCALL": "write", "AUID": "root"}
    assert found[0].records[0].fields["syscall"] == "1"
    assert not lost


def test_nodes_are_kept_apart_even_where_their_stamps_are_the_same() -> None:
    found, lost, lines = parse(
        call(7, node=b"a"), call(7, 2, node=b"b"), call(7, 3), title(7, node=b"b"), title(7), title(7, node=b"a")
    )
    assert [(event.node, event.call and event.call[1][-13:-12]) for event in found] == [
        ("a", b"1"),
        ("b", b"2"),
        ("", b"3"),
    ]
    assert found[0].raw == call(7) + title(7)
    assert {one.node for one in found[0].records} == {"a"}
    assert (lost, lines) == ({}, 6)


def test_interleaved_events_leave_in_the_order_in_which_they_began() -> None:
    found, lost, _ = parse(call(1), call(2), path(1), call(3), title(2), path(3), title(3), title(1), call(4), title(4))
    assert serials(found) == [1, 2, 3, 4]
    assert found[0].raw == call(1) + path(1) + title(1)
    assert all(event.call for event in found)
    assert not lost


def test_a_contiguous_event_waits_for_the_open_one_before_it() -> None:
    parser = AuditParser()
    assert parser.feed(call(1) + call(2) + title(2)) == []
    assert serials(parser.feed(title(1))) == [1, 2]


@pytest.mark.parametrize("arch", [b"c000003e", b"40000003", b"c00000b7"])
def test_architectures_are_passed_on(arch: bytes) -> None:
    found, _, _ = parse(call(1, arch=arch), title(1))
    assert found[0].call is not None
    assert found[0].call[1].startswith(b"arch=" + arch)


def test_a_personality_is_passed_on() -> None:
    found, _, _ = parse(call(1).replace(b"syscall=1 ", b"syscall=1 per=400000 "), title(1))
    assert found[0].call is not None
    assert found[0].call[1] == b"arch=c000003e syscall=1 per=400000 success=yes"


def test_exit_group_has_neither_success_nor_exit() -> None:
    found, lost, _ = parse(call(1, 231).replace(b" success=yes exit=5", b""), title(1))
    assert found[0].call is not None
    assert found[0].call[1:4] == (b"arch=c000003e syscall=231", None, b"1")
    assert not lost


def test_an_io_uring_operation_has_no_system_call_and_ends_at_its_end_mark() -> None:
    uring = record(b"URINGOP", 1, b"uring_op=18 success=yes exit=5 items=1 ppid=1 pid=2 uid=0 key=(null)")
    found, lost, lines = parse(uring, path(1), record(b"EOE", 1, b""), call(2), title(2))
    assert serials(found) == [1, 2]
    assert (found[0].call, found[0].raw) == (None, uring + path(1))
    assert (lost, lines) == ({}, 5)


def test_an_end_mark_ends_an_event_on_kernels_without_titles() -> None:
    parser = AuditParser()
    assert serials(parser.feed(call(1) + path(1) + record(b"EOE", 1, b""))) == [1]
    assert serials(parser.feed(call(2) + title(2) + record(b"EOE", 2, b""))) == [2]
    assert not parser.loss


def test_single_records_are_events_at_once() -> None:
    parser = AuditParser()
    assert serials(parser.feed(record(b"USER_LOGIN", 5, b"pid=1 msg='op=login res=success'"))) == [5]
    assert serials(parser.feed(record(b"UNKNOWN[2500]", 6, b"pid=1"))) == [6]


def test_records_that_come_before_their_system_call_are_in_its_event() -> None:
    first = record(b"UNKNOWN[1334]", 1, b"prog-id=3 op=LOAD") + record(b"AVC", 1, b"avc:  denied")
    found, lost, _ = parse(first, call(1), title(1))
    assert serials(found) == [1]
    assert found[0].call is not None
    assert found[0].call[8] == first
    assert not lost


def test_serials_start_again_at_two_to_the_32() -> None:
    found, lost, _ = parse(*(call(n % 2**32) + title(n % 2**32) for n in range(2**32 - 2, 2**32 + 2)))
    assert serials(found) == [2**32 - 2, 2**32 - 1, 0, 1]
    assert not lost


def test_a_lost_title_is_counted_and_keeps_the_order() -> None:
    """What gets no end mark is used as far as it goes, after `SPAN` further events; those wait for it."""
    parser = AuditParser()
    found = parser.feed(call(0) + title(0) + call(1) + path(1))
    assert serials(found) == [0]
    for serial in range(2, SPAN + 2):
        assert parser.feed(call(serial) + title(serial)) == []
    assert serials(parser.feed(call(SPAN + 2) + title(SPAN + 2))) == list(range(1, SPAN + 3))
    assert parser.loss == {"unfinished": 1}


def test_in_a_log_without_any_end_marks_nothing_is_unfinished() -> None:
    found, lost, _ = parse(*(call(serial) + path(serial) for serial in range(200)))
    assert serials(found) == list(range(200))
    assert not lost


def test_log_time_closes_an_event_too() -> None:
    later = [part for n in range(2, FEW + 3) for part in (call(n, seconds=1002.001), title(n, 1002.001))]
    found, lost, _ = parse(call(0), title(0), call(1), *later, path(1))
    assert serials(found) == [0, 1, *range(2, FEW + 3), 1]
    assert lost == {"unfinished": 1, "late": 1}


def test_log_time_alone_does_not_close_an_event_of_a_quiet_log() -> None:
    found, lost, _ = parse(call(1), call(2, seconds=1010), title(2, 1010), path(1), title(1))
    assert serials(found) == [1, 2]
    assert not lost


def test_a_blocked_call_carries_the_stamp_of_its_beginning() -> None:
    """An accept that began a minute ago is not closed before its own title comes."""
    found, lost, _ = parse(call(9, seconds=1060), title(9, 1060), call(1), call(10, seconds=1060.5), path(1), title(1))
    assert serials(found) == [9, 1, 10]
    assert found[1].raw == call(1) + path(1) + title(1)
    assert lost == {"unfinished": 1}  # 10 is cut off by the end of the log


def test_late_records_are_counted() -> None:
    found, lost, lines = parse(call(1), title(1), path(1), path(1, 1), call(2), title(2))
    assert [event.call is None for event in found] == [False, True, False]
    assert found[1].raw == path(1) + path(1, 1)
    assert (lost, lines) == ({"late": 2}, 6)


def test_a_title_alone_is_late() -> None:
    found, lost, _ = parse(title(1))
    assert (serials(found), found[0].call, lost) == ([1], None, {"late": 1})


def test_a_second_system_call_of_one_stamp_is_another_event() -> None:
    found, lost, _ = parse(call(1), call(1, 2), title(1))
    assert [event.raw for event in found] == [call(1), call(1, 2) + title(1)]
    assert not lost


def test_a_system_call_without_its_fields_is_malformed() -> None:
    for damaged in (
        b"arch=c000003e syscall=1 succ",
        b"arch=c000003e syscall=1 success=yes exit=5 a0=zz a1=0 a2=0 a3=0 items=0 x",
    ):
        found, lost, _ = parse(record(b"SYSCALL", 1, damaged), path(1), title(1))
        assert (len(found), found[0].call, lost) == (1, None, {"malformed": 1})


def test_a_system_call_named_inside_another_record_is_not_believed() -> None:
    spoof = record(b"AVC", 1, b"name=" + call(9)[:-1])
    found, _, _ = parse(spoof, call(1), title(1))
    assert found[0].call is not None
    assert found[0].call[0] == stamp(1)


def test_binary_rubbish_is_counted_by_line() -> None:
    found, lost, lines = parse(
        b"\x00\xff\x1d\n", b"\n", b"   \n", call(1), b"type=\n", path(1), title(1), b"\x7fELF\r\r\n"
    )
    assert serials(found) == [1]
    assert found[0].raw == call(1) + path(1) + title(1)
    assert (lost, lines) == ({"unparsable": 3}, 6)


def test_a_line_longer_than_any_record_is_skipped_however_it_comes() -> None:
    long = b"type=PATH msg=audit(1.000:2): name=" + b"4" * events.MAX_LINE + b"\n"
    found, lost, lines = parse(call(1), title(1), long, call(3), title(3), long[:-1])
    assert serials(found) == [1, 3]
    assert (lost, lines) == ({"oversized": 2}, 6)


def test_a_line_of_the_longest_length_is_used() -> None:
    head = b"type=USER_TTY msg=audit(1.000:2): data="
    longest = head + b"4" * (events.MAX_LINE - len(head))
    for end in (b"\n", b"\r\n"):
        found, lost, _ = parse(longest + end)
        assert (serials(found), lost) == ([2], {})
        found, lost, _ = parse(longest + b"4" + end)
        assert (serials(found), lost) == ([], {"oversized": 1})
    parser = AuditParser()
    assert serials(parser.feed(longest + b"\r") + parser.feed(b"\n")) == [2]


def test_carriage_returns_before_newlines_are_dropped() -> None:
    unix, dos = call(1) + path(1) + title(1), (call(1) + path(1) + title(1)).replace(b"\n", b"\r\n")
    assert parse(dos) == parse(unix)
    assert parse(call(1).replace(b"\n", b"\r\n"), call(2), title(1), title(2)) == parse(
        call(1), call(2), title(1), title(2)
    )


def test_a_carriage_return_inside_a_line_does_not_cut_it() -> None:
    found, _, _ = parse(record(b"USER_TTY", 1, b'data="a\rb" pid=7'))
    assert len(found[0].records) == 1
    assert found[0].records[0].fields == {"data": "a\rb", "pid": "7"}


@pytest.mark.parametrize(
    "last",
    [
        title(1)[:-1],
        record(b"PROCTITLE", 1, b"proctitle=2F62696E")[:-1],
        record(b"USER_END", 2, b"pid=1 msg='op=x terminal=cron res=success'")[:-1],
        record(b"USER_END", 2, b"pid=1 msg='op=x terminal=cron res=success'\x1dUID=\"root\"")[:-1],
        record(b"CONFIG_CHANGE", 2, b'auid=0 op="add_rule" key=(null) list=4 res=1')[:-1],
    ],
)
def test_a_last_line_without_newline_is_used_if_it_is_whole(last: bytes) -> None:
    found, lost, lines = parse(call(1), last)
    assert last + b"\n" in b"".join(event.raw for event in found)
    assert "truncated" not in lost
    assert lines == 2


@pytest.mark.parametrize(
    "last",
    [
        call(2)[:60],
        call(2)[:-3],
        title(1)[:-3],
        b"type=PROCTITLE msg=audit(1000.000:1): proctitle=2F6",
        b"type=SOCKADDR msg=audit(1000.000:1): saddr=020",
        b"type=USER_END msg=audit(1000.000:2): pid=1 msg='op=x res=succ",
        b"type=USER_END msg=audit(1000.000:2): pid=",
        b"type=USER_E",
        b"\xff",
    ],
)
def test_a_log_cut_inside_a_record(last: bytes) -> None:
    found, lost, lines = parse(call(1), last)
    assert [event.raw for event in found] == [call(1)]
    assert (lost, lines) == ({"truncated": 1}, 2)


def test_the_end_of_a_log_is_the_end_once() -> None:
    parser = AuditParser()
    parser.feed(call(1) + path(1) + b"type=PA")
    assert serials(parser.finish()) == [1]
    before = dict(parser.loss)
    assert parser.finish() == []
    assert dict(parser.loss) == before == {"truncated": 1}
    assert serials(parser.feed(call(2) + title(2))) == [2]


def test_records_out_of_order_find_their_events() -> None:
    found, lost, _ = parse(path(2), call(1), path(1), call(2), title(1), title(2))
    assert serials(found) == [2, 1]
    assert found[0].raw == path(2) + call(2) + title(2)
    assert not lost


def test_memory_is_bounded_whatever_one_event_claims_to_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_HELD", 5_000)
    flood = [path(1, item) for item in range(1_000)]
    parser = AuditParser()
    found, largest = [], 0
    for line in [call(0), *flood, title(1)]:
        found += parser.feed(line)
        largest = max(largest, len(parser.save()))
    found += parser.finish()
    assert largest < 12_000
    assert b"".join(event.raw for event in found) == b"".join([call(0), *flood, title(1)])
    assert parser.loss == {"unfinished": 1, "late": 1_001}


def test_state_is_one_value() -> None:
    first = b"\xff\n" + call(1) + call(2) + path(2) + title(2) + record(b"AVC", 3, b"x") + b"type=PATH msg=au"
    parser = AuditParser()
    parser.feed(call(0) + title(0) + first)
    again = AuditParser.restore(parser.save())
    rest = b"dit(1000.000:1): item=0 name=1\n" + title(1) + call(4)
    assert again.feed(rest) == parser.feed(rest)
    assert again.finish() == parser.finish()
    assert (again.loss, again.lines) == (parser.loss, parser.lines)
    assert isinstance(again.loss, Loss)


@pytest.mark.parametrize("rubbish", [b"", b"\x00", b"\x98\x01", AuditParser().save()[:-1]])
def test_a_damaged_state_is_refused(rubbish: bytes) -> None:
    with pytest.raises(CodecError, match="not a saved state"):
        AuditParser.restore(rubbish)


def test_many_records_without_a_title_cost_no_more_than_their_length() -> None:
    """Nothing is tried twice: an event of 5,000 records whose title is another's takes no time to speak of."""
    found, lost, _ = parse(call(1), *(path(1, item) for item in range(5_000)), title(2))
    assert serials(found) == [1, 2]
    assert lost == {"unfinished": 1, "late": 1}


def test_a_clock_set_back_is_bridged_and_small_lag_is_not() -> None:
    time = LogTime()
    for millis in [10_000, 9_000, 10_000 - STEP, 11_000]:
        time.see(millis)
    assert (time.clock.millis, time.offset, time.steps) == (11_000, 0, 0)
    for step in range(STEP_EVENTS + 10):
        time.see(1_000 + step)
    assert time.steps == 1
    assert time.clock.millis == 11_000 + 10
    assert time.offset == 11_000 - (1_000 + STEP_EVENTS - 1)


def test_a_clock_set_forward_is_followed() -> None:
    time = LogTime()
    time.see(1_000)
    time.see(1_000_000)
    assert (time.clock.millis, time.steps) == (1_000_000, 0)


def test_loss_has_only_known_causes_and_is_taken_once() -> None:
    loss = Loss()
    loss.note("late", 2)
    loss.note("clock_step")
    with pytest.raises(KeyError):
        loss.note("bad luck")
    assert loss.take() == {"clock_step": 1, "late": 2}
    assert loss.take() == {}
