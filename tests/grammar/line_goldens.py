"""Lines as programs write them (from their manuals, their sources and the recordings), and what each must say.

Rules of this file
    - At least four of each format; those marked `damaged` are cut, impossible or odd on purpose.
    - A golden is the whole `Line`: a field that is not written here must be empty.
"""

from datetime import UTC, datetime

from grammar.line import Line


def at(text: str) -> int:
    """Milliseconds of a UTC time in ISO 8601."""
    when = datetime.fromisoformat(text).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (when.days * 86_400 + when.seconds) * 1000 + when.microseconds // 1000


YEAR = 2026
"""Of lines without a year."""


def access(message: str, when: str | None, client: str, component: str = "", cut: bool = False) -> Line:
    millis, grain = (None, 0) if when is None else (at(when), 1000)
    return Line(message, "access", millis, grain, client=client, component=component, ends=True, cut=cut)


ACCESS = {
    b'127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326': access(
        "GET /apache_pb.gif 200", "2000-10-10T20:55:36", "127.0.0.1"
    ),
    b'127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326 '
    b'"http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"': access(
        "GET /apache_pb.gif 200", "2000-10-10T20:55:36", "127.0.0.1"
    ),
    b'portal:80 2001:db8::7 - - [22/Nov/2026:01:48:31 +0000] "GET /app.php?a=login&u=x&p=y HTTP/1.1" 401 289 "-" "-"': (
        access("GET /app.php?a=login&u=x&p=y 401", "2026-11-22T01:48:31", "2001:db8::7", "portal:80")
    ),
    b'10.0.0.1 - - [22/Nov/2026:01:48:31 +0000] "GET /a\\"b\\xc3 HTTP/1.1" 404 5 "-" "-"': access(
        'GET /a\\"b\\xc3 404', "2026-11-22T01:48:31", "10.0.0.1"
    ),
    b'10.0.0.1 - - [22/Nov/2026:01:48:31 +0000] "\\x16\\x03\\x01" 400 226': access(
        "\\x16\\x03\\x01 400", "2026-11-22T01:48:31", "10.0.0.1"
    ),
    b'::1 - - [22/Nov/2026:01:48:31 +0000] "-" 408 -': access("- 408", "2026-11-22T01:48:31", "::1"),
    b'10.0.0.1 - a b [22/Nov/2026:01:48:31 +0130] "OPTIONS * HTTP/1.0" 200 126': access(
        "OPTIONS * 200", "2026-11-22T00:18:31", "10.0.0.1"
    ),
    b'10.0.0.1 - - [22/Nov/2026 01:48:31] "GET / HTTP/1.1" 200 -': access(
        "GET / 200", "2026-11-22T01:48:31", "10.0.0.1"
    ),
    b'10.0.0.1 - - [31/Feb/2026:01:48:31 +0000] "GET / HTTP/1.1" 200 5': access(
        "GET / 200", None, "10.0.0.1"
    ),  # damaged
    b'10.0.0.1 - - [22/Nov/2026:01:48:31 +0000] "GET /a': access(
        "GET /a", "2026-11-22T01:48:31", "10.0.0.1"
    ),  # damaged
    b'10.0.0.1 - - [22/Nov/2026:01:48:31 +0000] "POST /a b HTTP/1.1" 400 5': access(  # damaged
        "POST /a b 400", "2026-11-22T01:48:31", "10.0.0.1"
    ),
    b'10.0.0.1 - - [22/Nov/2026:01:48:31 +0000] "GET /' + b"a" * 5000 + b' HTTP/1.1" 414 5': access(
        "GET /" + "a" * 4087 + " 414", "2026-11-22T01:48:31", "10.0.0.1", cut=True
    ),
}

APACHE_ERROR = {
    b"[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 35708:tid 4328636416] [client 72.15.99.187] File does not "
    b"exist: /usr/local/apache2/htdocs/favicon.ico": Line(
        "File does not exist: /usr/local/apache2/htdocs/favicon.ico",
        "apache_error",
        at("2011-09-09T10:42:29.902"),
        1,
        "error",
        35708,
        "4328636416",
        "72.15.99.187",
        "core",
    ),
    b"[Wed Oct 11 14:32:52 2000] [error] [client 127.0.0.1] client denied by server configuration: /export/home": Line(
        "client denied by server configuration: /export/home",
        "apache_error",
        at("2000-10-11T14:32:52"),
        1000,
        "error",
        client="127.0.0.1",
    ),
    b"[Sun Nov 22 01:48:31.068392 2026] [php:notice] [pid 8:tid 8] [client 10.89.0.1:40222] portal: new user": Line(
        "portal: new user",
        "apache_error",
        at("2026-11-22T01:48:31.068"),
        1,
        "notice",
        8,
        "8",
        "10.89.0.1:40222",
        "php",
    ),
    b"[Sun Nov 22 01:48:31.068392 2026] [core:error] [pid 8] core.c(4752): (13)Permission denied: "
    b"[client 10.0.0.1:33630] AH00035: access to /a denied (filesystem path '/a'), referer: http://b/": Line(
        "AH00035: access to /a denied (filesystem path '/a')",
        "apache_error",
        at("2026-11-22T01:48:31.068"),
        1,
        "error",
        8,
        "",
        "10.0.0.1:33630",
        "core",
    ),
    b"[Sun Dec 04 04:47:44 2005] [notice] workerEnv.init() ok /etc/httpd/conf/workers2.properties": Line(
        "workerEnv.init() ok /etc/httpd/conf/workers2.properties",
        "apache_error",
        at("2005-12-04T04:47:44"),
        1000,
        "notice",
    ),
    b"[Sun Nov 22 01:48:31.068392 2026] [ssl:trace4] [pid 8:tid 9] ssl_engine_kernel.c(2188): [client 10.0.0.1:9] "
    b"OpenSSL: read": Line(
        "OpenSSL: read", "apache_error", at("2026-11-22T01:48:31.068"), 1, "trace", 8, "9", "10.0.0.1:9", "ssl"
    ),
    b"[Sun Nov 31 25:48:31 2026] [mpm_event:notice] [pid 1:tid 1] AH00489: up": Line(  # damaged
        "AH00489: up", "apache_error", None, 0, "notice", 1, "1", "", "mpm_event"
    ),
    b"[Sun Nov 22 01:48:31.068392 2026] [php:notice] [pid 8:ti": Line(  # damaged
        "[pid 8:ti", "apache_error", at("2026-11-22T01:48:31.068"), 1, "notice", component="php"
    ),
}

_NGINX = at("2026-11-22T01:48:25")
NGINX_ERROR = {
    b'2026/11/22 01:48:25 [error] 9#9: *3 directory index of "/var/www/html/d/" is forbidden, client: 10.89.1.1, '
    b'server: _, request: "GET /d/ HTTP/1.1", host: "10.89.1.131"': Line(
        'directory index of "/var/www/html/d/" is forbidden', "nginx_error", _NGINX, 1000, "error", 9, "3", "10.89.1.1"
    ),
    b'2026/11/22 01:48:25 [error] 7#8: *12 open() "/srv/a" failed (2: No such file or directory), client: ::1, '
    b'server: a, request: "GET /a HTTP/1.1"': Line(
        'open() "/srv/a" failed', "nginx_error", _NGINX, 1000, "error", 7, "12", "::1"
    ),
    b"2026/11/22 01:48:25 [error] 7#7: *1 recv() failed (104: Connection reset by peer) while reading client request "
    b"headers, client: unix:, server: a": Line("recv() failed", "nginx_error", _NGINX, 1000, "error", 7, "1", "unix:"),
    b"2026/11/22 01:48:25 [notice] 1#1: start worker processes": Line(
        "start worker processes", "nginx_error", _NGINX, 1000, "notice", 1
    ),
    b"2026/11/22 01:48:25 [emerg] 1#1: bind() to 0.0.0.0:80 failed (98: Address already in use)": Line(
        "bind() to 0.0.0.0:80 failed", "nginx_error", _NGINX, 1000, "emerg", 1
    ),
    b"2026/13/22 01:48:25 [alert] 1#1: worker process 7 exited on signal 9": Line(  # damaged
        "worker process 7 exited on signal 9", "nginx_error", None, 0, "alert", 1
    ),
}

_MARIADB = at("2026-11-22T01:48:18")
MYSQL_ERROR = {
    b"2026-11-22  1:48:18 0 [Note] InnoDB: Compressed tables use zlib 1.2.13": Line(
        "InnoDB: Compressed tables use zlib 1.2.13", "mysql_error", _MARIADB, 1000, "info", thread="0"
    ),
    b"2026-11-22 10:48:18 34 [Warning] IP address '10.89.0.32' could not be resolved": Line(
        "IP address '10.89.0.32' could not be resolved",
        "mysql_error",
        at("2026-11-22T10:48:18"),
        1000,
        "warn",
        thread="34",
    ),
    b"2020-08-06T14:25:03.109022Z 5 [Note] [MY-010051] [Server] Event Scheduler: started with id 5": Line(
        "Event Scheduler: started with id 5",
        "mysql_error",
        at("2020-08-06T14:25:03.109"),
        1,
        "info",
        thread="5",
        component="Server",
    ),
    b"2016-03-03T18:28:10.123456+02:00 0 [ERROR] Aborting": Line(
        "Aborting", "mysql_error", at("2016-03-03T16:28:10.123"), 1, "error", thread="0"
    ),
    b"261122  1:48:18 [ERROR] mysqld: Table './a' is marked as crashed": Line(
        "mysqld: Table './a' is marked as crashed", "mysql_error", _MARIADB, 1000, "error"
    ),
    b"2026-11-22 24:48:18 0 [Note] a": Line("a", "mysql_error", None, 0, "info", thread="0"),  # damaged
}

MYSQL_GENERAL = {
    b"261122  1:48:25\t     3 Connect\troot@localhost on  using Socket\n": Line(
        "Connect root@localhost on  using Socket", "mysql_general", at("2026-11-22T01:48:25"), 1000, thread="3"
    ),
    b"\t\t     3 Query\tcreate database portal": Line("Query create database portal", "mysql_general", thread="3"),
    b"\t\t   123 Quit\t": Line("Quit", "mysql_general", thread="123"),
    b"\t\t     4 Close stmt\t": Line("Close stmt", "mysql_general", thread="4"),
    b"2026-11-22T01:48:25.942249Z\t    8 Query\tselect 1": Line(
        "Query select 1", "mysql_general", at("2026-11-22T01:48:25.942"), 1, thread="8"
    ),
    b"Time\t\t    Id Command\tArgument": Line("Time\t\t    Id Command\tArgument", "mysql_general"),
    b"269922  1:48:25\t     3 Query\tselect": Line("Query select", "mysql_general", thread="3"),  # damaged
}

_PHP = at("2026-11-22T01:48:32")
PHP = {
    b"[22-Nov-2026 01:48:32 UTC] PHP Warning:  Undefined variable $x in /app.php on line 3": Line(
        "PHP Warning:  Undefined variable $x in /app.php on line 3", "php_error", _PHP, 1000, "warn"
    ),
    b"[22-Nov-2026 01:48:32 Europe/Berlin] PHP Fatal error:  Uncaught Exception: no in /a.php:2": Line(
        "PHP Fatal error:  Uncaught Exception: no in /a.php:2", "php_error", _PHP, 1000, "crit"
    ),
    b"[22-Nov-2026 01:48:32 UTC] portal: user x logged in": Line("portal: user x logged in", "php_error", _PHP, 1000),
    b"[22-Nov-2026 01:48:32] NOTICE: fpm is running, pid 1": Line(
        "fpm is running, pid 1", "php_fpm", _PHP, 1000, "notice"
    ),
    b"[22-Nov-2026 01:48:32.123456] DEBUG: pid 7, fpm_event_loop(), line 419: 1 events": Line(
        "1 events", "php_fpm", _PHP + 123, 1, "debug", 7, component="fpm_event_loop"
    ),
    b"[22-Nov-2026 01:48:32] WARNING: pid 7, (null)(), line 0: a": Line("a", "php_fpm", _PHP, 1000, "warn", 7),
    b'[22-Nov-2026 01:48:32] WARNING: [pool www] child 8 said into stderr: "a"': Line(
        '[pool www] child 8 said into stderr: "a"', "php_fpm", _PHP, 1000, "warn"
    ),
    b"[22-Nov-2026 01:48:32 UTC] NOTICE: a": Line("NOTICE: a", "php_error", _PHP, 1000),
    b"[32-Nov-2026 01:48:32 UTC] PHP Notice:  a": Line("PHP Notice:  a", "php_error", None, 0, "notice"),  # damaged
    b"[22-Nov-2026 01:48:32 UTC] ": Line("", "php_error", _PHP, 1000),  # damaged
}

_REDIS = at("2026-11-22T01:48:25.942")
REDIS = {
    b"1:M 22 Nov 2026 01:48:25.942 * Ready to accept connections": Line(
        "Ready to accept connections", "redis", _REDIS, 1, "notice", 1, component="master"
    ),
    b"12:C 22 Nov 2026 01:48:25.942 # Configuration loaded": Line(
        "Configuration loaded", "redis", _REDIS, 1, "warn", 12, component="child"
    ),
    b"9:S 22 Nov 01:48:25.942 - Accepted 10.0.0.1:5": Line(
        "Accepted 10.0.0.1:5", "redis", _REDIS, 1, "info", 9, component="replica"
    ),
    b"[7] 22 Nov 01:48:25.942 . 0 clients connected": Line("0 clients connected", "redis", _REDIS, 1, "debug", 7),
    b"1:M 30 Feb 2026 01:48:25.942 * a": Line("a", "redis", None, 0, "notice", 1, component="master"),  # damaged
}

_FTP = at("2026-11-22T01:48:25.942")
FTP = {
    b"2026-11-22 01:48:25,942 web proftpd[12] web (10.0.0.1[10.0.0.1]): USER clerk: Login successful.": Line(
        "USER clerk: Login successful.", "proftpd", _FTP, 1, "", 12, "", "10.0.0.1", "", "proftpd"
    ),
    b"2026-11-22 01:48:25,942 web proftpd[1] web: ProFTPD 1.3.8 (stable) standalone mode STARTUP": Line(
        "ProFTPD 1.3.8 (stable) standalone mode STARTUP", "proftpd", _FTP, 1, "", 1, program="proftpd"
    ),
    b"2026-11-22 01:48:25,942 web proftpd[12] web (a.example[2001:db8::7]): FTP session opened.": Line(
        "FTP session opened.", "proftpd", _FTP, 1, "", 12, "", "2001:db8::7", "", "proftpd"
    ),
    b"2026-11-22 01:48:25,942 web proftpd[12]: mod_tls/2.9: a": Line(
        "mod_tls/2.9: a", "proftpd", _FTP, 1, "", 12, program="proftpd"
    ),
    b"2026-11-22 01:48:25,942 [12] <lock:9>: attempting to lock a": Line(
        "attempting to lock a", "proftpd_trace", _FTP, 1, "trace", 12, component="lock", program="proftpd"
    ),
    b"2026-11-22 01:48:25,942 web proftpd[12] no colon": Line(  # damaged
        "no colon", "proftpd", _FTP, 1, "", 12, program="proftpd"
    ),
    b"Sun Nov 22 04:49:08 2026 0 10.89.3.1 10300 /home/clerk/pub/manual.pdf b _ o r clerk ftp 0 * c": Line(
        "o /home/clerk/pub/manual.pdf c", "xferlog", at("2026-11-22T04:49:08"), 1000, client="10.89.3.1", ends=True
    ),
    b"Sun Nov  1 04:49:10 2026 12 a.example 9 /srv/ftp/a_b.tar b _ i a anonymous@ ftp 0 * i": Line(
        "i /srv/ftp/a_b.tar i", "xferlog", at("2026-11-01T04:49:10"), 1000, client="a.example", ends=True
    ),
    b"Sun Nov 22 04:49:08 2026 0 10.89.3.1 5 /a b c b _ d r clerk ftp 1 clerk c": Line(
        "d /a b c c", "xferlog", at("2026-11-22T04:49:08"), 1000, client="10.89.3.1", ends=True
    ),
    b"Sun Nov 22 04:49:08 2026 0 10.89.3.1 5 /a b _ x r": Line(  # damaged
        "Sun Nov 22 04:49:08 2026 0 10.89.3.1 5 /a b _ x r"
    ),
}

SYSLOG = {
    b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8": Line(
        "'su root' failed for lonvick on /dev/pts/8", "syslog", at("2026-10-11T22:14:15"), 1000, "crit", program="su"
    ),
    b"<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!": Line(
        "Use the BFG!", "syslog", at("2026-02-05T17:32:18"), 1000, "notice"
    ),
    b"Dec 10 06:55:46 LabSZ sshd[24200]: Invalid user webmaster from 173.234.31.186": Line(
        "Invalid user webmaster from 173.234.31.186",
        "syslog",
        at("2026-12-10T06:55:46"),
        1000,
        "",
        24200,
        program="sshd",
    ),
    b"<86>Nov 22 01:48:25 sshd[9]: a: b": Line(
        "a: b", "syslog", at("2026-11-22T01:48:25"), 1000, "info", 9, program="sshd"
    ),
    b"<31>Nov 22 01:48:25 proftpd[7]: web (10.0.0.7[10.0.0.7]) - ROOT PRIVS at a.c:3": Line(
        "ROOT PRIVS at a.c:3", "syslog", at("2026-11-22T01:48:25"), 1000, "debug", 7, "", "10.0.0.7", program="proftpd"
    ),
    b"<29>Nov 22 01:48:25 openvpn[7]: bob/10.0.0.7:1194 SENT PING": Line(
        "SENT PING", "syslog", at("2026-11-22T01:48:25"), 1000, "notice", 7, "", "10.0.0.7:1194", program="openvpn"
    ),
    b"Nov 22 01:48:25 a kernel: [   12.345678] oom": Line(
        "oom", "syslog", at("2026-11-22T01:48:25"), 1000, program="kernel"
    ),
    b"Nov 22 01:48:25 a postfix/smtpd[7]: connect": Line(
        "connect", "syslog", at("2026-11-22T01:48:25"), 1000, "", 7, program="postfix/smtpd"
    ),
    b"2026-11-22T01:48:25.942249+01:00 a sshd[7]: b": Line(
        "b", "syslog", at("2026-11-22T00:48:25.942"), 1, "", 7, program="sshd"
    ),
    b"Nov 22 01:48:25 a b: [   12.345678] c": Line(
        "[   12.345678] c", "syslog", at("2026-11-22T01:48:25"), 1000, program="b"
    ),
    b"Feb 29 01:48:25 a b[7]: c": Line("c", "syslog", None, 0, "", 7, program="b"),  # damaged: 2026 has none
    b"<999>Nov 22 01:48:25 ": Line("", "syslog", at("2026-11-22T01:48:25"), 1000, "debug"),  # damaged
}

SYSLOG5424 = {
    b"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xef\xbb\xbf'su root' failed": Line(
        "'su root' failed", "syslog5424", at("2003-10-11T22:14:15.003"), 1, "crit", component="ID47", program="su"
    ),
    b"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.": Line(
        "%% It's time to make the do-nuts.",
        "syslog5424",
        at("2003-08-24T12:14:15"),
        1,
        "notice",
        8710,
        program="myproc",
    ),
    b'<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource='
    b'"Application" eventID="1011"][examplePriority@32473 class="hi\\"gh"] An application event': Line(
        "An application event",
        "syslog5424",
        at("2003-10-11T22:14:15.003"),
        1,
        "notice",
        component="ID47",
        program="evntslog",
    ),
    b'<165>1 2003-10-11T22:14:15.003Z a evntslog - ID47 [exampleSDID@32473 iut="3"]': Line(
        "", "syslog5424", at("2003-10-11T22:14:15.003"), 1, "notice", component="ID47", program="evntslog"
    ),
    b"<0>1 - - - - - - a": Line("a", "syslog5424", None, 0, "emerg"),
    b'<13>1 2003-13-11T22:14:15Z a b worker-1 - [x a="': Line(  # damaged
        '[x a="', "syslog5424", None, 0, "notice", thread="worker-1", program="b"
    ),
}

_FRONT = at("2026-11-22T01:48:25")
FRONT = {
    b"2026-11-22 01:48:25.942 UTC [12] LOG:  database system is ready to accept connections": Line(
        "database system is ready to accept connections", "postgres", _FRONT + 942, 1, "info", 12
    ),
    b"2026-11-22 01:48:25.942 CET [12-1] shop@shop FATAL:  password authentication failed": Line(
        "password authentication failed", "postgres", _FRONT + 942, 1, "crit", 12
    ),
    b"2026-11-22 01:48:25 UTC [12] STATEMENT:  select 1": Line(
        "select 1", "postgres", _FRONT, 1000, "", 12, component="statement"
    ),
    b"2026-11-32 01:48:25.942 UTC [12] ERROR:  a": Line("a", "postgres", None, 0, "error", 12),  # damaged
    b"[2026-11-22 01:48:25 +0000] [7] [INFO] Booting worker with pid: 7": Line(
        "Booting worker with pid: 7", "gunicorn", _FRONT, 1000, "info", 7
    ),
    b"[2026-11-22 01:48:25 -0100] [1] [CRITICAL] WORKER TIMEOUT (pid:7)": Line(
        "WORKER TIMEOUT (pid:7)", "gunicorn", _FRONT + 3_600_000, 1000, "crit", 1
    ),
    b"[2026-11-22 01:48:25 +9900] [1] [ERROR] a": Line("a", "gunicorn", None, 0, "error", 1),  # damaged
    b"[2026-11-22 01:48:25 +0000] [7] Booting": Line("[7] Booting", "iso", _FRONT, 1000),  # damaged
    b"2026-11-22 01:48:25,942 - shop.db - WARNING - slow - 3 s": Line(
        "slow - 3 s", "python", _FRONT + 942, 1, "warn", component="shop.db"
    ),
    b"WARNING:root:Watch out!": Line("Watch out!", "python", None, 0, "warn", component="root"),
    b"2026-11-22 01:48:25,942 - shop - NOISE - a": Line("a", "python", _FRONT + 942, 1, component="shop"),  # damaged
    b"2026-11-22 01:48:25,942 - shop WARNING a": Line("- shop WARNING a", "iso", _FRONT + 942, 1),  # damaged
    b"2026-11-22T01:48:25Z INFO started": Line("started", "iso", _FRONT, 1000, "info"),
    b"2026-11-22 01:48:25.9+01:30 a": Line("a", "iso", _FRONT + 900 - 5_400_000, 100),
    b"[2026-11-22T01:48:25,942249] [WARN ] a": Line("a", "iso", _FRONT + 942, 1, "warn"),
    b"2026-11-22 01:48:25 WARNING: file 'k' is accessible": Line(
        "WARNING: file 'k' is accessible", "iso", _FRONT, 1000, "warn"
    ),
    b"2026/11/22 01:48:25 http: Server closed": Line("http: Server closed", "iso", _FRONT, 1000),
    b"2026-11-22 01:48:25": Line("", "iso", _FRONT, 1000),
    b"2026-11-22 01:48:25abc": Line("2026-11-22 01:48:25abc"),  # damaged
    b"1795312105.942 a": Line("a", "epoch", 1_795_312_105_942, 1),
    b"1795312105942 [error] a": Line("a", "epoch", 1_795_312_105_942, 1, "error"),
    b"[1795312105] CURRENT HOST STATE: a": Line("CURRENT HOST STATE: a", "epoch", 1_795_312_105_000, 1000),
    b"1795312105942249123 a": Line("a", "epoch", 1_795_312_105_942, 1),
    b"17953121059 a": Line("17953121059 a"),  # damaged
    b"2026-11-22 01:48:25 us=425542 persist_key = DISABLED": Line(
        "persist_key = DISABLED", "openvpn", at("2026-11-22T01:48:25.425"), 1, program="openvpn"
    ),
    b"2026-11-22 01:48:25 us=42 bob/10.0.0.7:1194 SENT PING": Line(
        "SENT PING", "openvpn", at("2026-11-22T01:48:25"), 1, client="10.0.0.7:1194", program="openvpn"
    ),
    b"2026-11-22 01:48:25 [2001:db8::7]:1194 TLS: a": Line(
        "TLS: a", "openvpn", at("2026-11-22T01:48:25"), 1000, client="[2001:db8::7]:1194", program="openvpn"
    ),
    b"2026-11-32 01:48:25 us=425542 a": Line("a", "openvpn", program="openvpn"),  # damaged
}

OTHERS = {
    b'time="2026-11-22T01:48:25.942Z" level=warning msg="no \\"route\\"" pid=3': Line(
        'no \\"route\\"', "logfmt", _FRONT + 942, 1, "warn"
    ),
    b"ts=2026-11-22T01:48:25.942Z caller=main.go:1 level=info component=tsdb msg=ready": Line(
        "ready", "logfmt", _FRONT + 942, 1, "info", component="tsdb"
    ),
    b"level=error err=x": Line("level=error err=x", "logfmt", None, 0, "error"),
    b'time="2026-11-22T01:48:25Z level=': Line('time="2026-11-22T01:48:25Z level='),  # damaged
    b"I1122 01:48:25.942249       1 server.go:12] listening": Line(
        "listening", "klog", _FRONT + 942, 1, "info", 1, component="server.go"
    ),
    b"E1122 01:48:25.942249   12345 a_b-c.go:9] no": Line(
        "no", "klog", _FRONT + 942, 1, "error", 12345, component="a_b-c.go"
    ),
    b"W0101 01:48:25.942249       7 x.go:9] ": Line(
        "", "klog", at("2026-01-01T01:48:25.942"), 1, "warn", 7, component="x.go"
    ),
    b"F9922 01:48:25.942249       1 a.go:1] b": Line("b", "klog", None, 0, "crit", 1, component="a.go"),  # damaged
    b"2026-11-22 01:48:25,942 [main] INFO  org.a.B - up": Line(
        "up", "java", _FRONT + 942, 1, "info", 0, "main", "", "org.a.B"
    ),
    b"2026-11-22T01:48:25.942Z  WARN 7 --- [nio-80-exec-1] o.a.B                    : slow": Line(
        "slow", "java", _FRONT + 942, 1, "warn", 7, "nio-80-exec-1", "", "o.a.B"
    ),
    b"22-Nov-2026 01:48:25.942 SEVERE [main] org.a.B.start Failed": Line(
        "Failed", "java", _FRONT + 942, 1, "crit", 0, "main", "", "org.a.B.start"
    ),
    b"2026-11-22 01:48:25,942 INFO [main]": Line("[main]", "iso", _FRONT + 942, 1, "info"),  # damaged
}

JSON = {
    b'{"level":"info","ts":1795312105.942,"logger":"db","msg":"ready","pid":7}': Line(
        "ready", "json", 1_795_312_105_942, 1, "info", 7, component="db"
    ),
    b'{"@timestamp":"2026-11-22T01:48:25.942+01:00","message":"a","log.level":"ERROR","thread_name":"main"}': Line(
        "a", "json", _FRONT + 942 - 3_600_000, 1, "error", 0, "main"
    ),
    b'{"level":50,"time":1795312105942,"pid":7,"hostname":"a","msg":"pino"}': Line(
        "pino", "json", 1_795_312_105_942, 1, "error", 7
    ),
    b'{"t":{"$date":"2026-11-22T01:48:25.942+00:00"},"s":"I","c":"NETWORK","id":1,"ctx":"conn1","msg":"open"}': Line(
        "open", "json", _FRONT + 942, 1, "info", 0, "conn1", "", "NETWORK"
    ),
    b'{"a":1}': Line('{"a":1}', "json"),
    b'{"msg":"a\\u0000\\nb","pid":true,"level":{}}': Line("a\0\nb", "json"),  # damaged
    b'{"msg":"a","pid":-7}': Line("a", "json"),  # damaged
    b'{"log":"a","time":"2026-11-22T01:48:25Z","level":"info"}': Line("a", "json", _FRONT, 1000, "info"),
    b'{"msg":"a"': Line('{"msg":"a"'),  # damaged
}

WRAPPED = {
    b'{"log":"Log line is here\\n","stream":"stdout","time":"2019-01-01T11:11:11.111111111Z"}': Line(
        "Log line is here", "docker", at("2019-01-01T11:11:11.111"), 1
    ),
    b'{"log":"[Sun Nov 22 01:48:25.578457 2026] [core:notice] [pid 1:tid 1] AH00094: a\\n","stream":"stderr",'
    b'"time":"2026-11-22T01:48:25.578999999Z"}': Line(
        "AH00094: a", "apache_error", _FRONT + 578, 1, "notice", 1, "1", "", "core"
    ),
    b'{"log":"{\\"msg\\":\\"in\\",\\"level\\":\\"warn\\"}\\n","time":"2026-11-22T01:48:25.942Z"}': Line(
        "in", "json", _FRONT + 942, 1, "warn"
    ),
    b'{"log":"a","time":"never"}': Line("a", "docker"),  # damaged
    b"2016-10-06T00:17:09.669794202Z stdout F The content of the log entry 1": Line(
        "The content of the log entry 1", "cri", at("2016-10-06T00:17:09.669"), 1
    ),
    b'2026-11-22T01:48:25.942249+00:00 stdout F 10.0.0.1 - - [22/Nov/2026:01:48:24 +0000] "GET / HTTP/1.1" 200 9': Line(
        "GET / 200", "access", _FRONT + 942, 1, client="10.0.0.1", ends=True
    ),
    b"2026-11-22T01:48:25.942249+00:00 stderr P First part": Line("First part", "cri", _FRONT + 942, 1),
    b"2026-11-22T01:48:25.942249+00:00 stdout X a": Line("stdout X a", "iso", _FRONT + 942, 1),  # damaged
}

TEXT = {
    b"": Line(""),
    b"sh: 1: curl: not found\r\n": Line("sh: 1: curl: not found"),
    b"Version: '10.11.18-MariaDB'  socket: ''  port: 3306  Debian 12": Line(
        "Version: '10.11.18-MariaDB'  socket: ''  port: 3306  Debian 12"
    ),
    b"a\xffb\x1b[31m\0": Line("a\\udcffb\x1b[31m\0"),
    b"x" * 5000: Line("x" * 4096, cut=True),
}

GOLDENS: dict[str, dict[bytes, Line]] = {
    "access": ACCESS,
    "apache_error": APACHE_ERROR,
    "nginx_error": NGINX_ERROR,
    "mysql_error": MYSQL_ERROR,
    "mysql_general": MYSQL_GENERAL,
    "php": PHP,
    "redis": REDIS,
    "ftp": FTP,
    "syslog": SYSLOG,
    "syslog5424": SYSLOG5424,
    "front": FRONT,
    "others": OTHERS,
    "json": JSON,
    "wrapped": WRAPPED,
    "text": TEXT,
}
