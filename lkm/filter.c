// SPDX-License-Identifier: GPL-2.0
/*
 * The filter: whether a write that begins is one to tell.
 *
 * Rules of this file
 *     - Asked in order of cost: a regular file; appended to, or folders are set; not an
 *       excluded process; in a chosen cgroup; at last, and only if nothing else decides it, the
 *       file's path.
 *     - A path is as the writing process sees it, from its own root. One that is longer than
 *       PATH_MAX cannot be told; it is not tagged and counted as missed.
 *     - Pids are compared, never looked into.
 *
 * Complexity: O(cgroups * depth + excluded), with folders + O(path + folders).
 * Source: issue "lkm"; Documentation/filesystems/path-lookup.rst.
 */
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>

#include "winnower.h"

struct place {
	unsigned int depth;
	char text[PATH_MAX];
};

static bool append = true;
module_param(append, bool, 0644);
MODULE_PARM_DESC(append, "tag what is written to files that are open for appending (default Y)");

static struct place __percpu *places;
static struct pid *opener;
static atomic_long_t unsure;

int winnower_filter_init(void)
{
	places = alloc_percpu(struct place);
	return places ? 0 : -ENOMEM;
}

/* No hook is left. */
void winnower_filter_exit(void)
{
	free_percpu(places);
}

unsigned long winnower_unsure(void)
{
	return atomic_long_read(&unsure);
}

/*
 * The process that has the device open; NULL: none. The old one may be let go at once: a hook that
 * still compares with it runs in a process that lived before, so its own pid is another one.
 */
void winnower_opener(struct pid *pid)
{
	put_pid(xchg(&opener, get_pid(pid)));
}

static bool below(const struct file *file)
{
	struct place *place = get_cpu_ptr(places);
	const char *path = ERR_PTR(-EBUSY);
	bool found = false;

	if (this_cpu_inc_return(places->depth) == 1 && current->fs)
		path = d_path(&file->f_path, place->text, sizeof(place->text));
	if (IS_ERR(path))
		atomic_long_inc(&unsure);
	else
		found = winnower_path_below(path);
	this_cpu_dec(places->depth);
	put_cpu_ptr(places);
	return found;
}

bool winnower_wanted(const struct file *file, bool appends)
{
	struct pid *who;
	bool wanted;

	if (!S_ISREG(file_inode(file)->i_mode))
		return false;
	appends = appends && READ_ONCE(append);
	if (!appends && !winnower_paths_set())
		return false;
	who = task_tgid(current);
	if (who == READ_ONCE(opener))
		return false;
	rcu_read_lock();
	wanted = !winnower_pid_excluded(who) && winnower_cgroup_chosen(current) &&
		 (appends || below(file));
	rcu_read_unlock();
	return wanted;
}
