---
id: systemd-persistence
title: A unit of systemd or a boot script is planted
severity: high
technique: [T1543.002, T1037.004]
description: >
  A unit file, a generator or a boot script is created or changed by something that is neither a package manager, nor
  systemd's own tools, nor started by one of them. Enabling a unit that is there already (`systemctl enable` links it)
  does not count.
false_positives:
  - administrators who write a unit; configuration management and agents that install themselves
references: ["https://attack.mitre.org/techniques/T1543/002/"]
---
MATCH (unit:File)-[change:WAS_GENERATED_BY]->(writer:Process)
WHERE (unit.path STARTS WITH '/etc/systemd/system/' OR unit.path STARTS WITH '/lib/systemd/system/'
    OR unit.path STARTS WITH '/usr/lib/systemd/system/' OR unit.path STARTS WITH '/usr/local/lib/systemd/system/'
    OR unit.path STARTS WITH '/etc/systemd/user/' OR unit.path STARTS WITH '/etc/systemd/system-generators/'
    OR unit.path STARTS WITH '/run/systemd/system-generators/' OR unit.path STARTS WITH '/root/.config/systemd/user/'
    OR unit.path STARTS WITH '/home/' AND unit.path CONTAINS '/.config/systemd/user/'
    OR unit.path STARTS WITH '/etc/init.d/' OR unit.path = '/etc/rc.local'
    OR unit.path STARTS WITH '/etc/udev/rules.d/' OR unit.path = '/etc/inittab'
    OR unit.path STARTS WITH '/etc/xdg/autostart/')
  AND change.operation IN ['open', 'create', 'write', 'rename', 'link', 'symlink', 'copy', 'mmap']
  AND NOT coalesce(writer.name, '') IN [
    'dpkg', 'dpkg-deb', 'apt-get', 'rpm', 'dnf', 'dnf5', 'yum', 'microdnf', 'zypper', 'apk', 'pacman', 'systemd',
    '(systemd)', 'systemctl', 'systemd-sysv-in', 'deb-systemd-hel', 'update-rc.d', 'insserv', 'chkconfig', 'snapd',
    'netplan', 'cloud-init', 'systemd-udevd', '(udev-worker)', 'NetworkManager', 'podman'
  ]
  AND NOT EXISTS {
    MATCH (writer)-[steps:WAS_TRIGGERED_BY*1..12]->(manager:Process)
    WHERE manager.name IN ['dpkg', 'apt-get', 'rpm', 'dnf', 'dnf5', 'yum', 'zypper', 'apk', 'pacman', 'snapd']
      AND all(step IN steps WHERE step.operation IN ['fork', 'execve', 'version', 'setuid'])
  }
RETURN DISTINCT unit.path AS file, change.operation AS operation, writer.name AS process, writer.exe AS program,
  writer.id AS id
