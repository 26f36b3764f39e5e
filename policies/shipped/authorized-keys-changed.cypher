---
id: authorized-keys-changed
title: A key for SSH logins is planted
severity: high
technique: T1098.004
description: >
  authorized_keys of some user is created or changed by something else than the agents of clouds that manage these
  keys.
false_positives:
  - ssh-copy-id, administrators and configuration management on hosts
references: ["https://attack.mitre.org/techniques/T1098/004/"]
---
MATCH (keys:File)-[change:WAS_GENERATED_BY]->(writer:Process)
WHERE (keys.path ENDS WITH '/.ssh/authorized_keys' OR keys.path ENDS WITH '/.ssh/authorized_keys2'
    OR keys.path STARTS WITH '/etc/ssh/authorized_keys')
  AND change.operation IN ['open', 'create', 'write', 'rename', 'link', 'symlink', 'copy', 'mmap']
  AND NOT (keys.path STARTS WITH '/var/lib/containers/' OR keys.path STARTS WITH '/var/lib/docker/'
    OR keys.path STARTS WITH '/var/lib/containerd/' OR keys.path STARTS WITH '/tmp/'
    OR keys.path STARTS WITH '/var/tmp/')
  AND NOT coalesce(writer.name, '') IN [
    'cloud-init', 'google_guest_ag', 'google_accounts', 'waagent', 'afterburn', 'coreos-metadata', 'ec2-instance-co',
    'update-ssh-keys', 'userdel'
  ]
RETURN DISTINCT keys.path AS file, change.operation AS operation, writer.name AS process, writer.exe AS program,
  writer.id AS id
