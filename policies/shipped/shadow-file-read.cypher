---
id: shadow-file-read
title: The password hashes are read by an unexpected process
severity: critical
technique: T1003.008
description: >
  /etc/shadow and /etc/gshadow (and their backups) are read by programs that log people in and by those that manage
  accounts, and by nobody else. What a package manager or run-parts has started (debconf, Debian's daily copy) is left
  out too.
false_positives:
  - backup and configuration management (restic, rsync, ansible) running as root over /etc
  - other login services that use PAM (display managers, mail and FTP servers); name them in a copy of this policy
references: ["https://attack.mitre.org/techniques/T1003/008/"]
---
// The name is what the kernel keeps, at most 15 characters. An open counts: a copy made inside the kernel has no
// read.
MATCH (reader:Process)-[use:USED]->(file:File)
WHERE file.path IN ['/etc/shadow', '/etc/gshadow', '/etc/shadow-', '/etc/gshadow-']
  AND use.operation IN ['open', 'read', 'mmap', 'copy']
  AND NOT coalesce(reader.name, '') IN [
    'proftpd', 'vsftpd', 'pure-ftpd', 'dovecot', 'auth', 'saslauthd', 'smbd', 'xrdp-sesman', 'nscd', 'sssd_pam',
    'nslcd', 'doas', 'login', 'su', 'sudo', 'runuser', 'sshd', 'sshd-session', 'sshd-auth', 'dropbear', 'systemd',
    '(systemd)', 'systemd-userwor', 'passwd', 'chage', 'chpasswd', 'chfn', 'chsh', 'expiry', 'gpasswd', 'newgrp',
    'unix_chkpwd', 'unix_update', 'pam_tcb', 'cron', 'crond', 'atd', 'anacron', 'useradd', 'usermod', 'userdel',
    'groupadd', 'groupmod', 'groupdel', 'adduser', 'newusers', 'pwck', 'grpck', 'pwconv', 'pwunconv', 'grpconv',
    'vipw', 'systemd-sysuser', 'polkit-agent-he', 'accounts-daemon', 'gdm-session-wor', 'lightdm', 'sddm-helper',
    'cupsd', 'exim4', 'ucf', 'mailman', 'usermgmt', 'shadowconfig'
  ]
  AND NOT (coalesce(reader.exe, '') ENDS WITH '/perl'
    AND coalesce(reader.name, '') IN ['frontend', 'dpkg-preconfigu', 'dpkg-reconfigur', 'debconf-communi'])
  AND NOT EXISTS {
    MATCH (reader)-[steps:WAS_TRIGGERED_BY*1..12]->(manager:Process)
    WHERE manager.name IN ['run-parts', 'dpkg', 'apt-get', 'rpm', 'dnf', 'dnf5', 'yum', 'zypper', 'apk', 'pacman']
      AND all(step IN steps WHERE step.operation IN ['fork', 'execve', 'version', 'setuid'])
  }
RETURN DISTINCT file.path AS file, use.operation AS operation, reader.name AS process, reader.id AS id
