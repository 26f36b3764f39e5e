/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note OR MIT */
/*
 * The tag of one write to a log file: what the kernel module and the eBPF twin tell, and what the agent reads.
 *
 * Rules of this file
 *     - Shared by the module, the BPF program, its loader, the tests in the guest; agent/tags.py says the same in Python.
 *     - Native byte order, no padding. A newer version is longer and keeps what stands here where it stands: who reads
 *       takes `size` bytes of each record and looks at the first sizeof(struct winnower_tag) of them.
 *     - `sequence` counts, for each CPU by itself, what was to be told, from 0 at load; what could not be told leaves a
 *       gap. It wraps after 2^64.
 */
#ifndef WINNOWER_TAG_H
#define WINNOWER_TAG_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define WINNOWER_TAG_MAGIC 0x47415457u /* "WTAG" in memory */
#define WINNOWER_TAG_VERSION 1
#define WINNOWER_TAG_HASHED 256 /* bytes of a write, from its first on, that `crc` is over at most */

/* flags */
#define WINNOWER_TAG_APPEND 1u /* the file was open for appending */
#define WINNOWER_TAG_GUESSED 2u /* the offset is the descriptor's place after the call: others may have moved it */

struct winnower_tag {
	__u32 magic;
	__u16 version;
	__u16 size;	   /* bytes of this record */
	__u64 sequence;
	__u64 nanos;	   /* realtime, when the write returned */
	__u64 cgroup;	   /* id in the default hierarchy: inode of the cgroup's folder */
	__u64 inode;	   /* as stat says in the container, with major and minor */
	__u64 offset;	   /* of the write's first byte */
	__u32 major;
	__u32 minor;
	__u32 length;	   /* bytes written */
	__u32 crc;	   /* CRC-32 (zlib's) of the first `hashed` bytes */
	__u32 tgid;	   /* process and thread, as the host numbers them */
	__u32 pid;
	__u32 inner_tgid;  /* the same two as the process itself sees them */
	__u32 inner_pid;
	__u32 namespace_id; /* inode of its pid namespace */
	__u32 uid;	   /* effective, in the first user namespace */
	__u32 auid;	   /* login uid; (u32)-1: none */
	__u32 cpu;
	__u32 flags;
	__u32 load;	   /* random, of this load of the module or program: sequences begin anew with another */
	__u32 generation;  /* of the inode; 0 where the file system has none */
	__u32 hashed;	   /* min(length, WINNOWER_TAG_HASHED), or 0 if the bytes could not be read */
	char comm[16];
};

#endif
