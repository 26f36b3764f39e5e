---
id: security-sensor-stopped
title: A security sensor gets a signal from somebody else
severity: high
technique: T1562.001
description: >
  auditd, Falco, an endpoint agent or the log daemon is signalled by a process that is neither its manager nor itself,
  nor started by the rotation of logs (which asks it to open its files anew). Which signal it was is not in the graph.
false_positives:
  - administrators who restart a sensor by hand without its manager
references: ["https://attack.mitre.org/techniques/T1562/001/"]
---
MATCH (sensor:Process)-[act:WAS_TRIGGERED_BY {operation: 'kill'}]->(killer:Process)
WHERE sensor.name IN [
  'auditd', 'audispd', 'laurel', 'falco', 'sysdig', 'tetragon', 'tracee', 'osqueryd', 'wazuh-agentd', 'wazuh-modulesd',
  'ossec-agentd', 'ossec-syscheckd', 'falcon-sensor', 'falcon-sensor-b', 'ds_agent', 'clamd', 'auditbeat', 'filebeat',
  'elastic-agent', 'elastic-endpoin', 'mdatp', 'wdavdaemon', 'rsyslogd', 'syslog-ng', 'systemd-journal', 'suricata',
  'zeek', 'snort', 'cbdaemon', 's1-agent', 'sentinelone-age', 'winnower', 'fluent-bit', 'aide'
]
  AND NOT coalesce(killer.name, '') IN [
    'systemd', '(sd-kill)', 'init', 'runit', 'runsv', 's6-svc', 's6-supervise', 'supervisord', 'monit', 'logrotate',
    'start-stop-daem', 'auditctl', 'augenrules', 'dpkg', 'rpm', 'kubelet', 'podman', 'conmon', 'dockerd',
    'containerd-shim', 'runc', 'crun', 'docker-init', 'tini', 'dumb-init', 'catatonit', 'falcoctl', 'systemctl',
    'service', 'systemd-shutdow'
  ]
  AND coalesce(killer.name, '') <> sensor.name
  AND NOT EXISTS {
    MATCH (killer)-[steps:WAS_TRIGGERED_BY*1..12]->(manager:Process)
    WHERE manager.name IN [
      'logrotate', 'newsyslog', 'run-parts', 'dpkg', 'rpm', 'systemctl', 'service', 'monit', 'supervisord'
    ]
      AND all(step IN steps WHERE step.operation IN ['fork', 'execve', 'version', 'setuid'])
  }
RETURN DISTINCT sensor.name AS sensor, killer.name AS killer, killer.exe AS program, killer.command AS command,
  killer.id AS id
