---
id: package-manager-in-container
title: A package manager changes a running container
severity: medium
technique: [T1072, T1105]
applications: ["!host"]
description: >
  The data base of installed packages is written: something is installed, upgraded or removed in a container that
  should be replaced instead. Questions (`dpkg -l`, `rpm -q`) take a lock, and do not count.
false_positives:
  - start scripts that install what their image lacks, build containers, development containers
references: ["https://attack.mitre.org/techniques/T1072/"]
---
MATCH (state:File)-[change:WAS_GENERATED_BY]->(manager:Process)
WHERE (state.path STARTS WITH '/var/lib/dpkg/' OR state.path STARTS WITH '/var/lib/rpm/'
  OR state.path STARTS WITH '/lib/apk/db/'
    OR state.path STARTS WITH '/usr/lib/sysimage/rpm/' OR state.path STARTS WITH '/usr/lib/apk/db/'
    OR state.path STARTS WITH '/var/lib/pacman/local/')
  AND change.operation IN ['create', 'write', 'rename', 'link', 'copy', 'truncate']
  AND NOT state.name IN [
    'lock', 'lock-frontend', 'Lock', '.rpm.lock', '.dbenv.lock', 'rpmdb.sqlite-shm', 'rpmdb.sqlite-wal', 'db.lck'
  ]
  AND NOT state.name STARTS WITH '__db.'
RETURN DISTINCT manager.name AS manager, state.path AS file, change.operation AS operation, manager.command AS command,
  manager.id AS id
