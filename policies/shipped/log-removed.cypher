---
id: log-removed
title: A log is deleted or emptied by hand
severity: high
technique: [T1070.002, T1485]
description: >
  A log that is still in use is deleted or cut by a general tool, or one of the records of logins is written by one.
  Rotation renames, and deletes what has been rotated before (.1, .gz, -20240101): that does not match.
false_positives:
  - start scripts that begin with an empty log; clean-up jobs that delete by age whatever the name
references: ["https://attack.mitre.org/techniques/T1070/002/"]
---
MATCH (log:File)-[deed:WAS_GENERATED_BY]->(tool:Process)
WHERE (log.path STARTS WITH '/var/log/' AND deed.operation IN ['unlink', 'truncate']
      AND NOT log.name =~ '(?s).*([.-](-?[0-9]+|\\{int\\})|\\.(gz|xz|bz2|zst|old|bak|tmp|lock|pid))'
    OR log.path IN [
      '/var/log/wtmp', '/var/log/btmp', '/var/log/lastlog', '/var/log/faillog', '/var/run/utmp', '/run/utmp',
      '/var/log/auth.log', '/var/log/secure', '/var/log/audit/audit.log'
    ]
      AND deed.operation IN ['unlink', 'truncate', 'create', 'write', 'rename', 'copy', 'link', 'symlink'])
  AND (tool.name IN [
    'rm', 'unlink', 'shred', 'srm', 'wipe', 'find', 'truncate', 'busybox', 'sh', 'bash', 'dash', 'zsh', 'ash', 'ksh',
    'dd', 'cp', 'tee', 'cat', 'sed', 'utmpdump', 'python', 'python3', 'perl', 'php', 'ruby', 'logtamper', 'xargs', 'ln'
  ]
    OR tool.exe STARTS WITH '/tmp/' OR tool.exe STARTS WITH '/var/tmp/' OR tool.exe STARTS WITH '/dev/shm/')
RETURN DISTINCT log.path AS log, deed.operation AS operation, tool.name AS process, tool.command AS command,
  tool.id AS id
