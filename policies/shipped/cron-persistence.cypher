---
id: cron-persistence
title: A job for cron or at is planted
severity: high
technique: [T1053.003, T1053.002]
description: >
  A file that cron, anacron or at will run is created or changed by something that is neither a package manager nor
  started by one.
false_positives:
  - administrators who edit a crontab; configuration management (ansible, puppet, chef) on hosts
references: ["https://attack.mitre.org/techniques/T1053/003/"]
---
MATCH (job:File)-[change:WAS_GENERATED_BY]->(writer:Process)
WHERE (job.path STARTS WITH '/etc/cron.' OR job.path = '/etc/crontab' OR job.path = '/etc/anacrontab'
    OR job.path STARTS WITH '/etc/crontabs/' OR job.path STARTS WITH '/var/spool/cron/'
    OR job.path STARTS WITH '/var/spool/at/')
  AND change.operation IN ['open', 'create', 'write', 'rename', 'link', 'symlink', 'copy', 'mmap']
  AND NOT coalesce(writer.name, '') IN [
    'dpkg', 'dpkg-deb', 'apt-get', 'rpm', 'dnf', 'dnf5', 'yum', 'microdnf', 'zypper', 'apk', 'pacman', 'cron', 'crond',
    'anacron', 'atd'
  ]
  AND NOT EXISTS {
    MATCH (writer)-[steps:WAS_TRIGGERED_BY*1..12]->(manager:Process)
    WHERE manager.name IN ['dpkg', 'apt-get', 'rpm', 'dnf', 'dnf5', 'yum', 'zypper', 'apk', 'pacman']
      AND all(step IN steps WHERE step.operation IN ['fork', 'execve', 'version', 'setuid'])
  }
RETURN DISTINCT job.path AS file, change.operation AS operation, writer.name AS process, writer.exe AS program,
  writer.id AS id
