"""nginx, Apache, PHP-FPM and wget as Debian has them, at their most talkative, with a session of good and bad.

Rules of this file
    - See `daemons_place`. nginx and Apache run twice: as they are usually set, and at their most talkative.

Source: nginx.org/en/docs; httpd.apache.org/docs/2.4; php-fpm.conf.
"""

from __future__ import annotations

import base64
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from testbed.daemons_place import HOST, Place, certificate, get, say

NGINX: Final = 8090
NGINX_TLS: Final = 8091
APACHE: Final = 8092
APACHE_TLS: Final = 8093
FPM: Final = 8094
SILENT: Final = 8095
GARBAGE: Final = 8096

NGINX_CONF: Final = """daemon off; user www-data; worker_processes 2; pid {here}/pid;
error_log {out}/@log.log @level;
events { worker_connections 32; }
http {
  access_log {out}/access.log; server_tokens off; rewrite_log on; keepalive_timeout 2; client_header_timeout 2;
  client_body_temp_path {here}/t1; proxy_temp_path {here}/t2; fastcgi_temp_path {here}/t3; uwsgi_temp_path {here}/t4;
  scgi_temp_path {here}/t5; proxy_cache_path {here}/cache keys_zone=c:1m;
  limit_req_zone $server_name zone=one:1m rate=1r/s; limit_conn_zone $server_name zone=two:1m;
  upstream dead { server 127.0.0.1:1 max_fails=1; server 127.0.0.1:2 max_fails=1; }
  server {
    listen 127.0.0.1:8090; server_name localhost; root {here}/www; client_max_body_size 10;
    large_client_header_buffers 2 1k;
    location /deny { deny all; } location /list { autoindex on; } location /no-list { }
    location /auth { auth_basic x; auth_basic_user_file {here}/users; }
    location /auth-none { auth_basic x; auth_basic_user_file {here}/none; }
    location /refused { proxy_pass http://127.0.0.1:1; } location /dead { proxy_pass http://dead; }
    location /slow { proxy_read_timeout 1s; proxy_pass http://127.0.0.1:8095; }
    location /garbage { proxy_pass http://127.0.0.1:8096; } location /tls { proxy_pass https://127.0.0.1:8096; }
    location /cached { proxy_cache c; proxy_pass http://127.0.0.1:8092/; } location /name { proxy_pass http://$arg_h; }
    location /limit { limit_req zone=one; } location /conn { limit_conn two 1;
      proxy_read_timeout 2s; proxy_pass http://127.0.0.1:8095; }
    location /again { rewrite ^/again/(.*)$ /list/$1 last; } location /loop { rewrite ^ /loop/x last; }
    location /uwsgi { uwsgi_pass 127.0.0.1:8096; }
    location /scgi { scgi_pass 127.0.0.1:8096; } location /link { disable_symlinks on; }
    location ~ [.]php$ {
      fastcgi_pass 127.0.0.1:8094; fastcgi_param SCRIPT_FILENAME {here}/www$uri; fastcgi_param SCRIPT_NAME $uri;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param QUERY_STRING $query_string; fastcgi_param CONTENT_LENGTH $content_length; }
  }
  server { listen 127.0.0.1:8091 ssl; server_name localhost;
    ssl_certificate {here}/localhost.crt; ssl_certificate_key {here}/localhost.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_verify_client optional; ssl_client_certificate {here}/localhost.crt; root {here}/www; }
}
"""
TARGETS: Final = (
    "/", "/none", "/deny", "/list/", "/no-list/", "/auth", "/auth-none", "/refused", "/dead", "/dead", "/dead",
    "/slow", "/garbage",
    "/tls", "/cached", "/cached", "/name?h=no.such.host", "/limit", "/limit", "/again/x", "/loop", "/uwsgi",
    "/scgi", "/link/passwd",
    "/../etc/passwd", "/secret.txt", "/%zz", "/" + "x" * 1200, "/a.php", "/none.php", "/status",
    "/server-status", "/dav/x", "/cgi/no",
    "/cgi/ok", "/cgi/bad", "/cgi/slow", "/ssi.shtml", "/old", "/list/" + "y" * 300, "/fcgi.php", "/balance/x",
    "/digest",
)  # fmt: skip


def nginx(place: Place) -> None:
    """Every kind of answer, upstreams that fail, bad requests, TLS that fails, signals; then wrong configurations."""
    _files(place)
    for name, level in (("usual", "info"), ("debug", "debug")):
        config = place.write(f"{name}.conf", NGINX_CONF.replace("@log", name).replace("@level", level))
        with (
            _peers(),
            place.started(["nginx", "-p", str(place.folder), "-c", str(config)], "begin.log", NGINX) as server,
        ):
            _requests(NGINX, NGINX_TLS)
            if level == "info":
                for one in (signal.SIGUSR1, signal.SIGHUP, signal.SIGUSR2):
                    server.send_signal(one)
                    time.sleep(0.5)
    good = NGINX_CONF.replace("@log", "wrong").replace("@level", "debug")
    for old, new in (("daemon off;", "nonsense on;"), ("listen 127.0.0.1:8090", "listen x:y"), ("zone=one;",
    "zone=none;"),
                     ("{here}/localhost.crt", "{here}/none"), ("http://dead", "http://no.such.host"),
                     ("autoindex on;", "autoindex x;"),
                     ("127.0.0.1:8090", "10.255.255.1:80"), ("}\n}\n", "}\n"), ("user www-data",
                     "user no-such"), ("listen", "include {here}/none; listen")):  # fmt: skip
        config = place.write("wrong.conf", good.replace(old, new, 1))
        place.run(["nginx", "-p", str(place.folder), "-c", str(config)], "wrong-begin.log", seconds=2)


def _files(place: Place) -> None:
    certificate(place)
    place.write("users", "alice:{PLAIN}secret\nbob:{SSHA}broken\ncarol:{SHA}x\n")
    for name in ("index.html", "list/a.html", "no-list/a.txt", "limit/index.html"):
        place.write(f"www/{name}", "<p>hello</p>\n" * 50)
    place.write("www/secret.txt", "x", 0o000)
    place.write(
        "www/ssi.shtml",
        '<!--#include virtual="/none" --><!--#nonsense --><!--#exec cmd="false" --><!--#echo var="x" -->',
    )
    place.write(
        "www/a.php", "<?php echo $x; error_log('from a script'); trigger_error('mine', E_USER_WARNING); none();"
    )
    (place.folder / "www" / "link").mkdir()
    (place.folder / "www" / "link" / "passwd").symlink_to("/etc/passwd")
    place.folder.chmod(0o755)


def _requests(port: int, tls: int) -> None:
    for target in TARGETS:
        get(port, target)
    for name in ("alice:secret", "alice:wrong", "bob:x", "carol:x", "nobody:x"):
        get(port, "/auth", f"Authorization: Basic {base64.b64encode(name.encode()).decode()}")
    get(port, "/auth", "Authorization: Basic !!", "Range: bytes=5-2", "If-Modified-Since: x")
    get(port, "/digest", 'Authorization: Digest username="a", realm="x", nonce="y", uri="/z", response="w"')
    for method in ("POST", "PUT", "TRACE", "NONSENSE", "PROPFIND", "MKCOL", "DELETE", "HEAD", "CONNECT", "OPTIONS"):
        get(port, "/dav/a", method=method, body=b"<x" * 40 if method != "HEAD" else b"")
    for sent in (b"\x16\x03\x01", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: a\r\nX" + b"y" * 9000 + b"\r\n\r\n",
                 b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
                 b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n", b"GET http:// HTTP/1.1\r\n\r\n",
                 b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx",
                 b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /refused HTTP/1.1\r\nHost: ..\r\n\r\n"):  # fmt: skip
        say(port, sent, wait=0.3)
    say(port, b"GET / HT", wait=3.0)
    for target in ("/", "/none", "/auth"):
        get(tls, target, tls=True)
    for sent in (
        b"GET / HTTP/1.0\r\n\r\n",
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"\x16\x03\x01\x02",
        b"\x80\x2e\x01",
    ):
        say(tls, sent, wait=0.3)


@contextmanager
def _peers() -> Iterator[None]:
    """Two upstreams: one that never says anything, one that says what no protocol knows."""
    with (
        suppress(OSError),
        socket.create_server((HOST, SILENT)) as silent,
        socket.create_server((HOST, GARBAGE)) as garbage,
    ):

        def answer() -> None:
            kept = []
            with suppress(OSError):
                while True:
                    connection, _ = garbage.accept()
                    kept.append(connection)
                    with suppress(OSError):
                        connection.sendall(
                            (b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nA B\r\n: x\r\n\r\nx", b"HTTP/1.1 999\r\n")[
                                len(kept) % 3
                            ]
                        )
                        connection.shutdown(socket.SHUT_RDWR)

        threading.Thread(target=answer, daemon=True).start()
        silent.listen(16)
        yield
        with suppress(OSError):
            garbage.shutdown(socket.SHUT_RDWR)


APACHE_CONF: Final = """ServerRoot {here}
ServerName localhost
Listen 127.0.0.1:8092
Listen 127.0.0.1:8093
PidFile {here}/pid
User www-data
Group www-data
ErrorLog {out}/@log.log
LogLevel @level
TypesConfig {here}/mime.types
DocumentRoot {here}/www
Timeout 3
KeepAliveTimeout 1
LimitRequestFields 20
ScriptSock {here}/cgid
CacheRoot {here}/cache
DavLockDB {here}/davlock
SSLSessionCache shmcb:{here}/ssl(512000)
<Directory {here}/www>
  Options Indexes Includes
  AllowOverride All
  Require all granted
  AddType text/html .shtml
  AddOutputFilter INCLUDES .shtml
</Directory>
<Location /no-list>
  Options -Indexes
</Location>
<Location /deny>
  Require all denied
</Location>
<Location /auth>
  AuthType Basic
  AuthName x
  AuthUserFile {here}/users
  Require user alice carol
</Location>
<Location /auth-none>
  AuthType Basic
  AuthName x
  AuthUserFile {here}/none
  Require group staff
</Location>
<Location /digest>
  AuthType Digest
  AuthName x
  AuthUserFile {here}/users
  Require valid-user
</Location>
<Location /dav>
  Dav On
  Require all granted
</Location>
<Location /server-status>
  SetHandler server-status
  Require ip 10.0.0.1
</Location>
ScriptAlias /cgi/ {here}/cgi/
<Directory {here}/cgi>
  Require all granted
</Directory>
RewriteEngine on
RewriteRule ^/again/(.*)$ /list/$1 [PT]
RewriteRule ^/loop /loop/x [N=3]
RewriteRule ^/old /list/ [R]
RewriteCond %{QUERY_STRING} x
RewriteRule ^/limit - [F]
ProxyPass /refused http://127.0.0.1:1/
ProxyPass /slow http://127.0.0.1:8095/ timeout=1
ProxyPass /garbage http://127.0.0.1:8096/
ProxyPass /tls https://127.0.0.1:8096/
ProxyPass /name http://no.such.host/
ProxyPass /cached http://127.0.0.1:8090/list/
<Proxy balancer://b>
  BalancerMember http://127.0.0.1:1
  BalancerMember http://127.0.0.1:2
</Proxy>
ProxyPass /balance balancer://b
ProxyPassMatch ^/(.*[.]php)$ fcgi://127.0.0.1:8094{here}/www/$1
SSLProxyEngine on
CacheEnable disk /cached
<VirtualHost 127.0.0.1:8093>
  SSLEngine on
  SSLCertificateFile {here}/localhost.crt
  SSLCertificateKeyFile {here}/localhost.key
  SSLVerifyClient optional
  <Location /auth>
    SSLVerifyClient require
  </Location>
</VirtualHost>
"""
APACHE_MODULES: Final = (
    "mpm_event authn_core authn_file authz_core authz_user authz_groupfile "
    "authz_host auth_basic auth_digest alias dir mime autoindex "
    "negotiation rewrite socache_shmcb ssl proxy proxy_http proxy_fcgi proxy_balancer slotmem_shm "
    "lbmethod_byrequests headers deflate "
    "filter setenvif cgid status dav dav_fs include reqtimeout unique_id http2 cache cache_disk expires env"
)


def apache(place: Place) -> None:
    """The same requests, scripts that fail, `.htaccess` that is wrong, signals; then wrong configurations."""
    _files(place)
    place.write("mime.types", "text/html html\n")
    place.write("www/list/y/.htaccess", "Nonsense on\n")
    place.write("cgi/ok", "#!/bin/sh\necho to the log >&2; printf 'Content-Type: text/plain\\n\\nx'\n", 0o755)
    place.write("cgi/bad", "#!/bin/sh\necho nonsense\n", 0o755)
    place.write("cgi/slow", "#!/bin/sh\nsleep 6\n", 0o755)
    place.write("cgi/no", "x")
    modules = [f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in APACHE_MODULES.split()]
    text = "\n".join(modules) + "\n" + APACHE_CONF
    for name, level in (("usual", "info"), ("debug", "trace8")):
        config = place.write(f"{name}.conf", text.replace("@log", name).replace("@level", level))
        with (
            _peers(),
            place.started(
                ["apache2", "-X" if level == "none" else "-DFOREGROUND", "-f", str(config)], "begin.log", APACHE
            ) as server,
        ):
            _requests(APACHE, APACHE_TLS)
            get(APACHE, "/list/y/")
            if level == "info":
                server.send_signal(signal.SIGUSR1)
                time.sleep(2)
                get(APACHE, "/")
    good = text.replace("@log", "wrong").replace("@level", "trace8")
    for old, new in (("PidFile", "Nonsense"), ("Listen 127.0.0.1:8092", "Listen x:y"), ("localhost.key",
    "none.key"), ("AuthType Digest", "AuthType X"),
                     ("Require ip 10.0.0.1", "Require ip x"), ("mod_alias.so", "none.so"), ("User www-data",
                     "User no-such"), ("RewriteRule ^/again/(.*)$", "RewriteRule ("),
                     ("Listen 127.0.0.1:8092", "Listen 10.255.255.1:80"), ("</VirtualHost>", ""),
                     ("SSLEngine on", "SSLEngine on\nSSLProtocol X")):  # fmt: skip
        place.run(
            ["apache2", "-DFOREGROUND", "-f", str(place.write("wrong.conf", good.replace(old, new, 1)))],
            "wrong-begin.log",
            seconds=3,
        )


FPM_CONF: Final = """[global]
pid = {here}/pid
error_log = {out}/fpm.log
log_level = debug
daemonize = no
emergency_restart_threshold = 2
[www]
user = www-data
group = www-data
listen = 127.0.0.1:8094
pm = dynamic
pm.max_children = 3
pm.start_servers = 1
pm.min_spare_servers = 1
pm.max_spare_servers = 2
pm.max_requests = 6
slowlog = {out}/slow.log
request_slowlog_timeout = 1s
request_terminate_timeout = 2s
catch_workers_output = yes
php_admin_value[error_log] = {out}/php.log
php_admin_value[error_reporting] = 32767
php_admin_flag[log_errors] = on
"""
SCRIPTS: Final = (
    "echo $x; none();", "if (", "throw new Exception('thrown');", "error_log('mine');", "sleep(4);", "exit(3);",
    "$a = [1]; echo $a[5]; echo 1/0;",
    "include 'none.inc';", "fwrite(fopen('php://stderr', 'w'), 'to stderr');",
    "ini_set('memory_limit', '1M'); str_repeat('x', 1 << 24);",
    "posix_kill(getmypid(), 11);", "trigger_error('old', E_USER_DEPRECATED); implode(1);",
    "function f() { f(); } mysqli_connect('127.0.0.1:1');",
    "fopen('http://127.0.0.1:1/', 'r'); file_get_contents('/none'); unserialize('x');",
    "json_decode('{', flags: 4194304);", "usleep(10);",
)  # fmt: skip


def php_fpm(place: Place) -> None:
    """Scripts that fail, hang and crash, behind nginx; then wrong configurations."""
    _files(place)
    for at, script in enumerate(SCRIPTS):
        place.write(f"www/{at}.php", "<?php " + script)
    config = place.write("fpm.conf", FPM_CONF)
    proxy = place.write(
        "nginx.conf", NGINX_CONF.replace("{out}", str(place.folder)).replace("@log", "x").replace("@level", "info")
    )
    place.out.joinpath("php.log").touch()
    place.out.joinpath("php.log").chmod(0o666)  # its workers open it as they are
    argv = ["php-fpm8.2", "-n", "-F", "-y", str(config)]
    with place.started(argv, "begin.log", FPM) as server, place.started(["nginx", "-c", str(proxy)], port=NGINX):
        for at in range(2 * len(SCRIPTS)):
            get(NGINX, f"/{at % len(SCRIPTS)}.php")
        asked = [threading.Thread(target=get, args=(NGINX, "/4.php")) for _ in range(6)]
        for one in asked:
            one.start()
        for one in asked:
            one.join()
        say(FPM, b"nonsense" * 4, wait=0.5)
        for signal_ in (signal.SIGUSR1, signal.SIGUSR2):
            server.send_signal(signal_)
            time.sleep(1)
    for old, new in (("pm = dynamic", "pm = x"), ("user = www-data", "user = no-such"), ("listen =",
    "nonsense ="), ("[www]", ""), ("8094", "x"),
                     ("pm.start_servers = 1", "pm.start_servers = 9"), ("127.0.0.1:", "10.255.255.1:"),
                     ("{out}/fpm.log", "/nowhere/x")):  # fmt: skip
        place.run([*argv[:-1], str(place.write("wrong.conf", FPM_CONF.replace(old, new, 1)))], "wrong.log", seconds=2)


def wget(place: Place) -> None:
    """What is there and what is not, from nginx; hosts, ports and certificates that are wrong; a mirror."""
    _files(place)
    config = place.write(
        "nginx.conf", NGINX_CONF.replace("{out}", str(place.folder)).replace("@log", "x").replace("@level", "info")
    )
    tls = f"https://localhost:{NGINX_TLS}/"
    with _peers(), place.started(["nginx", "-c", str(config)], port=NGINX):
        for form, more in (("usual", ["-v"]), ("debug", ["-d"])):
            base = [
                "wget",
                "--no-config",
                *more,
                "-a",
                str(place.out / f"{form}.log"),
                "-t",
                "2",
                "-T",
                "1",
                "-P",
                str(place.folder / "got"),
            ]
            urls = [f"http://localhost:{NGINX}{target}" for target in TARGETS[:24]]
            for argv in (
                *([url] for url in urls), ["-r", "-l", "2", f"http://localhost:{NGINX}/list/"], ["-N", urls[0]],
                ["-c", urls[0]], [tls],
                ["--no-check-certificate", tls], ["--ca-certificate=/none", tls], ["http://localhost:1/"],
                ["http://no.such.host/"], ["ftp://localhost:1/x"],
                ["nonsense://x"], ["--post-file=/none", urls[0]], ["--user=alice", "--password=secret",
                urls[5]], ["-i", "/none"], ["--spider", urls[1]],
                ["-S", "--header=Range: bytes=1-", urls[0]], ["-O", "/nowhere/x", urls[0]],
                ["--load-cookies=/none", urls[0]], ["-m", "-k", "-p", urls[3]],
                ["--bind-address=10.255.255.1", urls[0]], ["-e", "http_proxy=http://localhost:1", urls[0]],
                ["--method=PUT", urls[0]], ["--start-pos=9", urls[0]],
            ):  # fmt: skip
                place.run([*base, *argv], "stdout.log", seconds=12)
