---
id: mass-file-encryption
title: A program gives many files a new ending, or replaces them by copies with one
severity: critical
technique: T1486
rearm: 24h
description: >
  The shape of ransomware: one program turns at least ten files into files of the same name with something added
  (report.odt becomes report.odt.locked), by renaming what it has rewritten, or by reading it, writing the copy and
  deleting the original. Programs that compress, rotate or keep backups do the same for a living and are left out.
false_positives:
  - batch jobs that mark what they have done by an ending (.done), and archivers that are not in the list
references: ["https://attack.mitre.org/techniques/T1486/"]
---
// Versions of a process and its helpers are many; the program is one. Files are counted as things: their names may be
// one pattern.
MATCH (locked:File)-[:WAS_DERIVED_FROM {operation: 'rename'}]->(original:File)
  -[change:WAS_GENERATED_BY]->(writer:Process),
  (locked)-[:WAS_GENERATED_BY {operation: 'rename'}]->(locker:Process)
WHERE change.operation IN ['write', 'copy', 'truncate', 'mmap'] AND writer.name = locker.name
  AND locked.name STARTS WITH original.name AND size(locked.name) > size(original.name)
  AND locked.path STARTS WITH original.path
  AND NOT original.path STARTS WITH '/var/log/' AND NOT locked.path ENDS WITH '~'
  AND NOT coalesce(locker.name, '') IN [
    'logrotate', 'savelog', 'dpkg', 'rpm', 'apt-get', 'apk', 'vim', 'vi', 'nvim', 'emacs', 'nano', 'sed', 'perl',
    'rsync', 'syncthing', 'git', 'postgres', 'mysqld', 'mariadbd', 'mongod', 'redis-server', 'java', 'svn', 'fdupes'
  ]
WITH locker.name AS program, locker.exe AS exe, count(DISTINCT original) AS files,
  collect(DISTINCT locked.path)[..5] AS examples
WHERE files >= 10
RETURN program, exe, files, examples
UNION
MATCH (copy:File)-[:WAS_GENERATED_BY {operation: 'create'}]->(locker:Process)-[:USED]->(original:File)
  <-[:WAS_DERIVED_FROM*0..2 {operation: 'version'}]-(gone:File)
  -[:WAS_GENERATED_BY {operation: 'unlink'}]->(eraser:Process)
WHERE copy.name STARTS WITH original.name AND size(copy.name) > size(original.name)
  AND copy.path STARTS WITH original.path
  AND eraser.name IN [locker.name, 'rm', 'shred']
  AND NOT original.path STARTS WITH '/var/log/' AND NOT copy.path ENDS WITH '~'
  AND NOT coalesce(locker.name, '') IN [
    'gzip', 'pigz', 'bzip2', 'pbzip2', 'xz', 'zstd', 'lz4', 'lzop', 'brotli', 'compress', '7z', '7za', 'zip',
    'logrotate', 'savelog', 'rsync', 'git', 'postgres', 'mysqld', 'mariadbd', 'mongod', 'dpkg', 'apt-get', 'wal-g',
    'pgbackrest', 'redis-server', 'podman', 'conmon', 'dockerd', 'containerd', 'buildah'
  ]
WITH locker.name AS program, locker.exe AS exe, count(DISTINCT gone) AS files,
  collect(DISTINCT copy.path)[..5] AS examples
WHERE files >= 10
RETURN program, exe, files, examples
