// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Where a write is seen when it returns: three ways, of which the helper attaches the best that the kernel has.
 *
 * Rules of this file
 *     - fexit: arguments and result together, the place that the write began at is `*pos - result`, exact.
 *     - kretprobe: the same, but the arguments are kept from the entry; a return that was not seen is counted when the
 *       thread writes again.
 *     - sys_exit: only the call's own numbers. A pwrite says its place; else it is where the descriptor stands by now
 *       (or the file's end), and marked GUESSED. The file is what the descriptor means by now.
 *     - Not seen by any: io_uring, Linux AIO, mapped memory, splice and its kin (they refuse files open for appending).
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "../winnower_tag.h"
#include "shared.h"
#include "filter.bpf.h"
#include "fill.bpf.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

static __always_inline __u32 tag_flags(__u32 open_flags)
{
	return open_flags & O_APPEND ? WINNOWER_TAG_APPEND : 0;
}

/* A wanted write, by where it ended. */
static __always_inline int ended(struct written *w, loff_t *place, ssize_t result, __u32 which)
{
	loff_t end;

	if (bpf_probe_read_kernel(&end, sizeof(end), place))
		return 0;
	w->offset = end - result;
	w->length = result;
	tell(w, which);
	return 0;
}

static __always_inline bool is_cheaply_refused(ssize_t result, __u32 open_flags)
{
	return result <= 0 || (!settings.folders && !(settings.append && (open_flags & O_APPEND)));
}

/* A write that returned, its arguments at hand. */
static __always_inline int finished(struct written *w, loff_t *place, ssize_t result, __u32 open_flags, __u32 which)
{
	if (is_cheaply_refused(result, open_flags) || !is_wanted(w->file, open_flags, which))
		return 0;
	w->flags = tag_flags(open_flags);
	return ended(w, place, result, which);
}

SEC("fexit/vfs_write")
int BPF_PROG(fexit_write, struct file *file, const char *data, size_t size, loff_t *place, ssize_t result)
{
	struct written w = { .file = file, .data = (__u64)data };

	return finished(&w, place, result, file->f_flags, 0);
}

SEC("fexit/vfs_writev")
int BPF_PROG(fexit_writev, struct file *file, const struct iovec *parts, unsigned long count, loff_t *place, int flags,
	     ssize_t result)
{
	struct written w = { .file = file, .data = (__u64)parts, .parts = count, .vector = true };

	return finished(&w, place, result, file->f_flags, 1);
}

#include "kretprobe.bpf.h"
#include "sys_exit.bpf.h"
