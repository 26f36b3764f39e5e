---
id: scan-tool-runs
title: A tool for scanning, sniffing or guessing runs in a container
severity: medium
technique: [T1046, T1040, T1110]
applications: ["!host"]
description: >
  Port scanners, packet sniffers, password guessers and scripts that search for a way to become root have no place in
  an application's container.
false_positives:
  - containers made for diagnosis or security tests (netshoot, Kali)
references: ["https://attack.mitre.org/techniques/T1046/"]
---
MATCH (tool:Process)
WHERE tool.name IN [
  'nmap', 'masscan', 'zmap', 'rustscan', 'naabu', 'fscan', 'arp-scan', 'netdiscover', 'hping3', 'tcpdump', 'tshark',
  'dumpcap', 'ettercap', 'bettercap', 'responder', 'hydra', 'medusa', 'ncrack', 'patator', 'john', 'hashcat',
  'hashcat.bin', 'sqlmap', 'nikto', 'gobuster', 'ffuf', 'feroxbuster', 'dirb', 'wfuzz', 'nuclei', 'msfconsole',
  'msfvenom', 'linpeas.sh', 'linpeas', 'LinEnum.sh', 'pspy', 'pspy64', 'pspy32', 'deepce.sh', 'cdk', 'amicontained',
  'kube-hunter', 'peirates', 'botb', 'linux-exploit-s', 'traitor', 'lse.sh', 'mimipenguin', 'lazagne', 'crackmapexec',
  'impacket'
]
RETURN DISTINCT tool.name AS process, tool.exe AS program, tool.command AS command, tool.id AS id
