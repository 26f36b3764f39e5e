// SPDX-License-Identifier: GPL-2.0
/*
 * The parameters that are lists: folders, cgroups, excluded processes.
 *
 * Rules of this file
 *     - A new text makes a whole new set or, if any of it is wrong, none: what was set stays.
 *     - Hooks read a set under RCU; a set is let go when none of them can hold it any more. The
 *       kernel's lock on the module's parameters keeps writers of one apart.
 *     - Text is anyone's: bounded in length and number, no empty entries, no control
 *       characters.
 *
 * Complexity: O(text) to set; O(entries) to ask.
 * Source: include/linux/moduleparam.h; issue "lkm".
 */
#include <linux/cgroup.h>
#include <linux/moduleparam.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "entry.h"
#include "winnower.h"

struct set {
	unsigned int count;
	union winnower_entry entries[];
};

/* One parameter. */
struct list {
	const struct winnower_kind *kind;
	struct set __rcu *set; /* NULL: nothing */
};

static void free_set(const struct winnower_kind *kind, struct set *set)
{
	unsigned int at;

	for (at = 0; set && at < set->count && kind->drop; at++)
		kind->drop(&set->entries[at]);
	kfree(set);
}

/* Takes `text` apart, which is changed by it. NULL: nothing is in it. */
static struct set *parse(const struct winnower_kind *kind, char *text)
{
	struct set *set;
	char *entry;

	if (!*text)
		return NULL;
	set = kzalloc(struct_size(set, entries, kind->most), GFP_KERNEL);
	if (!set)
		return ERR_PTR(-ENOMEM);
	while ((entry = strsep(&text, ","))) {
		int error = -EINVAL;

		if (set->count < kind->most && *entry)
			error = kind->take(&set->entries[set->count], entry);
		if (error) {
			free_set(kind, set);
			return ERR_PTR(error);
		}
		set->count++;
	}
	return set;
}

static int set_list(const char *given, const struct kernel_param *param)
{
	struct list *list = param->arg;
	size_t length = strlen(given);
	struct set *set, *old;
	char *text;

	if (length >= PAGE_SIZE - 1) /* sysfs may have cut it there */
		return -EINVAL;
	if (length && given[length - 1] == '\n')
		length--;
	text = kstrndup(given, length, GFP_KERNEL);
	if (!text)
		return -ENOMEM;
	set = parse(list->kind, text);
	kfree(text);
	if (IS_ERR(set))
		return PTR_ERR(set);
	old = rcu_replace_pointer(list->set, set, true);
	if (old) {
		synchronize_rcu();
		free_set(list->kind, old);
	}
	return 0;
}

static int get_list(char *text, const struct kernel_param *param)
{
	const struct list *list = param->arg;
	const struct set *set = rcu_dereference_protected(list->set, true);
	unsigned int at;
	int length = 0;

	for (at = 0; set && at < set->count; at++) {
		int comma = length > 0;
		int said = list->kind->say(&set->entries[at], text + length + comma,
				     PAGE_SIZE - length - comma - 1);

		if (said && comma)
			text[length] = ',';
		length += said ? said + comma : 0;
	}
	text[length++] = '\n';
	text[length] = '\0';
	return length;
}

/* The module goes: no hook is left. */
static void free_list(void *arg)
{
	struct list *list = arg;

	free_set(list->kind, rcu_replace_pointer(list->set, NULL, true));
}

static const struct kernel_param_ops list_ops = {
	.set = set_list,
	.get = get_list,
	.free = free_list,
};

static struct list paths = { .kind = &winnower_folder };
module_param_cb(paths, &list_ops, &paths, 0644);
MODULE_PARM_DESC(paths, "folders as the writer sees them: all files below are tagged (up to 16)");

static struct list cgroups = { .kind = &winnower_cgroup };
module_param_cb(cgroups, &list_ops, &cgroups, 0644);
MODULE_PARM_DESC(cgroups, "ids of cgroups: only they and what is below are tagged (up to 64)");

static struct list exclude = { .kind = &winnower_pid };
module_param_cb(exclude, &list_ops, &exclude, 0644);
MODULE_PARM_DESC(exclude, "processes that are not tagged (up to 64)");

bool winnower_paths_set(void)
{
	return rcu_access_pointer(paths.set);
}

/* The caller holds the RCU read lock, here and below. */
bool winnower_path_below(const char *path)
{
	const struct set *set = rcu_dereference(paths.set);
	unsigned int at;

	for (at = 0; set && at < set->count; at++) {
		const char *folder = set->entries[at].folder;
		size_t length = strlen(folder);

		if (!strncmp(path, folder, length) && path[length] == '/')
			return true;
	}
	return false;
}

bool winnower_cgroup_chosen(struct task_struct *task)
{
	const struct set *set = rcu_dereference(cgroups.set);
	struct cgroup *cgroup;
	unsigned int at;

	if (!set)
		return true;
	for (cgroup = task_dfl_cgroup(task); cgroup; cgroup = cgroup_parent(cgroup)) {
		for (at = 0; at < set->count; at++) {
			if (cgroup_id(cgroup) == set->entries[at].cgroup)
				return true;
		}
	}
	return false;
}

bool winnower_pid_excluded(const struct pid *pid)
{
	const struct set *set = rcu_dereference(exclude.set);
	unsigned int at;

	for (at = 0; set && at < set->count; at++) {
		if (set->entries[at].pid == pid)
			return true;
	}
	return false;
}
