---
id: metadata-service-contacted
title: The cloud's metadata service is asked by a general tool
severity: high
technique: [T1552.005, T1580]
applications: ["!host"]
description: >
  The address 169.254.169.254 hands out the machine's own credentials. Applications ask it through their cloud's
  library; curl, wget, nc and shells in a container ask it in an attack.
false_positives:
  - start scripts that ask for region or instance id with curl
references: ["https://attack.mitre.org/techniques/T1552/005/"]
---
MATCH (service:Socket)-[act:WAS_GENERATED_BY]->(tool:Process)
WHERE service.address IN ['169.254.169.254', '169.254.170.2', '100.100.100.200', 'fd00:ec2::254']
  AND act.operation IN ['connect', 'send', 'write']
  AND tool.name IN [
    'curl', 'wget', 'nc', 'ncat', 'netcat', 'socat', 'sh', 'bash', 'dash', 'ash', 'busybox', 'perl', 'php', 'ruby',
    'telnet', 'openssl', 'http', 'xh', 'aria2c', 'lynx', 'w3m'
  ]
RETURN DISTINCT tool.name AS process, tool.command AS command, service.address AS address, service.port AS port,
  tool.id AS id
