// SPDX-License-Identifier: GPL-2.0
/*
 * The tag of a write that has returned: who wrote what where, and when.
 *
 * Rules of this file
 *     - Who it is: as the host numbers it and as it numbers itself. Where: the inode and device
 *       that stat(2) says for ext4, xfs, tmpfs and overlayfs; for btrfs the file system's
 *       device, as /proc/self/mountinfo and audit say it.
 *     - The bytes are read from the writer's own memory, as the write has just done, without
 *       ever waiting for a page: what is not there is not hashed. A thread that changes them
 *       meanwhile makes a CRC that fits no file.
 *     - At most SEGMENTS iovecs are looked at.
 *
 * Complexity: O(WINNOWER_TAG_HASHED + SEGMENTS).
 * Source: winnower_tag.h; lib/iov_iter.c (what an array of iovecs means to a 32-bit process).
 */
#include <linux/audit.h>
#include <linux/cgroup.h>
#include <linux/compat.h>
#include <linux/crc32.h>
#include <linux/kdev_t.h>
#include <linux/pid_namespace.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "winnower.h"

#define SEGMENTS 256
#define BATCH 8

u32 winnower_load;

/* `crc` goes on over up to WINNOWER_TAG_HASHED bytes; false if they cannot be read. */
static bool hash(u32 *crc, const void __user *from, size_t length)
{
	u8 bytes[WINNOWER_TAG_HASHED];

	if (copy_from_user_nofault(bytes, from, length))
		return false;
	*crc = crc32_le(*crc, bytes, length);
	return true;
}

/* `count` iovecs, up to BATCH, from place `at` on; a 32-bit process has smaller ones. */
static bool segments(struct iovec *to, const void __user *from, unsigned long at,
		     unsigned int count)
{
	const struct iovec __user *native = from;
	const struct compat_iovec __user *compat = from;
	struct compat_iovec small[BATCH];
	unsigned int next;

	if (!in_compat_syscall())
		return !copy_from_user_nofault(to, native + at, count * sizeof(*to));
	if (copy_from_user_nofault(small, compat + at, count * sizeof(*small)))
		return false;
	for (next = 0; next < count; next++) {
		to[next].iov_base = compat_ptr(small[next].iov_base);
		to[next].iov_len = small[next].iov_len;
	}
	return true;
}

static bool hash_segments(u32 *crc, const struct winnower_write *write, size_t length)
{
	unsigned long most = min_t(unsigned long, write->segments, SEGMENTS);
	struct iovec batch[BATCH];
	unsigned long at;

	for (at = 0; at < most && length; at++) {
		const struct iovec *segment = &batch[at % BATCH];
		unsigned int next = min_t(unsigned long, most - at, BATCH);
		size_t part;

		if (at % BATCH == 0 && !segments(batch, write->from, at, next))
			return false;
		part = min_t(size_t, segment->iov_len, length);
		if (part && !hash(crc, segment->iov_base, part))
			return false;
		length -= part;
	}
	return !length;
}

static void say_what(struct winnower_tag *tag, const struct winnower_write *write, size_t length)
{
	size_t most = min_t(size_t, length, WINNOWER_TAG_HASHED);
	bool read;
	u32 crc = ~0u;

	tag->offset = *write->pos - length;
	tag->length = length;
	tag->flags = write->flags;
	if (write->segments)
		read = hash_segments(&crc, write, most);
	else
		read = hash(&crc, write->from, most);
	tag->hashed = read ? most : 0;
	tag->crc = read ? ~crc : 0;
}

static void say_where(struct winnower_tag *tag, const struct inode *inode)
{
	tag->inode = inode->i_ino;
	tag->generation = inode->i_generation;
	tag->major = MAJOR(inode->i_sb->s_dev);
	tag->minor = MINOR(inode->i_sb->s_dev);
}

static void say_who(struct winnower_tag *tag)
{
	tag->tgid = task_tgid_nr(current);
	tag->pid = task_pid_nr(current);
	tag->inner_tgid = task_tgid_vnr(current);
	tag->inner_pid = task_pid_vnr(current);
	tag->namespace_id = task_active_pid_ns(current)->ns.inum;
	tag->uid = from_kuid(&init_user_ns, current_euid());
	tag->auid = from_kuid(&init_user_ns, audit_get_loginuid(current));
	rcu_read_lock();
	tag->cgroup = cgroup_id(task_dfl_cgroup(current));
	rcu_read_unlock();
	strscpy_pad(tag->comm, current->comm, sizeof(tag->comm));
}

/* `length` bytes, at least one, have been written. */
void winnower_tell(const struct winnower_write *write, size_t length)
{
	struct winnower_tag tag;
	bool companion = winnower_companion_wanted();
	bool room = winnower_ring_enter(&tag.sequence);

	if (room || companion) {
		tag.nanos = ktime_get_real_ns();
		tag.magic = WINNOWER_TAG_MAGIC;
		tag.version = WINNOWER_TAG_VERSION;
		tag.size = sizeof(tag);
		tag.load = winnower_load;
		tag.cpu = smp_processor_id();
		say_what(&tag, write, length);
		say_where(&tag, file_inode(write->file));
		say_who(&tag);
	}
	if (room)
		winnower_ring_put(&tag);
	winnower_ring_leave();
	if (companion)
		winnower_companion(&tag);
}
