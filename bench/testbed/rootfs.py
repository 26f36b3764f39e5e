"""What is in the image besides Debian's packages: users, Apache's configuration, pages, and a script with a hole.

Rules of this file
    - Contents only, as data; `image` puts them in place. What changes here changes the image's key.
    - The script is Perl: without shell characters in the parameter Perl starts `getent` by itself, so that a shell
      below the web server is the attack and nothing else. Apache forks one process per connection (prefork, mod_cgi),
      so that the request is a cause of what the script does.
    - The web server may read /etc/shadow: the mistake that the attack lives on.
"""

from __future__ import annotations

from typing import Final

PACKAGES: Final = ("apache2-bin", "perl-base", "netcat-openbsd", "dash", "coreutils", "libc-bin", "base-files")
# Perl's library, dpkg and debconf are for installing; the others are for modules of Apache that are not loaded.
WITHOUT: Final = frozenset(
    {"perl", "dpkg", "debconf", "libcurl4", "libxml2", "liblua5.3-0", "libnghttp2-14", "libjansson4"}
    | {"libbrotli1", "libaprutil1-ldap", "libaprutil1-dbd-sqlite3", "libldap-2.5-0"}
)
PAGES: Final = 40

PASSWD: Final = """\
root:x:0:0:root:/root:/bin/sh
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
GROUP: Final = "root:x:0:\nshadow:x:42:www-data\nwww-data:x:33:\nnogroup:x:65534:\n"
SHADOW: Final = "root:$y$j9T$testbed$notapassword:20000:0:99999:7:::\nwww-data:*:20000:0:99999:7:::\n"

APACHE: Final = """\
ServerRoot /usr/lib/apache2
ServerName localhost
PidFile /var/run/apache2.pid
Mutex file:/var/lock default
Listen 80
User www-data
Group www-data
LoadModule mpm_prefork_module modules/mod_mpm_prefork.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule dir_module modules/mod_dir.so
LoadModule mime_module modules/mod_mime.so
LoadModule alias_module modules/mod_alias.so
LoadModule cgi_module modules/mod_cgi.so
StartServers 8
MinSpareServers 8
MaxSpareServers 16
MaxRequestWorkers 64
TypesConfig /etc/mime.types
DirectoryIndex index.html
DocumentRoot /var/www/html
LogFormat "%h %l %u %t \\"%r\\" %>s %O \\"%{Referer}i\\" \\"%{User-Agent}i\\"" combined
CustomLog /var/log/apache2/access.log combined
ErrorLog /var/log/apache2/error.log
ScriptAlias /cgi-bin/ /usr/lib/cgi-bin/
<Directory />
    Require all granted
</Directory>
"""
MIME_TYPES: Final = "text/html html\ntext/css css\nimage/png png\n"

# Two-argument `exec` of one string: the hole, as in many a look-up page of the past.
LOOKUP: Final = """\
#!/usr/bin/perl
$| = 1;
my ($host) = ($ENV{QUERY_STRING} || '') =~ /(?:^|&)host=([^&]*)/;
$host =~ tr/+/ /;
$host =~ s/%([0-9A-Fa-f]{2})/chr(hex($1))/ge;
print "Content-Type: text/plain\\r\\n\\r\\n";
exec "getent hosts $host" or print "no answer\\n";
"""

# Path, text, mode. Owner is root throughout, but for the group of /etc/shadow.
FILES: Final[tuple[tuple[str, str, int], ...]] = (
    ("etc/passwd", PASSWD, 0o644),
    ("etc/group", GROUP, 0o644),
    ("etc/shadow", SHADOW, 0o640),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n", 0o644),
    ("etc/mime.types", MIME_TYPES, 0o644),
    ("etc/apache2/apache2.conf", APACHE, 0o644),
    ("usr/lib/cgi-bin/lookup", LOOKUP, 0o755),
)
FOLDERS: Final = ("var/log/apache2", "var/lock", "var/run", "var/www/html", "tmp")
LINKS: Final = (("usr/bin/nc", "nc.openbsd"), ("usr/bin/sh", "dash"))
SHADOW_GROUP: Final = 42
MERGED: Final = ("bin", "sbin", "lib", "lib64")
DROPPED: Final = ("usr/share/doc", "usr/share/locale", "usr/share/man", "usr/share/info", "usr/share/icons")


def page(number: int) -> str:
    """A page of 1 to 20 kB, the same on every machine."""
    lines = "\n".join(f"<p>Line {line} of page {number}.</p>" for line in range(30 + number * 15))
    return f"<!doctype html><title>Page {number}</title>\n{lines}\n"
