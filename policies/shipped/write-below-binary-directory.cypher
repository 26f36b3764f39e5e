---
id: write-below-binary-directory
title: A process writes below a binary directory
severity: high
technique: T1554
description: >
  Programs come from images and package managers. A file that a running process creates, changes, renames or links below a
  directory of programs is how an implant hides and how a program is replaced. Winnower's own example, generalised.
false_positives:
  - an image whose start script installs or links a program of its own (self-updating agents, `update-alternatives` run by hand)
  - package managers that are not in the list, and scripts that packages run when they are installed (`ln`, `cp` started by dpkg)
---
// A write that audit did not record (mmap, copy_file_range) shows only as `open`, so opening for writing counts.
MATCH (file:File)-[change:WAS_GENERATED_BY]->(writer:Process)
WHERE file.path =~ '(?s)(/usr)?/s?bin/.+|/usr/local/s?bin/.+'
  AND change.operation IN ['open', 'create', 'write', 'truncate', 'rename', 'link', 'symlink', 'copy', 'splice', 'mmap']
  AND NOT coalesce(writer.name, '') IN
    ['dpkg', 'dpkg-deb', 'apt', 'apt-get', 'aptitude', 'rpm', 'dnf', 'dnf5', 'yum', 'microdnf', 'apk']
RETURN DISTINCT file.path AS file, change.operation AS operation, writer.name AS process, writer.id AS id
