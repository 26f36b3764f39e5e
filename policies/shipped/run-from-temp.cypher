---
id: run-from-temp
title: A program runs from a temporary directory
severity: high
technique: [T1059, T1036.005]
description: >
  Programs live in images; what is executed from a world-writable directory was brought there while the container ran.
false_positives:
  - installers and test runners that unpack and run themselves below /tmp
  - just-in-time runtimes that extract a helper to /tmp (PyInstaller, AppImage, some Java libraries), `go run`
  - on hosts, mkinitramfs, which tries programs below /var/tmp
references: ["https://attack.mitre.org/techniques/T1036/005/"]
---
MATCH (process:Process)
WHERE process.exe STARTS WITH '/tmp/' OR process.exe STARTS WITH '/var/tmp/'
  OR process.exe STARTS WITH '/dev/shm/' OR process.exe STARTS WITH '/run/shm/'
RETURN DISTINCT process.exe AS program, process.name AS name, process.command AS command, process.id AS id
