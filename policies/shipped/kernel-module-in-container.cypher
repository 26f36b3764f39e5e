---
id: kernel-module-in-container
title: A container loads or removes a kernel module
severity: critical
technique: [T1547.006, T1611]
applications: ["!host"]
description: >
  Whoever loads a module into the host's kernel has left the container.
false_positives:
  - containers whose job it is (drivers of GPUs, Falco's and eBPF loaders, network plug-ins that call modprobe)
references: ["https://attack.mitre.org/techniques/T1547/006/"]
---
MATCH (kernel:Memory)-[act:WAS_GENERATED_BY {operation: 'module'}]->(loader:Process)
RETURN DISTINCT loader.name AS process, loader.exe AS program, loader.command AS command, loader.id AS id
