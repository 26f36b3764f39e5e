// SPDX-License-Identifier: GPL-2.0
/*
 * The hooks: return probes on the functions that every write(2), pwrite(2), writev(2),
 * pwritev(2) goes through.
 *
 * Rules of this file
 *     - An entry that is not to be told gives its instance back at once. What costs least is
 *       asked first.
 *     - `*pos - ret` is where the bytes are: a file system sets `*pos` to where the write
 *       ended, for O_APPEND too, under the inode's lock. Both callers' `pos` is alive when the
 *       probed function returns.
 *     - A function that this kernel does not have by its name, or has inlined, is gone without;
 *       none at all is an error. No function farther down is probed: overlayfs calls those once
 *       more for the file beneath.
 *
 * Source: Documentation/trace/kprobes.rst; fs/read_write.c of Linux 5.10, 6.1, 6.12.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kprobes.h>
#include <linux/ptrace.h>
#include <linux/sysfs.h>

#include "winnower.h"

static bool begins(struct kretprobe_instance *instance, struct pt_regs *regs, rwf_t how)
{
	struct winnower_write *write = (struct winnower_write *)instance->data;
	struct file *file = (struct file *)regs_get_kernel_argument(regs, 0);
	bool append = (file->f_flags & O_APPEND) || (how & RWF_APPEND);

	if (!winnower_wanted(file, append))
		return false;
	write->file = file;
	write->from = (const void __user *)regs_get_kernel_argument(regs, 1);
	write->segments = 0;
	write->pos = (loff_t *)regs_get_kernel_argument(regs, 3);
	write->flags = append ? WINNOWER_TAG_APPEND : 0;
	return write->pos;
}

/* vfs_write(file, buf, count, pos) */
static int write_begins(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	return !begins(instance, regs, 0);
}

/* vfs_writev(file, iovecs, count, pos, flags) */
static int writev_begins(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct winnower_write *write = (struct winnower_write *)instance->data;

	if (!begins(instance, regs, (__force rwf_t)regs_get_kernel_argument(regs, 4)))
		return 1;
	write->segments = regs_get_kernel_argument(regs, 2);
	return 0;
}

static int returns(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	const struct winnower_write *write = (struct winnower_write *)instance->data;
	ssize_t length = regs_return_value(regs);

	if (length > 0 && *write->pos >= length)
		winnower_tell(write, length);
	return 0;
}

static struct kretprobe probes[] = {
	{ .kp.symbol_name = "vfs_write", .entry_handler = write_begins },
	{ .kp.symbol_name = "vfs_writev", .entry_handler = writev_begins },
};

static bool hooked[ARRAY_SIZE(probes)];

int winnower_hook(unsigned int instances)
{
	int fault = -ENOENT;
	bool some = false;
	size_t at;

	for (at = 0; at < ARRAY_SIZE(probes); at++) {
		int error;

		probes[at].handler = returns;
		probes[at].data_size = sizeof(struct winnower_write);
		probes[at].maxactive = instances;
		error = register_kretprobe(&probes[at]);
		hooked[at] = !error;
		some |= !error;
		if (error) {
			fault = error;
			pr_warn("%s cannot be hooked (%d): what is written through it is not seen\n",
				probes[at].kp.symbol_name, error);
		}
	}
	if (!some)
		pr_err("no function of this kernel can be hooked: not loaded. Use the eBPF program instead\n");
	return some ? 0 : fault;
}

/* When this returns no handler runs, and none will. */
void winnower_unhook(void)
{
	size_t at;

	for (at = 0; at < ARRAY_SIZE(probes); at++) {
		if (hooked[at])
			unregister_kretprobe(&probes[at]);
		hooked[at] = false;
	}
}

/*
 * Writes whose probe had no instance left or came inside another's handler, or whose path could not
 * be told. No instance: those too that would not have been told.
 */
unsigned long winnower_missed(void)
{
	unsigned long missed = winnower_unsure();
	size_t at;

	for (at = 0; at < ARRAY_SIZE(probes); at++)
		missed += (unsigned int)READ_ONCE(probes[at].nmissed) +
			  READ_ONCE(probes[at].kp.nmissed);
	return missed;
}

ssize_t winnower_hooks(char *text)
{
	ssize_t length = 0;
	size_t at;

	for (at = 0; at < ARRAY_SIZE(probes); at++) {
		if (hooked[at])
			length += sysfs_emit_at(text, length, "%s%s", length ? " " : "",
						probes[at].kp.symbol_name);
	}
	return length + sysfs_emit_at(text, length, "\n");
}
