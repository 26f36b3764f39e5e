---
id: login-configuration-changed
title: What runs at every login is changed
severity: medium
technique: [T1546.004, T1556.003]
description: >
  Start files of shells, PAM's rules or the messages of the day are changed by something that is neither a package
  manager, nor a tool for accounts, nor started by one.
false_positives:
  - installers that extend PATH in .profile or .bashrc (rustup, nvm, conda); users who edit their own
references: ["https://attack.mitre.org/techniques/T1546/004/", "https://attack.mitre.org/techniques/T1556/003/"]
---
MATCH (rules:File)-[change:WAS_GENERATED_BY]->(writer:Process)
WHERE (rules.path IN [
  '/etc/profile', '/etc/bash.bashrc', '/etc/bashrc', '/etc/environment', '/etc/zsh/zshenv', '/etc/zsh/zprofile',
  '/etc/zsh/zshrc', '/etc/security/pam_env.conf', '/etc/pam.conf'
]
    OR rules.path STARTS WITH '/etc/profile.d/' OR rules.path STARTS WITH '/etc/pam.d/'
    OR rules.path STARTS WITH '/etc/update-motd.d/'
    OR rules.name IN [
      '.bashrc', '.bash_profile', '.bash_login', '.bash_logout', '.profile', '.zshrc', '.zshenv', '.zprofile',
      '.zlogin'
    ]
      AND (rules.path STARTS WITH '/root/' OR rules.path STARTS WITH '/home/'))
  AND change.operation IN ['open', 'create', 'write', 'truncate', 'rename', 'link', 'symlink', 'copy', 'mmap']
  AND NOT coalesce(writer.name, '') IN [
    'dpkg', 'dpkg-deb', 'apt-get', 'rpm', 'dnf', 'dnf5', 'yum', 'microdnf', 'zypper', 'apk', 'pacman', 'useradd',
    'adduser', 'newusers', 'mkhomedir_helpe', 'oddjobd', 'pam-auth-update', 'authselect', 'authconfig',
    'systemd-homed', 'cloud-init', 'locale-gen', 'update-locale'
  ]
  AND NOT EXISTS {
    MATCH (writer)-[steps:WAS_TRIGGERED_BY*1..12]->(manager:Process)
    WHERE manager.name IN ['dpkg', 'apt-get', 'rpm', 'dnf', 'dnf5', 'yum', 'zypper', 'apk', 'pacman', 'adduser']
      AND all(step IN steps WHERE step.operation IN ['fork', 'execve', 'version', 'setuid'])
  }
RETURN DISTINCT rules.path AS file, change.operation AS operation, writer.name AS process, writer.exe AS program,
  writer.id AS id
