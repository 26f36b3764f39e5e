"""Redis and MariaDB as Debian has them, at their most talkative, with a session of good and bad.

Rules of this file
    - See `daemons_place`. Configurations name the loopback only.

Source: redis.conf; MariaDB's `mysql_system_tables.sql` (what mariadb-install-db gives the server).
"""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Final

from testbed.daemons_place import Place, answers, say

REDIS: Final = 6390
REPLICA: Final = 6391
SENTINEL: Final = 6392
MARIADB: Final = 3390
SYSTEM: Final = ("mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql")
SHARE: Final = Path("/usr/share/mysql")


def redis(place: Place) -> None:
    """A master, a replica, a sentinel; snapshots, rewrites, scripts, attacks, a broken dump, a crash."""
    common = "bind 127.0.0.1\nloglevel debug\ndaemonize no\nenable-debug-command yes\nenable-protected-configs yes\n"
    folder = place.folder / "replica"
    folder.mkdir()
    one = place.write("redis.conf", common + f"port {REDIS}\nlogfile {{out}}/redis.log\ndir {{here}}\nmaxclients 12\n")
    two = place.write(
        "replica.conf", common + f"port {REPLICA}\nlogfile {{out}}/replica.log\ndir {folder}\nreplicaof 127.0.0.1 1\n"
    )
    three = place.write(
        "sentinel.conf",
        f"bind 127.0.0.1\nport {SENTINEL}\nlogfile {{out}}/sentinel.log\nloglevel debug\n"
        f"sentinel monitor m 127.0.0.1 {REDIS} 1\nsentinel down-after-milliseconds m 1000\n",
    )
    with (
        place.started(["redis-server", str(one)], port=REDIS) as master,
        place.started(["redis-server", str(two)], port=REPLICA),
        place.started(["redis-server", str(three), "--sentinel"], port=SENTINEL),
    ):
        _redis_session()
        time.sleep(2)
        say(REDIS, b"DEBUG SEGFAULT\r\n")
        master.wait(10)
        time.sleep(2)
    with place.started(["redis-server", str(one)], port=REDIS) as master:
        say(REDIS, b"SET k v\r\n", b"SAVE\r\n", b"CLIENT KILL TYPE normal\r\n", b"SHUTDOWN\r\n", wait=2.0)
        master.wait(10)
    (place.folder / "dump.rdb").write_bytes(b"REDIS0010\xfa\x09redis-ver" + b"\xff" * 64)
    place.run(["redis-server", str(one)], seconds=2)
    for wrong in ("port x\n", "nonsense 1\n", "maxmemory 1zb\n", "loadmodule /nowhere.so\n", "bind 10.255.255.1\n"):
        place.run(
            ["redis-server", str(place.write("bad.conf", common + wrong)), "--logfile", ""], "wrong.log", seconds=2
        )


def _redis_session() -> None:
    for sent in (
        b"CONFIG SET save '1 1'\r\n", b"CONFIG SET appendonly yes\r\n", b"CONFIG SET nonsense 1\r\n", b"BGSAVE\r\n",
        b"SET a 1\r\nINCR a\r\n", b"DEBUG JMAP\r\n", b"BGREWRITEAOF\r\n", b"EVAL 'return redis.call(\"x\")' 0\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", b"*1\r\n$zz\r\n", b"*99999999\r\n", b"AUTH x y\r\n", b"BOGUS\r\n",
        b"EVAL \"redis.log(redis.LOG_WARNING, 'from a script')\" 0\r\n", b"DEBUG RELOAD\r\n", b"MEMORY DOCTOR\r\n",
        b"ACL SETUSER bob on >x ~k +get\r\n", b"CONFIG SET maxmemory 100kb\r\n", b"CONFIG SET maxmemory 0\r\n",
        b"DEBUG SLEEP 0.1\r\n", b"LATENCY DOCTOR\r\n", b"SWAPDB 0 1\r\n", b"FLUSHALL\r\n", b"CONFIG REWRITE\r\n",
        b"MODULE LOAD /nowhere.so\r\n", b"DEBUG LOG hello\r\n", b"FUNCTION LOAD x\r\n", b"CLUSTER INFO\r\n",
    ):  # fmt: skip
        say(REDIS, sent, wait=0.3)
    for sent in (f"REPLICAOF 127.0.0.1 {REDIS}".encode(), b"SET no 1", b"CLIENT LIST"):
        say(REPLICA, sent + b"\r\n", wait=1.5)
    say(REDIS, b"CLIENT KILL TYPE replica\r\n", wait=2.0)
    say(REPLICA, b"REPLICAOF NO ONE\r\n", f"REPLICAOF localhost {REDIS}\r\n".encode(), wait=2.0)


def mariadbd(place: Place) -> None:
    """Made from nothing; clients that fail, deadlocks, replication from nowhere, broken tables, a kill and recovery."""
    data = place.folder / "data"
    (data / "mysql").mkdir(parents=True)
    base = ["mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", "--lc-messages-dir=/usr/share/mysql"]
    tables = b"".join((SHARE / name).read_bytes() for name in SYSTEM if (SHARE / name).exists())
    host = b"set @current_hostname='localhost';\nset @auth_root_socket=NULL;\n"
    place.run(
        [*base, "--bootstrap"],
        "bootstrap.log",
        b"create database if not exists mysql;\nuse mysql;\n" + host + tables,
        seconds=90,
    )
    argv = [
        *base, "--bind-address=127.0.0.1", f"--port={MARIADB}", f"--socket={place.folder}/s", "--server-id=7",
        "--log-warnings=9", "--innodb-print-all-deadlocks=1", "--log-bin=b", "--event-scheduler=on",
        f"--log-error={place.out}/error.log", "--plugin-dir=/usr/lib/mysql/plugin", "--innodb-status-output=0",
        "--plugin-load-add=server_audit;sql_errlog;nowhere", "--plugin-maturity=experimental",
        "--max-allowed-packet=1M",
    ]  # fmt: skip
    with place.started(argv, port=MARIADB) as server:
        _mariadb_session(place)
        place.run([*argv[:-1], "--log-error=" + str(place.out / "second.log")], seconds=6)
        server.send_signal(signal.SIGKILL)
        server.wait()
    for file in data.glob("x/broken.MY*"):
        file.write_bytes(file.read_bytes()[:300] + b"\xff" * 100)
    with place.started(argv, port=MARIADB):
        _sql(
            place,
            "check table x.broken; repair table x.broken; select * from x.broken; set global innodb_fast_shutdown=0",
        )
    for wrong in ("--nonsense=1", "--port=x", "--datadir=/nowhere", "--innodb-page-size=5",
    "--bind-address=10.255.255.1",
                  "--default-storage-engine=nowhere", "--innodb-data-file-path=x",
                  "--lc-messages-dir=/nowhere"):  # fmt: skip
        place.run([*argv, wrong, f"--log-error={place.out}/wrong.log"], "wrong-begin.log", seconds=6)


def _sql(place: Place, text: str, *more: str) -> None:
    login = ["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{MARIADB}", "-uroot", "--force", *more]
    place.run([*login, "-e", text])


MARIADB_SAID: Final = f"""create database x
create table x.t (a int primary key, b int) engine=innodb; insert into x.t values(1,1),(2,2)
create table x.broken (a int) engine=myisam; insert into x.broken values(1),(2); create user bob identified by 'b'
select nonsense
use nowhere
change master to master_host='127.0.0.1',master_port=1,master_user='x',master_connect_retry=1
start slave; select sleep(2); stop slave
change master to master_host='127.0.0.1',master_port={MARIADB},master_user='root'
start slave; do sleep(2); stop slave
install plugin x soname 'nowhere.so'; uninstall plugin sql_errlog
create event x.e on schedule every 1 second do select * from x.no
select sleep(2); drop event x.e; set global innodb_buffer_pool_size=200*1024*1024; flush tables; flush logs
kill connection_id()
set global general_log=1; set global wait_timeout=1; set global max_connections=10
set global server_audit_logging=on
insert into x.t select 1,1; alter table x.t engine=myisam; alter table x.t engine=innodb
purge binary logs to 'b.000009'
"""


def _mariadb_session(place: Place) -> None:
    for text in MARIADB_SAID.splitlines():
        _sql(place, text)
    for login in (["-unobody"], ["-ubob", "-pwrong"], ["-ubob", "-pb", "nowhere"]):
        _sql(place, "select 1", *login)
    quarrel = "begin; update x.t set b=1 where a={0}; select sleep(1); update x.t set b=2 where a={1}; commit"
    login = ["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{MARIADB}", "-uroot", "-e"]
    with place.started([*login, quarrel.format(1, 2)]) as one, place.started([*login, quarrel.format(2, 1)]) as two:
        one.wait(30)
        two.wait(30)
    say(MARIADB, b"\x01\x02\x03", wait=0.5)
    say(MARIADB, b"\x20\x00\x00\x01" + b"\xff" * 32, wait=0.5)
    with place.started([*login, "select sleep(60)"]) as one:
        time.sleep(0.5)
        one.kill()
    answers(MARIADB)
