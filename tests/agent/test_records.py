"""One record: every way in which audit writes a value, and that no bytes at all can make reading one fail.

Rules of this file
    - Plain cases are statements; what must hold for any bytes is a property (Hypothesis).
"""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent import addresses, paths
from agent.records import HEADER, arguments, decode, parse_line, text, untrusted

ENRICHED = b'type=PATH msg=audit(1.002:3): item=0 name="/bin/id" ouid=0\x1dOUID="root" OGID="wheel"'


def fields(line: bytes) -> dict[str, str]:
    record = parse_line(line)
    assert record is not None
    return record.fields


def test_a_head_names_type_stamp_and_node() -> None:
    record = parse_line(b"node=web-1 type=CWD msg=audit(1364481363.243:24287):  cwd=2F746D702F612062")
    assert record is not None
    assert (record.type, record.stamp, record.node) == ("CWD", b"1364481363.243:24287", "web-1")
    assert record.fields == {"cwd": "/tmp/a b"}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"type= msg=audit(1.000:1): x",
        b"msg=audit(1.000:1): x",
        b"type=X msg=audit(1): x",
        b"type=X msg=audit(): x",
        b"type=X msg=?",
        b"\x00\xff",
    ],
)
def test_what_has_no_head_is_no_record(line: bytes) -> None:
    assert parse_line(line) is None


def test_auditd_s_own_records_may_lack_the_colon() -> None:
    assert fields(b"type=DAEMON_CONFIG msg=audit(1.000:34) config changed, auid=0 res=success")["res"] == "success"


def test_the_enriched_part_is_kept_apart() -> None:
    record = parse_line(ENRICHED)
    assert record is not None
    assert record.fields == {"item": "0", "name": "/bin/id", "ouid": "0"}
    assert record.interpreted == {"OUID": "root", "OGID": "wheel"}


def test_fields_of_a_message_are_opened_apostrophes_and_all() -> None:
    line = b"""type=X msg=audit(1.000:2): pid=7 msg='cwd="/o'neill" cmd=6C73202D6C acct="it's" res=failed'"""
    assert fields(line + b'\x1dUID="x"') == {
        "pid": "7",
        "cwd": "/o'neill",
        "cmd": "ls -l",
        "acct": "it's",
        "res": "failed",
    }


def test_the_first_of_a_repeated_field_wins() -> None:
    assert fields(b"type=X msg=audit(1.000:2): pid=1 msg='pid=2'")["pid"] == "1"


def test_only_fields_that_may_be_hex_are_decoded() -> None:
    assert fields(b"type=TIME_ADJNTPVAL msg=audit(1.000:2): op=status old=64 new=8256") == {
        "op": "status",
        "old": "64",
        "new": "8256",
    }
    assert fields(b"type=SYSCALL msg=audit(1.000:2): a0=10 a1=41 key=61016200")["key"] == "a\x01b\x00"
    assert fields(b"type=SYSCALL msg=audit(1.000:2): a0=10 a1=41")["a1"] == "41"
    assert fields(b"type=EXECVE msg=audit(1.000:2): argc=41 a0_len=42 a0[0]=4142 a1=4344") == {
        "argc": "41",
        "a0_len": "42",
        "a0[0]": "AB",
        "a1": "CD",
    }


def test_bytes_that_are_no_text_come_back_the_same() -> None:
    value = decode("name", b"2FFF80")
    assert value.encode("utf-8", "surrogateescape") == b"/\xff\x80"


def test_long_arguments_are_joined_from_their_pieces_in_whatever_order() -> None:
    bodies = [b'argc=3 a0="sh" a1_len=6 a1[0]=6162', b"a1[2]=6566", b"a1[1]=6364 ", b'a2="x"\x1da9="no"']
    assert arguments(bodies) == ["sh", "abcdef", "x"]


def test_an_argument_beside_a_stray_quote_is_kept() -> None:
    assert arguments([b"""argc=3 a0="docker" a1="a1=b" a2="721df"'"""]) == ["docker", "a1=b", "721df"]


def test_odd_hex_is_text() -> None:
    assert untrusted(b"ABC") == "ABC"
    assert arguments([b"a0=ABC"]) == ["ABC"]


@given(st.text("abA0_-[]=\"' {}\x1d\n\r\t", max_size=80).map(str.encode) | st.binary(max_size=80))
@example(b'name="')
@example(b"{ { {")
def test_any_body_gives_fields(body: bytes) -> None:
    """Whatever follows the head, reading fields, arguments, addresses and paths gives values and never raises."""
    for kind in (b"EXECVE", b"PATH", b"SOCKADDR", b"CWD"):
        line = b"type=" + kind + b" msg=audit(1.000:1): " + body
        record = parse_line(line)
        assert record is not None
        assert all(isinstance(value, str) for value in (record.fields | record.interpreted).values())
        assert all(isinstance(one, str) for one in arguments([body]))
        assert isinstance(addresses.find(line), addresses.Address | None)
        assert all(isinstance(one.name, str) for one in paths.named(line))
        assert isinstance(paths.working_directory(line), str | None)


@given(st.text(st.characters(codec="utf-8"), max_size=20), st.binary(max_size=20))
def test_decoding_undoes_what_the_kernel_encodes(name: str, value: bytes) -> None:
    """The kernel writes hex for what is not plain, quotes for what is: both come back as they went in."""
    plain = value and all(0x20 < byte < 0x7F and byte != 0x22 for byte in value)
    written = b'"' + value + b'"' if plain else value.hex().upper().encode()
    assert decode("comm", written).encode("utf-8", "surrogateescape") == value
    assert untrusted(written).encode("utf-8", "surrogateescape") == value
    assert arguments([b"argc=1 a0=" + written])[0].encode("utf-8", "surrogateescape") == value
    assert text(name.encode()) == name


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=6), st.integers(1, 7))
def test_split_arguments_come_back_whole(argv: list[bytes], size: int) -> None:
    """However EXECVE cuts an argument into pieces and records, the vector is what the program was given."""
    pieces = [
        b"a%d[%d]=%s" % (number, at // size, value[at : at + size].hex().upper().encode())
        for number, value in enumerate(argv)
        for at in range(0, len(value), size)
    ]
    assert [one.encode("utf-8", "surrogateescape") for one in arguments(pieces)] == argv


@given(st.binary(max_size=64) | st.binary(max_size=32).map(lambda raw: raw.hex().encode()))
def test_any_bytes_are_an_address(hexed: bytes) -> None:
    """Bytes in, an address out, of a family that we name."""
    found = addresses.parse(hexed)
    assert found.family in {"inet", "inet6", "unix", "netlink", "unknown"}
    assert 0 <= found.port < 65536


@pytest.mark.parametrize(
    ("saddr", "expected"),
    [
        (b"02000050A9FEA9FE0000000000000000", addresses.Address("inet", "169.254.169.254", 80)),
        (b"0A000016000000000000000000000000000000000000000000000000", addresses.Address("inet6", "::", 22)),
        (b"0A0000160000000000000000000000000000FFFF0A59000100000000", addresses.Address("inet", "10.89.0.1", 22)),
        (b"01002F7661722F72756E00", addresses.Address("unix", "/var/run")),
        (b"0100006162630000", addresses.Address("unix", "@abc")),
        (b"100000000000000000000000", addresses.Address("netlink")),
        (b"02000050A9", addresses.UNKNOWN),
        (b"zz", addresses.UNKNOWN),
        (b"", addresses.UNKNOWN),
    ],
)
def test_addresses(saddr: bytes, expected: addresses.Address) -> None:
    assert addresses.parse(saddr) == expected


def test_an_address_is_taken_from_the_sockaddr_record_only() -> None:
    packet = b"type=NETFILTER_PKT msg=audit(1.000:1): mark=0 saddr=10.0.0.1 daddr=10.0.0.2\n"
    assert addresses.find(packet) is None
    sockaddr = b"type=SOCKADDR msg=audit(1.000:1): saddr=02000050A9FEA9FE0000000000000000\x1dSADDR={ saddr_fam=inet }\n"
    assert addresses.find(packet + sockaddr) == addresses.Address("inet", "169.254.169.254", 80)


HEAD = b"type=PATH msg=audit(1.000:1): "


def test_paths_of_every_kernel() -> None:
    records = b"\n".join(
        [
            HEAD + b'item=0 name="/etc" inode=1 dev=08:01 mode=040755 ouid=0 ogid=0 rdev=00:00 nametype=PARENT',
            HEAD
            + b'item=1 name="/etc/a" inode=2 dev=08:01 mode=0100644 ouid=0 nametype=CREATE cap_fp=0\x1dOUID="root"',
            HEAD + b'item=2 name="/old" inode=3 dev=08:01 mode=0100755 obj=a:b:c:s0 objtype=NORMAL',
            HEAD + b'item=3 name="maildrop" inode=4 dev=03:07 mode=040730 ouid=890 obj=a:b:c',
            HEAD + b"item=4 name=(null) inode=5 dev=08:01 mode=040755 nametype=NORMAL",
            HEAD + b"item=5 name=2F612062 nametype=DELETE",
            HEAD + b'item=6 name="/m" inode=6 dev=08:01 mode=0999 nametype=NORMAL',
        ]
    )
    assert paths.named(records) == [
        ("/etc/a", 0o100644, b"CREATE"),
        ("/old", 0o100755, b"NORMAL"),
        ("maildrop", 0o40730, b"UNKNOWN"),
        ("/a b", 0, b"DELETE"),
        ("/m", 0, b"NORMAL"),
    ]


def test_the_working_directory_loses_its_deleted_mark() -> None:
    assert (
        paths.working_directory(b"type=CWD msg=audit(1.000:1):  cwd=" + b"/x (deleted)".hex().upper().encode()) == "/x"
    )
    assert paths.working_directory(HEAD) is None


@given(st.text("/.ab{}", max_size=20), st.none() | st.text("/.ab", max_size=12) | st.just("{any}/x"))
@example("a", ".")
@example("../..", None)
@example("..", "{any}/x")
def test_a_resolved_path_is_absolute_or_below_the_unknown(name: str, base: str | None) -> None:
    """What comes out is normal, resolving it again changes nothing, and below the unknown all stays below it."""
    found = paths.resolve(name, base)
    known = name.startswith("/") or (base or "").startswith("/")
    parts = found.split("/")
    assert not {".", ".."} & set(parts)
    assert "//" not in found
    if known:
        assert found.startswith("/")
        assert paths.resolve(found, None) == found
    else:
        assert parts[0] == "{any}"


def test_the_head_s_expression_goes_over_a_line_once() -> None:
    """A line that nearly has a head is refused in linear time: 64 kB of it is no trouble."""
    for line in (b"node=" + b"x" * 65_000, b"type=" + b"[" * 65_000, b"node=" + b" type=X" * 9_000):
        assert HEADER.match(line) is None
    assert re.fullmatch(r"\{.*\}", str(fields(b"type=X msg=audit(1.000:1): " + b"x" * 60_000)))
