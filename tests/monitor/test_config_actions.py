"""Settings of actions: everything that is wrong is said, at its place; responses are careful unless told otherwise."""

import pytest

from grammar.settings import SettingsErrors, read_settings
from monitor.config_actions import Acting, Address
from monitor.config_actions import Action as One

GOOD = """
allow_exec = true
[file]
kind = "jsonl"
file = "alerts.jsonl"
rotate = "1MB"
format = "ocsf"
[hook]
kind = "webhook"
url = "https://siem.example:8443/in?x=1"
secret_file = "hook.secret"
min_severity = "high"
policies = ["shell-*"]
timeout = "3s"
[log]
kind = "syslog"
address = "tls://[::1]:6515"
facility = "local3"
[page]
kind = "exec"
command = ["/usr/bin/page", "{policy}", "--app={app}"]
[freeze]
kind = "pause"
within = "1m"
"""


def test_all_kinds() -> None:
    acting = read_settings(GOOD, "monitor.toml", Acting)
    assert list(acting.actions) == ["file", "hook", "log", "page", "freeze"]
    assert acting.actions["log"].syslog == Address("tls", "::1", 6515)
    assert acting.actions["hook"].timeout == 3_000
    assert read_settings("", "monitor.toml", Acting) == Acting()


def test_responses_are_careful_unless_told_otherwise() -> None:
    assert One("jsonl", file="x").filter("file").named == ()
    careful = One("pause").filter("freeze")
    assert (careful.certain, careful.named) == (True, ("freeze", "pause"))
    assert One("exec").filter("page").named == ("page", "exec")
    bold = One("stop", certain=False, named=False).filter("end")
    assert (bold.certain, bold.named) == (False, ())
    assert One("jsonl", named=True).filter("file").named == ("file", "jsonl")


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ('[a]\nkind = "fax"', "2:1", "invalid enum value"),
        ("[a]\nfile = 'x'", "1:2", "kind is missing"),
        ('[a]\nkind = "jsonl"', "1:2", "to which file"),
        ('[a]\nkind = "jsonl"\nfile = "x"\nurl = "http://x/"', "4:1", "not a setting of the kind jsonl"),
        ('[a]\nkind = "jsonl"\nfile = "x"\nrotate = "1B"', "4:1", "so small"),
        ('[a]\nkind = "jsonl"\nfile = "x"\nqeue = 7', "4:1", "unknown key"),
        ('[a]\nkind = "webhook"', "1:2", "not an address"),
        ('[a]\nkind = "webhook"\nurl = "ftp://x/"', "3:1", "not an address"),
        ('[a]\nkind = "webhook"\nurl = "https://x:99999/"', "3:1", "not an address"),
        ('[a]\nkind = "webhook"\nurl = "https://x/a b"', "3:1", "not an address"),
        ('[a]\nkind = "webhook"\nurl = "https://me:pw@x/"', "3:1", "no place for a name"),
        ('[a]\nkind = "webhook"\nurl = "http://x/"\nauthority = "ca.pem"', "4:1", "no TLS over http"),
        ('[a]\nkind = "syslog"\naddress = "host:514"', "3:1", "not an address of syslog"),
        ('[a]\nkind = "syslog"\naddress = "tcp://host:port"', "3:1", ""),
        ('[a]\nkind = "syslog"\naddress = "unix://dev/log"', "3:1", "not the path of a socket"),
        ('[a]\nkind = "syslog"\naddress = "tcp://x"\nfacility = "kern"', "4:1", "not a facility"),
        ('[a]\nkind = "exec"\ncommand = ["/bin/x"]', "2:1", "programs are not allowed"),
        ('allow_exec = true\n[a]\nkind = "exec"\ncommand = ["x"]', "4:1", "named in full"),
        ('allow_exec = true\n[a]\nkind = "exec"\ncommand = ["/x", "{polic}"]', "4:1", "no field of an alert: {polic}"),
        ('allow_exec = true\n[a]\nkind = "exec"\ncommand = ["/x", "a\\u0000"]', "4:1", "holds a NUL"),
        ('[a]\nkind = "pause"\ntimeout = "5s"', "3:1", "not a setting of the kind pause"),
        ('["A b"]\nkind = "pause"', "1:2", "not a name for an action"),
        ("allow_exek = true", "1:1", "did you mean allow_exec"),
        ("siem = 7", "1:1", "unknown key"),
        ("allow_exec = 1", "1:1", "expected"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(text: str, place: str, what: str) -> None:
    with pytest.raises(SettingsErrors) as caught:
        read_settings(text, "m.toml", Acting)
    assert f"m.toml:{place}: " in str(caught.value)
    assert what in str(caught.value)


def test_all_of_it_at_once() -> None:
    text = '[a]\nkind = "webhook"\n[b]\nkind = "syslog"\n[c]\nkind = "jsonl"'
    with pytest.raises(SettingsErrors) as caught:
        read_settings(text, "m.toml", Acting)
    assert [one.line for one in caught.value.errors] == [1, 3, 5]
