---
id: audit-configuration-changed
title: What is audited, or where logs go, is changed
severity: high
technique: [T1562.012, T1562.001]
description: >
  Rules or settings of auditd, Falco or Winnower's own agent are written or deleted by something that is neither a
  package manager nor one of auditd's tools, nor started by one.
false_positives:
  - administrators and configuration management that set rules up
references: ["https://attack.mitre.org/techniques/T1562/012/"]
---
MATCH (rules:File)-[change:WAS_GENERATED_BY]->(writer:Process)
WHERE (rules.path STARTS WITH '/etc/audit/' OR rules.path = '/etc/libaudit.conf' OR rules.path STARTS WITH '/etc/falco/'
    OR rules.path STARTS WITH '/etc/winnower/' OR rules.path STARTS WITH '/etc/laurel/'
    OR rules.path = '/etc/rsyslog.conf'
    OR rules.path STARTS WITH '/etc/rsyslog.d/')
  AND change.operation IN ['open', 'create', 'write', 'truncate', 'rename', 'unlink', 'link', 'symlink', 'copy', 'mmap']
  AND NOT coalesce(writer.name, '') IN [
    'auditd', 'augenrules', 'auditctl', 'dpkg', 'dpkg-deb', 'apt-get', 'rpm', 'dnf', 'dnf5', 'yum', 'zypper', 'apk',
    'pacman', 'falcoctl', 'falco', 'cloud-init'
  ]
  AND NOT EXISTS {
    MATCH (writer)-[steps:WAS_TRIGGERED_BY*1..12]->(manager:Process)
    WHERE manager.name IN ['augenrules', 'dpkg', 'apt-get', 'rpm', 'dnf', 'dnf5', 'yum', 'zypper', 'apk', 'pacman']
      AND all(step IN steps WHERE step.operation IN ['fork', 'execve', 'version', 'setuid'])
  }
RETURN DISTINCT rules.path AS file, change.operation AS operation, writer.name AS process, writer.command AS command,
  writer.id AS id
