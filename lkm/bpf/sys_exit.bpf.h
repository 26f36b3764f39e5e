/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The return of any system call: for kernels that let nothing else be attached.
 *
 * Rules of this file
 *     - x86-64, and the 32-bit table below it (TS_COMPAT). The x32 table, off in every distribution, is not looked at.
 *     - A call that does not write costs two loads.
 *     - GUESSED unless the call itself said the place, and the file was not open for appending.
 */
#ifndef WINNOWER_SYS_EXIT_BPF_H
#define WINNOWER_SYS_EXIT_BPF_H

#define RWF_APPEND 0x10
#define RWF_NOAPPEND 0x20

enum form {
	OTHER,
	WRITE,
	WRITEV,
	PWRITE,
	PWRITEV,
	PWRITEV2,
};

struct syscall {
	__u64 form;
	__u64 args[6];
};

static __always_inline enum form form_of(unsigned long number)
{
	switch (number) {
	case 1: return WRITE;
	case 18: return PWRITE;
	case 20: return WRITEV;
	case 296: return PWRITEV;
	case 328: return PWRITEV2;
	}
	return OTHER;
}

static __always_inline enum form compat_form_of(unsigned long number)
{
	switch (number) {
	case 4: return WRITE;
	case 146: return WRITEV;
	case 181: return PWRITE;
	case 334: return PWRITEV;
	case 379: return PWRITEV2;
	}
	return OTHER;
}

static __always_inline void arguments(const struct pt_regs *regs, bool compat, __u64 *args)
{
	if (compat) {
		args[0] = (__u32)regs->bx;
		args[1] = (__u32)regs->cx;
		args[2] = (__u32)regs->dx;
		args[3] = (__u32)regs->si | regs->di << 32; /* the place, in two halves */
		args[5] = (__u32)regs->bp;
		return;
	}
	args[0] = regs->di;
	args[1] = regs->si;
	args[2] = regs->dx;
	args[3] = regs->r10;
	args[5] = regs->r9;
}

static __always_inline struct file *file_of(struct task_struct *task, __u32 descriptor)
{
	struct fdtable *table = task->files->fdt;
	struct file *file = NULL;

	if (descriptor < table->max_fds)
		bpf_probe_read_kernel(&file, sizeof(file), (void *)((__u64)table->fd + 8ull * descriptor));
	return file;
}

/* Where the write began: said by the call, or guessed from where the descriptor or the file ends. */
static __always_inline void place(struct written *w, enum form form, const __u64 *args, __u32 open_flags)
{
	bool said = form == PWRITE || form == PWRITEV || (form == PWRITEV2 && (__s64)args[3] != -1);
	__u32 how = form == PWRITEV2 ? args[5] : 0;
	bool append = (how & RWF_APPEND) || ((open_flags & O_APPEND) && !(how & RWF_NOAPPEND));
	struct file *file = w->file;
	__u64 end;

	if (said && !append) {
		w->offset = args[3];
		return;
	}
	end = said ? BPF_CORE_READ(file, f_inode, i_size) : BPF_CORE_READ(file, f_pos);
	w->offset = end < w->length ? 0 : end - w->length;
	w->flags |= WINNOWER_TAG_GUESSED;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(sys_exit, struct pt_regs *regs, long result)
{
	struct task_struct *task;
	struct written w = {};
	struct file *file;
	__u64 args[6];
	enum form form;
	__u32 flags;
	bool compat;

	if (result <= 0)
		return 0;
	task = bpf_get_current_task_btf();
	compat = is_compat(task);
	form = compat ? compat_form_of(regs->orig_ax) : form_of(regs->orig_ax);
	if (form == OTHER)
		return 0;
	arguments(regs, compat, args);
	file = file_of(task, args[0]);
	if (!file)
		return 0;
	flags = BPF_CORE_READ(file, f_flags);
	if (is_cheaply_refused(result, flags) || !is_wanted(file, flags, 0))
		return 0;
	w.file = file;
	w.data = args[1];
	w.vector = form == WRITEV || form == PWRITEV || form == PWRITEV2;
	w.parts = w.vector ? args[2] : 0;
	w.length = result;
	w.flags = tag_flags(flags);
	place(&w, form, args, flags);
	tell(&w, 0);
	return 0;
}

#endif
