---
id: library-replaced
title: A process writes a shared library of the system
severity: high
technique: [T1574.006, T1574.001]
description: >
  A shared library below the directories that every program loads from is created, changed or renamed by something
  that is neither a package manager nor started by one: code that runs inside other programs from then on.
false_positives:
  - pip, gem and drivers' installers that build a library in place
references: ["https://attack.mitre.org/techniques/T1574/006/"]
---
MATCH (library:File)-[change:WAS_GENERATED_BY]->(writer:Process)
WHERE (library.path STARTS WITH '/lib/' OR library.path STARTS WITH '/lib64/' OR library.path STARTS WITH '/usr/lib/'
    OR library.path STARTS WITH '/usr/lib64/' OR library.path STARTS WITH '/usr/local/lib/')
  AND (library.name ENDS WITH '.so' OR library.name CONTAINS '.so.')
  AND change.operation IN ['open', 'create', 'write', 'truncate', 'rename', 'link', 'symlink', 'copy', 'mmap']
  AND NOT coalesce(writer.name, '') IN [
    'dpkg', 'dpkg-deb', 'dpkg-divert', 'apt', 'apt-get', 'aptitude', 'rpm', 'dnf', 'dnf5', 'yum', 'microdnf', 'zypper',
    'apk', 'pacman', 'ldconfig', 'ldconfig.real'
  ]
  AND NOT EXISTS {
    MATCH (writer)-[steps:WAS_TRIGGERED_BY*1..12]->(manager:Process)
    WHERE manager.name IN ['dpkg', 'apt-get', 'rpm', 'dnf', 'dnf5', 'yum', 'zypper', 'apk', 'pacman']
      AND all(step IN steps WHERE step.operation IN ['fork', 'execve', 'version', 'setuid'])
  }
RETURN DISTINCT library.path AS file, change.operation AS operation, writer.name AS process, writer.exe AS program,
  writer.id AS id
