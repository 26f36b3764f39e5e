---
id: staged-data-sent
title: A hidden file of a temporary directory is sent over the network
severity: high
technique: [T1074.001, T1041, T1070.004]
description: >
  Data is collected in a hidden file of a temporary directory (or in /dev/shm) and sent over the network: by a general
  tool for transfers, or by another program than the one that deletes the file. A server that sends and deletes its
  own upload does both itself.
false_positives:
  - scripts that keep a hidden temporary file for curl's data
references: ["https://attack.mitre.org/techniques/T1074/001/"]
---
// The sender may have asked for the peer's address in between: the version that read comes before the one that sent.
MATCH (peer:Socket)-[act:WAS_GENERATED_BY]->(sender:Process)
  -[:WAS_TRIGGERED_BY*0..2 {operation: 'version'}]->(:Process)-[use:USED]->(staged:File)
WHERE act.operation IN ['connect', 'send', 'write', 'copy']
  AND use.operation IN ['read', 'copy', 'mmap']
  AND NOT coalesce(peer.family, '') IN ['unix', 'netlink'] AND peer.local IS NULL
  AND (staged.path STARTS WITH '/dev/shm/'
    OR (staged.path STARTS WITH '/tmp/' OR staged.path STARTS WITH '/var/tmp/') AND staged.name STARTS WITH '.')
  AND sender.name IN [
    'curl', 'wget', 'nc', 'ncat', 'netcat', 'socat', 'busybox', 'ftp', 'tftp', 'lftp', 'scp', 'sftp', 'ssh', 'rsync',
    'rclone', 'openssl', 'telnet', 'cat', 'base64', 'sh', 'bash', 'dash', 'zsh', 'ash', 'ksh'
  ]
RETURN staged.path AS file, sender.name AS sender, peer.address AS address, peer.port AS port, sender.id AS id
UNION
MATCH (peer:Socket)-[act:WAS_GENERATED_BY]->(sender:Process)
  -[:WAS_TRIGGERED_BY*0..2 {operation: 'version'}]->(:Process)-[use:USED]->(staged:File)
  <-[:WAS_DERIVED_FROM*0..2 {operation: 'version'}]-(:File)
  -[:WAS_GENERATED_BY {operation: 'unlink'}]->(broom:Process)
WHERE act.operation IN ['connect', 'send', 'write', 'copy']
  AND use.operation IN ['read', 'copy', 'mmap']
  AND NOT coalesce(peer.family, '') IN ['unix', 'netlink'] AND peer.local IS NULL
  AND (staged.path STARTS WITH '/dev/shm/'
    OR (staged.path STARTS WITH '/tmp/' OR staged.path STARTS WITH '/var/tmp/') AND staged.name STARTS WITH '.')
  AND coalesce(broom.name, '') <> coalesce(sender.name, '')
RETURN staged.path AS file, sender.name AS sender, peer.address AS address, peer.port AS port, sender.id AS id
