/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the BPF program and the helper that loads it must agree upon.
 *
 * Rules of this file
 *     - Plain structs without padding; the helper fills `settings` before the load, the kernel holds them fixed then.
 *     - Every list is bounded here, once.
 */
#ifndef WINNOWER_BPF_SHARED_H
#define WINNOWER_BPF_SHARED_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define MAX_EXCLUDED 128
#define MAX_CGROUPS 64
#define MAX_FOLDERS 16
#define MAX_PATH 256 /* bytes of a folder with both of its slashes; the kernel's limit for a trie's key */
#define MAX_DEPTH 32 /* folders above a file that are walked; mounts on the way count too */
#define MAX_CGROUP_DEPTH 32
#define MAX_PARTS 32 /* parts of a writev whose bytes are hashed */
#define MAX_CALLS 16384 /* writes under way at once, in kretprobe mode */

struct settings {
	__u32 load;
	__u32 append; /* files open for appending are tagged */
	__u32 folders; /* how many: 0 skips the walk */
	__u32 cgroups; /* how many: 0 takes all */
	__u32 numbers_of; /* inode of the pid namespace that `excluded` speaks of; 0: the first one */
	__u32 unused;
	__u32 crc[8][256]; /* CRC-32, eight bytes at a time */
};

/* Moved by the helper whenever the clock is set: real time is TAI or the monotonic clock and one of these. */
struct offsets {
	__s64 from_tai;
	__s64 from_monotonic;
};

/* One for each CPU. */
struct counts {
	__u64 sequence; /* tags told or dropped: the next one's number */
	__u64 dropped; /* the ring was full */
	__u64 missed; /* the return of a write was not seen */
	__u64 unwalked; /* too deep, or out of its root: not known whether below a folder */
};

struct folder {
	__u32 bits;
	char path[MAX_PATH];
};

#endif
