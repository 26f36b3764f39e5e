---
id: read-then-send
title: Secrets are read and then sent
severity: critical
technique: T1041
description: >
  A socket depends on password hashes, private keys or stored credentials: the process that connected or sent has read them, or has
  what it knows from a process or a file that has (at most four steps from the sender to the secret). /etc/passwd is left out: every
  program that looks up a user reads it.
false_positives:
  - backup programs that copy /etc or home directories over the network
  - TLS servers and SSH clients that are not in the list and load their own key
  - tools that read the credentials they are made for (aws, git, psql), when they then talk to their own service
---
// The reader is told from the sender: whoever logged in through sshd, su or sudo descends from a process that rightly read /etc/shadow.
MATCH (socket:Socket)-[act:WAS_GENERATED_BY]->(sender:Process)-[*0..3]->(reader:Process)-[use:USED]->(secret:File)
WHERE act.operation IN ['connect', 'send', 'write', 'splice', 'open']
  AND use.operation IN ['open', 'read', 'mmap', 'copy', 'splice']
  AND NOT toLower(coalesce(socket.family, '')) IN ['unix', 'local', 'af_unix', 'af_local', 'netlink', 'af_netlink']
  AND (
    secret.path IN ['/etc/shadow', '/etc/gshadow', '/etc/shadow-', '/etc/gshadow-']
    OR secret.path =~ '(?s).*/(id_(rsa|dsa|ecdsa|ed25519)|[^/]*\\.pem|\\.aws/credentials|\\.netrc|\\.pgpass|\\.git-credentials|\\.docker/config\\.json|\\.kube/config)'
       // Certificates of authorities are public, and every TLS client reads them.
       AND NOT secret.path =~ '(?s)(/usr/share|/usr/local/share|/etc)/(ca-certificates|ssl/certs|pki)/.*|/usr/lib/ssl/.*|/etc/ssl/cert\\.pem|.*/(cacert|ca-bundle|tls-ca-bundle)\\.pem'
       AND NOT coalesce(reader.name, '') =~ 'apache2|httpd|nginx|caddy|lighttpd|haproxy|envoy|ssh|ssh-agent|ssh-add|scp|sftp'
  )
  AND NOT coalesce(reader.name, '') IN [
    'proftpd', 'vsftpd', 'pure-ftpd', 'dovecot', 'auth', 'saslauthd', 'smbd', 'xrdp-sesman', 'nscd', 'sssd_pam', 'doas',
    'login', 'su', 'sudo', 'runuser', 'sshd', 'sshd-session', 'sshd-auth', 'systemd', '(systemd)', 'systemd-userwor',
    'passwd', 'chage', 'chpasswd', 'unix_chkpwd', 'unix_update', 'cron', 'crond', 'atd', 'anacron',
    'useradd', 'usermod', 'userdel', 'groupadd', 'groupmod', 'groupdel', 'adduser', 'systemd-sysuser'
  ]
RETURN DISTINCT secret.path AS secret, reader.name AS reader, sender.name AS sender,
  socket.address AS address, socket.port AS port, socket.id AS id
