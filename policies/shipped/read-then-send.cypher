---
id: read-then-send
title: Secrets are read and then sent
severity: critical
technique: [T1041, T1048]
description: >
  A socket depends on password hashes, private keys or stored credentials: the process that connected or sent has read
  them, or has what it knows from a process or a file that has (at most four steps from the sender to the secret).
  /etc/passwd is left out: every program that looks up a user reads it; so are the keys of TLS servers, which they
  must read.
false_positives:
  - backup programs that copy /etc or home directories over the network
  - clients that are not in the list and log in with the credentials that they are made for
references: ["https://attack.mitre.org/techniques/T1041/"]
---
// The reader is told from the sender: whoever logged in through sshd, su or sudo descends from a process that rightly
// read /etc/shadow.
MATCH (socket:Socket)-[act:WAS_GENERATED_BY]->(sender:Process)-[*0..3]->(reader:Process)-[use:USED]->(secret:File)
WHERE act.operation IN ['connect', 'send', 'write', 'copy']
  AND use.operation IN ['open', 'read', 'mmap', 'copy']
  AND NOT coalesce(socket.family, '') IN ['unix', 'netlink']
  AND (
    secret.path IN ['/etc/shadow', '/etc/gshadow', '/etc/shadow-', '/etc/gshadow-']
    OR (secret.path =~ '(?s).*/\\.ssh/(id_[a-z0-9_]+|identity)'
        OR secret.path ENDS WITH '/.aws/credentials' OR secret.path ENDS WITH '/.docker/config.json'
        OR secret.path ENDS WITH '/.kube/config' OR secret.path ENDS WITH '/.git-credentials'
        OR secret.path ENDS WITH '/.netrc'
        OR secret.path ENDS WITH '/.pgpass' OR secret.path ENDS WITH '/.vault-token'
        OR secret.path ENDS WITH '/application_default_credentials.json'
        OR secret.path ENDS WITH '/.config/gcloud/credentials.db'
        OR secret.path = '/etc/kubernetes/admin.conf')
      AND NOT (secret.path STARTS WITH '/tmp/' OR secret.path STARTS WITH '/var/tmp/')
      AND NOT coalesce(reader.name, '') IN [
        'ssh', 'ssh-agent', 'ssh-add', 'ssh-keygen', 'scp', 'sftp', 'git', 'git-remote-http', 'aws', 'gcloud',
        'gsutil', 'kubectl', 'helm', 'k9s', 'terraform', 'docker', 'podman', 'buildah', 'skopeo', 'psql', 'pg_dump',
        'pg_restore', 'vault', 'ansible', 'ansible-playboo'
      ]
      AND NOT (secret.path ENDS WITH '/.netrc' AND coalesce(reader.name, '') IN ['curl', 'wget', 'ftp'])
  )
  AND NOT coalesce(reader.name, '') IN [
    'proftpd', 'vsftpd', 'pure-ftpd', 'dovecot', 'auth', 'saslauthd', 'smbd', 'xrdp-sesman', 'nscd', 'sssd_pam',
    'nslcd', 'doas', 'login', 'su', 'sudo', 'runuser', 'sshd', 'sshd-session', 'sshd-auth', 'dropbear', 'systemd',
    '(systemd)', 'systemd-userwor', 'passwd', 'chage', 'chpasswd', 'unix_chkpwd', 'unix_update', 'cron', 'crond',
    'atd', 'anacron', 'polkit-agent-he', 'useradd', 'usermod', 'userdel', 'groupadd', 'groupmod', 'groupdel',
    'adduser', 'systemd-sysuser', 'gdm-session-wor', 'lightdm', 'sddm-helper', 'cupsd', 'exim4'
  ]
RETURN DISTINCT secret.path AS secret, reader.name AS reader, sender.name AS sender,
  socket.address AS address, socket.port AS port, socket.id AS id
