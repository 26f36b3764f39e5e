---
id: host-files-through-proc
title: A container reaches for another process's root or namespaces
severity: critical
technique: [T1611, T1006]
applications: ["!host"]
description: >
  /proc/PID/root, /proc/PID/cwd and /proc/PID/ns of another process lead out of the container wherever it sees the
  host's processes (`nsenter -t 1`, `chroot /proc/1/root`).
false_positives:
  - monitoring agents that run with the host's process namespace and are not in the list
references: ["https://attack.mitre.org/techniques/T1611/"]
---
MATCH (process:Process)-[use:USED|WAS_GENERATED_BY]-(way:File)
WHERE way.path =~ '(?s)/proc/[^/]+/(task/[^/]+/)?(root|cwd|ns)(/.*)?'
  AND NOT way.path STARTS WITH '/proc/self/' AND NOT way.path STARTS WITH '/proc/thread-self/'
  AND NOT coalesce(process.name, '') IN [
    'lsns', 'ps', 'cadvisor', 'node_exporter', 'falco', 'sysdig', 'tetragon', 'cilium-agent', 'lsof',
    'process-exporte', 'process-agent', 'system-probe', 'security-agent', 'kubelet', 'calico-node', 'multus', 'ss'
  ]
RETURN DISTINCT process.name AS process, process.command AS command, way.path AS path, use.operation AS operation,
  process.id AS id
