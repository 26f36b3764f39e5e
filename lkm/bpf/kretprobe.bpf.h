/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The entry of a write keeps its arguments, its return makes the tag: for kernels without fexit.
 *
 * Rules of this file
 *     - One write under way for each thread. A thread that writes again while one is kept has had a return unseen.
 *     - What is refused at the entry is not kept, and costs the return one look-up.
 */
#ifndef WINNOWER_KRETPROBE_BPF_H
#define WINNOWER_KRETPROBE_BPF_H

struct call {
	struct file *file;
	loff_t *place;
	__u64 data;
	__u64 parts;
	__u32 vector;
	__u32 flags;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_CALLS);
	__type(key, __u64);
	__type(value, struct call);
} calls SEC(".maps");

static __always_inline void count_missed(void)
{
	struct counts *c = counts();

	if (c)
		__sync_fetch_and_add(&c->missed, 1);
}

static __always_inline int entered(struct call *call, __u32 which)
{
	struct file *file = call->file;
	__u32 flags = BPF_CORE_READ(file, f_flags);
	__u64 thread = bpf_get_current_pid_tgid();

	if (bpf_map_lookup_elem(&calls, &thread)) {
		count_missed();
		bpf_map_delete_elem(&calls, &thread);
	}
	if (is_cheaply_refused(1, flags))
		return 0;
	call->flags = tag_flags(flags);
	if (is_wanted(file, flags, which) && bpf_map_update_elem(&calls, &thread, call, BPF_ANY))
		count_missed();
	return 0;
}

static __always_inline int returned(ssize_t result, __u32 which)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct call *call = bpf_map_lookup_elem(&calls, &thread);
	struct written w = {};
	loff_t *place;

	if (!call)
		return 0;
	w.file = call->file;
	w.data = call->data;
	w.parts = call->parts;
	w.vector = call->vector;
	w.flags = call->flags;
	place = call->place;
	bpf_map_delete_elem(&calls, &thread);
	return result > 0 ? ended(&w, place, result, which) : 0;
}

SEC("kprobe/vfs_write")
int BPF_KPROBE(entry_write, struct file *file, const char *data, size_t size, loff_t *place)
{
	struct call call = { .file = file, .place = place, .data = (__u64)data };

	return entered(&call, 0);
}

SEC("kprobe/vfs_writev")
int BPF_KPROBE(entry_writev, struct file *file, const struct iovec *parts, unsigned long count, loff_t *place)
{
	struct call call = { .file = file, .place = place, .data = (__u64)parts, .parts = count, .vector = 1 };

	return entered(&call, 1);
}

SEC("kretprobe/vfs_write")
int BPF_KRETPROBE(return_write, ssize_t result)
{
	return returned(result, 0);
}

SEC("kretprobe/vfs_writev")
int BPF_KRETPROBE(return_writev, ssize_t result)
{
	return returned(result, 1);
}

#endif
