// SPDX-License-Identifier: GPL-2.0
/*
 * The entries of the parameters that are lists: a folder, a cgroup's id, a process.
 *
 * Rules of this file
 *     - Text is anyone's: what is not exactly an entry is -EINVAL, and nothing is held then.
 *     - A process is held as its struct pid: a number that is given anew excludes nobody else. One
 *       that does not live, or is not a process's first thread, is -ESRCH.
 *     - No folders on PREEMPT_RT: asking for a path may take locks that sleep there.
 *
 * Complexity: O(text).
 * Source: issue "lkm".
 */
#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "entry.h"

/* Absolute, no control characters, no component that is empty, "." or "..". */
static bool is_plain(const char *path)
{
	const char *at;

	if (*path != '/' || strlen(path) >= PATH_MAX || strstr(path, "//"))
		return false;
	for (at = path; *at; at++) {
		if (iscntrl(*at))
			return false;
		if (*at == '/' && at[1] == '.') {
			size_t part = strcspn(at + 1, "/");

			if (part == 1 || (part == 2 && at[2] == '.'))
				return false;
		}
	}
	return true;
}

static int take_folder(union winnower_entry *entry, const char *text)
{
	size_t length = strlen(text);

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return -EOPNOTSUPP;
	if (!is_plain(text))
		return -EINVAL;
	if (text[length - 1] == '/')
		length--;
	entry->folder = kstrndup(text, length, GFP_KERNEL);
	return entry->folder ? 0 : -ENOMEM;
}

static int say_folder(const union winnower_entry *entry, char *text, size_t size)
{
	return scnprintf(text, size, "%s", *entry->folder ? entry->folder : "/");
}

static void drop_folder(const union winnower_entry *entry)
{
	kfree(entry->folder);
}

static int take_cgroup(union winnower_entry *entry, const char *text)
{
	return kstrtou64(text, 10, &entry->cgroup) || !entry->cgroup ? -EINVAL : 0;
}

static int say_cgroup(const union winnower_entry *entry, char *text, size_t size)
{
	return scnprintf(text, size, "%llu", entry->cgroup);
}

static bool lives(struct pid *pid)
{
	bool found;

	rcu_read_lock();
	found = pid_task(pid, PIDTYPE_TGID);
	rcu_read_unlock();
	return found;
}

static int take_pid(union winnower_entry *entry, const char *text)
{
	int number;

	if (kstrtoint(text, 10, &number) || number <= 0)
		return -EINVAL;
	entry->pid = find_get_pid(number);
	if (entry->pid && lives(entry->pid))
		return 0;
	put_pid(entry->pid);
	return -ESRCH;
}

/* Nothing, if it lives no more. */
static int say_pid(const union winnower_entry *entry, char *text, size_t size)
{
	return lives(entry->pid) ? scnprintf(text, size, "%d", pid_vnr(entry->pid)) : 0;
}

static void drop_pid(const union winnower_entry *entry)
{
	put_pid(entry->pid);
}

const struct winnower_kind winnower_folder = {
	.most = 16,
	.take = take_folder,
	.say = say_folder,
	.drop = drop_folder,
};

const struct winnower_kind winnower_cgroup = {
	.most = 64,
	.take = take_cgroup,
	.say = say_cgroup,
};

const struct winnower_kind winnower_pid = {
	.most = 64,
	.take = take_pid,
	.say = say_pid,
	.drop = drop_pid,
};
