---
id: shadow-file-read
title: The password hashes are read by an unexpected process
severity: critical
technique: T1003.008
description: >
  /etc/shadow and /etc/gshadow (and their backups) are read by programs that log people in and by those that manage accounts, and by
  nobody else.
false_positives:
  - backup and configuration management (restic, rsync, ansible) running as root over /etc
  - other login services that use PAM (display managers, mail and FTP servers); name them in a copy of this policy
---
// The name is what the kernel keeps, at most 15 characters. An open counts: a copy made inside the kernel has no read.
MATCH (reader:Process)-[use:USED]->(file:File)
WHERE file.path IN ['/etc/shadow', '/etc/gshadow', '/etc/shadow-', '/etc/gshadow-']
  AND use.operation IN ['open', 'read', 'mmap', 'copy', 'splice', 'link', 'rename']
  AND NOT coalesce(reader.name, '') IN [
    'proftpd', 'vsftpd', 'pure-ftpd', 'dovecot', 'auth', 'saslauthd', 'smbd', 'xrdp-sesman', 'nscd', 'sssd_pam', 'doas',
    'login', 'su', 'sudo', 'runuser', 'sshd', 'sshd-session', 'sshd-auth', 'systemd', '(systemd)', 'systemd-userwor',
    'passwd', 'chage', 'chpasswd', 'chfn', 'chsh', 'expiry', 'gpasswd', 'newgrp', 'unix_chkpwd', 'unix_update',
    'cron', 'crond', 'atd', 'anacron', 'useradd', 'usermod', 'userdel', 'groupadd', 'groupmod', 'groupdel', 'adduser',
    'newusers', 'pwck', 'grpck', 'pwconv', 'pwunconv', 'vipw', 'systemd-sysuser', 'polkit-agent-he'
  ]
RETURN DISTINCT file.path AS file, use.operation AS operation, reader.name AS process, reader.id AS id
