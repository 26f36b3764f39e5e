---
id: setuid-program-created
title: A file gets the right to run as its owner or group
severity: critical
technique: T1548.001
description: >
  chmod with the setuid or setgid bit on a file, by something that is neither a package manager nor started by one: a
  way back to root for anybody who finds it.
false_positives:
  - installers that are not packages; unpacking of images by engines whose store is not in the list
references: ["https://attack.mitre.org/techniques/T1548/001/"]
---
MATCH (file:File)-[change:WAS_GENERATED_BY {operation: 'chmod_setuid'}]->(writer:Process)
WHERE NOT coalesce(writer.name, '') IN [
  'dpkg', 'dpkg-deb', 'dpkg-statoverri', 'apt-get', 'rpm', 'dnf', 'dnf5', 'yum', 'microdnf', 'zypper', 'apk', 'pacman',
  'systemd-tmpfile'
]
  AND NOT (coalesce(file.path, '') STARTS WITH '/var/lib/containers/'
    OR coalesce(file.path, '') STARTS WITH '/var/lib/docker/'
    OR coalesce(file.path, '') STARTS WITH '/var/lib/containerd/')
  AND NOT EXISTS {
    MATCH (writer)-[steps:WAS_TRIGGERED_BY*1..12]->(manager:Process)
    WHERE manager.name IN ['dpkg', 'apt-get', 'rpm', 'dnf', 'dnf5', 'yum', 'zypper', 'apk', 'pacman']
      AND all(step IN steps WHERE step.operation IN ['fork', 'execve', 'version', 'setuid'])
  }
RETURN DISTINCT file.path AS file, writer.name AS process, writer.command AS command, writer.id AS id
