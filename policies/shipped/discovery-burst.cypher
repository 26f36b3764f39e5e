---
id: discovery-burst
title: A shell looks around
severity: medium
technique: [T1082, T1033, T1016, T1057, T1049]
maturity: testing
applications: ["!host"]
description: >
  One shell starts at least five different programs that tell where one is and what is there (id, uname, hostname, ps,
  ss, …). Start scripts ask one or two of these; whoever has just got in asks all.
false_positives:
  - diagnostic scripts, and start scripts of Java servers that measure their machine
references: ["https://attack.mitre.org/techniques/T1082/"]
---
// The shell learns from what it has started, and is a new version of itself then: all are counted for the first one.
MATCH (tool:Process)-[:WAS_TRIGGERED_BY*1..2]->(shell:Process)
  -[:WAS_TRIGGERED_BY*0..16 {operation: 'version'}]->(first:Process)
WHERE first.name IN ['sh', 'bash', 'dash', 'zsh', 'ash', 'ksh', 'busybox']
  AND NOT (first)-[:WAS_TRIGGERED_BY {operation: 'version'}]->(:Process)
  AND tool.name IN [
    'id', 'whoami', 'who', 'w', 'last', 'lastlog', 'groups', 'uname', 'hostname', 'arch', 'lsb_release', 'hostnamectl',
    'ps', 'pstree', 'top', 'ss', 'netstat', 'ifconfig', 'ip', 'arp', 'route', 'lscpu', 'lsmod', 'lspci', 'lsblk', 'df',
    'mount', 'findmnt', 'free', 'uptime', 'env', 'printenv', 'getent', 'getcap', 'capsh', 'sudo', 'crontab',
    'systemctl', 'lsof', 'nproc', 'dmesg', 'amicontained'
  ]
WITH first, count(DISTINCT tool.name) AS kinds, collect(DISTINCT tool.name) AS tools
WHERE kinds >= 5
OPTIONAL MATCH (first)-[:WAS_TRIGGERED_BY {operation: 'execve'}]->(starter:Process)
RETURN first.name AS shell, starter.name AS started_by, kinds, tools, first.id AS id
