---
id: account-files-changed
title: Users, groups or sudo's rules are changed by hand
severity: high
technique: [T1136.001, T1098, T1548.003]
description: >
  /etc/passwd, /etc/shadow, /etc/group or sudo's rules are written by something that is neither a tool for accounts
  nor a package manager, nor started by one: a user is added, or a user becomes root, past all tools that would say
  so.
false_positives:
  - start scripts that add their arbitrary user id to /etc/passwd (images for OpenShift)
  - configuration management; administrators with an editor
references: ["https://attack.mitre.org/techniques/T1136/001/"]
---
MATCH (accounts:File)-[change:WAS_GENERATED_BY]->(writer:Process)
WHERE (accounts.path IN ['/etc/passwd', '/etc/shadow', '/etc/group', '/etc/gshadow', '/etc/sudoers', '/etc/doas.conf']
    OR accounts.path STARTS WITH '/etc/sudoers.d/')
  AND change.operation IN ['open', 'create', 'write', 'truncate', 'rename', 'link', 'symlink', 'copy', 'mmap']
  AND NOT coalesce(writer.name, '') IN [
    'dpkg', 'dpkg-deb', 'apt-get', 'rpm', 'dnf', 'dnf5', 'yum', 'microdnf', 'zypper', 'apk', 'pacman', 'useradd',
    'usermod', 'userdel', 'groupadd', 'groupmod', 'groupdel', 'adduser', 'addgroup', 'deluser', 'delgroup', 'newusers',
    'passwd', 'chpasswd', 'chgpasswd', 'chage', 'chfn', 'chsh', 'gpasswd', 'vipw', 'vigr', 'visudo', 'pwck', 'grpck',
    'pwconv', 'pwunconv', 'grpconv', 'grpunconv', 'unix_update', 'systemd-sysuser', 'systemd-homed', 'cloud-init',
    'google_guest_ag', 'waagent', 'usermgmt', 'accounts-daemon', 'update-passwd', 'sshd', 'login', 'su', 'sudo'
  ]
  AND NOT EXISTS {
    MATCH (writer)-[steps:WAS_TRIGGERED_BY*1..12]->(manager:Process)
    WHERE manager.name IN [
      'dpkg', 'apt-get', 'rpm', 'dnf', 'dnf5', 'yum', 'zypper', 'apk', 'pacman', 'adduser', 'visudo', 'vipw'
    ]
      AND all(step IN steps WHERE step.operation IN ['fork', 'execve', 'version', 'setuid'])
  }
RETURN DISTINCT accounts.path AS file, change.operation AS operation, writer.name AS process, writer.exe AS program,
  writer.id AS id
