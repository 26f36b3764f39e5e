/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * A tag of one write, into the ring.
 *
 * Rules of this file
 *     - The tag is made in working memory and copied into the ring at once: a writer preempted here holds up nobody.
 *     - A full ring: the tag's number is counted, the tag is dropped. Writers never wait.
 *     - The bytes are read from the process's memory after the call, without faulting. A thread of it may have changed
 *       them meanwhile: `crc` tells that of nothing but `hashed` bytes of the buffer.
 *
 * Complexity: O(WINNOWER_TAG_HASHED) at most.
 */
#ifndef WINNOWER_FILL_BPF_H
#define WINNOWER_FILL_BPF_H

#define TS_COMPAT 2 /* x86: a call by the 32-bit table is under way */

struct offsets offsets SEC(".data.offsets") = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} tags SEC(".maps");

/* A write that happened; `parts` counts those of a writev, whose list is at `data`. */
struct written {
	struct file *file;
	__u64 data;
	__u64 parts;
	__u64 offset;
	__u32 length;
	__u32 flags;
	bool vector;
};

static __always_inline bool is_compat(struct task_struct *task)
{
	return bpf_core_field_exists(task->thread_info.status) && (task->thread_info.status & TS_COMPAT);
}

static __always_inline bool part_of(__u64 list, __u32 i, bool compat, struct iovec *part)
{
	struct compat_iovec narrow;

	if (!compat)
		return !bpf_probe_read_user(part, sizeof(*part), (void *)(list + i * sizeof(*part)));
	if (bpf_probe_read_user(&narrow, sizeof(narrow), (void *)(list + i * sizeof(narrow))))
		return false;
	part->base = narrow.base;
	part->length = narrow.length;
	return true;
}

/* The first bytes of a write(2): how many, or 0 if they cannot be read. */
static __always_inline __u32 first_bytes(__u32 wanted, struct scratch *s)
{
	return bpf_probe_read_user(s->bytes, wanted & (2 * WINNOWER_TAG_HASHED - 1), (void *)s->data) ? 0 : wanted;
}

/* The same of a writev(2). */
static __always_inline __u32 first_bytes_of_parts(__u32 wanted, struct scratch *s)
{
	__u64 list = s->data, parts = s->parts;
	bool compat = is_compat(bpf_get_current_task_btf());
	struct iovec part;

	s->have = 0;
	for (__u32 i = 0; i < MAX_PARTS && i < parts && s->have < wanted; i++) {
		__u64 take;
		void *to;

		if (!part_of(list, i, compat, &part))
			return 0;
		take = wanted - s->have;
		if (part.length < take)
			take = part.length;
		if (take > WINNOWER_TAG_HASHED)
			return 0;
		to = &s->bytes[s->have & (WINNOWER_TAG_HASHED - 1)];
		if (take && bpf_probe_read_user(to, take, (void *)part.base))
			return 0;
		s->have += take;
	}
	return s->have == wanted ? wanted : 0;
}

static __always_inline __u32 crc_of(const struct scratch *s, __u32 length)
{
	__u32 crc = ~0u, i;

	for (i = 0; i < WINNOWER_TAG_HASHED / 8; i++) {
		__u64 word;

		if (8 * i + 8 > length)
			break;
		word = *(const __u64 *)&s->bytes[8 * i] ^ crc;
		crc = settings.crc[7][word & 255] ^ settings.crc[6][word >> 8 & 255] ^
		      settings.crc[5][word >> 16 & 255] ^ settings.crc[4][word >> 24 & 255] ^
		      settings.crc[3][word >> 32 & 255] ^ settings.crc[2][word >> 40 & 255] ^
		      settings.crc[1][word >> 48 & 255] ^ settings.crc[0][word >> 56];
	}
	for (__u32 k = 0; k < 7; k++) {
		__u32 at = (length & ~7u) + k, entry;

		if (at >= length)
			break;
		entry = crc ^ s->bytes[at & (WINNOWER_TAG_HASHED - 1)];
		barrier_var(entry); /* else the compiler masks before it xors, and Linux 6.1 sees no bound */
		crc = settings.crc[0][entry & 255] ^ (crc >> 8);
	}
	return ~crc;
}

/* `hashed` and `crc` of a tag that is being made. A function of its own to the verifier. */
__noinline int hash(__u32 which)
{
	struct scratch *s = scratch(which);
	__u32 wanted, hashed;

	if (!s)
		return 0;
	wanted = s->tag.length < WINNOWER_TAG_HASHED ? s->tag.length : WINNOWER_TAG_HASHED;
	hashed = s->vector ? first_bytes_of_parts(wanted, s) : first_bytes(wanted, s);
	s->tag.hashed = hashed;
	s->tag.crc = hashed ? crc_of(s, hashed) : 0;
	return 0;
}

static __always_inline __u64 realtime(void)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_ktime_get_tai_ns))
		return bpf_ktime_get_tai_ns() + offsets.from_tai;
	return bpf_ktime_get_ns() + offsets.from_monotonic;
}

static __always_inline void fill_task(struct winnower_tag *tag, struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid), *leader = BPF_CORE_READ(task, group_leader, thread_pid);
	struct upid number = {};

	tag->tgid = task->tgid;
	tag->pid = task->pid;
	number_at(leader, BPF_CORE_READ(leader, level), &number);
	tag->inner_tgid = number.nr;
	number_at(pid, BPF_CORE_READ(pid, level), &number);
	tag->inner_pid = number.nr;
	tag->namespace_id = BPF_CORE_READ(number.ns, ns.inum);
	tag->uid = task->cred->euid.val;
	tag->auid = bpf_core_field_exists(task->loginuid) ? task->loginuid.val : ~0u;
	tag->cgroup = bpf_get_current_cgroup_id();
	bpf_get_current_comm(tag->comm, sizeof(tag->comm));
}

static __always_inline void fill_file(struct winnower_tag *tag, struct file *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	__u32 device = BPF_CORE_READ(inode, i_sb, s_dev);

	tag->inode = BPF_CORE_READ(inode, i_ino);
	tag->generation = BPF_CORE_READ(inode, i_generation);
	tag->major = device >> 20;
	tag->minor = device & 0xfffff;
}

static __always_inline void tell(const struct written *w, __u32 which)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct scratch *s = scratch(which);
	struct counts *c = counts();
	struct winnower_tag *tag;

	if (!s || !c)
		return;
	tag = &s->tag;
	tag->magic = WINNOWER_TAG_MAGIC;
	tag->version = WINNOWER_TAG_VERSION;
	tag->size = sizeof(*tag);
	tag->nanos = realtime();
	tag->offset = w->offset;
	tag->length = w->length;
	tag->flags = w->flags;
	tag->load = settings.load;
	tag->cpu = bpf_get_smp_processor_id();
	fill_task(tag, task);
	fill_file(tag, w->file);
	s->data = w->data;
	s->parts = w->parts;
	s->vector = w->vector;
	hash(which);
	tag->sequence = __sync_fetch_and_add(&c->sequence, 1);
	if (bpf_ringbuf_output(&tags, tag, sizeof(*tag), 0))
		__sync_fetch_and_add(&c->dropped, 1);
}

#endif
