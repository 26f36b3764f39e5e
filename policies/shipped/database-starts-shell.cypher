---
id: database-starts-shell
title: A database or another network service starts a shell that runs commands
severity: critical
technique: [T1190, T1059.004]
description: >
  Databases, caches, name servers and FTP servers have no business with shells: `COPY … FROM PROGRAM`, loaded modules,
  user-defined functions and memory errors end in one. What PostgreSQL runs to archive and restore its log is left
  out.
false_positives:
  - archive and restore commands that are not in the list
  - hooks of a service that are scripts with commands of their own (Redis Sentinel's notification scripts)
references: ["https://attack.mitre.org/techniques/T1190/", "https://www.postgresql.org/docs/current/sql-copy.html"]
---
MATCH (command:Process)-[below:WAS_TRIGGERED_BY*1..4]->(shell:Process)-[steps:WAS_TRIGGERED_BY*1..4]->(server:Process)
WHERE shell.name IN ['sh', 'bash', 'dash', 'zsh', 'ash', 'ksh', 'busybox']
  AND server.name IN [
    'postgres', 'mysqld', 'mariadbd', 'mongod', 'redis-server', 'valkey-server', 'memcached', 'influxd', 'cockroach',
    'etcd', 'slapd', 'proftpd', 'vsftpd', 'pure-ftpd', 'named', 'unbound', 'pdns_server', 'haproxy', 'squid',
    'varnishd', 'smbd', 'beam.smp'
  ]
  AND all(step IN steps WHERE step.operation IN ['fork', 'execve', 'version', 'unit'])
  AND all(step IN below WHERE step.operation IN ['fork', 'execve', 'version', 'unit'])
  AND NOT coalesce(command.name, '') IN ['sh', 'bash', 'dash', 'zsh', 'ash', 'ksh']
  AND NOT (server.name = 'postgres' AND coalesce(command.name, '') IN [
    'cp', 'test', 'true', 'gzip', 'gunzip', 'zstd', 'lz4', 'mv', 'rsync', 'envdir', 'wal-e', 'wal-g', 'pgbackrest',
    'barman-wal-arch', 'barman-wal-rest', 'pg_probackup', 'pg_archivecleanup', 'postgres'
  ])
  // RabbitMQ asks for free memory and disks through a shell, again and again.
  AND NOT (server.name = 'beam.smp' AND coalesce(command.name, '') IN [
    'df', 'ps', 'free', 'uname', 'inet_gethost', 'cat'
  ])
  AND NOT coalesce(command.name, '') = server.name
RETURN DISTINCT server.name AS server, shell.name AS shell, command.name AS command, command.exe AS program,
  shell.id AS id
