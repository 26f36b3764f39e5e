---
id: data-mover-connects
title: A network data mover connects or sends
severity: high
technique: [T1095, T1048]
description: >
  nc, ncat, netcat and socat move bytes between a shell and the network: reverse shells and theft use them, services
  do not. Local sockets (name service, syslog) do not count.
false_positives:
  - start scripts and health checks that wait for a port with `nc -z`
  - socat used on purpose as a proxy (docker, kubectl port-forward)
references: ["https://attack.mitre.org/techniques/T1095/"]
---
MATCH (socket:Socket)-[act:WAS_GENERATED_BY]->(mover:Process)
WHERE mover.name IN ['nc', 'ncat', 'netcat', 'nc.openbsd', 'nc.traditional', 'socat', 'socat1', 'pwncat']
  AND act.operation IN ['connect', 'send', 'write', 'copy']
  AND NOT coalesce(socket.family, '') IN ['unix', 'netlink']
RETURN DISTINCT socket.address AS address, socket.port AS port, mover.name AS process, mover.command AS command,
  mover.id AS id
