---
id: tunnel-program-connects
title: A tunnelling or remote access program connects
severity: high
technique: [T1572, T1090, T1219]
applications: ["!host"]
description: >
  chisel, frp, ngrok, gost, ligolo and their like carry an attacker's connections through a container; sshd's client
  with a forwarded port is the same thing, but too ordinary to be told.
false_positives:
  - tunnels on purpose (cloudflared, tailscaled and WireGuard containers); name them in a copy of this policy
references: ["https://attack.mitre.org/techniques/T1572/"]
---
MATCH (socket:Socket)-[act:WAS_GENERATED_BY]->(tunnel:Process)
WHERE tunnel.name IN [
  'chisel', 'frpc', 'frps', 'ngrok', 'gost', 'gs-netcat', 'ligolo', 'ligolo-agent', 'iox', 'ew', 'lcx', 'earthworm',
  'nps', 'npc', 'revsocks', 'rathole', 'pagekite', 'localtunnel', 'bore', 'dnscat', 'iodine', 'stowaway', 'tmate',
  'teamviewerd', 'anydesk', 'rustdesk', 'proxychains4', 'proxychains', 'sliver-client', 'merlinAgent', 'microsocks',
  '3proxy', 'tor'
]
  AND act.operation IN ['connect', 'send', 'write', 'bind', 'listen']
  AND NOT coalesce(socket.family, '') IN ['unix', 'netlink']
RETURN DISTINCT tunnel.name AS process, tunnel.exe AS program, act.operation AS operation, socket.address AS address,
  socket.port AS port, tunnel.id AS id
