---
id: data-mover-connects
title: A network data mover connects or sends
severity: high
technique: T1095
description: >
  nc, ncat, netcat and socat move bytes between a shell and the network: reverse shells and theft use them, services do not.
  Local sockets (name service, syslog) do not count.
false_positives:
  - start scripts and health checks that wait for a port with `nc -z`
  - socat used on purpose as a proxy (docker, kubectl port-forward)
---
MATCH (socket:Socket)-[act:WAS_GENERATED_BY]->(mover:Process)
WHERE mover.name =~ '(nc|ncat|netcat)(\\.(openbsd|traditional))?|socat1?'
  AND act.operation IN ['connect', 'send', 'write', 'splice']
  AND NOT toLower(coalesce(socket.family, '')) IN ['unix', 'local', 'af_unix', 'af_local', 'netlink', 'af_netlink']
RETURN DISTINCT socket.address AS address, socket.port AS port, mover.name AS process, mover.command AS command, mover.id AS id
