---
id: shell-over-network
title: A shell reads its commands from the network
severity: critical
technique: [T1059.004, T1095, T1571]
description: >
  The standard input of a shell is a network connection: a reverse or a bind shell, however it was made (nc -e,
  /dev/tcp, a backdoor in a service). Logins do not look so: sshd and telnetd give a shell a terminal or a pipe. The
  lean audit rules leave reads out, so this needs the full set.
false_positives:
  - services that inetd or a socket unit of systemd starts as a shell script
  - scripts that speak a protocol themselves and read the answer (`read line <&3` after `exec 3<>/dev/tcp/…`)
references: ["https://attack.mitre.org/techniques/T1059/004/"]
---
MATCH (shell:Process)-[use:USED]->(socket:Socket)
WHERE shell.name IN ['sh', 'bash', 'dash', 'zsh', 'ash', 'ksh', 'mksh', 'fish', 'csh', 'tcsh', 'rbash']
  AND use.operation IN ['read', 'recv']
  AND NOT coalesce(socket.family, '') IN ['unix', 'netlink']
  AND coalesce(socket.address, socket.local) IS NOT NULL
RETURN DISTINCT shell.name AS shell, shell.exe AS program, socket.address AS address, socket.port AS port,
  socket.local AS local,
  shell.id AS id
