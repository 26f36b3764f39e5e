---
id: kernel-module-by-hand
title: A kernel module is loaded past the host's own tools
severity: high
technique: [T1547.006, T1014]
applications: [host]
description: >
  On a host modprobe, udev and systemd load modules from below /lib/modules. Another loader, a removal, or a module
  file that lies somewhere else is how rootkits come in.
false_positives:
  - developers and installers of drivers who use insmod or rmmod; drivers that load themselves (VirtualBox)
references: ["https://attack.mitre.org/techniques/T1547/006/"]
---
MATCH (kernel:Memory)-[act:WAS_GENERATED_BY {operation: 'module'}]->(loader:Process)
WHERE NOT coalesce(loader.name, '') IN [
  'modprobe', 'kmod', 'systemd-modules', 'systemd-udevd', '(udev-worker)', 'systemd', 'udevd', 'dkms', 'firewalld',
  'depmod'
]
RETURN loader.name AS process, loader.exe AS program, loader.command AS command, loader.id AS id
UNION
MATCH (kernel:Memory)-[act:WAS_GENERATED_BY {operation: 'module'}]->(loader:Process)-[:USED]->(file:File)
WHERE file.name =~ '(?s).*\\.ko(\\.(gz|xz|zst))?'
  AND NOT (file.path STARTS WITH '/lib/modules/' OR file.path STARTS WITH '/usr/lib/modules/')
RETURN loader.name AS process, loader.exe AS program, loader.command AS command, loader.id AS id
