"""ProFTPD, sshd and OpenVPN as Debian has them, at their most talkative, with a session of good and bad.

Rules of this file
    - See `daemons_place`. The users `alice` and `sshd` are made by `daemons_inside`, in its own /etc.
    - What they send to /dev/log is kept by `daemons_inside` as syslog would.

Source: proftpd.conf(5), sshd_config(5), openvpn(8).
"""

from __future__ import annotations

import contextlib
import ftplib
import io
import time
from collections.abc import Callable
from typing import Final

from testbed.daemons_place import HOST, Place, answers, certificate, say

FTP: Final = 2190
SSH: Final = 2290
VPN: Final = 1190
PASSWORD: Final = "secret"

PROFTPD: Final = """ServerName x
ServerType standalone
DefaultServer on
Port 2190
DefaultAddress 127.0.0.1
ModulePath /usr/lib/proftpd
{modules}
UseReverseDNS off
User nobody
Group nogroup
AuthOrder mod_auth_file.c
AuthUserFile {here}/passwd
RequireValidShell off
MaxLoginAttempts 3
MaxClientsPerHost 4 "too many"
DebugLevel 10
PidFile {here}/pid
ScoreboardFile {here}/score
TransferLog {out}/xfer.log
DelayTable none
DefaultRoot ~
AllowOverwrite on
AllowStoreRestart on
UmaskX 1
"""
MODULES: Final = (
    "ban",
    "copy",
    "exec",
    "ifsession",
    "rewrite",
    "shaper",
    "site_misc",
    "unique_id",
    "digest",
    "quotatab",
)
"""The last directive of the configuration is none: it is taken out for the run that is to work."""


def proftpd(place: Place) -> None:
    """Logins, transfers, commands that are none; its own log, then syslog; then configurations that are wrong."""
    (place.folder / "home").mkdir()
    place.write("passwd", f"alice:{_hash(place)}:4000:4000::{place.folder}/home:/bin/sh\n", 0o600)
    place.folder.joinpath("home").chmod(0o777)
    modules = "".join(f"LoadModule mod_{name}.c\n" for name in MODULES)
    text = PROFTPD.replace("{modules}", modules)
    good = text.replace("UmaskX 1\n", "") + "SystemLog {out}/proftpd.log\n"
    traced = good.replace("proftpd.log", "traced.log") + "TraceLog {out}/trace.log\nTrace DEFAULT:10\n"
    syslog = good.replace("SystemLog {out}/proftpd.log\n", "SyslogLevel debug\n")
    for name, config in (("good", good), ("traced", traced), ("syslog", syslog)):
        argv = ["proftpd", "-n", "-q", "-c", str(place.write(f"{name}.conf", config))]
        with place.started(argv, f"{name}-begin.log", FTP):
            _ftp_session()
    wrong = (text, good + "<Limit X>\n", good + "Port x\n", good + "Include {here}/no.conf\n", good + "MaxClients\n",
             good + "LoadModule mod_nowhere.c\n", good + "AllowOverwrite maybe\n",
             good + "<Directory /x>\nUmask 9\n</Directory>\n")  # fmt: skip
    for config in wrong:
        place.run(["proftpd", "-t", "-d10", "-c", str(place.write("wrong.conf", config))], "wrong.log")


def _hash(place: Place) -> str:
    file = place.out.parent / "hash"
    place.run(["openssl", "passwd", "-6", PASSWORD], "../hash")
    found = file.read_text().strip().splitlines()[-1]
    file.unlink()
    return found


def _ftp_session() -> None:
    for user, password in (("alice", "wrong"), ("nobody", "x"), ("alice", PASSWORD)):
        with contextlib.suppress(ftplib.Error, OSError, EOFError), ftplib.FTP(timeout=5) as ftp:
            ftp.connect(HOST, FTP)
            ftp.login(user, password)
            tried: list[Callable[[], object]] = [
                lambda: ftp.storbinary("STOR a.txt", io.BytesIO(b"x" * 5000)),
                lambda: ftp.retrbinary("RETR a.txt", len),
                lambda: ftp.retrbinary("RETR a.txt", len, rest=100),
                lambda: ftp.retrbinary("RETR none.txt", len),
                lambda: ftp.storbinary("STOR /etc/none", io.BytesIO(b"x")),
                lambda: ftp.storbinary("APPE a.txt", io.BytesIO(b"x")),
                *(lambda command=command: ftp.voidcmd(command) for command in (
                    "PASV", "PORT 10,0,0,1,1,1", "PORT 127,0,0,1,0,1", "NONSENSE", "SITE CHMOD 777 a.txt", "SITE HELP",
                    "SITE CPFR a.txt", "SITE CPTO b.txt", "MKD d", "CWD d", "CWD none", "CDUP", "RMD d",
                    "RMD none", "SIZE a.txt",
                    "MDTM a.txt", "RNFR a.txt", "RNTO c.txt", "DELE c.txt", "DELE none", "STAT", "FEAT", "HELP",
                    "TYPE X",
                    "EPSV", "REST x", "MODE Z", "STRU R", "ALLO 1", "SITE UTIME 2001 a", "XMD5 b.txt",
                    "OPTS UTF8 on", "LANG x",
                    "MFMT 20200101000000 b.txt", "HOST localhost", "AUTH TLS", "USER again", "ACCT x", "SYST",
                    "CLNT x", "x" * 3000,
                )),
                lambda: ftp.retrlines("LIST", str), lambda: ftp.nlst("*"), lambda: ftp.retrlines("MLSD", str),
                ftp.quit,
            ]  # fmt: skip
            for one in tried:
                with contextlib.suppress(ftplib.Error, OSError, EOFError):
                    one()
    say(FTP, b"GET / HTTP/1.1\r\n\r\n", b"USER alice\r\n", b"PASS \xff\xfe\r\n", wait=0.5)
    say(FTP, b"\x16\x03\x01\x00", wait=0.3)


SSHD: Final = """Port 2290
ListenAddress 127.0.0.1
HostKey {here}/host
PidFile {here}/pid
AuthorizedKeysFile {here}/keys
StrictModes no
PermitRootLogin no
LoginGraceTime 3
MaxAuthTries 2
DenyUsers games
LogLevel DEBUG3
"""


def sshd(place: Place) -> None:
    """Logins with keys and passwords, good and bad, garbage, early ends; to a file and to syslog; wrong settings."""
    for name in ("host", "user", "other"):
        place.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place.folder / name)])
    place.write("keys", (place.folder / "user.pub").read_text() + "ssh-rsa broken\n")
    place.write("ask", f"#!/bin/sh\necho {PASSWORD}\n", 0o755)
    place.write("wrong-ask", "#!/bin/sh\necho wrong\n", 0o755)
    for form, more, level in (
        ("file", ["-e"], "DEBUG3"),
        ("usual", ["-E", f"{place.out}/usual.log"], "VERBOSE"),
        ("syslog", [], "DEBUG3"),
    ):
        for pam in ("no", "yes"):
            text = SSHD.replace("DEBUG3", level) + f"UsePAM {pam}\n"
            config = place.write(f"{form}-{pam}.conf", text)
            log = f"{form}.log" if form == "file" else f"{form}-begin.log"
            with place.started(["/usr/sbin/sshd", "-D", "-f", str(config), *more], log, SSH):
                _ssh_session(place)
    for wrong in ("Nonsense yes\n", "Port x\n", "HostKey {here}/none\n", "PermitRootLogin maybe\n",
    "Ciphers none-such\n",
                  "Match User\n", "ListenAddress 10.255.255.1\n", "AddressFamily x\n"):  # fmt: skip
        config = place.write("wrong.conf", (SSHD if "Listen" not in wrong else "HostKey {here}/host\n") + wrong)
        place.run(["/usr/sbin/sshd", "-D", "-e", "-ddd", "-f", str(config)], "wrong.log", seconds=3)


def _ssh_session(place: Place) -> None:
    base = ["ssh", "-F", "none", "-p", str(SSH), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    quiet = [*base, "-o", "BatchMode=yes"]

    def key(name: str) -> list[str]:
        return ["-i", str(place.folder / name), "-o", "IdentitiesOnly=yes"]

    for argv in (
        [*quiet, *key("user"), "alice@127.0.0.1", "true"],
        [*quiet, *key("user"), "-L", "2399:127.0.0.1:1", "alice@127.0.0.1", "sleep 1; exit 3"],
        [*quiet, *key("user"), "-tt", "alice@127.0.0.1", "true"],
        [*quiet, *key("user"), "-s", "alice@127.0.0.1", "sftp"],
        [*quiet, *key("other"), "alice@127.0.0.1", "true"],
        [*quiet, *key("user"), "root@127.0.0.1", "true"],
        [*quiet, *key("user"), "games@127.0.0.1", "true"],
        [*quiet, *key("user"), "no-such@127.0.0.1", "true"],
        [*quiet, "-o", "KexAlgorithms=diffie-hellman-group1-sha1", "alice@127.0.0.1", "true"],
        [*quiet, "-o", "Ciphers=3des-cbc", "alice@127.0.0.1", "true"],
        *(["env", f"SSH_ASKPASS={place.folder}/{ask}", "SSH_ASKPASS_REQUIRE=force", "DISPLAY=x", *base,
           "-o", "PubkeyAuthentication=no", "alice@127.0.0.1", "true"] for ask in ("ask", "wrong-ask")),
    ):  # fmt: skip
        place.run(argv, seconds=6)
    for sent in (b"GET / HTTP/1.0\r\n\r\n", b"SSH-2.0-x\r\n\xff\xff\xff\xff", b"SSH-1.5-x\r\n", b"SSH-2.0-x\r\n", b""):
        say(SSH, sent, wait=0.3)
    say(SSH, b"SSH-2.0-slow\r\n", wait=4.0)


def openvpn(place: Place) -> None:
    """A tunnel to itself with TLS, one with a wrong key, one with a wrong certificate; then wrong configurations."""
    cert, key = certificate(place)
    other, other_key = certificate(place, "other")
    place.run(["openvpn", "--genkey", "secret", str(place.folder / "ta.key")], "genkey.log")
    place.run(["openvpn", "--genkey", "secret", str(place.folder / "wrong.key")], "genkey.log")
    common = [
        "openvpn",
        "--dev-type",
        "tun",
        "--keepalive",
        "1",
        "3",
        "--ca",
        str(cert),
        "--cert",
        str(cert),
        "--key",
        str(key),
    ]
    server = [*common, "--dev", "tunA", "--dh", "none", "--verb", "7", "--log-append",
    str(place.out / "server.log"), "--duplicate-cn",
              "--server", "10.77.0.0", "255.255.255.0", "--local", HOST, "--port", str(VPN), "--tls-auth",
              str(place.folder / "ta.key"), "0",
              "--management", HOST, "1191", "--status", str(place.folder / "status"), "1"]  # fmt: skip
    client = [*common, "--dev", "tunB", "--client", "--remote", HOST, str(VPN), "--nobind", "--verb", "5",
    "--route-noexec",
              "--tls-auth", str(place.folder / "ta.key"), "1", "--connect-retry", "1", "--hand-window",
              "3"]  # fmt: skip
    with place.started(server), place.started([*client, "--verb", "7"], "client.log"):
        time.sleep(5)
        if answers(1191, 2):
            say(
                1191,
                *(
                    f"{one}\n".encode()
                    for one in ("version", "status 3", "state all", "log all", "nonsense", "kill x", "signal SIGUSR1")
                ),
            )
        time.sleep(2)
        place.run([*client, "--tls-auth", str(place.folder / "wrong.key"), "1"], "wrong-key.log", seconds=6)
        place.run([*client, "--cert", str(other), "--key", str(other_key)], "wrong-cert.log", seconds=6)
        place.run([*client, "--remote", "no.such.host", "1", "--resolv-retry", "1"], "wrong-host.log", seconds=5)
    with place.started([*server[:-2], "--verb", "4", "--syslog"]):
        time.sleep(2)
    for shown in ("ciphers", "digests", "engines", "tls", "curves"):
        place.run(["openvpn", f"--show-{shown}"])
    for wrong in (["--nonsense"], ["--config", "/nowhere"], ["--remote"], ["--dev", "tun", "--cipher",
    "none-such", "--remote", HOST],
                  ["--dev", "tun"], ["--dev", "tun", "--proto", "x"], ["--client", "--dev", "tun", "--remote", HOST],
                  ["--client", "--dev", "tun", "--remote", HOST, "--ca", "/nowhere"], [*server, "--port", "99999999"],
                  ["--server", "10.0.0.0", "255.0.255.0", "--dev", "tun"], [*client, "--verify-x509-name", "x",
                  "--up", "/nowhere"],
                  [*client, "--comp-lzo", "--ncp-ciphers", "AES-128-CBC:X", "--script-security", "2", "--up",
                  "/bin/false"]):  # fmt: skip
        words = [word for word in wrong if word != "openvpn"]
        if "--log-append" in words:
            at = words.index("--log-append")
            del words[at : at + 2]
        place.run(["openvpn", *words, "--verb", "5"], "wrong.log", seconds=4)
