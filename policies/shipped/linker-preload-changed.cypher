---
id: linker-preload-changed
title: The list of libraries that every program loads first is changed
severity: critical
technique: T1574.006
description: >
  /etc/ld.so.preload names libraries that are loaded into every program before its own: hardly anything honest writes
  it, and most userland rootkits do.
false_positives:
  - installers of tools that live there on purpose (snoopy, libsafe, some profilers)
references: ["https://attack.mitre.org/techniques/T1574/006/", "https://man7.org/linux/man-pages/man8/ld.so.8.html"]
---
MATCH (list:File)-[change:WAS_GENERATED_BY]->(writer:Process)
WHERE list.path = '/etc/ld.so.preload'
  AND change.operation IN ['open', 'create', 'write', 'truncate', 'rename', 'link', 'symlink', 'copy', 'mmap']
RETURN DISTINCT list.path AS file, change.operation AS operation, writer.name AS process, writer.exe AS program,
  writer.id AS id
