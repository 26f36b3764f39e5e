---
id: namespace-change-in-container
title: A container's process changes its namespaces
severity: high
technique: T1611
applications: ["!host"]
description: >
  setns or unshare inside a container: nsenter into the host, or a user namespace of its own as the first step of a
  kernel exploit. Browsers, sandboxes, systemd and tools that build containers do so for good reasons and are left
  out.
false_positives:
  - other sandboxes; network plug-ins that are not in the list
references: ["https://attack.mitre.org/techniques/T1611/"]
---
MATCH (after:Process)-[act:WAS_TRIGGERED_BY {operation: 'setns'}]->(process:Process)
WHERE NOT coalesce(process.name, '') IN [
  'chrome', 'chromium', 'chrome-sandbox', 'firefox', 'bwrap', 'flatpak', 'systemd', 'systemd-udevd', 'podman',
  'buildah', 'dockerd', 'containerd', 'containerd-shim', 'runc', 'crun', 'exe', 'conmon', 'catatonit',
  'fuse-overlayfs', 'newuidmap', 'newgidmap', 'slirp4netns', 'pasta', 'pasta.avx2', 'rootlesskit', 'nix-daemon', 'nix',
  'nix-build', 'calico-node', 'cilium-agent', 'cilium-cni', 'multus', 'aws-cni', 'kube-proxy', 'flanneld', 'ip',
  'haproxy', 'electron', 'snap-confine', 'buildkitd', 'buildkit-runc', 'sysbox-runc', 'kubelet', 'mount.cifs'
]
  AND NOT coalesce(process.name, '') STARTS WITH '(' AND NOT coalesce(process.name, '') STARTS WITH 'runc:'
  AND NOT coalesce(process.name, '') STARTS WITH 'systemd-'
RETURN DISTINCT process.name AS process, process.exe AS program, process.command AS command, process.id AS id
