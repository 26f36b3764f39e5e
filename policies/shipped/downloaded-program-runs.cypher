---
id: downloaded-program-runs
title: A program that came over the network is executed
severity: high
technique: [T1105, T1059]
applications: ["!host"]
description: >
  The file that is executed was written by a process that had its content from a network connection, by itself, by
  what started it, or through a pipe (curl -o, wget, `curl | base64 -d >`, a shell over the network): dropped and run
  inside a container, whose programs should all come from its image. Renames and later versions of the file on the way
  count, so a copy under another name is no way round.
false_positives:
  - start scripts that fetch a program before they run it, runners of build jobs, self-updating agents
  - pip, npm and gem installing a command that is then run
references: ["https://attack.mitre.org/techniques/T1105/"]
---
MATCH (run:Process)-[:USED {operation: 'execve'}]->(program:File)-[:WAS_DERIVED_FROM*0..4]->(:File)
  -[made:WAS_GENERATED_BY]->(writer:Process)-[up:WAS_TRIGGERED_BY*0..4]->(:Process)-[got:USED]->(origin:Socket)
WHERE made.operation IN ['create', 'write', 'copy', 'mmap']
  AND all(step IN up WHERE step.operation IN ['fork', 'execve', 'version', 'unit'])
  AND got.operation IN ['read', 'recv', 'copy', 'accept']
  AND NOT coalesce(origin.family, '') IN ['unix', 'netlink']
  AND NOT coalesce(writer.name, '') IN ['dpkg', 'dpkg-deb', 'apt', 'apt-get', 'rpm', 'dnf', 'yum', 'microdnf', 'apk']
RETURN program.path AS program, run.name AS name, writer.name AS writer, origin.address AS address,
  origin.port AS port, run.id AS id
UNION
// The same through a pipe.
MATCH (run:Process)-[:USED {operation: 'execve'}]->(program:File)-[:WAS_DERIVED_FROM*0..4]->(:File)
  -[made:WAS_GENERATED_BY]->(writer:Process)-[up:WAS_TRIGGERED_BY*0..2]->(:Process)-[:USED]->(:Pipe)
  -[:WAS_GENERATED_BY]->(:Process)-[further:WAS_TRIGGERED_BY*0..3]->(:Process)-[got:USED]->(origin:Socket)
WHERE made.operation IN ['create', 'write', 'copy', 'mmap']
  AND all(step IN up + further WHERE step.operation IN ['fork', 'execve', 'version', 'unit'])
  AND got.operation IN ['read', 'recv', 'copy', 'accept']
  AND NOT coalesce(origin.family, '') IN ['unix', 'netlink']
  AND NOT coalesce(writer.name, '') IN ['dpkg', 'dpkg-deb', 'apt', 'apt-get', 'rpm', 'dnf', 'yum', 'microdnf', 'apk']
RETURN program.path AS program, run.name AS name, writer.name AS writer, origin.address AS address,
  origin.port AS port, run.id AS id
