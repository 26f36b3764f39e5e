---
id: data-wiped
title: Files are overwritten so that nobody can bring them back
severity: high
technique: [T1485, T1561.001, T1070.004]
applications: ["!host"]
description: >
  shred, wipe, blkdiscard or mkfs works on something inside a container: data are destroyed, or traces.
false_positives:
  - jobs that must destroy keys or personal data; drivers of storage that make file systems
references: ["https://attack.mitre.org/techniques/T1485/"]
---
MATCH (target:File)-[deed:WAS_GENERATED_BY]->(wiper:Process)
WHERE (wiper.name IN [
  'shred', 'srm', 'sfill', 'sswap', 'wipe', 'wipefs', 'nwipe', 'scrub', 'blkdiscard', 'mke2fs', 'mkswap', 'hdparm'
]
    OR wiper.name STARTS WITH 'mkfs')
  AND deed.operation IN ['open', 'create', 'write', 'truncate', 'unlink', 'rename', 'copy']
RETURN DISTINCT target.path AS file, deed.operation AS operation, wiper.name AS process, wiper.command AS command,
  wiper.id AS id
