---
id: history-removed
title: The history of a shell is removed
severity: medium
technique: T1070.003
description: >
  The file in which a shell or a database client keeps what was typed is deleted, emptied or replaced by a link.
  Shells that shorten their own history, and userdel, do not match.
false_positives:
  - clean-up before an image is made from a machine
references: ["https://attack.mitre.org/techniques/T1070/003/"]
---
MATCH (history:File)-[deed:WAS_GENERATED_BY]->(tool:Process)
WHERE history.name IN [
  '.bash_history', '.zsh_history', '.ash_history', '.sh_history', '.ksh_history', '.fish_history', '.histfile',
  '.mysql_history', '.mariadb_history', '.psql_history', '.python_history', '.rediscli_history', '.sqlite_history',
  '.node_repl_history'
]
  AND deed.operation IN ['unlink', 'truncate', 'symlink', 'link']
  AND NOT coalesce(tool.name, '') IN [
    'bash', 'zsh', 'ash', 'sh', 'ksh', 'fish', 'mysql', 'mariadb', 'psql', 'redis-cli', 'sqlite3', 'node', 'userdel',
    'deluser', 'podman', 'dockerd', 'exe', 'containerd', 'systemd-homed', 'dpkg', 'rpm'
  ]
RETURN DISTINCT history.path AS file, deed.operation AS operation, tool.name AS process, tool.command AS command,
  tool.id AS id
