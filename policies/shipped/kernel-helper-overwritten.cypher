---
id: kernel-helper-overwritten
title: A container tells the host's kernel what to run
severity: critical
technique: T1611
applications: ["!host"]
description: >
  Files by which the kernel is told a program to start as root, outside of every container: release_agent of a cgroup,
  core_pattern, modprobe, uevent_helper, binfmt_misc; and sysrq, which can stop the machine.
false_positives:
  - privileged containers that set up the node (qemu's binfmt images, node tuning)
references: ["https://attack.mitre.org/techniques/T1611/", "https://man7.org/linux/man-pages/man7/cgroups.7.html"]
---
MATCH (helper:File)-[change:WAS_GENERATED_BY]->(writer:Process)
WHERE (helper.name = 'release_agent' AND helper.path STARTS WITH '/sys/fs/cgroup/'
    OR helper.path IN [
      '/proc/sys/kernel/core_pattern', '/proc/sys/kernel/modprobe', '/proc/sys/kernel/hotplug',
      '/sys/kernel/uevent_helper', '/proc/sys/fs/binfmt_misc/register', '/proc/sysrq-trigger',
      '/proc/sys/kernel/usermodehelper/bset', '/host/proc/sys/kernel/core_pattern', '/host/sys/kernel/uevent_helper'
    ])
  AND change.operation IN ['open', 'create', 'write', 'truncate', 'copy', 'mmap']
RETURN helper.path AS file, writer.name AS process, writer.command AS command, writer.id AS id
UNION
// Elsewhere a release_agent is one only below something that was mounted.
MATCH (helper:File)-[change:WAS_GENERATED_BY]->(writer:Process),
  (place:File)-[:WAS_GENERATED_BY {operation: 'mount'}]->(:Process)
WHERE helper.name = 'release_agent' AND helper.path STARTS WITH place.path
  AND change.operation IN ['open', 'write', 'truncate', 'copy', 'mmap']
RETURN helper.path AS file, writer.name AS process, writer.command AS command, writer.id AS id
