---
id: write-below-binary-directory
title: A process writes below a binary directory
severity: high
technique: [T1554, T1036.005]
description: >
  Programs come from images and package managers. A file that a running process creates, changes, renames or links
  below a directory of programs is how an implant hides and how a program is replaced. Winnower's own example,
  generalised. What package managers and the scripts that they start do is left out.
false_positives:
  - an image whose start script installs a program of its own; agents that update themselves
  - package managers that are not in the list (pip, npm, gem)
references: ["https://attack.mitre.org/techniques/T1554/"]
---
// A write that audit did not record (mmap, copy_file_range) shows only as `open`, so opening for writing counts.
MATCH (file:File)-[change:WAS_GENERATED_BY]->(writer:Process)
WHERE (file.path STARTS WITH '/usr/bin/' OR file.path STARTS WITH '/usr/sbin/' OR file.path STARTS WITH '/bin/'
    OR file.path STARTS WITH '/sbin/' OR file.path STARTS WITH '/usr/local/bin/'
    OR file.path STARTS WITH '/usr/local/sbin/')
  AND change.operation IN ['open', 'create', 'write', 'truncate', 'rename', 'link', 'symlink', 'copy', 'mmap']
  AND NOT coalesce(writer.name, '') IN
    ['dpkg', 'dpkg-deb', 'dpkg-divert', 'apt', 'apt-get', 'aptitude', 'rpm', 'dnf', 'dnf5', 'yum', 'microdnf',
      'zypper', 'apk', 'pacman']
  AND NOT EXISTS {
    MATCH (writer)-[steps:WAS_TRIGGERED_BY*1..12]->(manager:Process)
    WHERE manager.name IN ['dpkg', 'apt-get', 'rpm', 'dnf', 'dnf5', 'yum', 'zypper', 'apk', 'pacman']
      AND all(step IN steps WHERE step.operation IN ['fork', 'execve', 'version', 'setuid'])
  }
RETURN DISTINCT file.path AS file, change.operation AS operation, writer.name AS process, writer.id AS id
