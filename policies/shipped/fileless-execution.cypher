---
id: fileless-execution
title: A program runs from memory, without a file
severity: critical
technique: T1620
description: >
  What is executed is an anonymous piece of memory (memfd_create): nothing stays on disk to be examined. The runtimes
  of containers do so with a copy of themselves and are left out by the name that they give it.
false_positives:
  - other sandboxes and loaders that seal a copy of themselves
references: ["https://attack.mitre.org/techniques/T1620/", "https://man7.org/linux/man-pages/man2/memfd_create.2.html"]
---
MATCH (process:Process)
WHERE process.exe STARTS WITH '/memfd:'
  AND NOT (process.exe STARTS WITH '/memfd:runc_' OR process.exe STARTS WITH '/memfd:crun'
    OR process.exe STARTS WITH '/memfd:lxc')
RETURN process.exe AS program, process.name AS name, process.command AS command, process.id AS id
UNION
MATCH (process:Process)-[:USED {operation: 'execve'}]->(memory:Memory)
WHERE NOT (coalesce(process.exe, '') STARTS WITH '/memfd:runc_' OR coalesce(process.exe, '') STARTS WITH '/memfd:crun'
    OR coalesce(process.exe, '') STARTS WITH '/memfd:lxc')
RETURN process.exe AS program, process.name AS name, process.command AS command, process.id AS id
