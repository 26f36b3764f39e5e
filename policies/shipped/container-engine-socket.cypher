---
id: container-engine-socket
title: A container talks to the container engine
severity: critical
technique: [T1611, T1610]
applications: ["!host"]
description: >
  The socket of docker, containerd, podman or CRI-O is in the container and used: whoever can speak to it can start a
  container that is the host. Programs that are known for asking it are left out.
false_positives:
  - dashboards, proxies and runners of build jobs that are not in the list
references: ["https://attack.mitre.org/techniques/T1611/"]
---
MATCH (engine:Socket)-[act:WAS_GENERATED_BY]->(client:Process)
WHERE (engine.address ENDS WITH '/docker.sock' OR engine.address ENDS WITH '/containerd.sock'
  OR engine.address ENDS WITH '/podman.sock'
    OR engine.address ENDS WITH '/crio.sock' OR engine.address ENDS WITH '/cri-dockerd.sock'
    OR engine.address ENDS WITH '/dockershim.sock')
  AND act.operation IN ['connect', 'send', 'write']
  AND NOT coalesce(client.name, '') IN [
    'dockerd', 'containerd', 'podman', 'traefik', 'portainer', 'watchtower', 'cadvisor', 'docker-gen', 'dozzle',
    'diun', 'promtail', 'vector', 'telegraf', 'fluent-bit', 'netdata', 'datadog-agent', 'agent', 'gitlab-runner',
    'kubelet', 'lazydocker', 'ouroboros', 'cetusguard', 'haproxy'
  ]
RETURN DISTINCT engine.address AS socket, client.name AS process, client.command AS command, client.id AS id
