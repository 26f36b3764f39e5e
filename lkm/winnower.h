/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the module tell each other.
 *
 * Rules of this file
 *     - The way of a write: hook.c sees it begin, filter.c says whether it is one to tell,
 *       tell.c says it when it has returned, ring.c keeps it, device.c gives it away,
 *       companion.c says it to the audit system too.
 *     - What a hook calls runs with preemption off on the writer's own CPU: it never sleeps,
 *       never allocates and takes no lock that another writer takes.
 */
#ifndef WINNOWER_H
#define WINNOWER_H

#include <linux/fs.h>
#include <linux/types.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "winnower_tag.h"

#ifndef CONFIG_CGROUPS
#error "winnower needs a kernel with CONFIG_CGROUPS"
#endif

/* A write that has begun and that is to be told; lives in the return probe's instance. */
struct winnower_write {
	struct file *file;
	loff_t *pos;
	const void __user *from; /* the bytes, or the array of iovecs */
	unsigned long segments;	 /* of that array; 0: `from` is the bytes */
	u32 flags;		 /* WINNOWER_TAG_* */
};

/* hook.c */
int winnower_hook(unsigned int instances);
void winnower_unhook(void);
unsigned long winnower_missed(void);
ssize_t winnower_hooks(char *text);

/* filter.c */
bool winnower_wanted(const struct file *file, bool append);
int winnower_filter_init(void);
void winnower_filter_exit(void);
void winnower_opener(struct pid *pid);
unsigned long winnower_unsure(void);

/* sets.c */
bool winnower_paths_set(void);
bool winnower_path_below(const char *path);
bool winnower_cgroup_chosen(struct task_struct *task);
bool winnower_pid_excluded(const struct pid *pid);

/* tell.c */
extern u32 winnower_load;
void winnower_tell(const struct winnower_write *write, size_t length);

/* ring.c */
struct winnower_counts {
	u64 tagged;
	u64 dropped;
	u64 read;
	u64 waiting;
};

extern struct wait_queue_head winnower_readers;

int winnower_rings_init(unsigned int records);
void winnower_rings_exit(void);
bool winnower_ring_enter(u64 *sequence);
void winnower_ring_put(const struct winnower_tag *tag);
void winnower_ring_leave(void);
ssize_t winnower_rings_read(char __user *to, size_t size);
bool winnower_rings_waiting(void);
bool winnower_rings_watch(void);
void winnower_rings_count(struct winnower_counts *counts);

/* device.c */
int winnower_device_init(void);
void winnower_device_exit(void);

/* companion.c */
bool winnower_companion_wanted(void);
void winnower_companion(const struct winnower_tag *tag);

#endif
