"""What any Linux container's texts are made of: the shared dictionary of the codec.

Rules of this file
    - Both sides of the wire must hold the same bytes: the dictionary is part of the format. Whoever changes a letter
      raises `grammar.wire.VERSION`; a test pins the hash.
    - How it was chosen: by hand, from what a distribution (Debian, Alpine, RHEL) puts where, what the usual servers and
      languages open when they start, and the words of our own labels and contexts. Nothing was taken from a recording's
      applications, so that what is measured on recordings holds elsewhere.
    - Order matters: a reference is cheaper the nearer it is to the end, so the commonest comes last. `|` stands for the
      zero byte that ends a text in a message; of texts in one directory the first is written in full and the others
      without it, as front coding leaves them.

Invariant: at most 16 kB, no digit that only one machine would show.
Complexity: a constant; zstd indexes it once for each message, about a millisecond.
Source: RFC 8878 section 5 (raw content as dictionary); Filesystem Hierarchy Standard 3.0.
"""

from __future__ import annotations

from typing import Final

_COMMANDS: Final = r"""
/bin/sh -c exec |/bin/bash -c |sh -c set -e; |/bin/sh /docker-entrypoint.sh |/usr/local/bin/docker-entrypoint.sh |
/usr/sbin/nginx -g daemon off;|apache2 -DFOREGROUND|/usr/sbin/httpd -D FOREGROUND|apachectl |
php-fpm: master process (/etc/php-fpm.conf)|php -f |python3 -m |python -c import |
python3 manage.py runserver 0.0.0.0:|gunicorn -w 4 -b 0.0.0.0:|uvicorn app:app --host 0.0.0.0 --port 8000|
node /app/server.js|npm start|java -Xmx512m -jar /app/app.jar|redis-server *:6379|redis-cli -h |
postgres -D /var/lib/postgresql/data|postgres: checkpointer |mariadbd --user=mysql --datadir=/var/lib/mysql|
mysqld_safe |mysqladmin -u root ping|sshd: [listener] 0 of 10-100 startups|/usr/sbin/sshd -D -e|/usr/sbin/cron -f|
run-parts --report /etc/cron.hourly|crond |vsftpd |/sbin/tini -- |/pause|sleep infinity|tail -f /dev/null|date +%s|
uname -a|id -u|ps aux|hostname -i|whoami|ls -la |find / -name |xargs -0 |tar -xzf |tar -czf - |gzip -9 |base64 -d |
mktemp -d |mkdir -p |rm -rf |rm -f |cp -r |mv -f |ln -s |chown -R |chmod 755 |chmod +x |touch |head -n 1|
cut -d: -f1 /etc/passwd|sed -i s|grep -q |awk {print $1}|sort -u|wc -l|cat /proc/self/status|
wget -q -O - http://127.0.0.1:8080/|nc -l -p |curl -fsS http://localhost/|curl -s -o /dev/null -X POST -d |
openssl req |test -f |echo >> /dev/null 2>&1 &| && |
"""

_LIBRARIES: Final = r"""
/usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so|modules|libjava.so|libnet.so|libnio.so|libjli.so|libzip.so|
/usr/lib/x86_64-linux-gnu/perl-base/strict.pm|/usr/lib/node_modules/npm/package.json|
/app/node_modules/express/lib/index.js|/usr/local/lib/node_modules|/usr/lib/python3/dist-packages|
/usr/local/lib/python3.11/site-packages/__init__.py|/usr/lib64/python3.9/__pycache__/encodings|
__init__.cpython-311.pyc|abc|base64|codecs|collections|contextlib|copyreg|datetime|enum|functools|hashlib|heapq|http|
io|importlib|json|decoder|encoder|keyword|linecache|locale|logging|operator|os|pathlib|posixpath|random|re|_compiler|
_parser|selectors|signal|site|socket|socketserver|ssl|stat|string|struct|subprocess|tempfile|threading|tokenize|
traceback|types|typing|urllib|parse|request|warnings|weakref|lib-dynload/_bisect.cpython-311-x86_64-linux-gnu.so|
_hashlib|_json|_random|_socket|_ssl|_struct|array|math|select|zlib|pyvenv.cfg|python311.zip|
/usr/lib/php/{int}/bcmath.so|calendar|ctype|curl|dom|exif|ffi|fileinfo|ftp|gd|gettext|iconv|intl|mbstring|mysqli|
mysqlnd|opcache|pdo|pdo_mysql|pdo_pgsql|phar|posix|readline|shmop|simplexml|sockets|sysvmsg|sysvsem|sysvshm|tokenizer|
xml|xmlreader|xmlwriter|xsl|zip|/usr/lib/apache2/modules/libphp8.2.so|mod_access_compat.so|alias|auth_basic|
authn_core|authn_file|authz_core|authz_host|authz_user|autoindex|cgi|deflate|dir|env|expires|filter|headers|mime|
mpm_event|mpm_prefork|negotiation|proxy|proxy_fcgi|proxy_http|reqtimeout|rewrite|setenvif|socache_shmcb|ssl|status|
unixd|/usr/lib/nginx/modules/ngx_http_/usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache|gconv-modules.d|
/usr/lib/x86_64-linux-gnu//usr/lib/postgresql/15/bin/postgres|initdb|lib/plpgsql.so|/usr/lib/mysql/plugin|
/usr/lib/locale/C.utf8/LC_CTYPE|locale-archive|C.UTF-8/LC_ADDRESS|COLLATE|IDENTIFICATION|MEASUREMENT|
MESSAGES/SYS_LC_MESSAGES|MONETARY|NAME|NUMERIC|PAPER|TELEPHONE|TIME|/usr/share/locale/locale.alias|en_US/LC_MESSAGES|
/usr/share/zoneinfo/Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific|Etc/UTC|
Europe/London|posixrules|tzdata.zi|zone1970.tab|iso3166.tab|leapseconds|/usr/share/ca-certificates|misc|mime.types|
terminfo|zsh|mysql/charsets/Index.xml|english/errmsg.sys|postgresql|nginx/html/50x.html|apache2/icons|ssl/openssl.cnf|
vim|doc|man|perl5|php|/lib/x86_64-linux-gnu/security/pam_unix.so|pam_deny|pam_env|pam_limits|pam_permit|pam_nologin|
pam_loginuid|pam_keyinit|pam_motd|pam_mail|pam_selinux|pam_cap|pam_faildelay|pam_umask|/lib/ld-musl-x86_64.so.1|
libc.musl-x86_64.so.1|/lib64/ld-linux-x86-64.so.2|libc.so.6|/usr/lib64/libselinux.so.1|libpcre2-8.so.0|
/usr/lib/x86_64-linux-gnu/libaio.so.1|libargon2.so.1|libatomic.so.1|libcares.so.2|libdbus-1.so.3|libdl.so.2|
libevent-2.1.so.7|libffi.so.8|libfreetype.so.6|libgdbm.so.6|libicudata.so.72|libicui18n.so.72|libicuuc.so.72|
libjemalloc.so.2|libjpeg.so.62|libltdl.so.7|libmariadb.so.3|libnuma.so.1|libperl.so.5.36|libpng16.so.16|libpq.so.5|
libsodium.so.23|libsqlite3.so.0|libuv.so.1|libwebp.so.7|libxslt.so.1|libseccomp.so.2|libsystemd.so.0|libudev.so.1|
libwrap.so.0|libnsl.so.2|libapr-1.so.0|libaprutil-1.so.0|/lib/x86_64-linux-gnu/libacl.so.1|libattr.so.1|libaudit.so.1|
libblkid.so.1|libbrotlicommon.so.1|libbrotlidec.so.1|libbsd.so.0|libbz2.so.1.0|libcap-ng.so.0|libcap.so.2|
libcom_err.so.2|libcrypt.so.1|libcrypto.so.3|libcurl.so.4|libdb-5.3.so|libdl.so.2|libexpat.so.1|libgcc_s.so.1|
libgcrypt.so.20|libgmp.so.10|libgnutls.so.30|libgpg-error.so.0|libgssapi_krb5.so.2|libhogweed.so.6|libidn2.so.0|
libk5crypto.so.3|libkeyutils.so.1|libkrb5.so.3|libkrb5support.so.0|liblber-2.5.so.0|libldap-2.5.so.0|liblz4.so.1|
liblzma.so.5|libm.so.6|libmagic.so.1|libmd.so.0|libmount.so.1|libncurses.so.6|libncursesw.so.6|libnettle.so.8|
libnghttp2.so.14|libnss_compat.so.2|libnss_dns.so.2|libnss_files.so.2|libp11-kit.so.0|libpam.so.0|libpam_misc.so.0|
libpcre.so.3|libpcre2-8.so.0|libproc2.so.0|libpsl.so.5|libpthread.so.0|libreadline.so.8|libresolv.so.2|librt.so.1|
librtmp.so.1|libsasl2.so.2|libselinux.so.1|libsmartcols.so.1|libssh2.so.1|libssl.so.3|libstdc++.so.6|libtasn1.so.6|
libtinfo.so.6|libunistring.so.2|libutil.so.1|libuuid.so.1|libxml2.so.2|libxxhash.so.0|libz.so.1|libzstd.so.1|
libc.so.6|
"""

_FILES: Final = r"""
/opt|/mnt|/media|/home/user/.ssh/authorized_keys|id_rsa|known_hosts|/root/.bash_history|.bashrc|.profile|.cache|
.config|.viminfo|/app/config.json|index.js|main.py|package.json|server.js|/data/appendonly.aof|dump.rdb|
temp-{int}.rdb|/src/app.py|/srv|/work|/usr/local/etc/php/php.ini|conf.d|redis.conf|/usr/local/sbin|
/usr/local/bin/node|python3.11|/sys/devices/system/cpu/online|node/node0|possible|/sys/fs/cgroup/cpu.max|memory.max|
pids.max|memory.high|/sys/kernel/mm/transparent_hugepage/enabled|/sys/kernel/security|/sys/module|/proc/cpuinfo|
meminfo|mounts|loadavg|stat|uptime|version|net/dev|tcp|route|if_inet6|unix|sys/kernel/cap_last_cap|hostname|
random/boot_id|uuid|osrelease|ngroups_max|core_pattern|pid_max|sys/net/core/somaxconn|sys/vm/overcommit_memory|
/proc/self/attr/current|exec|keycreate|cgroup|cmdline|environ|exe|fd|fdinfo|limits|loginuid|maps|mountinfo|
oom_score_adj|setgroups|gid_map|uid_map|smaps|stat|status|task/{int}/comm|/proc/{int}/cgroup|cmdline|oom_score_adj|
net|stat|statm|/proc/filesystems|/proc/thread-self/attr/exec|/dev/pts/0|ptmx|shm|stderr|stdin|stdout|mqueue|console|
fd|full|random|tty|zero|urandom|null|/dev/shm/PostgreSQL.{int}|/var/backups|/var/cache/apt/archives|nginx/client_temp|
ldconfig/aux-cache|/var/lib/apt/lists|dpkg/status|/var/lib/mysql/aria_log_control|binlog.{int}|ib_logfile0|ibdata1|
ibtmp1|mysql/user.frm|performance_schema|sys/db.opt|/var/lib/nginx/body|fastcgi|proxy|/var/lib/nginx/tmp|
/var/lib/postgresql/data/PG_VERSION|base/{int}/pg_filenode.map|pg_internal.init|global/pg_control|pg_filenode.map|
pg_logical|pg_stat_tmp|pg_wal/archive_status|pg_xact/{int}|pg_hba.conf|pg_ident.conf|postgresql.auto.conf|
postgresql.conf|postmaster.opts|postmaster.pid|/var/lib/redis|/var/lib/systemd|/var/lib/php/sessions/sess_{token:26}|
/tmp/sess_{token:32}|/tmp/php{token:6}|/var/lib/containers/storage/overlay-containers/{id}/userdata/config.json|ctl|
attach|conmon.pid|oci-log|pidfile|shm|winsz|artifacts|/var/lib/containers/storage/overlay/{id}/merged|diff|work|lower|
link|overlay-layers/layers.json|lock|overlay-images/images.json|storage.lock|userns.lock|libpod/bolt_state.db|db.sql|
/var/lib/docker/overlay2/{id}/merged|containers/{id}/{id}-json.log|config.v2.json|hostname|hosts|resolv.conf|
/var/lib/cni/networks|/var/lib/kubelet/pods/{uuid}/volumes|etc-hosts|
/run/containerd/io.containerd.runtime.v2.task/k8s.io/{id}/rootfs|/run/docker/runtime-runc/moby/{id}/state.json|
/run/containers/storage/overlay-containers/{id}/userdata|/run/crun/{id}/status|/run/runc|/run/libpod/alive|exits/{id}|
/run/netns/netns-{uuid}|/etc/cni/net.d|/etc/containers/containers.conf|policy.json|registries.conf|registries.conf.d|
storage.conf|seccomp.json|/usr/share/containers/containers.conf|seccomp.json|/usr/lib/systemd/system|
/etc/systemd/system|/etc/init.d|/etc/rc.d|/etc/logrotate.d|/var/log/apache2/access.log|error.log|
other_vhosts_access.log|/var/log/httpd/error_log|/var/log/nginx/access.log|error.log|/var/log/mysql/error.log|
/var/log/audit|auth.log|btmp|cron|dpkg.log|faillog|lastlog|messages|redis|syslog|vsftpd.log|wtmp|
/var/log/php8.2-fpm.log|/var/mail/root|/var/spool/cron/crontabs/root|/var/run/utmp|/run/apache2/apache2.pid|crond.pid|
httpd|lock|mysqld/mysqld.sock|mysqld.pid|nginx.pid|nscd/socket|php/php8.2-fpm.sock|postgresql|sshd.pid|
systemd/resolve|notify|user/{int}|secrets|.containerenv|udev|log|vsftpd/empty|/var/run/apache2/apache2.pid|
mysqld/mysqld.sock|nginx.pid|nscd/socket|postgresql/.s.PGSQL.5432|redis|/var/www/html/.htaccess|index.html|index.php|
wp-content/plugins|uploads|wp-includes|app.php|upload.php|vendor/autoload.php|favicon.ico|robots.txt|
/usr/share/nginx/html/index.html|/tmp/hsperfdata_root|npm-|pip-|systemd-private-|tmp.{token:10}|tmp{token:8}|/var/tmp|
/tmp/.ICE-unix|/etc/apache2/apache2.conf|conf-enabled/charset.conf|localized-error-pages.conf|
other-vhosts-access-log.conf|security.conf|serve-cgi-bin.conf|envvars|magic|mods-enabled/access_compat.load|
alias.conf|auth_basic.load|authn_core.load|authn_file.load|authz_core.load|authz_host.load|authz_user.load|
autoindex.conf|deflate.conf|dir.conf|env.load|filter.load|mime.conf|mpm_prefork.conf|mpm_event.conf|negotiation.conf|
php8.2.conf|reqtimeout.conf|rewrite.load|setenvif.conf|status.conf|ports.conf|sites-enabled/000-default.conf|
/etc/httpd/conf/httpd.conf|conf.d|conf.modules.d/00-base.conf|/etc/nginx/nginx.conf|conf.d/default.conf|fastcgi.conf|
fastcgi_params|mime.types|modules-enabled|proxy_params|scgi_params|sites-enabled/default|snippets|uwsgi_params|
/etc/php/8.2/apache2/conf.d/10-mysqlnd.ini|10-opcache.ini|10-pdo.ini|15-xml.ini|20-calendar.ini|ctype|curl|dom|exif|
ffi|fileinfo|ftp|gettext|iconv|mbstring|mysqli|pdo_mysql|phar|posix|readline|shmop|sockets|sysvmsg|sysvsem|sysvshm|
tokenizer|php.ini|cli/conf.d|fpm/php-fpm.conf|pool.d/www.conf|/etc/mysql/my.cnf|mariadb.cnf|conf.d|mysql.cnf|
mysqld_safe.cnf|mariadb.conf.d/50-client.cnf|50-mysql-clients.cnf|50-mysqld_safe.cnf|50-server.cnf|debian.cnf|
debian-start|/etc/my.cnf.d|/etc/postgresql/15/main|postgresql-common|/etc/redis/redis.conf|
/etc/java-17-openjdk/security/java.security|logging.properties|net.properties|/etc/python3.11/sitecustomize.py|
/etc/vsftpd.conf|ftpusers|/etc/ssh/sshd_config|sshd_config.d|ssh_host_ecdsa_key|ed25519_key|rsa_key|.pub|moduli|
ssh_config|/etc/ssl/certs/ca-certificates.crt|openssl.cnf|private|/usr/lib/ssl/openssl.cnf|cert.pem|
/etc/pki/tls/certs/ca-bundle.crt|/etc/crypto-policies/back-ends/openssl.config|/etc/pam.d/common-account|common-auth|
common-password|common-session|common-session-noninteractive|login|other|passwd|runuser|sshd|su|sudo|cron|crond|
vsftpd|/etc/security/capability.conf|limits.conf|limits.d|pam_env.conf|namespace.conf|/etc/alternatives|bash.bashrc|
crontab|cron.d|cron.daily|cron.hourly|debian_version|default/locale|environment|ethertypes|fstab|gai.conf|group-|
gshadow|gss/mech.d|host.conf|hostname|inputrc|issue|krb5.conf|ld.so.conf.d|ld.so.preload|ldap/ldap.conf|locale.alias|
localtime|login.defs|machine-id|magic|mime.types|motd|mtab|netconfig|networks|nologin|os-release|passwd-|pip.conf|
profile|profile.d|protocols|rpc|sasl2|selinux/config|services|shells|skel|subgid|subuid|sudoers|sudoers.d|sysctl.conf|
timezone|update-motd.d|wgetrc|/usr/lib/os-release|/etc/shadow|/etc/group|/etc/hosts|/etc/resolv.conf|
/etc/nsswitch.conf|/etc/passwd|/etc/localtime|/etc/ld.so.cache|
"""

_PROGRAMS: Final = r"""
Process conmon /usr/bin/conmon|Process podman /usr/bin/podman|Process crun /usr/bin/crun|
Process netavark /usr/lib/podman/netavark|Process aardvark-dns|Process 3 /usr/bin/crun|
Process runc:[2:INIT] /usr/bin/runc|Process runc:[1:CHILD] /|Process exe /proc/self/exe|
Process containerd-shim /usr/bin/containerd-shim-runc-v2|Process dockerd|Process docker-proxy|Process ip /usr/bin/ip|
Process kubelet|Process systemd /usr/lib/systemd/systemd|Process systemd-journal|
Process dbus-daemon /usr/bin/dbus-daemon|Process tini /sbin/tini|Process busybox /bin/busybox|Process sh /bin/busybox|
Process su-exec|Process gosu /usr/sbin/gosu|Process su /usr/bin/su|Process sudo /usr/bin/sudo|Process login|
Process cron /usr/sbin/cron|Process crond|Process sshd /usr/sbin/sshd|Process ssh /usr/bin/ssh|Process scp|
Process vsftpd /usr/sbin/vsftpd|Process redis-server /usr/bin/redis-check-rdb|Process redis-cli /usr/bin/redis-cli|
Process redis-rdb-bgsave|Process postgres /usr/lib/postgresql/15/bin/postgres|Process psql|Process pg_ctl|
Process initdb|Process mariadbd /usr/sbin/mariadbd|Process mysqld|Process mariadb-install|Process mysqld_safe|
Process mariadb /usr/bin/mariadb|Process mysqladmin /usr/bin/mariadb-admin|
Process java /usr/lib/jvm/java-17-openjdk-amd64/bin/java|Process ruby /usr/bin/ruby|Process perl /usr/bin/perl|
Process npm /usr/bin/node|Process node /usr/local/bin/node|Process node /usr/bin/nodejs|Process uwsgi|Process celery|
Process gunicorn /usr/bin/python3.11|Process python /usr/local/bin/python3.11|Process python3 /usr/bin/python3.11|
Process php /usr/bin/php8.2|Process php-fpm /usr/sbin/php-fpm8.2|Process httpd /usr/sbin/httpd|
Process httpd /usr/local/apache2/bin/httpd|Process nginx /usr/sbin/nginx|Process apachectl|
Process apache2 /usr/sbin/apache2|Process awk /usr/bin/mawk|Process base64 /usr/bin/base64|
Process chmod /usr/bin/chmod|Process chown /usr/bin/chown|Process cp /usr/bin/cp|Process curl /usr/bin/curl|
Process cut /usr/bin/cut|Process date /usr/bin/date|Process dd /usr/bin/dd|Process dirname /usr/bin/dirname|
Process env /usr/bin/env|Process find /usr/bin/find|Process grep /usr/bin/grep|Process gzip /usr/bin/gzip|
Process head /usr/bin/head|Process hostname /usr/bin/hostname|Process id /usr/bin/id|Process install /usr/bin/install|
Process ln /usr/bin/ln|Process ls /usr/bin/ls|Process mkdir /usr/bin/mkdir|Process mktemp /usr/bin/mktemp|
Process mv /usr/bin/mv|Process nc /usr/bin/nc.openbsd|Process openssl /usr/bin/openssl|Process ps /usr/bin/ps|
Process rm /usr/bin/rm|Process run-parts /usr/bin/run-parts|Process sed /usr/bin/sed|Process sleep /usr/bin/sleep|
Process sort /usr/bin/sort|Process stat /usr/bin/stat|Process tail /usr/bin/tail|Process tar /usr/bin/tar|
Process tee /usr/bin/tee|Process timeout /usr/bin/timeout|Process touch /usr/bin/touch|Process tr /usr/bin/tr|
Process uname /usr/bin/uname|Process wc /usr/bin/wc|Process wget /usr/bin/wget|Process whoami /usr/bin/whoami|
Process xargs /usr/bin/xargs|Process cat /usr/bin/cat|Process bash /usr/bin/bash|Process sh /usr/bin/bash|
Process dash /usr/bin/dash|Process sh /usr/bin/dash|
"""

_WORDS: Final = r"""
Pipe|Pipe @|Socket /run/systemd/journal/socket|/dev/log|/var/run/nscd/socket|/run/mysqld/mysqld.sock|netlink|@/tmp/|
Socket 127.0.0.1:5432|127.0.0.1:6379|127.0.0.1:9000|10.0.0.2:3306|172.17.0.1:{port}>*:8080|192.168.0.1:53|
10.96.0.10:53|10.0.0.1:{port}>*:443|*:22|*:21|*:3000|*:5000|*:5432|*:6379|*:8000|*:3306|*:80|Socket 10.{any}:{port}|
Socket [::1]:{port}|Socket [::]:80|[::]:0|Socket 0.0.0.0:80|0.0.0.0:0|Socket {any}>*:80|USED accept|copy|execve|mmap|
recv|read|WAS_TRIGGERED_BY clone|execve|fork|kill|ptrace|setuid|unit|version|WAS_DERIVED_FROM link|rename|splice|
version|WAS_GENERATED_BY bind|chmod|chown|connect|copy|create|link|mkdir|mknod|rename|send|symlink|truncate|unlink|
write|accept Socket |bind Process |chmod Process |chown Process |connect Process |copy File |copy Process |
create Process |kill Process |link Process |mkdir Process |recv Socket netlink|recv Pipe|rename Process |
send Process |symlink Process |unlink Process |unit Socket {any}>*:80|first File /|first Socket |read Pipe|
read Socket |read File /proc/{int}/read File /usr/lib/|read File /var/lib/|read File /etc/|write Process |setuid|much|
entry exec|entry start|from Process apache2 /usr/sbin/apache2|from Process bash /usr/bin/bash|
from Process sh /usr/bin/dash|Process |Socket |File /usr/lib/x86_64-linux-gnu/|File /var/|File /proc/|
File /usr/share/|File /tmp/|File /usr/bin/|File /lib/x86_64-linux-gnu/lib|File /etc/
"""

DICTIONARY: Final = (
    "".join((_COMMANDS, _LIBRARIES, _FILES, _PROGRAMS, _WORDS)).replace("\n", "").replace("|", "\0").encode("ascii")
)
