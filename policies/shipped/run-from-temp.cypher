---
id: run-from-temp
title: A program runs from a temporary directory
severity: high
technique: T1059
description: >
  Programs live in images; what is executed from a world-writable directory was brought there while the container ran.
false_positives:
  - installers and test runners that unpack and run themselves below /tmp
  - just-in-time runtimes that extract a helper to /tmp (PyInstaller and AppImage bundles, some Java libraries)
---
MATCH (process:Process)
WHERE process.exe =~ '(?s)/(tmp|var/tmp|dev/shm)/.+'
RETURN DISTINCT process.exe AS program, process.name AS name, process.command AS command, process.id AS id
