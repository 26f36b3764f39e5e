---
id: raw-disk-in-container
title: A container opens the host's disk or memory as a device
severity: critical
technique: [T1611, T1006]
applications: ["!host"]
description: >
  A block device or the memory of the machine is opened inside a container (debugfs, dd, a made-up device node): the
  host's files are read or changed past its file system.
false_positives:
  - storage containers (Ceph, Longhorn, drivers of CSI, smartctl) that are not in the list
references: ["https://attack.mitre.org/techniques/T1006/"]
---
MATCH (process:Process)-[use:USED|WAS_GENERATED_BY]-(disk:File)
WHERE (disk.path =~ '(?s)/dev/(sd[a-z]+|vd[a-z]+|xvd[a-z]+|nvme)[^/]*' OR disk.path =~ '(?s)/dev/(dm-|md|mmcblk).*'
    OR disk.path STARTS WITH '/dev/mapper/' AND NOT disk.path = '/dev/mapper/control'
    OR disk.path STARTS WITH '/dev/disk/' OR disk.path IN ['/dev/port', '/dev/kmem', '/dev/mem'])
  AND use.operation IN ['open', 'read', 'write', 'create', 'mmap', 'copy']
  AND NOT coalesce(process.name, '') IN [
    'ceph-osd', 'ceph-volume', 'ceph-bluestore-', 'blkid', 'lsblk', 'lvm', 'vgs', 'lvs', 'pvs', 'smartctl', 'smartd',
    'udevadm', 'systemd-udevd', 'multipathd', 'mdadm', 'resize2fs', 'e2fsck', 'fsck.ext4', 'fsck', 'xfs_repair',
    'xfs_growfs', 'longhorn-manage', 'longhorn-instan', 'rbd-nbd', 'iscsid', 'tgtd', 'hdparm', 'nvme'
  ]
  AND NOT coalesce(process.name, '') STARTS WITH 'csi-' AND NOT coalesce(process.name, '') STARTS WITH 'mkfs.'
RETURN DISTINCT disk.path AS device, process.name AS process, process.command AS command, use.operation AS operation,
  process.id AS id
