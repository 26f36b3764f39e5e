---
id: offline-program-connects
title: A program that never uses the network does
severity: high
technique: [T1048, T1036, T1055]
description: >
  cat, cp, base64, gzip, sed and their like open no connections. If one does, or writes into one that it was given, a
  shell sends files through it, or the name is borrowed. Names of kernel threads (kworker) belong to no program at
  all.
false_positives:
  - services that are shell scripts behind inetd, whose tools write straight to the client
references: ["https://attack.mitre.org/techniques/T1048/"]
---
MATCH (socket:Socket)-[act:WAS_GENERATED_BY]->(program:Process)
WHERE (program.name IN [
  'cat', 'tac', 'cp', 'mv', 'rm', 'ln', 'mkdir', 'touch', 'chmod', 'head', 'tail', 'tee', 'sort', 'uniq', 'wc', 'cut',
  'tr', 'od', 'xxd', 'base64', 'base32', 'md5sum', 'sha1sum', 'sha256sum', 'sleep', 'true', 'false', 'yes', 'seq',
  'env', 'date', 'dirname', 'basename', 'readlink', 'sed', 'grep', 'egrep', 'fgrep', 'awk', 'mawk', 'diff', 'cmp',
  'gzip', 'gunzip', 'bzip2', 'xz', 'zstd', 'unzip', 'strings', 'dd', 'kthreadd', 'migration', 'ksoftirqd', 'kswapd0',
  'khugepaged'
] OR program.name STARTS WITH 'kworker')
  AND act.operation IN ['connect', 'send', 'write', 'copy']
  AND NOT coalesce(socket.family, '') IN ['unix', 'netlink']
  AND coalesce(socket.address, socket.local) IS NOT NULL
RETURN DISTINCT program.name AS process, program.exe AS program, act.operation AS operation, socket.address AS address,
  socket.port AS port, program.command AS command, program.id AS id
