---
id: hidden-program-runs
title: A program with a hidden file name runs
severity: high
technique: [T1564.001, T1036]
description: >
  The file name of the running program begins with a dot. Hidden directories are ordinary (~/.venv/bin/python), hidden
  programs are not. What lies in a temporary directory is the business of run-from-temp.
false_positives:
  - wrapped programs of some distributions (NixOS calls them .NAME-wrapped)
references: ["https://attack.mitre.org/techniques/T1564/001/"]
---
MATCH (process:Process)
WHERE process.exe =~ '(?s)/(.*/)?\\.[^/]+'
  AND NOT process.exe ENDS WITH '-wrapped'
  AND NOT (process.exe STARTS WITH '/tmp/' OR process.exe STARTS WITH '/var/tmp/'
    OR process.exe STARTS WITH '/dev/shm/' OR process.exe STARTS WITH '/run/shm/')
RETURN DISTINCT process.exe AS program, process.name AS name, process.command AS command, process.id AS id
