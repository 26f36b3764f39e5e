---
id: mount-in-container
title: A container mounts something
severity: high
technique: T1611
applications: ["!host"]
description: >
  Only a privileged container can mount: the host's disk, a cgroup with its release_agent, a file over another one.
  Tools that build containers, sandboxes, systemd and drivers of storage are left out.
false_positives:
  - start scripts of privileged containers that mount a tmpfs or a network file system
references: ["https://attack.mitre.org/techniques/T1611/"]
---
MATCH (place:File)-[act:WAS_GENERATED_BY {operation: 'mount'}]->(process:Process)
WHERE NOT coalesce(process.name, '') IN [
  'umount', 'systemd', 'podman', 'buildah', 'dockerd', 'containerd', 'containerd-shim', 'runc', 'crun', 'exe',
  'fuse-overlayfs', 'fusermount', 'fusermount3', 'bwrap', 'flatpak', 'snap-confine', 'rootlesskit', 'slirp4netns',
  'buildkitd', 'buildkit-runc', 'sysbox-runc', 'kubelet', 'nix-daemon', 'csi-driver', 'ceph-csi', 'mount.nfs',
  'mount.ceph', 'rbd-nbd', 's3fs', 'ip', 'haproxy', 'catatonit', 'chrome', 'chromium', 'firefox'
]
  AND NOT coalesce(process.name, '') STARTS WITH '(' AND NOT coalesce(process.name, '') STARTS WITH 'runc:'
  AND NOT coalesce(process.name, '') STARTS WITH 'systemd-' AND NOT coalesce(process.name, '') STARTS WITH 'csi-'
RETURN DISTINCT place.path AS place, process.name AS process, process.command AS command, process.id AS id
